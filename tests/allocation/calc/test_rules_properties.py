"""AR7 and AR9: whatever the rules, nothing is lost, and neither order nor repetition changes who bears what."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.calc.assign import parts, share_counts, shares
from allocation.calc.attribution import attribute, parse_mappings
from allocation.calc.rules import Driver, Rule, assign, by_driver, catches, parse_rules

MONEY = pa.decimal128(30, 12)
DAY = date(2026, 9, 8)
words = st.sampled_from(["a", "b", "ab", "abb", "b-1", "x[1]"])
dimension = st.sampled_from(["provider", "project", "api_key", "environment", "model", "tag.team"])
simple = st.one_of(
    words, st.lists(words, min_size=1, max_size=3), st.sampled_from(["a*", "?b*", "[ab]*"]),
    st.builds(lambda word: {"regex": word}, st.sampled_from(["a+b?", "a|b.*", "(ab)*", "[ab]-?1?"])),
    st.builds(lambda word: {"exact": word}, words), st.just({"absent": True}),
)  # fmt: skip
wanted = st.one_of(simple, st.builds(lambda inner: {"not": inner}, simple))
mapping = st.dictionaries(dimension, wanted, min_size=1, max_size=2)
condition = st.recursive(
    mapping,
    lambda inner: st.builds(
        lambda name, parts: {name: parts}, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
centre = st.sampled_from(["CC-1", "CC-2", "CC-3", "CC-4"])
weight = st.one_of(st.just(Decimal(0)), st.decimals(min_value=0, max_value=10**9, places=12))
target = st.one_of(
    st.builds(lambda code: {"cost_centre": code}, centre),
    st.sampled_from(
        [{"shares": {"CC-1": "0.7", "CC-3": "0.3"}}, {"shares": {"CC-2": "0.333333333333", "CC-4": "0.666666666667"}}]
    ),
    st.builds(
        lambda name, over: {"proportional": {"driver": name, **({"over": over} if over else {})}},
        st.sampled_from(["cost", "queries", "headcount"]), st.lists(centre, unique=True, max_size=3),
    ),
)  # fmt: skip
rules = st.lists(
    st.builds(
        lambda priority, when, to, starts: {"priority": priority, "when": when, "to": to, "valid_from": starts},
        st.integers(1, 5), condition, target, st.sampled_from([None, DAY - timedelta(1), DAY + timedelta(1)]),
    ),
    max_size=6,
).map(lambda found: [{"id": f"r{n}", **rule} for n, rule in enumerate(found)])  # fmt: skip
stated = st.one_of(st.just(""), words)
key = st.fixed_dictionaries(
    dict.fromkeys(("provider", "project", "api_key", "environment", "model_served", "feature"), stated)
    | {"tags": st.dictionaries(st.just("team"), words)}
)
charges = st.lists(
    st.tuples(key, st.none() | st.decimals(min_value=-(10**9), max_value=10**9, places=12), st.integers(0, 10**6)),
    max_size=12,
)
weights = st.dictionaries(st.sampled_from(["cost", "queries", "headcount"]), st.dictionaries(centre, weight))
Who = dict[tuple[str, str], tuple[Decimal, int]]


def borne(data: list[dict[str, Any]], rows: list[Any], weighed: dict[str, dict[str, Decimal]]) -> list[Who]:
    """Of each charge: (rule, cost centre) -> its cost and its count."""
    book = by_driver(parse_rules(data), lambda driver: weighed.get(driver.name, {}))
    assignment = assign({at: row[0] for at, row in enumerate(rows)}, book, DAY)
    bearers = parts(list(range(len(rows))), assignment)
    money = shares(pa.array([row[1] for row in rows], MONEY), bearers).to_pylist()
    counts = share_counts([row[2] for row in rows], bearers)
    found: list[Who] = [{} for _ in rows]
    for at, rule, code, cost, count in zip(bearers.row, bearers.rule, bearers.cost_centre, money, counts, strict=True):
        found[at][rule, code] = (cost, int(count))
    return found


@settings(max_examples=80)
@given(rules, charges, weights)
def test_ar7_what_is_borne_and_what_is_not_sums_to_the_charge_exactly(
    data: list[dict[str, Any]], rows: list[Any], weighed: dict[str, dict[str, Decimal]]
) -> None:
    for (_, cost, count), who in zip(rows, borne(data, rows, weighed), strict=True):
        assert who, "borne by somebody, or by nobody in so many words"
        assert sum(share for _, share in who.values()) == count
        if cost is None:
            assert {share for share, _ in who.values()} == {None}
        else:
            assert sum(share for share, _ in who.values()) == cost


@settings(max_examples=80)
@given(rules, charges, weights, st.randoms())
def test_ar9_the_order_of_rules_keys_and_weights_changes_nothing(
    data: list[dict[str, Any]], rows: list[Any], weighed: dict[str, dict[str, Decimal]], random: Any
) -> None:
    before = borne(data, rows, weighed)
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = random.sample(data, len(data))
    turned = {name: dict(reversed(found.items())) for name, found in reversed(weighed.items())}
    again = borne(shuffled, [rows[at] for at in order], turned)
    assert again == [before[at] for at in order]
    assert borne(data, rows, weighed) == before


@settings(max_examples=60)
@given(rules, st.lists(key, max_size=8))
def test_the_first_rule_in_force_whose_conditions_hold_takes_a_key_whatever_other_keys_there_are(
    data: list[dict[str, Any]], keys: list[dict[str, Any]]
) -> None:
    book = parse_rules(data)
    whole = assign(dict(enumerate(keys)), book, DAY)
    flags = catches(keys, book)
    for at, each in enumerate(keys):
        assert assign({0: each}, book, DAY)[0] == whole[at]
        first: Rule | None = next((rule for n, rule in enumerate(book) if rule.holds_on(DAY) and flags[n, at]), None)
        assert whole[at] == first


@settings(max_examples=60)
@given(condition, st.lists(key, max_size=8), words)
def test_a_mapping_wins_over_what_a_caller_says_and_mapping_twice_is_mapping_once(
    when: dict[str, Any], keys: list[dict[str, Any]], value: str
) -> None:
    mappings = parse_mappings(
        [
            {"id": "m1", "when": when, "set": {"environment": value, "tag.team": value}},
            {"id": "m2", "when": when, "set": {"environment": "never", "feature": value}},
        ]
    )
    seen = attribute(dict(enumerate(keys)), mappings, DAY)
    flags = catches(keys, parse_rules([{"id": "r", "priority": 1, "when": when, "to": {"cost_centre": "A"}}]))[0]
    for at, each in enumerate(keys):
        if flags[at]:
            assert seen.dimensions[at] == {**each, "environment": value, "feature": value, "tags": {"team": value}}
            assert seen.mapped[at] == {"environment": "m1", "tag.team": "m1", "feature": "m2"}
        else:
            assert seen.dimensions[at] == each
            assert at not in seen.mapped


def test_a_driver_of_nobody_leaves_the_money_unallocated_under_its_rule() -> None:
    data = [{"id": "r", "priority": 1, "when": {"project": "a"}, "to": {"proportional": {"driver": "headcount"}}}]
    row = ({"project": "a", "tags": {}}, Decimal("1.5"), 3)
    assert borne(data, [row], {}) == [{("r", ""): (Decimal("1.5"), 3)}]
    assert parse_rules(data)[0].driver == Driver("headcount", "", ())
