"""Figures and the frames under them: totals stay, order is the tiers', nothing a name holds becomes markup."""

import gzip
import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import plotly
import pyarrow as pa
import pytest

from finops.money import MONEY_DTYPE, MoneyError, money
from finops.periods import Period
from web.dashboards import figures, frames, sentences
from web.dashboards.frames import Line
from web.running_month import unfinished

DAYS = [date(2026, 11, 1) + timedelta(days=index) for index in range(30)]
VENDOR = Path(__file__).parents[2] / "web/static/web/vendor"


def series(*amounts: str) -> Any:
    return pd.Series(pd.array(money(amounts), dtype=MONEY_DTYPE))


def costs(rows: list[tuple[Any, ...]], *keys: str) -> pd.DataFrame:
    """Rows of (keys..., cost, queries) as the selector gives them."""
    frame = pd.DataFrame({key: [row[index] for row in rows] for index, key in enumerate(keys)}, dtype=object)
    counts = {name: [row[-1] for row in rows] for name in ("Requests", "Queries", "x_Tokens")}
    amounts = {name: series(*(row[-2] for row in rows)) for name in ("EffectiveCost", "x_UnpricedEstimate")}
    rest = {"x_UnpricedTokens": 0, "x_EstimatedQueries": 0, "x_BillPricedTokens": 0}
    return frame.assign(**amounts, **counts, **rest)


def distribution(*rows: tuple[str, int | None, int, str]) -> pd.DataFrame:
    tiers, bins, queries, cost = zip(*rows, strict=True)
    return pd.DataFrame(
        {"x_QueryTier": tiers, "Bin": pd.array(bins, dtype="Int64"), "Queries": queries, "Cost": series(*cost)}
    )


def test_bars_start_at_zero_stack_in_tier_order_and_hold_the_totals() -> None:
    by_tier = {"research": [Decimal("2.5")] * 30, "simple": [Decimal("0.1")] * 30, "": [Decimal(1)] * 30}

    figure = figures.spend_by_day(by_tier, DAYS, "USD")

    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [bar.name for bar in bars] == ["Simple", "Research", "No tier"]
    assert [bar.marker.color for bar in bars] == [
        figures.TIER_COLOURS["simple"],
        figures.TIER_COLOURS["research"],
        figures.NO_TIER,
    ]
    assert figure.layout.yaxis.range[0] == 0
    assert figure.layout.barmode == "stack"
    assert sum(sum(bar.y) for bar in bars) == pytest.approx(108)
    assert figure.layout.yaxis.range[1] >= 3.6


def test_a_month_without_cost_still_has_axes() -> None:
    figure = figures.spend_by_day({}, DAYS, "USD")

    assert figure.layout.yaxis.range[1] > 0


def test_the_former_month_is_a_silhouette_of_its_own_days() -> None:
    figure = figures.spend_by_day({"simple": [Decimal(1)] * 30}, DAYS, "USD", [Decimal(2)] * 28, "February")

    former = next(trace for trace in figure.data if trace.name == "February")
    assert len(former.x) == 28
    assert list(former.customdata) == ["$2.00"] * 28


def test_names_are_text_for_plotly() -> None:
    name = "<a href='javascript:alert(1)'>x</a>"
    figure = figures.spend_by_day({name: [Decimal(1)] * 30}, DAYS, "USD", [Decimal(1)] * 30, name)

    assert "<a" not in figure.to_json()
    assert "<a" not in figures.tier_name(name)


def test_both_halves_of_the_distribution_add_up_to_everything() -> None:
    frame = distribution(
        ("simple", -60, 900, "0.9"), ("complex", -10, 90, "28"), ("research", 10, 10, "31"), ("simple", None, 5, "0")
    )
    found = frames.quantiles(frame)
    assert found

    figure = figures.cost_per_query(frame, found, "USD")

    up = sum(value for bar in figure.data for value in bar.y if value > 0)
    down = sum(value for bar in figure.data for value in bar.y if value < 0)
    assert (up, down) == (pytest.approx(100), pytest.approx(-100))
    assert any("within 12 % bins" in (note.hovertext or "") for note in figure.layout.annotations)


def test_quantiles_lie_within_a_bin_and_the_mean_is_exact() -> None:
    found = frames.quantiles(
        distribution(("simple", -60, 98, "0.105"), ("complex", 0, 1, "1.05"), ("research", 20, 1, "10.5"))
    )

    assert found
    assert found.median == pytest.approx(0.001, rel=0.122)
    assert found.p99 == pytest.approx(1.0, rel=0.122)
    assert found.mean == Decimal("0.11655")
    assert frames.quantiles(distribution(("simple", None, 3, "0"))) is None


def test_lines_of_two_periods_tie_to_both_totals() -> None:
    now = costs([("CC-1", "12.000000000001", 3), (None, "2", 1)], "x_CostCentre")
    before = costs([("CC-1", "10", 2), ("CC-2", "4", 2)], "x_CostCentre")

    lines = frames.lines(now, before, "x_CostCentre", "EffectiveCost")

    assert [(line.name, line.cost, line.before) for line in lines] == [
        ("CC-1", Decimal("12.000000000001"), Decimal(10)),
        (None, Decimal(2), Decimal(0)),
        ("CC-2", Decimal(0), Decimal(4)),
    ]


def test_money_that_is_float_is_refused() -> None:
    frame = costs([("CC-1", "1", 1)], "x_CostCentre").assign(EffectiveCost=1.0)

    with pytest.raises(MoneyError):
        frames.lines(frame, frame, "x_CostCentre", "EffectiveCost")


