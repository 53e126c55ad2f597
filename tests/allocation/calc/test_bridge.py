"""The cost bridge: exact without a rest, the same backwards, untouched by finer keys, and a single cause is told as it is."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.calc.bridge import bridge
from allocation.calc.bridge_effects import EFFECTS, means, rounded
from allocation.calc.bridge_sides import Cell, Count, Fixed, Line, Side

CHAT = Cell("CC-1", "chat", "prod", "chat", "openai", "gpt-5", "simple")
CLASSES = ("input_uncached", "cache_read", "output_visible", "output_reasoning", "web_search")


def usage(
    cell: Cell, queries: int, *, calls: int = 2, fresh: int = 1_000, cached: int = 500, visible: int = 200,
    reasoning: int = 300, price: str = "0.002", discount: str = "1", commitment: str = "1", fx: str = "", service: str = "",
) -> Side:  # fmt: skip
    """One cell: ``calls`` a query; tokens a call; ``price`` of any token at list, cached ones a tenth of it."""
    requests = queries * calls
    per_call = {"input_uncached": fresh, "cache_read": cached, "output_visible": visible, "output_reasoning": reasoning}
    lines = []
    for name, tokens in per_call.items():
        quantity = Decimal(tokens * requests)
        original = quantity * Decimal(price) * (Decimal("0.1") if name == "cache_read" else 1)
        listed = original * Decimal(fx or "1")
        contracted = listed * Decimal(discount)
        cost = contracted * Decimal(commitment)
        if quantity:
            currency = "EUR" if fx else ""
            lines.append(Line(cell, service, name, quantity, Fraction(original), listed, contracted, cost, currency))
    return Side(lines, [Count(cell, queries, requests)])


def sides(*parts: Side) -> Side:
    return Side(
        *([row for part in parts for row in getattr(part, name)] for name in ("lines", "counts", "fixed"))
    )  # fmt: skip


def told(before: Side, after: Side) -> dict[str, Decimal]:
    """The effects that are not zero."""
    found = bridge(before, after).total
    assert sum(found.effects.values()) == found.delta == after.cost - before.cost
    return {name: amount for name, amount in found.effects.items() if amount}


COMPLEX = CHAT._replace(tier="complex")
DEAR = CHAT._replace(model="o5")
BASE = usage(CHAT, 100)
BOTH = sides(BASE, usage(COMPLEX, 100, reasoning=5_000))
MODELS = sides(BASE, usage(DEAR, 100, price="0.01"))


@pytest.mark.parametrize(
    ("effect", "before", "after"),
    [
        ("volume", BASE, usage(CHAT, 150)),
        ("volume", BOTH, sides(usage(CHAT, 150), usage(COMPLEX, 150, reasoning=5_000))),
        ("tier_mix", BOTH, sides(usage(CHAT, 150), usage(COMPLEX, 50, reasoning=5_000))),
        ("tier_mix", BASE, usage(COMPLEX, 100, reasoning=9)),
        ("model_mix", MODELS, sides(usage(CHAT, 50), usage(DEAR, 150, price="0.01"))),
        ("model_mix", BASE, usage(DEAR, 100, price="0.01")),
        ("calls", BASE, usage(CHAT, 100, calls=5)),
        ("calls", BOTH, sides(BASE, usage(COMPLEX, 100, calls=3, reasoning=5_000))),
        ("input_tokens", BASE, usage(CHAT, 100, fresh=2_000, cached=1_000)),
        ("output_tokens", BASE, usage(CHAT, 100, visible=201)),
        ("reasoning_tokens", BASE, usage(CHAT, 100, reasoning=540)),
        ("reasoning_tokens", usage(CHAT, 100, reasoning=0), usage(CHAT, 100, reasoning=540)),
        ("reasoning_tokens", BOTH, sides(BASE, usage(COMPLEX, 100, reasoning=9_000))),
        ("cache", BASE, usage(CHAT, 100, fresh=500, cached=1_000)),
        ("cache", usage(CHAT, 100, fresh=1_500, cached=0), BASE),
        ("price", BASE, usage(CHAT, 100, price="0.0015")),
        ("price", usage(CHAT, 100, discount="0.9"), usage(CHAT, 100, discount="0.9", price="0.001")),
        ("contract", BASE, usage(CHAT, 100, discount="0.85")),
        ("commitments", BASE, usage(CHAT, 100, commitment="0.7")),
        ("service_tier", BASE, replace(usage(CHAT, 100, price="0.001", service="batch"))),
        ("fx", usage(CHAT, 100, fx="1.10"), usage(CHAT, 100, fx="1.25")),
        ("price", BASE, usage(CHAT, 100, fx="1.25")),
        ("keys", BASE, sides(BASE, usage(CHAT._replace(feature="mail"), 70))),
        ("keys", sides(BASE, usage(CHAT._replace(team="old"), 70)), BASE),
    ],
)  # fmt: skip
def test_a_single_planted_cause_is_told_wholly(effect: str, before: Side, after: Side) -> None:
    assert told(before, after) == {effect: after.cost - before.cost}
    assert told(after, before) == {effect: before.cost - after.cost}


def test_queries_that_move_between_use_cases_are_no_volume() -> None:
    mail = CHAT._replace(feature="mail")
    before = sides(usage(CHAT, 100), usage(mail, 100, calls=6))
    after = sides(usage(CHAT, 60), usage(mail, 140, calls=6))
    assert told(before, after) == {"use_case_mix": after.cost - before.cost}


def test_calls_of_a_second_model_that_begins_no_query_are_calls() -> None:
    helper = replace(usage(DEAR, 100), counts=[Count(DEAR, 0, 200)])
    more = replace(usage(DEAR, 100, calls=4), counts=[Count(DEAR, 0, 400)])
    assert told(sides(BASE, helper), sides(BASE, more)) == {"calls": more.cost - helper.cost}


def test_cost_that_no_usage_explains_is_an_effect_of_its_own() -> None:
    before = sides(BASE, Side(fixed=[Fixed(CHAT, "idle", Decimal(7)), Fixed(CHAT, "other", Decimal(2))]))
    after = sides(BASE, Side(fixed=[Fixed(CHAT, "idle", Decimal(4)), Fixed(CHAT, "corrections", Decimal("-1.5"))]))
    assert told(before, after) == {"idle": Decimal(-3), "corrections": Decimal("-1.5"), "other": Decimal(-2)}


def test_usage_that_had_no_list_price_is_told_by_the_contract() -> None:
    free = [line._replace(listed=Decimal(0), original=Fraction(0), contracted=Decimal(0)) for line in BASE.lines]
    dearer = [line._replace(cost=line.cost * 2) for line in free]
    assert told(replace(BASE, lines=free), replace(BASE, lines=dearer)) == {"commitments": BASE.cost}


def test_two_causes_share_what_they_did_together_evenly() -> None:
    """100 queries -> 200 at a price of 2 -> 3 a query: 100 x 2 = 200 becomes 600. Alone more queries add 200 or, at the
    new price, 300; alone the price adds 100 or, of the new queries, 200: means 250 and 150.
    """
    line = BASE.lines[0]
    before = Side([line._replace(quantity=Decimal(100), original=Fraction(200), listed=Decimal(200), contracted=Decimal(200),
                                 cost=Decimal(200))], [Count(CHAT, 100, 100)])  # fmt: skip
    after = Side([line._replace(quantity=Decimal(200), original=Fraction(600), listed=Decimal(600), contracted=Decimal(600),
                                cost=Decimal(600))], [Count(CHAT, 200, 200)])  # fmt: skip
    assert told(before, after) == {"volume": Decimal(250), "price": Decimal(150)}


def test_the_example_of_the_documentation_holds() -> None:
    """docs/bridge.md: 1,000 x 2 x 500 x $4 per million = $4.00 becomes 1,500 x 2 x 800 x $3 per million = $7.20."""
    before = usage(CHAT, 1_000, fresh=0, cached=0, visible=0, reasoning=500, price="0.000004")
    after = usage(CHAT, 1_500, fresh=0, cached=0, visible=0, reasoning=800, price="0.000003")
    assert (before.cost, after.cost) == (Decimal(4), Decimal("7.2"))
    assert told(before, after) == {
        "volume": Decimal("2.25"), "reasoning_tokens": Decimal("2.6"), "price": Decimal("-1.65"),
    }  # fmt: skip


def test_what_happens_elsewhere_leaves_the_causes_of_a_cell_alone() -> None:
    """Complex queries think 9,000 tokens instead of 5,000, while simple ones double: the two causes stay apart."""
    after = sides(usage(CHAT, 200), usage(COMPLEX, 100, reasoning=9_000))
    parts = bridge(BOTH, after).by("tier")
    dear, plain = parts["complex",], parts["simple",]
    assert dear.effects["reasoning_tokens"] == dear.delta > 0
    assert dear.effects["volume"] == -dear.effects["tier_mix"] > 0
    assert plain.effects["volume"] + plain.effects["tier_mix"] == plain.delta


def test_sides_that_differ_by_intent_are_compared_without_what_they_differ_by() -> None:
    other = CHAT._replace(cost_centre="CC-2")
    found = bridge(BASE, usage(other, 100, price="0.003"), ignoring=["cost_centre"]).total
    assert {name for name, amount in found.effects.items() if amount} == {"price"}
    assert {name for name, amount in bridge(BASE, usage(other, 100)).total.effects.items() if amount} == set()
    assert bridge(BASE, usage(other, 100)).began == BASE.cost


def test_a_budget_has_an_amount_and_no_drivers() -> None:
    after = usage(CHAT, 150)
    found = bridge(BASE, after).against(Decimal(500)).total
    assert (found.start, found.end) == (Decimal(500), after.cost)
    assert {name: amount for name, amount in found.effects.items() if amount} == {
        "budget": BASE.cost - 500, "volume": after.cost - BASE.cost,
    }  # fmt: skip


def test_every_effect_is_listed_once() -> None:
    assert len(set(EFFECTS)) == len(EFFECTS)
    assert set(bridge(BASE, BOTH).total.effects) == set(EFFECTS)


# --- properties ---

_amounts = st.decimals(min_value=0, max_value=5_000, places=6) | st.just(Decimal(0))


@st.composite
def a_side(draw: st.DrawFn, signed: bool = True) -> Side:
    """Anything a ledger may hold: cells without queries, calls without tokens, free and negative usage, credits."""
    cells = draw(
        st.lists(
            st.builds(
                Cell, st.sampled_from(["CC-1", "CC-2", None]), st.just(None), st.just("prod"),
                st.sampled_from(["a", "b"]), st.just("openai"), st.sampled_from(["m1", "m2"]),
                st.sampled_from(["simple", "complex"]),
            ),
            max_size=5, unique=True,
        )
    )  # fmt: skip
    lines, counts, fixed = [], [], []
    for cell in cells:
        counts.append(Count(cell, draw(st.integers(0, 50)), draw(st.integers(-3 if signed else 0, 90))))
        for name in draw(st.lists(st.sampled_from(CLASSES), unique=True, max_size=4)):
            sign = draw(st.sampled_from([1, 1, 1, -1])) if signed else 1
            listed, contracted, cost = (draw(_amounts) * sign for _ in range(3))
            currency = draw(st.sampled_from(["", "", "EUR"]))
            original = Fraction(listed) / Fraction(draw(st.integers(1, 9))) if currency else Fraction(listed)
            quantity = Decimal(draw(st.integers(0, 9_000)) * sign)
            service = draw(st.sampled_from(["", "batch"]))
            lines.append(Line(cell, service, name, quantity, original, listed, contracted, cost, currency))
        if draw(st.booleans()):
            effect = draw(st.sampled_from(["idle", "corrections", "shared", "other"]))
            fixed.append(Fixed(cell, effect, draw(_amounts) * draw(st.sampled_from([1, -1]))))
    return Side(lines, counts, fixed)


@settings(deadline=None)
@given(a_side(), a_side())
def test_effects_sum_to_the_change_without_a_plug(before: Side, after: Side) -> None:
    found = bridge(before, after)
    delta = Fraction(after.cost) - Fraction(before.cost)
    miss = abs(sum(found.unrounded.values(), Fraction(0)) - delta)
    assert miss <= max(abs(delta), Fraction(1, 10**6)) / 10**9
    assert miss < Fraction(1, 10**30), "they are exact but for the 40th decimal"
    assert sum(found.total.effects.values()) == found.total.delta == after.cost - before.cost
    cents = found.total.in_units(2)
    assert sum(cents.effects.values()) == cents.end - cents.start
    assert (cents.start, cents.end) == (round(before.cost, 2), round(after.cost, 2))


@settings(deadline=None)
@given(a_side(), a_side())
def test_swapping_the_sides_negates_every_effect_exactly(before: Side, after: Side) -> None:
    there, back = bridge(before, after), bridge(after, before)
    assert back.unrounded == {name: -value for name, value in there.unrounded.items()}
    assert back.total.effects == {name: -value for name, value in there.total.effects.items()}
    for digits in (2, 0):
        cents, other = there.total.in_units(digits), back.total.in_units(digits)
        assert other.effects == {name: -value for name, value in cents.effects.items()}


@settings(deadline=None)
@given(a_side(), a_side(), st.sampled_from([("cost_centre",), ("tier",), ("model", "feature")]))
def test_the_parts_of_a_drill_down_sum_to_the_whole(before: Side, after: Side, names: tuple[str, ...]) -> None:
    found = bridge(before, after)
    parts = found.by(*names).values()
    assert sum(part.delta for part in parts) == found.total.delta
    for effect, amount in found.total.effects.items():
        assert sum((part.effects[effect] for part in parts), Decimal(0)) == amount


def split_by(side: Side, wanted: Callable[[Cell], bool], share: int, **names: tuple[str, str]) -> Side:
    """The side with some cells told apart further: one part in ``share`` under a name, the rest under another."""
    found = Side([], [], [])

    def cells(cell: Cell) -> tuple[Cell, Cell]:
        one, two = ({name: values[n] for name, values in names.items()} for n in (0, 1))
        return cell._replace(**one), cell._replace(**two)

    for line in side.lines:
        if not wanted(line.cell):
            found.lines.append(line)  # type: ignore[attr-defined]
            continue
        amounts = ("quantity", "original", "listed", "contracted", "cost")
        first = {name: getattr(line, name) / share for name in amounts}
        rest = {name: getattr(line, name) - first[name] for name in amounts}
        for cell, values in zip(cells(line.cell), (first, rest), strict=True):
            found.lines.append(line._replace(cell=cell, **values))  # type: ignore[attr-defined]
    for cell, queries, requests in side.counts:
        if not wanted(cell):
            found.counts.append(Count(cell, queries, requests))  # type: ignore[attr-defined]
            continue
        one, two = cells(cell)
        found.counts.append(Count(one, queries // share, requests // share))  # type: ignore[attr-defined]
        found.counts.append(Count(two, queries - queries // share, requests - requests // share))  # type: ignore[attr-defined]
    return found


@settings(deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9),
    st.sampled_from([{"team": ("x", "y")}, {"feature": ("x", "y")}, {"model": ("x", "y")}, {"tier": ("x", "y")}]),
)  # fmt: skip
def test_refining_keys_that_did_not_change_changes_nothing(
    queries: int, more: int, calls: int, others: int, names: dict[str, tuple[str, str]]
) -> None:
    still = usage(CHAT._replace(model="still", feature="still", tier="research"), 40, calls=4)
    before = sides(usage(CHAT, queries), usage(COMPLEX, 3, calls=calls), still)
    after = sides(usage(CHAT, more, price="0.003"), usage(COMPLEX, 8, calls=others, reasoning=7), still)
    plain = bridge(before, after).unrounded
    fine = bridge(
        *(split_by(side, lambda cell: cell.model == "still", 4, **names) for side in (before, after))
    ).unrounded
    assert fine.keys() == plain.keys()
    assert all(abs(fine[name] - value) < Fraction(1, 10**30) for name, value in plain.items())


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=5))
def test_the_shares_are_the_mean_over_all_orders(pairs: list[tuple[int, int]]) -> None:
    old, new = ([Fraction(pair[n], 7) for pair in pairs] for n in (0, 1))
    wanted = [Fraction(0)] * len(pairs)
    orders = list(permutations(range(len(pairs))))
    for order in orders:
        now = list(old)
        for at in order:
            was = prod(now, start=Fraction(1))
            now[at] = new[at]
            wanted[at] += (prod(now, start=Fraction(1)) - was) / len(orders)
    shares = [Fraction(*mean) * (after - before) for mean, before, after in zip(means(old, new), old, new, strict=True)]
    assert shares == wanted


def test_cents_go_to_those_that_lost_most_and_ties_to_the_first() -> None:
    thirds = {name: Fraction(1, 3) for name in "abc"}
    assert rounded(thirds, Decimal(1), 2) == {"a": Decimal("0.34"), "b": Decimal("0.33"), "c": Decimal("0.33")}
    lost = {"a": Fraction("0.001"), "b": Fraction("0.009")}
    assert rounded(lost, Decimal("0.01"), 2) == {"a": Decimal("0.00"), "b": Decimal("0.01")}
    back = {name: -value for name, value in lost.items()}
    assert rounded(back, Decimal("-0.01"), 2) == {"a": Decimal("0.00"), "b": Decimal("-0.01")}
    mixed = {"a": Fraction("-0.006"), "b": Fraction("0.016")}
    assert rounded(mixed, Decimal("0.01"), 2) == {"a": Decimal("0.00"), "b": Decimal("0.01")}
    with pytest.raises(ValueError, match=r"no effect explains 0\.01"):
        rounded({}, Decimal("0.01"), 2)
