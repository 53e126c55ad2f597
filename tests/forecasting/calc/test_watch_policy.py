"""The watch policy: what ships is usable, and what cannot be used is refused by its place."""

import copy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops.documents import read_yaml
from forecasting.calc.watch_policy import BUDGET, SEVERITIES, BurnRule, PolicyError, parse

SHIPPED = Path(__file__).parents[3] / "forecasting/watch_policy.yaml"


def document() -> Any:
    return copy.deepcopy(read_yaml(SHIPPED.read_bytes()))


def test_the_policy_that_ships_has_the_windows_the_day_and_the_thresholds() -> None:
    policy = parse(document())
    rules = {rule.code: rule for rule in policy.burn}
    assert rules["fast"] == BurnRule("fast", "page", (1, 6), 6.0, BUDGET)
    assert [(rules[code].hours, rules[code].at_least) for code in ("slow", "drift", "day")] == [
        ((6, 24), 3.0), ((24, 72), 1.5), ((24,), 2.0),
    ]  # fmt: skip
    assert policy.finance == (Decimal("0.5"), Decimal("0.8"), Decimal(1))
    assert policy.bands.edges == (Decimal("0.01"), Decimal("0.10"))
    assert set(policy.alerts.unanswered) <= set(SEVERITIES)


def test_a_rule_without_a_condition_on_the_busiest_window_has_none() -> None:
    given = document()
    given["burn"] = [{"code": "a", "severity": "page", "hours": [1], "at_least": "2", "against": "budget"}]
    (rule,) = parse(given).burn
    assert (rule.of_busiest, rule.busiest_most) == (None, None)


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("burn", 0, "severity"), "loud", "fast: severity is 'loud', must be one of digest, ticket, page"),
        (("burn", 0, "severity"), None, "fast: severity must be a text"),
        (("burn", 0, "hours"), [6, 1], "fast: hours is in ascending order"),
        (("burn", 0, "hours"), [], "fast: hours is a list"),
        (("burn", 0, "hours"), [1, 10_000], "fast: hours must be a whole number from 1 to 744"),
        (("burn", 0, "hours"), [True], "fast: hours must be a whole number"),
        (("burn", 0, "at_least"), 6.5, 'fast: at_least is a float; write it in quotes: "6.5"'),
        (("burn", 0, "at_least"), "0", "fast: at_least must be more than 0"),
        (("burn", 0, "at_least"), "NaN", "fast: at_least must be a number in quotes"),
        (("burn", 0, "against"), "luck", "fast: against is 'luck'"),
        (("burn", 0, "of_busiest"), "2", "fast: of_busiest and busiest_most go together"),
        (("burn", 0, "colour"), "red", "fast: colour is not known"),
        (("burn", 1, "code"), "fast", "fast: this code is used twice"),
        (("burn",), {}, "rules of burn are a list"),
        (("season", "floor"), "1.1", "season: floor must be at most 1"),
        (("season", "shrink_days"), -1, "season: shrink_days must be at least 0"),
        (("season", "warmth"), "1", "season: unknown field 'warmth'"),
        (("finance",), [], "finance is a list of numbers in quotes"),
        (("finance",), ["0.8", "0.5"], "finance is in ascending order"),
        (("breach", "severity"), "x", "breach: severity is 'x'"),
        (("breach", "at_least"), "1.5", "breach: at_least must be at most 1"),
        (("bands", "queries"), 0, "bands: queries must be a whole number from 1"),
        (("bands", "edges"), ["0.1", "0.1"], "bands: edges is in ascending order"),
        (("alerts", "worse"), "1", "alerts: worse must be more than 1"),
        (("alerts", "unanswered"), {"soon": 1}, "alerts: unanswered: unknown field 'soon'"),
        (("alerts", "levels"), 11, "alerts: levels must be a whole number from 1 to 10"),
        (("alerts", "part"), "0", "alerts: part must be more than 0"),
        (("alerts",), [], "alerts is a mapping of"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(where: tuple[Any, ...], value: Any, said: str) -> None:
    given = document()
    place = given
    for name in where[:-1]:
        place = place[name]
    place[where[-1]] = value
    with pytest.raises(PolicyError) as caught:
        parse(given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["burn", "season", "finance", "breach", "bands", "alerts"])
def test_a_part_that_is_missing_is_named(name: str) -> None:
    given = document()
    del given[name]
    with pytest.raises(PolicyError, match=f"a watch policy: {name} is missing"):
        parse(given)


@pytest.mark.parametrize("given", [None, [], "burn", 3])
def test_what_is_no_policy_at_all_is_refused(given: Any) -> None:
    with pytest.raises(PolicyError, match="a watch policy is a mapping"):
        parse(given)
