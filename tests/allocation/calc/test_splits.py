"""Splits: money only moves, in every slice; chains end; a circle is refused with its names."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.calc.contracts_fields import AgreementError
from allocation.calc.splits import Pool, parse, receivers
from allocation.calc.splits_moves import Costs, Move, Place, Weights, split, weights_of
from finops.money import round_to_minor

D = Decimal
DAY = date(2026, 9, 8)
CENTRES = ("CC-A", "CC-B", "CC-C", "CC-P", "CC-Q")


def place(centre: str = "CC-P", kind: str = "direct", model: str = "gpt-5", day: date = DAY, **given: Any) -> Place:
    row = Place(day, kind, centre, "", "openai", model, "simple", False, "prod", "chat", "computed", "USD")
    return row._replace(**given)


def costs(effective: str, *, billed: str | None = None) -> Costs:
    return D(effective), D(effective), D(effective), D(billed or effective)


def emptied(
    document: list[dict[str, Any]],
    rows: dict[Place, Costs],
    measured: dict[str, dict[str, dict[str, Decimal]]] | None = None,
) -> tuple[list[Move], dict[str, str]]:
    """Moves, and the notes of the pools that say why something stays. ``measured``: pool -> tier -> centre -> amount."""
    pools = parse(document).pools
    weights = {
        pool.code: weights_of(pool, receivers(pool, pools[:at], CENTRES), (measured or {}).get(pool.code, {}))
        for at, pool in enumerate(pools)
    }
    moves, outcomes = split(pools, rows, weights)
    return moves, {outcome.code: outcome.note for outcome in outcomes if outcome.note}


def borne(rows: dict[Place, Costs], moves: list[Move]) -> dict[str, Decimal]:
    """EffectiveCost by cost centre after the moves, without those that bear nothing."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for at, amounts in rows.items():
        found[at.cost_centre] += amounts[2]
    for move in moves:
        found[move.cost_centre] += move.costs[2]
    return {code: amount for code, amount in found.items() if amount}


def test_each_method_shares_by_its_measure_and_no_weight_is_no_share() -> None:
    rows = {place(): costs("12")}
    pool = {"code": "p", "source": {"cost_centre": "CC-P"}, "over": ["CC-A", "CC-B", "CC-C"]}
    moves, _ = emptied([{**pool, "method": "even"}], rows)
    assert borne(rows, moves) == {"CC-A": 4, "CC-B": 4, "CC-C": 4}
    tokens = {"p": {"": {"CC-A": D(1), "CC-B": D(3), "CC-C": D(0)}}}
    moves, _ = emptied([{**pool, "method": "proportional", "driver": "tokens"}], rows, tokens)
    assert borne(rows, moves) == {"CC-A": 3, "CC-B": 9}
    assert "CC-C" not in {move.cost_centre for move in moves}
    queries = {"p": {"simple": {"CC-A": D(20)}, "complex": {"CC-A": D(1), "CC-B": D(1)}}}
    weighed = {**pool, "method": "tier_weight", "weights": {"simple": "1", "complex": "10"}}
    moves, _ = emptied([weighed], rows, queries)
    assert borne(rows, moves) == {"CC-A": 9, "CC-B": 3}, "20 + 10 against 10"
    fixed = {
        "code": "p",
        "source": {"cost_centre": "CC-P"},
        "method": "fixed",
        "shares": {"CC-A": "0.5", "CC-B": "0.25"},
    }
    moves, _ = emptied([fixed], rows)
    assert borne(rows, moves) == {"CC-A": 6, "CC-B": 3, "CC-P": 3}, "what is missing to 1 stays"


def test_what_nobody_has_a_measure_of_stays_at_its_source_and_the_reason_is_said() -> None:
    rows = {place(): costs("12")}
    pool = {"code": "p", "source": {"cost_centre": "CC-P"}, "method": "proportional", "driver": "tokens"}
    moves, notes = emptied([pool], rows)
    assert moves == []
    assert notes == {"p": "nobody it may go to has any of what it is measured by"}
    moves, notes = emptied([pool], rows, {"p": {"": {"CC-A": D(-1), "CC-B": D(2)}}})
    assert (moves, notes) == ([], {"p": "the measure is negative for CC-A"})


