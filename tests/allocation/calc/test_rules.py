"""Rules: who bears the cost of which usage key."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import yaml

from allocation.calc.rules import Driver, RuleError, Target, assign, by_driver, parse_rules
from allocation.calc.rules_words import sentence

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


def test_conditions_nest_with_all_and_any_and_everything_in_one_mapping_must_hold() -> None:
    rules = """
    - id: a
      priority: 1
      when:
        provider: openai
        any: [{tag.team: search}, {all: [{region: "eu-*"}, {mode: {not: batch}}]}]
      to: {cost_centre: A}
    """
    assert bearer(rules, provider="openai", tags={"team": "search"}) == "a"
    assert bearer(rules, provider="openai", region="eu-west-1", mode="sync") == "a"
    assert bearer(rules, provider="openai", region="eu-west-1", mode="batch") is None
    assert bearer(rules, provider="openai", region="us-east-1", mode="sync") is None
    assert bearer(rules, provider="google", tags={"team": "search"}) is None


def test_a_negation_of_a_negation_holds_and_not_absent_is_any_value() -> None:
    twice = "- {id: a, priority: 1, when: {project: {not: {not: chat}}}, to: {cost_centre: A}}"
    assert (bearer(twice, project="chat"), bearer(twice, project="mail"), bearer(twice)) == ("a", None, None)
    stated = "- {id: a, priority: 1, when: {project: {not: {absent: true}}}, to: {cost_centre: A}}"
    assert (bearer(stated, project="mail"), bearer(stated)) == ("a", None)


def test_a_value_that_looks_like_a_glob_is_meant_literally_where_it_is_called_exact() -> None:
    rules = '- {id: a, priority: 1, when: {feature: {exact: "chat [beta]"}}, to: {cost_centre: A}}'
    assert (bearer(rules, feature="chat [beta]"), bearer(rules, feature="chat b")) == ("a", None)


def test_a_regular_expression_matches_the_whole_value_also_with_alternatives() -> None:
    rules = "- {id: a, priority: 1, when: {model: {regex: 'gpt|claude.*'}}, to: {cost_centre: A}}"
    assert [bearer(rules, model_served=name) for name in ("gpt", "gpt-5", "claude-5", "my-claude")] == [
        "a",
        None,
        "a",
        None,
    ]


def test_a_regular_expression_that_explodes_elsewhere_takes_linear_time() -> None:
    # Python's re needs 2^60 steps to find that (a+)+ does not match sixty letters and a mark
    rules = "- {id: a, priority: 1, when: {model: {regex: '(a+)+'}}, to: {cost_centre: A}}"
    assert bearer(rules, model_served="a" * 60 + "!") is None
    assert bearer(rules, model_served="a" * 60) == "a"


def test_shares_by_a_driver_follow_its_weights_and_nobody_bears_it_where_they_are_zero() -> None:
    text = "- {id: a, priority: 1, when: {provider: x}, to: {proportional: {driver: queries, tier: complex, over: [B, A, C]}}}"
    rule = parse_rules(yaml.safe_load(text))[0]
    assert rule.driver == Driver("queries", "complex", ("B", "A", "C"))
    weighed = by_driver([rule], lambda _: {"A": Decimal(3), "B": Decimal(1), "D": Decimal(9), "C": Decimal(0)})[0]
    assert weighed.targets == (Target("A", "", Decimal(3)), Target("B", "", Decimal(1)))
    assert by_driver([rule], lambda _: {})[0].targets == ()


def test_a_rule_reads_as_a_sentence() -> None:
    text = """
    - id: a
      priority: 7
      when: {project: "p-*", any: [{mode: {not: batch}}, {tag.team: {absent: true}}]}
      to: {shares: {A: "0.25", B: "0.75"}}
    - {id: b, priority: 8, when: {provider: x}, to: {proportional: {driver: queries, tier: complex, over: [A, B]}}}
    """
    assert [sentence(rule) for rule in parse_rules(yaml.safe_load(text))] == [
        "a, priority 7: project is p-* and (mode is not batch or tag team is not stated) → 25 % A, 75 % B",
        "b, priority 8: provider is x → A, B, by complex queries",
    ]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("- {id: a, priority: 1, when: {any: []}, to: {cost_centre: A}}", "a: any: write a list of conditions"),
        (
            "- {id: a, priority: 1, when: {any: [{colour: x}]}, to: {cost_centre: A}}",
            r"a: any\[1\] unknown dimension 'colour'",
        ),
        ("- {id: a, priority: 1, when: {model: {regex: '(?=a)b'}}, to: {cost_centre: A}}", "a: model: .* RE2"),
        ("- {id: a, priority: 1, when: {model: {regex: '(a)\\1'}}, to: {cost_centre: A}}", "a: model: .* RE2"),
        ("- {id: a, priority: 1, when: {model: {regex: 'a)|(b'}}, to: {cost_centre: A}}", "a: model: .* RE2"),
        ("- {id: a, priority: 1, when: {model: {regex: '%s'}}, to: {cost_centre: A}}" % ("a" * 501), "at most 500"),
        ("- {id: a, priority: 1, when: {model: {like: x}}, to: {cost_centre: A}}", "a: model: write a value"),
        ("- {id: a, priority: 1, when: {provider: p}, to: {proportional: {over: [A]}}}", "a: to.proportional.driver"),
        (
            "- {id: a, priority: 1, when: {provider: p}, to: {proportional: {driver: cost, over: []}}}",
            "proportional.over",
        ),
        ("- {id: a, priority: 1, when: {provider: p}, to: {proportional: {driver: cost, over: [A, A]}}}", "twice"),
        (
            "- {id: a, priority: 1, when: {provider: p}, to: {proportional: {driver: headcount, tier: simple}}}",
            "proportional.tier",
        ),
        ("- {id: a, priority: 1, when: {provider: p}, to: {proportional: {driver: cost, by: x}}}", "unknown field by"),
        ("- {id: %s, priority: 1, when: {provider: p}, to: {cost_centre: A}}" % ("a" * 61), "1 to 60"),
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
