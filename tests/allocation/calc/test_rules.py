"""Rules: who bears the cost of which usage key."""

from datetime import date
from typing import Any

import pytest
import yaml

from allocation.calc.rules import RuleError, assign, parse_rules

CONTRACT = """
- {id: r10, priority: 10, valid_from: 2026-01-01, when: {tag.team: search}, to: {cost_centre: CC-100, team: search}}
- {id: r20, priority: 20, when: {api_key: ["key_a*", "key_b"], environment: {not: dev}}, to: {cost_centre: CC-200}}
- {id: r90, priority: 90, when: {provider: selfhosted}, to: {shares: {CC-100: "0.7", CC-200: "0.3"}}}
"""


def key(**dimensions: Any) -> dict[str, Any]:
    return {"tags": {}} | dimensions


def bearer(rules: str, day: str = "2026-09-08", **dimensions: Any) -> str | None:
    rule = assign({1: key(**dimensions)}, parse_rules(yaml.safe_load(rules)), date.fromisoformat(day))[1]
    return rule.rule if rule else None


def test_the_first_rule_by_priority_that_holds_bears_the_cost() -> None:
    assert bearer(CONTRACT, tags={"team": "search"}, api_key="key_b", environment="prod") == "r10"
    assert bearer(CONTRACT, tags={"team": "legal"}, api_key="key_a7", environment="prod") == "r20"
    assert bearer(CONTRACT, provider="selfhosted") == "r90"
    assert bearer(CONTRACT, provider="openai") is None


def test_equal_priorities_fire_in_the_order_of_their_ids() -> None:
    rules = """
    - {id: b, priority: 1, when: {provider: openai}, to: {cost_centre: B}}
    - {id: a, priority: 1, when: {provider: openai}, to: {cost_centre: A}}
    """
    assert bearer(rules, provider="openai") == "a"


def test_a_missing_dimension_never_matches_not_even_a_negation() -> None:
    assert bearer(CONTRACT, api_key="key_b") is None  # environment is missing, so {not: dev} does not hold
    absent = "- {id: a, priority: 1, when: {environment: {absent: true}}, to: {cost_centre: A}}"
    assert bearer(absent, api_key="key_b") == "a"
    assert bearer(absent, environment="dev") is None


def test_a_rule_holds_from_its_first_day_up_to_but_not_on_its_end() -> None:
    rules = "- {id: a, priority: 1, valid_from: 2026-09-01, valid_to: 2026-10-01, when: {provider: x}, to: {cost_centre: A}}"
    assert [bearer(rules, day, provider="x") for day in ("2026-08-31", "2026-09-01", "2026-09-30", "2026-10-01")] == [
        None, "a", "a", None,
    ]  # fmt: skip


def test_values_may_be_globs_lists_and_regular_expressions_but_a_plain_value_is_exact() -> None:
    rules = '- {id: a, priority: 1, when: {model: {regex: "gpt-5(-mini)?"}}, to: {cost_centre: A}}'
    assert bearer(rules, model_served="gpt-5-mini") == "a"
    assert bearer(rules, model_served="gpt-5-nano") is None
    assert bearer("- {id: a, priority: 1, when: {project: team.1}, to: {cost_centre: A}}", project="teamX1") is None


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("a: 1", "list of rules"),
        ("- {priority: 1}", "rule 1: needs an id"),
        ("- {id: a, priority: x, when: {provider: p}, to: {cost_centre: A}}", "a: priority"),
        ("- {id: a, priority: 1, when: {colour: red}, to: {cost_centre: A}}", "unknown dimension 'colour'"),
        ("- {id: a, priority: 1, when: {}, to: {cost_centre: A}}", "at least one dimension"),
        ("- {id: a, priority: 1, when: {provider: p}, to: {shares: {A: '0.7', B: '0.2'}}}", "sum to 0.9"),
        ("- {id: a, priority: 1, when: {provider: p}, to: {shares: {A: 0.7, B: 0.3}}}", "as a text"),
        ("- {id: a, priority: 1, when: {provider: p}, to: {shares: {A: '-1', B: '2'}}}", "above 0"),
        ("- {id: a, priority: 1, when: {provider: p}, to: A}", "a: to must be"),
        ("- {id: a, priority: 1, when: {model: {regex: '('}}, to: {cost_centre: A}}", "regular expression"),
        ("- {id: a, priority: 1, when: {provider: p}, to: {cost_centre: A}, valid_from: soon}", "valid_from"),
        (
            "- {id: a, priority: 1, when: {provider: p}, to: {cost_centre: A}}\n"
            "- {id: a, priority: 2, when: {provider: q}, to: {cost_centre: A}}",
            "used twice",
        ),
    ],
)
def test_a_rule_that_cannot_be_used_is_named_with_its_field(rules: str, message: str) -> None:
    with pytest.raises(RuleError, match=message):
        parse_rules(yaml.safe_load(rules))
