"""Alerts as they are kept: one look at a subject, a person's answer, silences. What is told goes out from its notices.

Every notice is an event of the audit trail too, written in the transaction of its alert: webhooks hear of it from there.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet

from allocation.models import CostCentre, Grant
from allocation.scope import Scope
from finops import audit
from finops.models import AuditEvent
from forecasting.calc import alerting
from forecasting.calc.watch_policy import SEVERITIES, Telling
from forecasting.models import Alert, AlertNotice, Silence

ANSWERERS = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE, Grant.Role.OWNER})
CAPPERS = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE})
ANY = "*"
_ACKNOWLEDGED = "alert.acknowledge"
LONGEST = timedelta(days=90)
_STATE = (
    "subject", "opened_at", "fired_at", "severe_at", "seen_at", "severity", "money", "why", "once", "told_severity", "told_at",
    "level", "acknowledged_by", "acknowledged_at", "ended_at",
)  # fmt: skip


class AlertProblem(ValueError):
    """It cannot be done with this alert, silence or cap; the message says why."""


class Answer(NamedTuple):
    """Who answered an alert, when, and what they said: one of perhaps several answers, none of which is lost."""

    by: str
    at: datetime
    note: str


class Known(NamedTuple):
    """What a subject is to people: its kind, its name, whose it is (None: of those who see everything), its currency."""

    kind: str
    label: str
    centre: int | None
    currency: str


def look(
    subject: str, known: Known | None, signals: Sequence[alerting.Signal], now: datetime, policy: Telling,
    silences: Sequence[alerting.Silence],
) -> list[AlertNotice]:  # fmt: skip
    """Take a look at one subject in a transaction of its own; ``known`` None: it is that of its last alert."""
    with transaction.atomic():
        row = Alert.objects.select_for_update().filter(subject=subject).order_by("-opened_at", "-pk").first()
        held = None if row is None else as_held(row)
        if held is not None and now < held.seen_at:
            return []  # another pass saw later than this one
        after, notices = alerting.advance(held, signals, now, policy, silences)
        if after is None:
            return []
        if row is None or after.opened_at != row.opened_at:
            if row is not None and row.ended_at is None:  # it ended within this look, and another began
                Alert.objects.filter(pk=row.pk).update(ended_at=now, seen_at=now)
            assert known is not None
            named = {"kind": known.kind, "label": known.label[:300], "cost_centre_id": known.centre}
            ended = [one for one in notices if one.kind == alerting.ENDED] if row is not None else []
            made = [_told(row, one, now) for one in ended if row is not None]
            row = Alert(currency=known.currency, **named)
            notices = [one for one in notices if one not in ended]
            _keep(row, after)
            return made + [_told(row, one, now) for one in notices]
        if after != held:
            _keep(row, after)
        return [_told(row, one, now) for one in notices]


def as_held(row: Alert) -> alerting.Alert:
    """The episode of a row."""
    told = tuple(sorted((rule, Decimal(money)) for rule, money in row.told_money.items()))
    return alerting.Alert(rules=tuple(row.rules), told_money=told, **{name: getattr(row, name) for name in _STATE})


def _keep(row: Alert, after: alerting.Alert) -> None:
    for name in _STATE:
        setattr(row, name, getattr(after, name))
    row.rules = list(after.rules)
    row.told_money = {rule: f"{money:f}" for rule, money in after.told_money}
    row.save()


def _told(row: Alert, one: alerting.Notice, now: datetime) -> AlertNotice:
    notice = AlertNotice.objects.create(
        alert=row, kind=one.kind, severity=one.severity, level=one.level, money=one.money, why=one.why, made_at=now
    )
    details = {
        "alert": row.pk, "kind": row.kind, "label": row.label, "severity": one.severity, "level": one.level,
        "money": f"{one.money:f}", "currency": row.currency, "why": one.why, "since": row.opened_at.isoformat(),
    }  # fmt: skip
    audit.record(action=f"alert.{one.kind}", actor=audit.SYSTEM, subject=row.subject, details=details)
    return notice


def listed(scope: Scope, *, state: str = "", severity: str = "") -> "QuerySet[Alert]":
    """Alerts of a scope; ``state``: open, acknowledged (of the open ones) or ended."""
    rows = scope.of(Alert.objects.select_related("cost_centre"))
    states = {
        "open": Q(ended_at=None), "acknowledged": Q(ended_at=None) & ~Q(acknowledged_by=""), "ended": Q(ended_at__isnull=False),
    }  # fmt: skip
    rows = rows.filter(states[state]) if state else rows
    return rows.filter(severity=severity) if severity else rows


def by_urgency(rows: Sequence[Alert]) -> list[Alert]:
    """The most severe first, of those the dearest."""
    return sorted(rows, key=lambda one: (-SEVERITIES.index(one.severity), -one.money, one.pk))


@transaction.atomic
def acknowledge(scope: Scope, number: int, *, by: str, now: datetime, note: str = "") -> Alert:
    """A person answers: until it is worse nothing more is told. Raises AlertProblem, Alert.DoesNotExist beyond the scope."""
    row = scope.of(Alert.objects.select_for_update(of=("self",))).get(pk=number)
    try:
        after = alerting.acknowledge(as_held(row), by, now)
    except alerting.AlertError as wrong:
        raise AlertProblem(str(wrong)) from None
    row.acknowledged_note = note.strip()[:300]
    _keep(row, after)
    audit.record(
        action=_ACKNOWLEDGED, actor=by, subject=row.subject, details={"alert": row.pk, "note": row.acknowledged_note}
    )
    return row


def answers(rows: Sequence[Alert]) -> dict[int, list[Answer]]:
    """Alert -> its acknowledgements, the newest first: the alert keeps the last one, the audit trail all. One query."""
    if not rows:
        return {}
    events = AuditEvent.objects.filter(
        action=_ACKNOWLEDGED, at__gte=min(row.opened_at for row in rows), details__alert__in=[row.pk for row in rows]
    )
    found: dict[int, list[Answer]] = {}
    for alert, by, at, note in events.order_by("-pk").values_list("details__alert", "actor", "at", "details__note"):
        found.setdefault(alert, []).append(Answer(by, at, note or ""))
    return found


def silences(scope: Scope, now: datetime | None = None) -> "QuerySet[Silence]":
    """Those of a scope; ``now``: only what is in force or yet to come."""
    rows = scope.of(Silence.objects.select_related("cost_centre"))
    return rows if now is None else rows.filter(ends__gt=now)


def silencing(now: datetime) -> list[alerting.Silence]:
    """All that are in force."""
    rows = Silence.objects.filter(begins__lte=now, ends__gt=now)
    return [alerting.Silence(*row) for row in rows.values_list("subject", "begins", "ends", "severity")]


@transaction.atomic
def silence(
    scope: Scope, subject: str, *, ends: datetime, by: str, now: datetime, reason: str, severity: str = SEVERITIES[-1]
) -> Silence:
    """Hold notices back for a while. ``subject``: that of an alert in scope, or ``*``. Raises AlertProblem."""
    if subject == ANY and not scope.everything:
        raise AlertProblem("only who sees everything silences everything: name the subject of an alert")
    known = scope.of(Alert.objects.filter(subject=subject)).order_by("-pk").first()
    if subject != ANY and known is None:
        raise AlertProblem(f"there is no alert of {subject[:100]!r} to silence")
    if severity not in SEVERITIES:
        raise AlertProblem(f"{severity!r} is no severity; possible: {', '.join(SEVERITIES)}")
    if not reason.strip():
        raise AlertProblem("say why: others wonder why nothing was told")
    if ends <= now:
        raise AlertProblem("it ends in the past")
    if ends - now > LONGEST:
        raise AlertProblem(f"a silence lasts at most {LONGEST.days} days")
    row = Silence.objects.create(
        subject=subject, severity=severity, cost_centre=known.cost_centre if known else None, begins=now, ends=ends,
        reason=reason.strip()[:300], created_by=by[:150],
    )  # fmt: skip
    details = {"silence": row.pk, "severity": severity, "ends": ends, "reason": row.reason}
    audit.record(action="silence.create", actor=by, subject=subject, details=details)
    return row


@transaction.atomic
def end_silence(scope: Scope, number: int, *, by: str, now: datetime) -> Silence:
    """Let notices out again; what is still so is told with the next look. Raises AlertProblem, Silence.DoesNotExist."""
    row = scope.of(Silence.objects.select_for_update(of=("self",))).get(pk=number)
    if row.ends <= now:
        raise AlertProblem(f"it ended at {row.ends:%Y-%m-%d %H:%M} UTC already")
    row.begins, row.ends, row.ended_by = min(row.begins, now), now, by[:150]
    row.save(update_fields=["begins", "ends", "ended_by"])
    audit.record(action="silence.end", actor=by, subject=row.subject, details={"silence": row.pk})
    return row


def centre_of(code: str | None) -> int | None:
    """Id of a cost centre; None of none."""
    return CostCentre.objects.filter(code=code).values_list("pk", flat=True).first() if code else None