def test_pools_are_emptied_in_their_order_and_pass_on_what_they_were_given() -> None:
    rows = {place("CC-P"): costs("100"), place("CC-Q"): costs("10")}
    chain = [
        {"code": "first", "source": {"cost_centre": "CC-P"}, "method": "even", "over": ["CC-A", "CC-Q"]},
        {
            "code": "second",
            "source": {"cost_centre": "CC-Q"},
            "method": "fixed",
            "shares": {"CC-A": "0.5", "CC-B": "0.5"},
        },
    ]
    moves, _ = emptied(chain, rows)
    assert borne(rows, moves) == {"CC-A": 80, "CC-B": 30}, "50 + (10 + 50) / 2, and the other half"
    passed_on = [move.costs[2] for move in moves if move.step == 2 and move.place.kind == "shared"]
    assert sorted(passed_on) == [-50, 25, 25]


def test_idle_unused_unexplained_and_unallocated_are_pools_of_their_own() -> None:
    rows = {
        place("CC-A", kind): costs("8") for kind in ("direct", "idle", "unused", "unexplained", "adjustment")
    } | {place(""): costs("8")}  # fmt: skip
    for kind, source in (("idle", "CC-A"), ("unused", "CC-A"), ("unexplained", "CC-A"), ("unallocated", "")):
        moves, _ = emptied([{"code": "p", "source": {kind: True}, "method": "fixed", "shares": {"CC-B": "1"}}], rows)
        taken = {(move.place.kind, move.place.cost_centre) for move in moves}
        assert taken == {("direct" if kind == "unallocated" else kind, source)}
        assert borne(rows, moves)["CC-B"] == 8


def test_a_source_is_narrowed_by_dimensions_and_by_dates() -> None:
    rows = {
        place(model="gpt-5"): costs("1"), place(model="gpt-5-mini"): costs("2"), place(model="o4"): costs("4"),
        place(model="gpt-5", tier="complex"): costs("8"), place(model="gpt-5", day=date(2026, 9, 9)): costs("16"),
    }  # fmt: skip
    pool = {
        "code": "p", "source": {"cost_centre": "CC-P", "model": "gpt-5*", "tier": "simple"}, "method": "fixed",
        "shares": {"CC-A": "1"}, "to": "2026-09-09",
    }  # fmt: skip
    moves, _ = emptied([pool], rows)
    assert borne(rows, moves) == {"CC-A": 3, "CC-P": 28}


def test_all_is_everybody_whom_neither_this_pool_nor_an_earlier_one_empties() -> None:
    pools = parse(
        [
            {"code": "one", "source": {"cost_centre": "CC-P"}, "method": "even"},
            {"code": "two", "source": {"cost_centre": "CC-Q"}, "method": "even"},
            {"code": "idle", "source": {"idle": True, "cost_centre": "CC-A"}, "method": "even", "from": "2027-01-01"},
        ]
    ).pools
    assert receivers(pools[0], (), CENTRES) == ("CC-A", "CC-B", "CC-C", "CC-Q")
    assert receivers(pools[1], pools[:1], CENTRES) == ("CC-A", "CC-B", "CC-C")
    assert receivers(pools[2], pools[:2], CENTRES) == ("CC-A", "CC-B", "CC-C")


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ([("a", "CC-A", ["CC-B"]), ("b", "CC-B", ["CC-A"])],
         "b: gives to CC-A, which a (step 1) has emptied before: CC-A -> CC-B -> CC-A; put b before a"),
        ([("a", "CC-A", ["CC-B"]), ("b", "CC-B", ["CC-C"]), ("c", "CC-C", ["CC-A"])], "CC-A -> CC-B -> CC-C -> CC-A"),
        ([("a", "CC-A", ["CC-B"]), ("c", "CC-C", ["CC-A"])], "c: gives to CC-A, which a (step 1) has emptied before"),
        ([("a", "CC-A", ["CC-A", "CC-B"])], "a: gives to CC-A, which it empties"),
    ],
)  # fmt: skip
def test_a_pool_that_receives_after_it_was_emptied_is_refused_with_the_names(
    document: list[tuple[str, str, list[str]]], names: str
) -> None:
    entries = [
        {"code": code, "source": {"cost_centre": source}, "method": "even", "over": over}
        for code, source, over in document
    ]
    with pytest.raises(AgreementError) as refused:
        parse(entries)
    assert names in str(refused.value)


