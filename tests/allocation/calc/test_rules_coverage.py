"""What rules cover: dead and shadowed rules, overlaps, and money that nobody owns."""

from decimal import Decimal
from typing import Any

from allocation.calc.rules import parse_rules
from allocation.calc.rules_coverage import Caught, cover, gaps

KEYS: dict[int, dict[str, Any]] = {
    1: {"project": "search-a", "provider": "openai", "tags": {}},
    2: {"project": "search-b", "provider": "openai", "tags": {}},
    3: {"project": "sandbox", "provider": "google", "tags": {}},
    4: {"project": "sandbox", "provider": "openai", "tags": {}},
    5: {"api_key": "key-9", "provider": "openai", "tags": {"cost_centre": "CC-2"}},
}
RULES = parse_rules(
    [
        {"id": "r1", "priority": 1, "when": {"project": "search-*"}, "to": {"cost_centre": "CC-1"}},
        {"id": "r2", "priority": 2, "when": {"project": "search-b"}, "to": {"cost_centre": "CC-2"}},
        {"id": "r3", "priority": 3, "when": {"project": "legal"}, "to": {"cost_centre": "CC-3"}},
        {
            "id": "r4",
            "priority": 4,
            "when": {"project": "search-a"},
            "to": {"cost_centre": "CC-3"},
            "valid_to": "2026-01-01",
        },
        {"id": "r5", "priority": 5, "when": {"provider": "google"}, "to": {"proportional": {"driver": "headcount"}}},
    ]
)
ROWS = [
    Caught("r1", 1, "CC-1", False, Decimal(7)), Caught("r1", 2, "CC-1", False, Decimal(2)),
    Caught("r5", 3, "", False, Decimal(5)), Caught("", 4, "", False, Decimal(3)), Caught("", 5, "", False, Decimal(1)),
    Caught("", 4, "CC-1", True, Decimal(11)), Caught("", 4, "", True, Decimal(-4)),
]  # fmt: skip


def test_each_rule_says_what_it_caught_and_those_that_catch_nothing_say_why() -> None:
    found = cover(ROWS, KEYS, RULES, {"r1", "r2", "r3", "r5"})
    assert [(row.rule.rule, row.state, row.keys, row.cost, row.unborne) for row in found] == [
        ("r1", "catches", 2, 9, 0), ("r2", "shadowed", 0, 0, 0), ("r3", "dead", 0, 0, 0), ("r4", "not_in_force", 0, 0, 0),
        ("r5", "catches", 1, 5, 5),
    ]  # fmt: skip
    assert found[1].by == (("r1", 1, Decimal(2)),)
    assert found[1].shadowed == 2
    assert found[3].by == ()


def test_what_the_rules_caught_what_was_declared_and_what_nobody_owns_sum_to_the_cost() -> None:
    covered = sum(row.cost - row.unborne for row in cover(ROWS, KEYS, RULES, {"r1"}))
    declared = sum(row.cost for row in ROWS if row.declared and row.cost_centre)
    left = sum(gap.cost for gap in gaps(ROWS, KEYS, RULES, ["CC-1"]))
    assert covered + declared + left == sum(row.cost for row in ROWS)


def test_money_without_an_owner_is_told_by_what_its_keys_have_in_common_with_a_rule_that_would_catch_it() -> None:
    found = gaps(ROWS, KEYS, RULES, ["CC-1", "CC-2"])
    assert [(gap.reason, gap.about, gap.keys, gap.cost) for gap in found] == [
        ("no_driver", "r5", 1, 5), ("no_rule", "project sandbox", 1, 3), ("no_rule", "tag.cost_centre CC-2", 1, 1),
        ("correction", "", 1, -4),
    ]  # fmt: skip
    assert found[1].rule == {"id": "s-project-sandbox", "priority": 15, "when": {"project": "sandbox"}}
    assert (found[1].likely, found[2].likely) == ("", "CC-2")
    assert found[0].rule is None


def test_a_suggested_rule_catches_what_it_was_suggested_for_and_nothing_that_has_an_owner() -> None:
    rule = next(gap.rule for gap in gaps(ROWS, KEYS, RULES, []) if gap.about == "project sandbox")
    assert rule is not None
    more = [*RULES, *parse_rules([rule | {"to": {"cost_centre": "CC-1"}}])]
    assert [row.state for row in cover(ROWS, KEYS, more, {rule["id"]})] == [
        "catches",
        "not_in_force",
        *["not_in_force"] * 2,
        "catches",
        "shadowed",
    ]
    taken = [Caught(row.rule or rule["id"], row.key, row.cost_centre or "CC-1", row.declared, row.cost) for row in ROWS]
    assert cover(taken, KEYS, more, {rule["id"]})[-1].state == "catches"


def test_who_likely_owns_it_is_who_owns_what_is_alike() -> None:
    keys = KEYS | {6: {"project": "search-c", "tags": {}}}
    rows = [*ROWS, Caught("", 6, "", False, Decimal(9))]
    assert gaps(rows, keys, RULES, [])[0].likely == "CC-1"  # as other projects that begin with search-


def test_a_value_that_looks_like_a_glob_is_suggested_as_it_stands() -> None:
    keys = {1: {"feature": "chat [beta]", "tags": {}}}
    found = gaps([Caught("", 1, "", False, Decimal(1))], keys, [], [])
    assert found[0].rule == {"id": "s-feature-chat-beta", "priority": 10, "when": {"feature": {"exact": "chat [beta]"}}}
