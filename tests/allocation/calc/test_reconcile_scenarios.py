"""Acceptance: random sets of discrepancies of ten kinds, random sizes, also several on one model, are told apart.

What is right comes from tests.allocation.calc.reconcile_world, which sums over the calls that a discrepancy was done to.
"""

import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

import pytest

from allocation.calc.reconcile import reconcile, summaries
from allocation.calc.reconcile_rows import Line
from tests.allocation.calc.reconcile_world import KINDS, PRICES, PROFILES, START, World

D = Decimal
CAUSE = {
    "missing day": "not_captured", "cache counted twice": "wrong_token_class", "batch as sync": "service_tier",
    "priority asked, default served": "service_tier", "cut-off": "cut_off", "credit": "credit", "tax": "tax", "fx": "fx",
    "unpriced model": "unpriced", "duplicate rows": "duplicate",
}  # fmt: skip
OF_THE_BILL = ("fx", "tax", "credit")  # no model's


def lines_of(world: World) -> list[Line]:
    lines = reconcile(world.rows(), lambda *_place: True, world.evidence())
    for line in lines:
        assert line.difference == sum((amount for _, amount in line.causes), D(0)) + line.unexplained
    return lines


def found(lines: Sequence[Line]) -> dict[tuple[str, str], Decimal]:
    """(model, cause) -> amount, as World.expected; unexplained too."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        for cause, amount in (*line.causes, ("unexplained", line.unexplained)):
            sums["" if cause in OF_THE_BILL else line.model, cause] += amount
    return sums


def worlds(count: int, first: int = 0) -> list[World]:
    chosen = random.Random(first)
    return [
        World(seed, PROFILES[seed % len(PROFILES)], chosen.sample(KINDS, chosen.randint(0, 3)))
        for seed in range(first, first + count)
    ]


def share_right(count: int, first: int = 0) -> float:
    """Of the planted discrepancies, those whose cause and amount are found."""
    right, planted = 0, 0
    for world in worlds(count, first):
        expected, sums = world.expected(), found(lines_of(world))
        for kind, model in world.planted:
            place = (model, CAUSE[kind])
            room = world.room() * (len(PRICES) if kind == "fx" else 1)
            right += abs(sums.get(place, D(0)) - expected.get(place, D(0))) <= room
            planted += 1
    sys.stdout.write(f"\n{right} of {planted} planted discrepancies right: {right / planted:.1%}\n")
    return right / planted


def test_cause_and_amount_of_planted_discrepancies_are_right() -> None:
    assert share_right(72) >= 0.95


@pytest.mark.slow
def test_cause_and_amount_of_many_planted_discrepancies_are_right() -> None:
    assert share_right(300, 10_000) >= 0.95


@pytest.mark.parametrize("profile", PROFILES)
def test_a_clean_month_has_no_causes(profile: str) -> None:
    world = World(7, profile, [])
    lines = lines_of(world)
    assert {cause for line in lines for cause, _ in line.causes} <= {"rounding"}
    assert all(line.unexplained == 0 for line in lines)
    assert {line.state for line in lines} <= {"matched", "within_tolerance"}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_alone_is_found_with_its_amount_and_nothing_else(kind: str, profile: str) -> None:
    world = World(11, profile, [kind])
    expected, sums = world.expected(), found(lines_of(world))
    assert expected
    for place in expected.keys() | sums.keys():
        room = world.room() * len(PRICES)
        assert place[1] == "rounding" or abs(sums.get(place, D(0)) - expected.get(place, D(0))) <= room, place


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "monthly"])
def test_a_kind_that_nobody_knows_lands_in_unexplained(profile: str) -> None:
    """Prices that rose by 7 per cent on the bill, and a fee that names nothing."""
    world = World(5, profile, [])
    rows = [
        row._replace(cost=row.cost * D("1.07")) if row.level == "invoice" and row.model == "alpha" and row.cost else row
        for row in world.rows()
    ]
    some = next(row for row in rows if row.level == "invoice")
    fee = some._replace(model="", price_class="", day=START, quantity=None, cost=D("3.21"), mode=None, tier=None)
    lines = reconcile([*rows, fee], lambda *_place: True, world.evidence())
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        assert {cause for cause, _ in line.causes} <= {"rounding"}
        sums[line.model] += line.unexplained
    computed = sum(row.cost or D(0) for row in rows if row.level == "computed" and row.model == "alpha")
    assert abs(sums["alpha"] - computed * D("0.07")) <= world.room() * 2
    assert sums[""] == D("3.21")
    [total] = summaries(lines)
    assert total.explained < D("0.05")