def test_pools_of_different_times_make_no_circle() -> None:
    one = {"code": "a", "source": {"cost_centre": "CC-A"}, "method": "even", "over": ["CC-B"], "to": "2026-09-01"}
    two = {"code": "b", "source": {"cost_centre": "CC-B"}, "method": "even", "over": ["CC-A"], "from": "2026-09-01"}
    assert len(parse([one, two]).pools) == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"method": "half"}, "p: method is 'half', must be one of"),
        ({"method": None}, "p: method is missing"),
        ({"method": "proportional"}, "p: driver is missing: method proportional needs it"),
        ({"driver": "tokens"}, "p: driver belongs to method proportional, not even"),
        ({"method": "fixed", "shares": {"CC-A": "0.7", "CC-B": "0.4"}, "over": None}, "add up to 1.1, more than 1"),
        ({"method": "fixed", "shares": {"CC-A": 0.7}, "over": None}, "is a float; write it in quotes"),
        ({"method": "tier_weight", "weights": {"hard": "1"}}, "p: weights names 'hard'; known are simple"),
        ({"source": {}}, "p: source names a cost_centre or one of idle"),
        ({"source": {"idle": True, "unused": True}}, "p: source is idle or unused: make two pools"),
        ({"source": {"idle": "yes"}}, "p: source says idle: 'yes'; write true"),
        ({"source": {"cost_centre": "CC-P", "colour": "red"}}, "p: source has no 'colour'"),
        ({"source": {"cost_centre": "CC-P", "unallocated": True}}, "no cost centre bears that"),
        ({"over": "some"}, "p: over is all or a list of cost centres"),
        ({"over": ["CC-A", "CC-A"]}, "twice"),
        ({"from": "2026-09-02", "to": "2026-09-01"}, "p: to must be after from"),
        ({"step": 3}, "p: unknown field 'step'"),
    ],
)
def test_a_pool_that_cannot_be_used_is_refused_with_its_name_and_field(change: dict[str, Any], told: str) -> None:
    pool = {"code": "p", "source": {"cost_centre": "CC-P"}, "method": "even", "over": ["CC-A"]} | change
    with pytest.raises(AgreementError) as refused:
        parse([{name: value for name, value in pool.items() if value is not None}])
    assert told in str(refused.value)


AMOUNT = st.integers(-(10**15), 10**15).map(lambda units: D(units).scaleb(-12))
PLACES = st.builds(
    place, centre=st.sampled_from([*CENTRES, ""]), kind=st.sampled_from(["direct", "idle", "unexplained", "correction"]),
    model=st.sampled_from(["gpt-5", "o4"]), day=st.sampled_from([DAY, date(2026, 9, 9)]),
    tier=st.sampled_from(["simple", "complex"]), currency=st.sampled_from(["USD", "EUR"]),
)  # fmt: skip
ROWS = st.dictionaries(PLACES, st.tuples(AMOUNT, AMOUNT, AMOUNT, AMOUNT), min_size=1, max_size=12)
WEIGHTS = st.dictionaries(st.sampled_from(CENTRES[:3]), st.integers(0, 5).map(D), max_size=3)
SOURCES = st.sampled_from(
    [{"cost_centre": "CC-P"}, {"cost_centre": ["CC-Q"], "model": "gpt*"}, {"idle": True}, {"unexplained": True},
     {"unallocated": True}, {"idle": True, "cost_centre": "CC-P"}]
)  # fmt: skip
DRIVEN = st.lists(st.tuples(SOURCES, WEIGHTS), min_size=1, max_size=4)


