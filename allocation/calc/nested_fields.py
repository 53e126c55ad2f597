"""Fields of agreements that are entries themselves, or change on a date (allocation.calc.contracts_fields)."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from allocation.calc.capacity_schedule import Dated
from allocation.calc.contracts_fields import AgreementError, Fields, Match


def inner(fields: Fields, name: str) -> Fields | None:
    """The mapping that a field of an entry is, read like an entry; None where it is not given."""
    value = fields.entry.get(name)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise fields.wrong(name, f"must be a mapping, not {value!r}")
    return Fields({**value, "code": f"{fields.code}: {name}"}, 0)


def several(fields: Fields, name: str) -> list[Fields]:
    """The mappings that a field lists; one alone needs no list."""
    value = fields.entry.get(name)
    items: Sequence[Any] = value if isinstance(value, list) else [] if value is None else [value]
    found = [inner(Fields({"code": fields.code, name: item}, 0), name) for item in items]
    return [item for item in found if item is not None]


def some(fields: Fields) -> Match:
    """Which usage keys are meant, of which at least one dimension is named."""
    match = fields.match()
    if not match.wanted:
        raise AgreementError(f"{fields.code} must name at least one dimension of a usage key, such as model or host")
    return match


def owner(fields: Fields, name: str) -> tuple[str, str]:
    """Cost centre and team that a field names; ('', '') where it is not given."""
    found = inner(fields, name)
    if found is None:
        return "", ""
    for known in found.entry:
        if known not in ("code", "cost_centre", "team"):
            raise fields.wrong(name, f"has cost_centre and team, not {known}")
    centre, team = found.text("cost_centre"), found.text("team")
    if not centre:
        raise fields.wrong(name, "needs a cost_centre")
    return centre, team


def dated(fields: Fields, name: str) -> Dated:
    """A number, or its changes: [{from: DATE, NAME: number}, ...] in the order of the days."""
    value = fields.entry.get(name)
    if value is None:
        return Dated()
    if not isinstance(value, list):
        return Dated(((None, fields.number(name)),))
    found: list[tuple[date | None, Decimal]] = []
    for each in several(fields, name):
        each.only(("code", "from", name))
        since, number = each.day("from"), each.number(name)
        if since is None or (found and (found[-1][0] or date.min) >= since):
            raise fields.wrong(name, "needs a from in every change, each later than the one before")
        found.append((since, number))
    return Dated(tuple(found))
