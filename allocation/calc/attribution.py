"""What a usage key is for, by whose word: an admin's mapping comes before what a source or a caller says, field by field.

Mappings are a list, dated like rules; the first that sets a field of a key decides it::

    - {id: m10, when: {api_key: "key_ci*"}, set: {environment: test, tag.team: platform}}
    - {id: m20, when: {project: chat}, set: {feature: assistant}, valid_from: 2026-09-01}

``when`` is written as in rules (allocation.calc.rules_conditions) and looks at the key as its source states it, never at
what another mapping sets. A field that no mapping sets stays as it was stated: by the ``caller`` where a tag of the call
says the same, else by the ``source`` (its configuration, or what the provider reports).
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

from allocation.calc.rules import parse_date
from allocation.calc.rules_conditions import VALUE_MAX, Condition, Keys, RuleError, holds, parse_condition
from allocation.calc.rules_targets import code

FIELDS = ("environment", "feature")  # besides tags
MAPPED, SOURCE, CALLER = "mapped", "source", "caller"
_SAID_BY = {
    "environment": ("environment", "env"),
    "feature": ("feature", "use_case"),
}  # tags that callers state them with


class Mapped(NamedTuple):
    """One mapping: the fields it sets on the keys that its condition catches, from its first day up to its end."""

    mapping: str
    valid_from: date | None
    valid_to: date | None
    when: Condition
    sets: tuple[tuple[str, str], ...]

    def holds_on(self, day: date) -> bool:
        """Whether the mapping is in force on that charge date."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)


class Attributed(NamedTuple):
    """Usage keys as rules see them, and of each the fields that a mapping set: field -> id of the mapping."""

    dimensions: dict[int, Mapping[str, Any]]
    mapped: dict[int, dict[str, str]]


def parse_mappings(data: Any) -> tuple[Mapped, ...]:
    """Mappings in their order. Raises RuleError naming the mapping and the field."""
    if not isinstance(data, list):
        raise RuleError("a file of mappings is a list of mappings")
    found = tuple(_mapping(item, number) for number, item in enumerate(data, 1))
    names = [one.mapping for one in found]
    if twice := next((name for at, name in enumerate(names) if name in names[:at]), None):
        raise RuleError(f"{twice}: this id is used twice")
    return found


def _mapping(item: Any, number: int) -> Mapped:
    if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
        raise RuleError(f"mapping {number}: needs an id")
    name = code(item["id"], f"mapping {number}: id")
    if unknown := {str(field) for field in item} - {"id", "when", "set", "valid_from", "valid_to"}:
        raise RuleError(f"{name}: unknown field {min(unknown)}")
    first, last = (parse_date(item.get(field), f"{name}: {field}") for field in ("valid_from", "valid_to"))
    if first and last and last <= first:
        raise RuleError(f"{name}: valid_to must be after valid_from")
    sets = item.get("set")
    if not isinstance(sets, Mapping) or not sets:
        raise RuleError(f"{name}: set must name at least one of {', '.join(FIELDS)} or tag.NAME")
    for field, value in sets.items():
        if field not in FIELDS and not (isinstance(field, str) and field.startswith("tag.") and len(field) > 4):
            raise RuleError(f"{name}: set.{field}: a mapping sets {', '.join(FIELDS)} or tag.NAME")
        if not isinstance(value, str | int) or isinstance(value, bool) or not 0 < len(str(value)) <= VALUE_MAX:
            raise RuleError(f"{name}: set.{field}: {value!r} is not a value")
    when = parse_condition(item.get("when"), f"{name}: when")
    return Mapped(name, first, last, when, tuple((field, str(value)) for field, value in sets.items()))


def attribute(dimensions: Mapping[int, Mapping[str, Any]], mappings: Iterable[Mapped], day: date) -> Attributed:
    """Usage keys (id -> dimensions, tags as a dict) with the fields that mappings in force on a day set."""
    in_force = [one for one in mappings if one.holds_on(day)]
    mapped: dict[int, dict[str, str]] = {}
    found: dict[int, Mapping[str, Any]] = dict(dimensions)
    if not in_force:
        return Attributed(found, mapped)
    keys, table = list(dimensions), Keys(list(dimensions.values()))
    for one in in_force:
        for at in holds(one.when, table).nonzero()[0].tolist():
            key = keys[at]
            done = mapped.setdefault(key, {})
            for field, value in one.sets:
                if field not in done:
                    done[field] = one.mapping
                    found[key] = _set(found[key], field, value)
    return Attributed(found, mapped)


def _set(key: Mapping[str, Any], field: str, value: str) -> Mapping[str, Any]:
    if field in FIELDS:
        return {**key, field: value}
    return {**key, "tags": {**key.get("tags", {}), field[4:]: value}}


def provenance(key: Mapping[str, Any], mapped: Mapping[str, str], field: str) -> str:
    """By whose word a field of a usage key (as its source states it) is what it is; '' where it is nothing."""
    if field in mapped:
        return MAPPED
    tags = key.get("tags", {})
    if field.startswith("tag."):
        return CALLER if tags.get(field[4:]) else ""
    if not key.get(field):
        return ""
    return CALLER if any(tags.get(name) == key[field] for name in _SAID_BY.get(field, ())) else SOURCE
