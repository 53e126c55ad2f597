"""Whose cost it is: dated rules over the dimensions of a usage key. First match by priority, then by rule id.

Conditions: allocation.calc.rules_conditions; who bears it: allocation.calc.rules_targets. What no rule catches, or what is
shared by a driver that says nothing of the month, is unallocated.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from allocation.calc.rules_conditions import (
    DIMENSIONS,
    Condition,
    Flags,
    Keys,
    RuleError,
    dimensions_of,
    holds,
    parse_condition,
)
from allocation.calc.rules_targets import Driver, Target, code, parse_targets, resolved

__all__ = [
    "DIMENSIONS", "Driver", "Rule", "RuleError", "Target", "assign", "by_driver", "catches", "dimensions_of", "matches",
    "parse_date", "parse_rules",
]  # fmt: skip
_FIELDS = {"id", "priority", "valid_from", "valid_to", "when", "to", "note"}
_PRIORITY_MAX = 10**9


class Rule(NamedTuple):
    """One rule, parsed. Valid from ``valid_from`` up to, not including, ``valid_to``.

    ``driver``: by what it shares; ``targets`` are then those of a month (by_driver), none before.
    """

    rule: str
    priority: int
    valid_from: date | None
    valid_to: date | None
    when: Condition
    targets: tuple[Target, ...]
    driver: Driver | None = None
    note: str = ""

    def holds_on(self, day: date) -> bool:
        """Whether the rule is in force on that charge date."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)


def parse_rules(data: Any) -> list[Rule]:
    """Rules from their YAML form (CONTRACTS 5), in the order in which they fire. Raises RuleError."""
    if not isinstance(data, list):
        raise RuleError("a rules file is a list of rules")
    rules = [_rule(item, number) for number, item in enumerate(data, 1)]
    seen: set[str] = set()
    for rule in rules:
        if rule.rule in seen:
            raise RuleError(f"{rule.rule}: this id is used twice")
        seen.add(rule.rule)
    return sorted(rules, key=lambda rule: (rule.priority, rule.rule))


def _rule(item: Any, number: int) -> Rule:
    if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
        raise RuleError(f"rule {number}: needs an id")
    name = code(item["id"], f"rule {number}: id")
    if unknown := {str(field) for field in item} - _FIELDS:
        raise RuleError(f"{name}: unknown field {min(unknown)}")
    priority, note = item.get("priority"), item.get("note", "")
    if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) > _PRIORITY_MAX:
        raise RuleError(f"{name}: priority must be a whole number")
    if not isinstance(note, str):
        raise RuleError(f"{name}: note must be a text")
    first, last = (parse_date(item.get(field), f"{name}: {field}") for field in ("valid_from", "valid_to"))
    if first and last and last <= first:
        raise RuleError(f"{name}: valid_to must be after valid_from")
    when = parse_condition(item.get("when"), f"{name}: when")
    return Rule(name, priority, first, last, when, *parse_targets(item.get("to"), name), note)


def parse_date(value: Any, where: str) -> date | None:
    """A date YYYY-MM-DD; None where none is given. Raises RuleError."""
    if value is None or (isinstance(value, date) and type(value) is date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise RuleError(f"{where} must be a date YYYY-MM-DD, not {value!r}") from None


def matches(rule: Rule, key: Mapping[str, Any]) -> bool:
    """Whether all conditions hold for a usage key (its dimensions and ``tags``)."""
    return bool(holds(rule.when, Keys([key]))[0])


def catches(keys: Sequence[Mapping[str, Any]], rules: Sequence[Rule]) -> Flags:
    """Of which keys each rule's conditions hold, whoever comes first: an array of rules x keys."""
    table = Keys(keys)
    found = [holds(rule.when, table) for rule in rules]
    return np.array(found, dtype=bool).reshape(len(rules), len(keys))


def assign(keys: Mapping[int, Mapping[str, Any]], rules: Iterable[Rule], day: date) -> dict[int, Rule | None]:
    """Usage key id -> the rule that bears it on that day; None is unallocated."""
    in_force = [rule for rule in rules if rule.holds_on(day)]
    table = Keys(list(keys.values()))
    taken = np.full(len(keys), -1)
    for number, rule in enumerate(in_force):
        taken[(taken < 0) & holds(rule.when, table)] = number
    return {key: in_force[number] if number >= 0 else None for key, number in zip(keys, taken.tolist(), strict=True)}


def by_driver(rules: Iterable[Rule], weights: Callable[[Driver], Mapping[str, Decimal]]) -> list[Rule]:
    """The rules with the targets that the weights of a month give to those that share by a driver."""
    return [
        rule._replace(targets=resolved(rule.driver, weights(rule.driver))) if rule.driver else rule for rule in rules
    ]
