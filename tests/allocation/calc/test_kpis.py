"""Key figures: ratios of sums, read from a registry that says what is wrong with it."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.kpis import KpiError, added, parse, value

SHIPPED = Path(__file__).parents[3] / "web" / "kpis.yaml"
ENTRY = {
    "name": "Saved", "numerator": "list - cost", "denominator": "list", "unit": "share", "better": "higher",
    "column": "ListCost", "owner": "finance", "source": "own", "page": "explore", "words": "What is saved.",
}  # fmt: skip


def registry(**entry: Any) -> Any:
    return {"measures": {"list": "ListCost", "cost": "EffectiveCost"}, "kpis": {"saved": ENTRY | entry}, "glossary": {}}


def test_a_figure_is_the_ratio_of_its_sums_with_their_signs() -> None:
    saved = parse(registry()).of("saved")
    found = value(saved, {"list": Decimal(80), "cost": Decimal(60)})
    assert (found.numerator, found.denominator, found.value) == (20, 80, Decimal("0.25"))
    assert saved.formula == "(list - cost) / list"


def test_without_a_denominator_it_is_the_sum_itself_and_per_million_multiplies() -> None:
    assert value(parse(registry(denominator="")).of("saved"), {"list": Decimal(3), "cost": Decimal(1)}).value == 2
    per = parse(registry(numerator="cost", unit="per_million")).of("saved")
    assert value(per, {"list": Decimal(4_000_000), "cost": Decimal(10)}).value == Decimal("2.5")


@pytest.mark.parametrize("measures", [{"list": Decimal(0), "cost": Decimal(1)}, {"list": None, "cost": Decimal(1)}, {}])
def test_nothing_to_divide_by_and_what_is_not_known_give_no_value_and_no_verdict(measures: Any) -> None:
    found = value(parse(registry(target={"value": "0.1", "source": "own"})).of("saved"), measures)
    assert found.value is None
    assert found.met is None


@pytest.mark.parametrize(("better", "met"), [("higher", True), ("lower", False)])
def test_a_target_is_met_on_the_side_that_is_better(better: str, met: bool) -> None:
    kpi = parse(registry(better=better, target={"value": "0.2", "source": "own"})).of("saved")
    assert value(kpi, {"list": Decimal(80), "cost": Decimal(60)}).met is met


AMOUNTS = st.decimals(min_value=-10_000, max_value=10_000, places=6)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=6))
def test_a_figure_of_a_whole_is_the_ratio_of_the_sums_of_its_parts(parts: list[tuple[Decimal, Decimal]]) -> None:
    whole = value(parse(registry()).of("saved"), added([{"list": a, "cost": b} for a, b in parts]))
    listed, cost = (sum(Fraction(part[at]) for part in parts) for at in (0, 1))
    if not listed:
        assert whole.value is None
    else:
        assert whole.value is not None
        assert abs(Fraction(whole.value) - (listed - cost) / listed) <= Fraction(1, 2 * 10**12)


def test_what_one_part_does_not_know_the_whole_does_not_know() -> None:
    assert added([{"list": Decimal(1)}, {"list": None}, {"list": Decimal(2)}]) == {"list": None}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"numerator": "list * cost"}, "saved: 'list \\* cost' is no sum"), ({"numerator": "listed"}, "no measure 'listed'"),
        ({"unit": "furlong"}, "saved: unit: 'furlong'"), ({"better": "up"}, "saved: better: 'up'"),
        ({"colour": "red"}, "saved: does not know colour"), ({"numerator": "list"}, "measures: no figure is made of cost"),
    ],
)  # fmt: skip
def test_a_registry_that_cannot_be_read_names_the_figure_and_the_field(entry: Any, told: str) -> None:
    with pytest.raises(KpiError, match=told):
        parse(registry(**entry))


def test_what_is_missing_is_named() -> None:
    document = registry()
    document["kpis"]["saved"] = {name: said for name, said in ENTRY.items() if name != "owner"}
    with pytest.raises(KpiError, match="saved: lacks owner"):
        parse(document)


def test_the_shipped_registry_can_be_read_and_every_figure_is_told_apart() -> None:
    shipped = parse(yaml.safe_load(SHIPPED.read_text(encoding="utf-8")))
    assert len(shipped.kpis) == len({kpi.name for kpi in shipped.kpis}) == len({kpi.formula for kpi in shipped.kpis})
    assert all(kpi.words.endswith(".") for kpi in shipped.kpis)
