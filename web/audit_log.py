"""The audit trail as people read it: filtered, the newest first, with what was before and after, and why."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from allocation.models import Grant
from finops.models import AuditEvent

READ_AUDIT = frozenset({Grant.Role.FINANCE, Grant.Role.ADMIN, Grant.Role.AUDITOR})
FILTERS = ("actor", "action", "subject", "request", "start", "end")
LONGEST = 300
NOTHING = "\N{EN DASH}"
_REASONS = ("reason", "dispute_reason", "resolution", "cause")
_BEFORE, _AFTER, _REQUEST = "before", "after", "request"
_SINCE, _UNTIL = date(2000, 1, 1), date(9998, 12, 31)


class FilterError(ValueError):
    """A filter cannot be used; ``name`` is its parameter."""

    def __init__(self, name: str, told: str) -> None:
        super().__init__(told)
        self.name = name


class Told(NamedTuple):
    """What an event says beside who, when and what."""

    reason: str
    request: str
    before: Any  # None: it does not say
    after: Any
    others: dict[str, Any]


def events(given: Mapping[str, str], *, before: int | None = None) -> "QuerySet[AuditEvent]":
    """Events of these filters (FILTERS; empty ones say nothing), the newest first. Raises FilterError.

    ``action`` also finds what it begins: ``statement`` finds ``statement.accept``. ``end`` is the last day, in UTC.
    """
    for name, value in given.items():
        if len(value) > LONGEST or not value.isprintable():
            raise FilterError(name, f"at most {LONGEST} characters, none of them a control character")
    rows = AuditEvent.objects.order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    if action := given.get("action"):
        rows = rows.filter(Q(action=action) | Q(action__startswith=f"{action}."))
    exact = {"actor": given.get("actor"), "details__request": given.get("request")}
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    if subject := given.get("subject"):
        rows = rows.filter(subject__icontains=subject)
    first, last = (_midnight(name, text) if (text := given.get(name)) else None for name in ("start", "end"))
    if first and last and last < first:
        raise FilterError("end", f"the last day, {last.date()}, lies before the first, {first.date()}")
    rows = rows.filter(at__gte=first) if first else rows
    return rows.filter(at__lt=last + timedelta(days=1)) if last else rows


def told(event: AuditEvent) -> Told:
    """What its details say."""
    details = dict(event.details)
    reason = next((str(details.pop(name)) for name in _REASONS if details.get(name)), "")
    request = str(details.pop(_REQUEST, "") or "")
    before, after = details.pop(_BEFORE, None), details.pop(_AFTER, None)
    if after is None and event.action.endswith(".load"):
        after = f"{event.subject} {details.get('sha256', '')}".strip()  # a version: its number is the subject
    return Told(reason, request, before, after, details)


def in_words(value: Any) -> str:
    """A value of details as one line."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, dict):
        return ", ".join(f"{name}: {in_words(each)}" for name, each in value.items()) or NOTHING
    if isinstance(value, list):
        return ", ".join(in_words(each) for each in value) or NOTHING
    return value if isinstance(value, str) else json.dumps(value)


def actors() -> list[str]:
    """Who acted."""
    return sorted(set(AuditEvent.objects.order_by().values_list("actor", flat=True).distinct()))


def actions() -> list[str]:
    """What was done."""
    return sorted(set(AuditEvent.objects.order_by().values_list("action", flat=True).distinct()))


def _midnight(name: str, text: str) -> datetime:
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        day = None
    if day is None or not _SINCE <= day <= _UNTIL:
        raise FilterError(name, f"a day is written YYYY-MM-DD, from {_SINCE} to {_UNTIL}")
    return datetime.combine(day, time(), UTC)
