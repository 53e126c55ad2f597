"""Rate cards: standard and variance are the actual cost, whatever the rate; what is refused is named."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.calc.contracts_fields import AgreementError
from allocation.calc.rate_cards import parse, variances
from allocation.calc.splits_moves import Costs, Place

D = Decimal
DAY = date(2026, 9, 8)
CARD = {
    "code": "c", "cost_centre": "CC-A", "owner": {"cost_centre": "CC-P", "team": "tools"}, "unit": "query", "rate": "2",
}  # fmt: skip


def place(centre: str = "CC-A", kind: str = "direct", tier: str = "complex", **given: Any) -> Place:
    row = Place(DAY, kind, centre, "", "openai", "gpt-5", tier, False, "prod", "chat", "computed", "USD")
    return row._replace(**given)


def costs(effective: str) -> Costs:
    return D(100), D(90), D(effective), D(70)


def test_queries_are_charged_at_their_rate_and_the_owner_bears_the_difference() -> None:
    rows = {place(): costs("7"), place(tier="simple"): costs("1"), place("CC-B"): costs("50")}
    queries = {place(): D(3), place(tier="simple"): D(10), place("CC-B"): D(1)}
    moves, outcomes = variances(parse([CARD | {"tier": "complex"}]).cards, rows, {"query": queries})
    assert [(move.cost_centre, move.team, move.costs) for move in moves] == [
        ("CC-A", "", (0, 0, -1, 0)), ("CC-P", "tools", (0, 0, 1, 0)),
    ], "3 queries at 2 are 6 of 7: under-recovered by 1; only EffectiveCost moves"  # fmt: skip
    assert [(outcome.found, outcome.moved) for outcome in outcomes] == [(7, 1)]


def test_units_are_queries_millions_of_tokens_gpu_hours_and_months_of_seats() -> None:
    for unit, quantity, standard in (
        ("tokens", 1_500_000, 3),
        ("gpu_hour", D("0.5"), 1),
        ("seat", 15, 1),
        ("query", 2, 4),
    ):
        cards = parse([CARD | {"unit": unit}]).cards
        moves, _ = variances(cards, {}, {unit: {place(): D(quantity)}})
        assert moves[0].costs[2] == standard, f"{unit}: charged with no cost behind it; a seat's month has 30 days"


def test_shared_and_idle_cost_is_paid_for_by_the_rate_only_where_the_card_says_so() -> None:
    rows = {place(): costs("5"), place(kind="shared"): costs("3"), place(kind="unexplained"): costs("9")}
    for includes, variance in (([], 3), (["shared"], 6)):
        moves, _ = variances(parse([CARD | {"includes": includes}]).cards, rows, {"query": {place(): D(1)}})
        assert sum(move.costs[2] for move in moves if move.cost_centre == "CC-P") == variance


def test_cost_in_another_currency_than_the_rate_is_charged_as_it_is_and_said() -> None:
    moves, outcomes = variances(parse([CARD]).cards, {place(currency="EUR"): costs("7")}, {})
    assert moves == []
    assert [(o.currency, o.found, o.note) for o in outcomes if o.note] == [
        ("EUR", 7, "the rate is in USD: charged as it costs")
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"owner": None}, "c: owner is missing"),
        ({"cost_centre": None}, "c: cost_centre is missing"),
        ({"unit": "hour"}, "c: unit is 'hour', must be one of"),
        ({"rate": "-1"}, "c: rate must be at least 0"),
        ({"rate": 0.5}, "c: rate is a float"),
        ({"tier": "hard"}, "c: tier is 'hard', must be of simple"),
        ({"unit": "seat", "tier": "simple"}, "c: tier says nothing about seats"),
        ({"includes": ["correction"]}, "c: includes is 'correction'"),
        ({"owner": {"cost_centre": "CC-A"}}, "c: owner CC-A pays a standard rate itself"),
        ({"units": 3}, "c: unknown field 'units'"),
        ({"from": "2026-09-02", "to": "2026-09-01"}, "c: to must be after from"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused_with_its_name_and_field(change: dict[str, Any], told: str) -> None:
    with pytest.raises(AgreementError) as refused:
        parse([{name: value for name, value in (CARD | change).items() if value is not None}])
    assert told in str(refused.value)


def test_no_usage_has_two_rates() -> None:
    with pytest.raises(AgreementError, match="d: is about usage that c has a rate for too"):
        parse([CARD | {"tier": ["simple", "complex"]}, CARD | {"code": "d", "tier": "complex", "model": "gpt*"}])
    for other in ({"tier": "simple"}, {"provider": "google"}, {"from": "2027-01-01"}):
        parse([CARD | {"tier": "complex", "provider": "openai", "to": "2027-01-01"}, CARD | {"code": "d"} | other])


AMOUNT = st.integers(-(10**15), 10**15).map(lambda units: D(units).scaleb(-12))
PLACES = st.builds(
    place, centre=st.sampled_from(["CC-A", "CC-B"]), kind=st.sampled_from(["direct", "shared", "idle"]),
    tier=st.sampled_from(["simple", "complex"]), model=st.sampled_from(["gpt-5", "o4"]),
)  # fmt: skip


@settings(max_examples=60)
@given(
    st.dictionaries(PLACES, st.tuples(AMOUNT, AMOUNT, AMOUNT, AMOUNT), max_size=8),
    st.dictionaries(PLACES.map(lambda at: at._replace(kind="direct")), st.integers(0, 10**9).map(D), max_size=8),
    st.integers(0, 10**6).map(lambda units: str(D(units).scaleb(-4))), st.sampled_from(["query", "tokens"]),
)  # fmt: skip
def test_standard_and_variance_are_the_actual_cost_in_every_slice(
    rows: Any, quantities: Any, rate: str, unit: str
) -> None:
    cards = parse([CARD | {"rate": rate, "unit": unit, "includes": ["shared"]}]).cards
    moves, outcomes = variances(cards, rows, {unit: quantities})
    slices: dict[Any, Decimal] = defaultdict(Decimal)
    after: dict[Place, Decimal] = defaultdict(Decimal)
    for at, amounts in rows.items():
        after[at] += amounts[2]
    for move in moves:
        slices[move.place] += move.costs[2]
        if move.cost_centre == "CC-A":
            after[move.place] += move.costs[2]
    assert not any(slices.values())
    for at, amount in after.items():
        if cards[0].covers(at):
            assert amount == cards[0].standard(quantities.get(at, D(0)), at.day), "the centre bears the standard amount"
    recovered = sum((move.costs[2] for move in moves if move.cost_centre == "CC-P"), D(0))
    assert recovered == sum((outcome.moved for outcome in outcomes), D(0))