def driven(pools: list[tuple[Any, dict[str, Decimal]]]) -> tuple[tuple[Pool, ...], dict[str, Weights]]:
    """Pools in a chain, each proportional to what was drawn; CC-P gives to CC-Q too."""
    document = [
        {"code": f"p{at}", "source": source, "method": "proportional", "driver": "tokens", "over": list(CENTRES[:3])}
        for at, (source, _) in enumerate(pools)
    ]
    chain = {"code": "chain", "source": {"cost_centre": "CC-P"}, "method": "even", "over": ["CC-Q", "CC-A"]}
    parsed = parse([chain, *document]).pools
    weights = {f"p{at}": Weights(found) for at, (_, found) in enumerate(pools)}
    return parsed, weights | {"chain": Weights({"CC-Q": D(1), "CC-A": D(1)})}


@settings(max_examples=60)
@given(ROWS, DRIVEN)
def test_ar7_every_slice_of_every_cost_still_ties_after_any_split(rows: dict[Place, Costs], drawn: Any) -> None:
    """AR7: zero weights, one target, negative amounts and chained pools included."""
    moves, outcomes = split(*in_order(driven(drawn), rows))
    slices: dict[Any, list[Decimal]] = defaultdict(lambda: [D(0)] * 4)
    for move in moves:
        dimensions = move.place._replace(kind="", cost_centre="", team="")
        for at, amount in enumerate(move.costs):
            slices[move.pool, dimensions][at] += amount
    assert all(amounts == [0, 0, 0, 0] for amounts in slices.values())
    assert all(outcome.moved == outcome.found or outcome.note for outcome in outcomes), (
        "a pool is emptied, or says why not"
    )


@settings(max_examples=40)
@given(ROWS, DRIVEN, st.randoms())
def test_ar9_the_order_of_the_rows_and_a_second_run_change_nothing(rows: Any, drawn: Any, random: Any) -> None:
    shuffled = list(rows.items())
    random.shuffle(shuffled)
    once = split(*in_order(driven(drawn), rows))
    assert split(*in_order(driven(drawn), dict(shuffled))) == once


@settings(max_examples=40)
@given(
    st.dictionaries(PLACES, st.integers(0, 10**14).map(lambda units: (D(units).scaleb(-12),) * 4), min_size=1), WEIGHTS
)
def test_ar8_total_is_workload_idle_and_overhead_before_and_after_and_idle_is_never_lost(
    rows: Any, weights: dict[str, Decimal]
) -> None:
    """AR8 (OpenCost): without a split idle is shown as idle; with one it is what was given away less what came."""
    drawn = [({"idle": True}, weights), ({"unallocated": True}, weights)]
    parsed, given_weights = driven(drawn)
    off, _ = split((), rows, {})
    assert off == []
    moves, _ = split(parsed, rows, given_weights)
    before = sum_of(rows)
    idle = sum((amounts[2] for at, amounts in rows.items() if at.kind == "idle"), D(0))
    assert idle >= 0
    after = before + sum((move.costs[2] for move in moves), D(0))
    assert after == before
    given_away = -sum((m.costs[2] for m in moves if m.place.kind == "idle" and m.costs[2] < 0), D(0))
    assert 0 <= given_away <= idle, "no more than there is"


@settings(max_examples=40)
@given(ROWS, WEIGHTS)
def test_ar10_parts_round_to_the_rounded_whole_and_zero_weights_get_nothing(
    rows: Any, weights: dict[str, Decimal]
) -> None:
    parsed, given_weights = driven([({"unallocated": True}, weights)])
    moves, _ = split(parsed[1:], rows, given_weights)
    by_centre: dict[str, Decimal] = defaultdict(Decimal)
    for move in moves:
        by_centre[move.cost_centre] += move.costs[2]
    assert {code for code in by_centre if code} <= {code for code, weight in weights.items() if weight}
    parts = pa.array([by_centre[code] for code in sorted(by_centre)], pa.decimal128(30, 12))
    assert sum(round_to_minor(parts, "USD").to_pylist(), D(0)) == 0


def sum_of(rows: dict[Place, Costs]) -> Decimal:
    return sum((amounts[2] for amounts in rows.values()), D(0))


def in_order(
    pools: tuple[tuple[Pool, ...], dict[str, Weights]], rows: dict[Place, Costs]
) -> tuple[tuple[Pool, ...], dict[Place, Costs], dict[str, Weights]]:
    return pools[0], rows, pools[1]
