"""What is posted against a frozen day: reversal and restatement, so that what stands is what it costs now (R2, R3)."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.corrections import AMOUNTS, IDENTITY, Line, changes, material

PLAIN = dict.fromkeys(IDENTITY, "") | {
    "usage_key_id": 1,
    "cost_centre_id": 10,
    "team_id": None,
    "provenance": "computed",
}


def line(cost: str | None, quantity: str = "100", origin: int | None = 7, **named: Any) -> Line:
    amount = None if cost is None else Decimal(cost)
    identity = tuple((PLAIN | named)[name] for name in IDENTITY)
    return Line(identity, (Decimal(quantity), amount, amount, amount, None, None), origin)


def standing(lines: Any) -> dict[Any, list[Decimal]]:
    total: dict[Any, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * len(AMOUNTS))
    for found in lines:
        for at, amount in enumerate(found.amounts):
            total[found.identity][at] += amount or 0
    return {place: sums for place, sums in total.items() if any(sums)}


AMOUNT = st.none() | st.decimals(-100, 100, places=12)
LINES = st.dictionaries(
    st.tuples(st.sampled_from(["gpt", "claude"]), st.sampled_from(["p1", "p2", ""]), st.sampled_from([10, 20, None])),
    st.tuples(st.decimals(0, 1_000, places=0), AMOUNT, AMOUNT, AMOUNT, AMOUNT, AMOUNT),
    max_size=8,
).map(
    lambda found: [
        Line(
            tuple(
                (PLAIN | {"sku_id": sku, "sku_price_id": price, "cost_centre_id": centre})[name] for name in IDENTITY
            ),
            amounts,
            3,
        )
        for (sku, price, centre), amounts in found.items()
    ]
)


@given(LINES, LINES)
def test_what_was_posted_and_its_corrections_are_what_the_day_costs_now(posted: list[Line], now: list[Line]) -> None:
    found = changes(posted, now)
    assert standing([*posted, *found]) == standing(now)
    assert not changes([*now], now)


@given(LINES, LINES)
def test_a_reversal_is_the_posted_line_times_minus_one_in_every_amount_and_nothing_else(
    posted: list[Line], now: list[Line]
) -> None:
    was = {found.identity: found for found in posted}
    for change in changes(posted, now):
        if change.reversal:
            back = tuple(None if amount is None else -amount for amount in was[change.identity].amounts)
            assert (change.amounts, change.origin) == (back, was[change.identity].origin)


def causes(posted: Line, now: Line) -> set[str]:
    return {change.cause for change in changes([posted], [now])}


def test_each_change_says_why_it_was_made() -> None:
    assert causes(line("1", "100"), line("2", "200")) == {"late_usage"}
    assert causes(line("1", sku_price_id="old"), line("2", sku_price_id="new")) == {"rerate"}
    assert causes(line("1", cost_centre_id=10), line("1", cost_centre_id=20)) == {"rules"}
    assert causes(line("1", provenance="billed"), line("2", provenance="billed")) == {"bill"}
    same = line("1")
    cheaper = Line(same.identity, (*same.amounts[:3], Decimal("0.9"), *same.amounts[4:]), 7)
    assert causes(same, cheaper) == {"agreement"}


def test_what_moves_to_another_cost_centre_keeps_the_charge_it_began_with() -> None:
    away, here = changes([line("5", origin=42)], [line("5", origin=None, cost_centre_id=20)])
    assert (away.reversal, away.amounts[3], away.origin) == (True, Decimal(-5), 42)
    assert (here.reversal, here.amounts[3], here.origin) == (False, Decimal(5), 42)


def test_late_usage_without_anything_posted_is_a_restatement_alone() -> None:
    (only,) = changes([], [line("5")])
    assert (only.reversal, only.cause, only.origin) == (False, "late_usage", None)


def test_a_line_that_was_taken_back_before_does_not_stand() -> None:
    nothing = line("0", "0")
    assert changes([nothing], []) == []


def test_material_is_what_reaches_the_limit_in_either_direction() -> None:
    nets = {("a",): Decimal("9.99"), ("b",): Decimal(10), ("c",): Decimal(-10)}
    assert material(nets, Decimal(10)) == {("b",), ("c",)}
    assert material(nets, Decimal(0)) == set(nets)
