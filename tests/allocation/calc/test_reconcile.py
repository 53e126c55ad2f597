"""Reconciliation of single places, by hand; and what holds whatever the levels say (AR17)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.calc.reconcile import DEFAULT, Tolerance, reconcile, summaries
from allocation.calc.reconcile_rows import LEVELS, Evidence, Line, Offer, Row

D = Decimal
DAY, START, END = date(2026, 9, 8), date(2026, 9, 1), date(2026, 10, 1)
LAST = date(2026, 9, 30)
PRICES = {
    "input_uncached": D("3") / 1_000_000, "cache_read": D("0.3") / 1_000_000, "output_visible": D("15") / 1_000_000,
}  # fmt: skip


def price(offer: Offer) -> Decimal | None:
    if offer.model != "m" or offer.price_class not in PRICES or offer.tier not in ("", "priority"):
        return None
    times = {"sync": D(1), "batch": D("0.5")}[offer.mode] * (D("1.75") if offer.tier else 1) * (2 if offer.band else 1)
    return PRICES[offer.price_class] * times


def rate(base: str, quote: str, day: date) -> Decimal:
    if (base, quote) != ("USD", "EUR"):
        raise LookupError(f"no rate of {base} to {quote} for {day}")
    return D("0.9")


def known(**given: Any) -> Evidence:
    return Evidence(START, END, price, rate, bands=lambda _provider, _model: (200_000,))._replace(**given)


def row(level: str, tokens: int | None = 1_000_000, cost: str | None = "3", **given: Any) -> Row:
    fields: dict[str, Any] = {
        "provider": "p", "account": "a", "model": "m", "price_class": "input_uncached", "day": DAY, "currency": "USD",
        "mode": "sync", "tier": "", "band": 0, "scope": "tokens.standard",
    }  # fmt: skip
    quantity = None if tokens is None else D(tokens)
    return Row(level=level, quantity=quantity, cost=None if cost is None else D(cost), **(fields | given))


def untold(cost: str, **given: Any) -> Row:
    """A line of an invoice that says no more than given."""
    return row("invoice", None, cost, **({"mode": None, "tier": None, "band": None, "scope": ""} | given))


def run(*rows: Row, whole: Any = lambda *_place: True, tolerance: Tolerance = DEFAULT, **evidence: Any) -> list[Line]:
    return reconcile(rows, whole, known(**evidence), tolerance)


def causes(*rows: Row, **given: Any) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for line in run(*rows, **given):
        for cause, amount in (*line.causes, ("unexplained", line.unexplained)):
            if amount:
                found[cause] = found.get(cause, D(0)) + amount
    return found


def test_a_line_shows_every_level_and_leaves_out_those_that_say_nothing() -> None:
    [line] = run(row("computed"), row("provider_usage"), row("invoice", cost="3.3"))
    assert (line.computed, line.provider_usage, line.cost_report, line.invoice) == (D(3), D(3), None, D("3.3"))
    assert (line.stated, line.difference, line.unexplained, line.state) == (D("3.3"), D("0.3"), D("0.3"), "variance")


@pytest.mark.parametrize(
    ("invoiced", "tolerance", "state"),
    [
        ("100", Tolerance(), "matched"), ("100.5", Tolerance(), "within_tolerance"), ("100.51", Tolerance(), "variance"),
        ("100.000001", Tolerance(D(0), D(0)), "variance"), ("100", Tolerance(D(0), D(0)), "matched"),
        ("100.01", Tolerance(D("0.01"), D(0)), "within_tolerance"), ("100.011", Tolerance(D("0.01"), D(0)), "variance"),
    ],
)  # fmt: skip
def test_states_follow_the_larger_tolerance_and_none_at_all_wants_equality(
    invoiced: str, tolerance: Tolerance, state: str
) -> None:
    [line] = run(row("computed", cost="100"), row("invoice", cost=invoiced), tolerance=tolerance)
    assert line.state == state


def test_what_only_one_side_says_is_missing() -> None:
    lines = run(row("computed"), row("computed", model="n"), row("invoice"), row("invoice", model="x", cost="2"))
    assert {line.model: line.state for line in lines} == {"m": "matched", "n": "missing", "x": "missing"}
    [alone] = run(row("computed"))
    assert (alone.state, alone.stated) == ("missing", D(3))


def test_calls_above_a_context_threshold_that_the_bill_prices_as_others_are_of_the_band() -> None:
    above = row("computed", 100_000, "0.6", band=200_000)
    assert causes(row("computed"), above, row("invoice", 1_100_000, "3.3", band=None)) == {"context_band": D("-0.3")}


def test_calls_that_only_the_provider_knows_to_be_above_a_threshold_are_of_the_band_too() -> None:
    stated = [row("provider_usage", 900_000, "2.7"), row("provider_usage", 100_000, "0.6", band=200_000)]
    assert causes(row("computed"), *stated) == {"context_band": D("0.3")}


def test_a_bill_of_cents_without_quantities_still_tells_batch_from_ordinary_usage() -> None:
    bill = [row("invoice", None, "18.00"), row("invoice", None, "6.00", mode="batch", scope="tokens.batch")]
    # 4 of 10 million tokens at half the price
    assert causes(row("computed", 10_000_000, "30"), *bill) == {"service_tier": D(-6)}


def test_a_bill_that_does_not_say_the_tier_shows_it_by_its_amounts() -> None:
    asked = [row("computed", 1_000_000, "5.25", tier="priority"), row("computed", 100_000, "2.625", tier="priority",
             price_class="output_visible")]  # fmt: skip
    bill = [untold("3"), untold("1.5", price_class="output_visible")]
    assert causes(*asked, *bill) == {"service_tier": D("-3.375")}


def test_output_that_one_level_splits_into_reasoning_is_the_same_output() -> None:
    split = [row("computed", n, c, price_class=name) for n, c, name in
             [(100_000, "1.5", "output_visible"), (200_000, "3", "output_reasoning")]]  # fmt: skip
    [line] = run(*split, row("invoice", 300_000, "4.5", price_class="output_visible"))
    assert (line.state, line.price_class) == ("matched", "output_visible")


def test_a_level_goes_on_from_below_where_it_does_not_state_a_scope_whole() -> None:
    priority = {"tier": "priority", "scope": "tokens.priority"}
    rows = [row("computed"), row("computed", 100_000, "0.525", **priority), row("cost_report", cost="3.1")]

    def whole(level: str, _provider: str, _account: str, _day: Any, scope: str) -> bool:
        return scope == "tokens.standard"

    [line] = run(*rows, whole=whole)
    assert (line.computed, line.cost_report, line.unexplained) == (D("3.525"), D("3.625"), D("0.1"))


def test_a_bill_that_names_no_class_is_compared_with_all_of_a_model_and_day() -> None:
    rows = [row("computed"), row("computed", 100_000, "1.5", price_class="output_visible"), row("computed", day=LAST)]
    lines = run(*rows, untold("4.5", price_class=""), untold("3", price_class="", day=LAST))
    assert [(line.day, line.price_class, line.state) for line in lines] == [
        (DAY, "", "matched"), (LAST, "", "matched"),
    ]  # fmt: skip


def test_searches_that_name_no_model_are_not_compared_with_tokens() -> None:
    search = {"price_class": "web_search", "model": "", "scope": "web_search"}
    lines = run(
        row("computed"), row("computed", 10, "0.1", **search), row("invoice"), row("invoice", 10, "0.1", **search)
    )
    assert [(line.price_class, line.state) for line in lines] == [
        ("web_search", "matched"),
        ("input_uncached", "matched"),
    ]


def test_usage_of_another_month_on_the_bill_is_cut_off() -> None:
    before = row("invoice", 50_000, "0.15", day=date(2026, 8, 31))
    assert causes(row("computed"), row("invoice"), before) == {"cut_off": D("0.15")}
    late = row("computed", 20_000, "0.06", day=LAST)
    elsewhere = row("invoice", 20_000, "0.06", day=LAST)
    assert causes(row("computed"), row("invoice"), late, late=[elsewhere]) == {"cut_off": D("-0.06")}
    hours = {"hours": lambda _level, _provider, _account, day: [(22, late)] if day == LAST else []}
    assert causes(row("computed"), row("invoice"), late, **hours) == {"cut_off": D("-0.06")}
    assert causes(row("computed"), row("invoice"), late) == {"unexplained": D("-0.06")}  # nothing shows it


def test_the_first_hours_are_the_month_befores_only_where_the_bill_goes_on_with_the_usage() -> None:
    first, rest = row("computed", 20_000, "0.06", day=START), row("computed", 80_000, "0.24", day=START)
    parts = {"hours": lambda _level, _provider, _account, day: [(0, first), (9, rest)] if day == START else []}
    day = row("computed", 100_000, "0.30", day=START)
    assert causes(day, row("invoice", 80_000, "0.24", day=START), **parts) == {"cut_off": D("-0.06")}
    # A model that the bill never names has no edge: whatever came in its first hours is unexplained.
    other = first._replace(model="n")
    alone = {"hours": lambda _level, _provider, _account, day: [(0, other)] if day == START else []}
    assert causes(row("computed"), row("invoice"), other, **alone) == {"unexplained": D("-0.06")}


def test_amounts_in_cents_leave_a_rounding_and_larger_rests_are_unexplained() -> None:
    assert causes(row("computed", 1_001_234, "3.003702"), row("invoice", 1_001_234, "3.00")) == {
        "rounding": D("-0.003702")
    }
    assert causes(row("computed", 1_001_234, "3.003702"), row("invoice", 1_001_234, "2.99")) == {
        "unexplained": D("-0.013702")
    }


def test_an_invoice_in_another_currency_differs_by_its_rate_alone() -> None:
    euros = {"currency": "EUR"}
    stated = row("invoice", cost="2.85", rate=D("0.95"), **euros)
    assert causes(row("computed"), stated) == {"fx": D("0.15")}  # 3 dollars x (0.95 - 0.9)
    others = [row(level, n * 100_000, cost, model=f"m{n}", **given) for n in range(1, 5) for level, cost, given in
              (("computed", f"0.{3 * n:02}", {}), ("invoice", str(D(f"0.{3 * n:02}") * D("0.95")), euros))]  # fmt: skip
    # no rate is stated: most amounts agree on one
    assert causes(*others) == {"fx": D("0.015")}
    tax = row("invoice", None, "1", category="Tax", price_class="", model="", **euros)
    assert causes(row("computed"), stated, tax) == {"fx": D("0.15"), "tax": D(1)}
    with pytest.raises(LookupError, match="no rate of USD to CHF for 2026-09-08"):
        run(row("computed"), row("invoice", currency="CHF"))


def test_one_currency_a_summary_and_the_share_that_is_explained() -> None:
    rows = [
        row("computed"),
        row("invoice"),
        row("invoice", None, "0.5", category="Tax", model="", price_class="", day=None),
    ]
    other = [row("computed", account="b", currency="EUR"), row("invoice", account="b", currency="EUR", cost="4")]
    first, second = summaries(run(*rows, *other))
    assert (first.currency, first.explained, first.unexplained, first.stated - first.computed) == (
        "EUR", D(0), D(1), D(1),
    )  # fmt: skip
    assert (second.currency, second.explained, second.causes, second.levels) == (
        "USD", D(1), {"tax": D("0.5")}, {"invoice": D("3.5")},
    )  # fmt: skip


_costs = st.decimals(-100, 100, places=6)
_tokens = st.one_of(st.none(), st.integers(0, 2_000_000).map(Decimal))


@st.composite
def any_rows(draw: st.DrawFn) -> list[Row]:
    level = draw(st.sampled_from(LEVELS))
    upper = level != "computed"
    told = st.booleans() if upper else st.just(True)
    return [
        Row(
            level, "p", draw(st.sampled_from(["a", "b"])), draw(st.sampled_from(["m", "n", ""] if upper else ["m", "n"])),
            draw(st.sampled_from([*PRICES, "output_reasoning", *([""] if upper else [])])),
            draw(st.sampled_from([DAY, LAST, date(2026, 8, 31), *([None] if upper else [])])), draw(_tokens),
            draw(st.one_of(_costs, st.none()) if level in LEVELS[:2] else _costs), "USD",
            draw(st.sampled_from(["sync", "batch"])) if draw(told) else None,
            draw(st.sampled_from(["", "priority", "standard"])) if draw(told) else None,
            draw(st.sampled_from([0, 200_000])) if draw(told) else None,
            draw(st.sampled_from(["tokens.standard", "tokens.batch"])),
            draw(st.sampled_from(["Usage", "Usage", "Usage", "Credit", "Tax", "Purchase"] if upper else ["Usage"])),
            draw(st.booleans()) if upper else False,
        )
        for _ in range(draw(st.integers(0, 5)))
    ]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(any_rows(), max_size=5), st.randoms(use_true_random=False))
def test_ar17_whatever_the_levels_say_no_amount_is_lost_or_counted_twice(
    groups: list[list[Row]], shuffled: Any
) -> None:
    rows = [found for group in groups for found in group]
    lines = run(*rows)
    for line in lines:
        assert line.stated - line.computed == sum((amount for _, amount in line.causes), D(0)) + line.unexplained
    assert len({line[:7] for line in lines}) == len(lines)
    for account in ("a", "b"):
        mine = [found for found in rows if found.account == account]
        told = [line for line in lines if line.account == account]
        for level in ("computed", max((found.level for found in mine), key=LEVELS.index, default="computed")):
            total = sum((found.cost or D(0) for found in mine if found.level == level), D(0))
            # every scope is whole: the highest level is all that it says, and nothing else
            if level == "computed" or {found.scope for found in mine if found.category == "Usage"} <= {
                found.scope for found in mine if found.level == level
            }:
                assert sum((getattr(line, level) or D(0) for line in told), D(0)) == total
    shuffled.shuffle(rows)
    assert run(*rows) == lines


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["m", "n"]), st.sampled_from([*PRICES]), _costs), max_size=8))
def test_ar17_without_tolerance_only_what_is_equal_matches(pairs: list[tuple[str, str, Decimal]]) -> None:
    computed = [row("computed", 1, str(cost), model=model, price_class=name) for model, name, cost in pairs]
    lines = run(*computed, *(found._replace(level="invoice") for found in computed), tolerance=Tolerance(D(0), D(0)))
    assert all(line.state == "matched" and not line.causes for line in lines)
    if computed and (more := computed[0]._replace(level="invoice", cost=D("0.000001"))):
        lines = run(
            *computed, *(found._replace(level="invoice") for found in computed), more, tolerance=Tolerance(D(0), D(0))
        )
        assert [line.state for line in lines].count("variance") == 1
