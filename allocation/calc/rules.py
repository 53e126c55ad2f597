"""Whose cost it is: dated rules over the dimensions of a usage key. First match by priority, then by rule id.

A missing dimension never matches, not even ``not``; only ``{absent: true}`` does. What no rule catches is unallocated.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

DIMENSIONS = frozenset(
    [
        "layer",
        "source",
        "provider",
        "host",
        "billing_account",
        "project",
        "api_key",
        "principal",
        "model",
        "model_requested",
        "model_served",
        "region",
        "mode",
        "service_tier_requested",
        "service_tier_served",
        "effort",
        "operation",
        "environment",
        "feature",
    ]
)
_GLOB = re.compile(r"[*?\[]")


class RuleError(ValueError):
    """A rules file cannot be used; the message names the rule and the field."""


class Target(NamedTuple):
    """One bearer of a rule's cost and its weight (1 for a single target)."""

    cost_centre: str
    team: str
    weight: Decimal


class Rule(NamedTuple):
    """One rule, parsed. Valid from ``valid_from`` up to, not including, ``valid_to``."""

    rule: str
    priority: int
    valid_from: date | None
    valid_to: date | None
    when: tuple[tuple[str, Any], ...]
    targets: tuple[Target, ...]

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
    name = item["id"]
    unknown = set(item) - {"id", "priority", "valid_from", "valid_to", "when", "to"}
    if unknown:
        raise RuleError(f"{name}: unknown field {min(unknown)}")
    if isinstance(item.get("priority"), bool) or not isinstance(item.get("priority"), int):
        raise RuleError(f"{name}: priority must be a whole number")
    dates = {field: _date(item.get(field), f"{name}: {field}") for field in ("valid_from", "valid_to")}
    if dates["valid_from"] and dates["valid_to"] and dates["valid_to"] <= dates["valid_from"]:
        raise RuleError(f"{name}: valid_to must be after valid_from")
    return Rule(
        name, item["priority"], **dates, when=_when(item.get("when"), name), targets=_targets(item.get("to"), name)
    )


def _date(value: Any, where: str) -> date | None:
    if value is None or (isinstance(value, date) and type(value) is date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise RuleError(f"{where} must be a date YYYY-MM-DD, not {value!r}") from None


def _when(value: Any, name: str) -> tuple[tuple[str, Any], ...]:
    if not isinstance(value, Mapping) or not value:
        raise RuleError(f"{name}: when must name at least one dimension")
    for dimension, wanted in value.items():
        if dimension not in DIMENSIONS and not str(dimension).startswith("tag."):
            raise RuleError(f"{name}: unknown dimension {dimension!r} (tags are written tag.NAME)")
        _check_wanted(wanted, f"{name}: {dimension}")
    return tuple(value.items())


def _check_wanted(wanted: Any, where: str) -> None:
    if isinstance(wanted, Mapping):
        if set(wanted) == {"absent"} and wanted["absent"] is True:
            return
        if set(wanted) == {"not"}:
            _check_wanted(wanted["not"], where)
            return
        if set(wanted) == {"regex"} and isinstance(wanted["regex"], str):
            try:
                re.compile(wanted["regex"])
            except re.error as error:
                raise RuleError(f"{where}: {wanted['regex']!r} is no regular expression ({error})") from None
            return
        raise RuleError(f"{where}: write a value, a list, {{not: ...}}, {{regex: ...}} or {{absent: true}}")
    for item in wanted if isinstance(wanted, list) else [wanted]:
        if not isinstance(item, str | int) or isinstance(item, bool) or item == "":
            raise RuleError(f"{where}: {item!r} is not a value")
    if wanted == []:
        raise RuleError(f"{where}: the list is empty")


def _targets(value: Any, name: str) -> tuple[Target, ...]:
    if (
        isinstance(value, Mapping)
        and isinstance(value.get("cost_centre"), str)
        and set(value) <= {"cost_centre", "team"}
    ):
        return (Target(value["cost_centre"], str(value.get("team") or ""), Decimal(1)),)
    if (
        isinstance(value, Mapping)
        and set(value) == {"shares"}
        and isinstance(value["shares"], Mapping)
        and value["shares"]
    ):
        targets = tuple(Target(str(code), "", _weight(share, name)) for code, share in sorted(value["shares"].items()))
        if sum(target.weight for target in targets) != 1:
            raise RuleError(f"{name}: the shares sum to {sum(t.weight for t in targets)}, not 1")
        return targets
    raise RuleError(f"{name}: to must be {{cost_centre: CODE, team: CODE}} or {{shares: {{CODE: SHARE}}}}")


def _weight(value: Any, name: str) -> Decimal:
    if isinstance(value, float):
        raise RuleError(f'{name}: write the share {value} as a text, "{value}", to keep it exact')
    try:
        weight = Decimal(str(value))
    except InvalidOperation:
        raise RuleError(f"{name}: {value!r} is not a share") from None
    if not weight.is_finite() or weight <= 0 or -int(weight.as_tuple().exponent) > 12:
        raise RuleError(f"{name}: a share is above 0 and has at most 12 decimals, not {value}")
    return weight


def matches(rule: Rule, key: Mapping[str, Any]) -> bool:
    """Whether all conditions hold for a usage key (its dimensions and ``tags``)."""
    return all(_holds(wanted, _value(key, dimension)) for dimension, wanted in rule.when)


def _value(key: Mapping[str, Any], dimension: str) -> str:
    if dimension.startswith("tag."):
        return str(key.get("tags", {}).get(dimension[4:], ""))
    if dimension == "model":
        return str(key.get("model_served") or key.get("model_requested") or "")
    return str(key.get(dimension) or "")


def _holds(wanted: Any, value: str) -> bool:
    if isinstance(wanted, Mapping):
        if "absent" in wanted:
            return value == ""
        if value == "":
            return False
        if "regex" in wanted:
            return re.fullmatch(wanted["regex"], value) is not None
        return not _holds(wanted["not"], value)
    if value == "":
        return False
    return any(_is(str(item), value) for item in (wanted if isinstance(wanted, list) else [wanted]))


def _is(wanted: str, value: str) -> bool:
    return fnmatchcase(value, wanted) if _GLOB.search(wanted) else wanted == value


def assign(keys: Mapping[int, Mapping[str, Any]], rules: Iterable[Rule], day: date) -> dict[int, Rule | None]:
    """Usage key id -> the rule that bears it on that day; None is unallocated."""
    in_force = [rule for rule in rules if rule.holds_on(day)]
    return {key_id: next((rule for rule in in_force if matches(rule, key)), None) for key_id, key in keys.items()}