def test_other_holds_what_the_top_leaves() -> None:
    lines = [Line(f"m{index}", Decimal(index), Decimal(1), 1, 1) for index in range(14)]

    shown = frames.top(lines, 9)

    assert len(shown) == 10
    assert (shown[-1].name, shown[-1].members) == ("Other", 5)
    assert sum(line.cost for line in shown) == sum(line.cost for line in lines)
    assert len(frames.top(lines[:10], 9)) == 10
    assert frames.top(lines[:10], 9)[-1].name != "Other"


def test_an_empty_frame_cut_at_a_day_keeps_its_columns() -> None:
    frame = costs([(date(2026, 11, 1), "1", 1)], "ChargeDate")

    assert len(frames.until(frame, date(2026, 11, 2))) == 1
    assert list(frames.until(frame.iloc[:0], date(2026, 11, 1)).columns) == list(frame.columns)


def test_days_may_come_as_arrow_dates() -> None:
    frame = costs([(None, "1", 1)], "x_QueryTier")
    frame["ChargeDate"] = pd.array([date(2026, 11, 3)], dtype=pd.ArrowDtype(pa.date32()))

    assert frames.series(frame, "x_QueryTier", "EffectiveCost", DAYS)[None][2] == Decimal(1)


def test_the_parts_of_the_sentence_add_up_to_its_total() -> None:
    movers = [Line("a", Decimal(200), Decimal(100)), Line("b", Decimal(10), Decimal(60)), Line("c", Decimal(9)),
              Line("d", Decimal(1), Decimal(3)), Line("e", Decimal(5), Decimal(2))]  # fmt: skip
    compared = sentences.Comparison(date(2026, 11, 1), date(2026, 10, 1), 21, 21)

    text = "".join(part for part, _ in sentences.what_changed(movers, compared, "USD"))

    assert text == (
        "Up $60.00 (+36\u202f%) on the first 21 days of October: "
        "+$100.00 a, \u2212$50.00 b, +$9.00 c, +$1.00 all 2 others."
    )


def test_of_a_day_that_is_not_over_the_comparison_says_so() -> None:
    month = Period.month("2026-11")
    assert unfinished(month, 23, date(2026, 11, 23)) == "23 November is not over yet"
    assert [unfinished(month, 22, date(2026, 11, 23)), unfinished(month, None, date(2026, 11, 23))] == ["", ""]
    said = sentences.Comparison(date(2026, 11, 1), date(2026, 10, 1), 23, 23, "23 November is not over yet")
    parts = sentences.what_changed([Line("a", Decimal(3), Decimal(2))], said, "USD")
    assert "".join(part for part, _ in parts).endswith("a. 23 November is not over yet.")


@pytest.mark.parametrize(
    ("compared", "words"),
    [
        (sentences.Comparison(date(2026, 11, 1), date(2026, 10, 1), None, 31), "on October"),
        (sentences.Comparison(date(2026, 1, 1), date(2025, 12, 1), None, 31), "on December 2025"),
        (sentences.Comparison(date(2026, 11, 1), date(2026, 10, 1), 1, 1), "on the first day of October"),
        (
            sentences.Comparison(date(2026, 3, 1), date(2026, 2, 1), 30, 28),
            "on all 28 days of February (this month so far: 30)",
        ),
    ],
)
def test_the_comparison_says_which_days(compared: sentences.Comparison, words: str) -> None:
    assert compared.words == words


def test_without_a_former_month_nothing_is_claimed() -> None:
    compared = sentences.Comparison(date(2026, 11, 1), date(2026, 10, 1), 21, 21)

    assert sentences.what_changed([Line("a", Decimal(2))], compared, "USD")[0] == ("No spend ", "")
    assert sentences.what_changed([Line("a", Decimal(2), Decimal(2))], compared, "USD")[0][0] == "Unchanged "


def test_the_vendored_bundle_is_the_version_inside_plotly() -> None:
    own = (VENDOR / "plotly-basic.min.js").read_bytes()
    theirs = (Path(plotly.__file__).parent / "package_data/plotly.min.js").read_bytes()

    def version(head: bytes) -> str:
        return next(word for word in head[:200].decode().split() if word.startswith("v") and word[1].isdigit())

    assert version(own) == version(theirs)
    assert b"MIT" in own[:300]
    assert "MIT License" in (VENDOR / "LICENSE-plotly.js").read_text()
    assert gzip.decompress((VENDOR / "plotly-basic.min.js.gz").read_bytes()) == own


def test_figures_need_no_more_than_the_small_bundle() -> None:
    frame = distribution(("simple", -60, 9, "0.01"))
    found = frames.quantiles(frame)
    assert found
    drawn = [
        figures.cost_per_query(frame, found, "USD"),
        figures.spend_by_day({"simple": [Decimal(1)] * 30}, DAYS, "USD"),
    ]

    kinds = {trace["type"] for figure in drawn for trace in json.loads(figure.to_json())["data"]}
    assert kinds <= {"scatter", "bar", "pie"}


def test_every_colour_has_a_dark_twin() -> None:
    sheet = (VENDOR.parent / "app.css").read_text()
    for colour in (
        *figures.TIER_COLOURS.values(),
        figures.NO_TIER,
        figures.INK,
        figures.MUTED,
        figures.CARD,
        figures.SHADE,
    ):
        red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
        assert f"rgb({red}, {green}, {blue})" in sheet, colour
