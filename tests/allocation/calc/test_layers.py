"""Invariant 6 for all inputs: layers are matched, never summed; nothing is doubled and nothing falls between."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.billed import Computed, Stated, rule
from allocation.calc.layers import (
    Hourly,
    Usage,
    Who,
    account_groups,
    by_precedence,
    explained,
    prorated,
    provider_outcomes,
    union,
)

D = Decimal
ZERO = D(0)
who = st.builds(Who, st.just(""), st.sampled_from(["", "k1", "k2"]), st.sampled_from(["", "p1", "p2"]))
counts = st.integers(0, 50).map(D)
cents = st.integers(-100, 1_000).map(lambda value: D(value).scaleb(-12))
items = st.lists(st.tuples(who, counts), max_size=6)


def test_an_account_that_is_not_stated_is_compared_with_every_other() -> None:
    assert account_groups(["a", "b"]) == {"a": "a", "b": "b"}
    assert account_groups(["a", "b", ""]) == {"a": "", "b": "", "": ""}


@given(st.integers(-1_000, 1_000).map(D), st.lists(counts, min_size=1, max_size=6))
def test_a_pro_rata_share_sums_exactly_stays_whole_and_exceeds_no_weight_it_need_not(
    amount: Decimal, weights: list[Decimal]
) -> None:
    parts = prorated(amount, weights)
    assert sum(parts) == amount
    assert all(part == int(part) for part in parts)
    if abs(amount) <= sum(weights) and any(weights):
        assert all(abs(part) <= weight for part, weight in zip(parts, weights, strict=True))


@given(items.filter(bool), items)
def test_a_ruling_explains_everything_below_and_a_witness_nothing_beyond_itself(
    stated: list[tuple[Who, Decimal]], below: list[tuple[Who, Decimal]]
) -> None:
    assert sum(explained(stated, below, cap=False)) == sum((amount for _, amount in below), ZERO)
    capped = explained(stated, below, cap=True)
    assert all(0 <= part <= amount for part, (_, amount) in zip(capped, stated, strict=True))
    whole = sum((amount for _, amount in stated), ZERO)
    assert sum(capped) <= min(whole, sum((amount for _, amount in below), ZERO))


def test_rows_of_the_same_key_are_paired_before_the_rest_is_shared() -> None:
    stated = [(Who("", "k1"), D(100)), (Who("", "k2"), D(60)), (Who("", "k3"), D(40))]
    below = [(Who("", "k1"), D(90)), (Who("", "virtual"), D(50))]
    # 90 of k1 are k1's; 50 of a key the provider does not know are of the others, 60 to 40.
    assert explained(stated, below, cap=False) == [90, 30, 20]


def usage(layer: str, **given: Any) -> st.SearchStrategy[Usage]:
    fixed: dict[str, Any] = {"group": "", "provider": "openai", "operation": "chat"} | given
    return st.builds(
        Usage, layer=st.just(layer), model=st.sampled_from(["m1", "m2", ""]),
        price_class=st.sampled_from(["input_uncached", "output_visible", "output_reasoning", "requests"]),
        scope=st.sampled_from(["tokens.standard", "tokens.batch"]), who=who, quantity=counts,
        source=st.sampled_from(["a", "b"]) if layer == "provider_usage" else st.just("c"),
        **{name: st.just(value) for name, value in fixed.items()},
    )  # fmt: skip


layers = st.sampled_from(["gateway", "trace", "meter", "provider_usage"]).flatmap(usage)


@given(st.lists(layers, max_size=10), st.booleans())
def test_where_a_provider_rules_quantities_are_its_own_and_elsewhere_at_least_what_anyone_states(
    rows: list[Usage], batch_is_whole: bool
) -> None:
    whole = {"tokens.standard"} | ({"tokens.batch"} if batch_is_whole else set())

    def ruled(*place: str) -> bool:
        return place[2] in whole

    outcomes = provider_outcomes(rows, [row.quantity for row in rows], ruled)
    leads = by_precedence(rows, ruled)[-1:]
    total: dict[Any, Decimal] = defaultdict(D)
    stated: dict[Any, dict[str, Decimal]] = defaultdict(lambda: defaultdict(D))
    for row, outcome in zip(rows, outcomes, strict=True):
        cell = (row.scope, row.price_class[:5])
        total[cell] += row.quantity - outcome.explained + outcome.exceeds
        stated[cell][row.source] += row.quantity
        assert row.quantity - outcome.explained >= 0
        assert outcome.exceeds <= 0
    for cell, amount in total.items():
        of = stated[cell]
        counted = cell[1] != "reque" or any(of[lead] for lead in leads)
        if leads and cell[0] in whole and counted:
            assert amount == of[leads[0]]
        elif cell[1] != "reque":
            assert max(of.values()) <= amount <= sum(of.values())


def usage_of(source: str, quantity: int, price_class: str = "input_uncached") -> Usage:
    return row("provider_usage", quantity, source=source, price_class=price_class)


def test_of_two_sources_of_provider_usage_the_one_that_states_the_day_whole_leads_and_else_the_one_that_states_more() -> (
    None
):
    rows = [usage_of("a", 9), usage_of("b", 7), usage_of("b", 50, "requests")]
    assert by_precedence(rows, lambda *_place: False) == ["b", "a"]
    assert by_precedence(rows, lambda *_place: True) == ["b", "a"]
    assert by_precedence(rows, lambda *place: place[4] == "b") == ["a", "b"]


def test_two_sources_of_provider_usage_are_the_same_calls() -> None:
    rows = [row("gateway", 60), usage_of("a", 90), usage_of("b", 100)]
    outcomes = provider_outcomes(rows, [D(60), D(90), D(100)], lambda *place: place[4] == "b")
    # a adds 30 that the gateway has not seen, b the 10 that neither has: 60 + 30 + 10 = 100.
    assert [outcome.explained for outcome in outcomes] == [0, 60, 90]
    outcomes = provider_outcomes(rows, [D(60), D(90), D(100)], lambda *place: place[4] == "a")
    # a rules and states 90: of b's 100 the gateway explains 60, and the 10 too many are taken back.
    assert [(outcome.explained, outcome.exceeds) for outcome in outcomes] == [(0, 0), (90, -10), (60, 0)]


def test_requests_are_the_providers_where_it_counts_them_and_else_those_below() -> None:
    def charged(stated: int) -> Decimal:
        rows = [
            row("gateway", 1_000), row("gateway", 12, price_class="requests"),
            row("provider_usage", 1_100), row("provider_usage", stated, price_class="requests"),
        ]  # fmt: skip
        outcomes = provider_outcomes(rows, [each.quantity for each in rows], lambda *_place: True)
        pairs = list(zip(rows, outcomes, strict=True))[1::2]
        return sum((each.quantity - out.explained + out.exceeds for each, out in pairs), ZERO)

    assert charged(10) == 10  # 12 - 2
    assert charged(15) == 15
    assert charged(0) == 12  # Anthropic's report has no count of requests


@given(st.lists(st.tuples(layers, st.integers(0, 1), st.booleans()), max_size=10))
def test_a_union_is_at_least_what_any_layer_states_and_at_most_their_sum(
    found: list[tuple[Usage, int, bool]],
) -> None:
    found = [item for item in found if item[0].layer != "provider_usage"]
    rows = [row for row, _, _ in found]
    # what an id has matched is the same on both sides: only then is it the gateway's
    hours = [Hourly(at, hour, row.quantity, matched=False) for at, (row, hour, _) in enumerate(found)]
    taken = union(rows, hours)
    of_layer: dict[str, Decimal] = defaultdict(D)
    charged = ZERO
    for at, row in enumerate(rows):
        part = taken.get(at)
        of_layer[row.layer] += row.quantity
        charged += row.quantity - (part.by_id + part.by_hour if part else 0)
    assert max(of_layer.values(), default=ZERO) <= charged <= sum(of_layer.values(), ZERO)


def row(layer: str, quantity: int, **given: Any) -> Usage:
    fixed = {
        "group": "",
        "provider": "openai",
        "model": "m",
        "price_class": "input_uncached",
        "scope": "tokens.standard",
    }
    return Usage(**{"layer": layer, "operation": "chat", "who": Who(), "quantity": D(quantity)} | fixed | given)


def test_what_an_id_has_matched_explains_no_other_call_but_a_meter_still_sees_it() -> None:
    rows = [row("gateway", 100), row("trace", 130), row("meter", 200)]
    hours = [
        Hourly(0, 7, D(80), matched=True), Hourly(0, 7, D(20), matched=False),
        Hourly(1, 7, D(80), matched=True), Hourly(1, 7, D(50), matched=False), Hourly(2, 7, D(200), matched=False),
    ]  # fmt: skip
    taken = union(rows, hours)
    assert (taken[1].by_id, taken[1].by_hour) == (80, 20)  # 30 that the gateway does not know
    assert taken[2].by_hour == 130  # 100 of the gateway's, 30 of the trace's


place = st.sampled_from([("", "openai", "USD"), ("", "openai", "EUR"), ("a", "aws", "USD")])
named = st.sampled_from([("m1", "input_uncached"), ("m1", ""), ("m2", "output_visible"), ("", "")])
known = named.filter(lambda pair: bool(pair[1]))
scopes = st.sampled_from(["tokens.standard", "tokens.priority", "web_search", "other"])


@st.composite
def stated_lines(draw: Any) -> Stated:
    model, price_class = draw(named)
    return Stated(draw(place), draw(scopes), model, price_class, draw(who), draw(st.none() | counts), draw(cents))


@st.composite
def computed_rows(draw: Any) -> Computed:
    model, price_class = draw(known)
    cost = draw(st.none() | cents.map(abs))
    return Computed(draw(place), draw(scopes), model, price_class, draw(who), draw(counts), cost)


@given(st.lists(stated_lines(), max_size=8), st.lists(computed_rows(), max_size=8), st.sets(scopes))
def test_where_a_report_rules_money_is_its_own_and_elsewhere_at_least_what_anyone_states(
    lines: list[Stated], computed: list[Computed], whole: set[str]
) -> None:
    found = rule(lines, computed, lambda _place, scope: scope in whole)
    for of in {line.place for line in lines}:
        mine = [(line, left) for line, left in zip(lines, found.remainders, strict=True) if line.place == of]
        full = [(line, left) for line, left in mine if line.scope in whole]
        ruled = sum((computed[at].cost or ZERO for at in found.ruled if computed[at].place == of), ZERO)
        assert ruled + sum((line.cost - left.explained for line, left in full), ZERO) == sum(
            (line.cost for line, _ in full), ZERO
        )
        part = [(line, left) for line, left in mine if line.scope not in whole]
        rest = [row.cost or ZERO for at, row in enumerate(computed) if row.place == of and at not in found.ruled]
        beyond = sum((line.cost - left.explained for line, left in part if left.charged), ZERO)
        if all(line.cost >= 0 for line, _ in part):
            stated = sum((line.cost for line, _ in part), ZERO)
            assert max(stated, sum(rest, ZERO)) <= sum(rest, ZERO) + beyond <= stated + sum(rest, ZERO)


def test_a_remainder_stands_where_the_line_is_and_says_why() -> None:
    here = ("", "openai", "USD")

    def line(model: str, name: str, cost: int, quantity: int | None = None) -> Stated:
        return Stated(here, "tokens.standard", model, name, Who(), None if quantity is None else D(quantity), D(cost))

    def charge(model: str, name: str, cost: int | None, quantity: int = 10) -> Computed:
        return Computed(here, "tokens.standard", model, name, Who(), D(quantity), None if cost is None else D(cost))

    lines = [line("a", "input_uncached", 9, 10), line("b", "input_uncached", 9, 12), line("c", "", 5), line("", "", 4)]
    below = [charge("a", "input_uncached", 8), charge("b", "input_uncached", 7), charge("c", "output_visible", None),
             charge("d", "output_visible", 3)]  # fmt: skip
    left = rule(lines, below, lambda *_: True).remainders
    assert [(item.cause, item.explained) for item in left] == [
        ("price_difference", 8), ("quantity_difference", 7), ("unpriced_below", 0), ("unexplained", 3),
    ]  # fmt: skip
