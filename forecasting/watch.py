"""One pass of the watch: hours, budgets, caps and bands looked at, and alerts advanced. May be broken off anywhere.

Every day of hours and every subject is a transaction of its own, so that the next pass goes on where this one ended, and the
same look twice tells nothing twice.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from allocation.models import CostCentre
from allocation.scope import EVERYTHING, Scope
from finops import audit
from finops.focus import TIERS
from finops.locks import try_lock
from finops.money import MoneyError, money
from finops.numbers import written
from finops.periods import Period
from forecasting import watch_alerts, watch_budgets, watch_caps, watch_hours, watch_policies, watch_states
from forecasting.calc import watch
from forecasting.calc.alerting import Signal, folded
from forecasting.calc.watch_policy import SEVERITIES, Policy
from forecasting.models import Alert, QueryCap
from forecasting.watch_alerts import AlertProblem, Known
from forecasting.watch_budgets import Subject
from forecasting.watch_states import State

_LOCK = 0x57415443  # "WATC": one pass at a time
_DIGITS = 12
MOST_CAP = Decimal(1_000_000)


class Passed(NamedTuple):
    """What a pass did. ``hours_left``: days of hours that wait for the next one; ``verdicts``: verdict -> budgets."""

    hours: int
    hours_left: int
    budgets: int
    verdicts: dict[str, int]
    cap_days: int
    signals: int
    told: int
    open: int


def run(now: datetime | None = None) -> Passed | None:
    """Look at everything once. None: another pass is under way."""
    moment = now or timezone.now()
    with try_lock(_LOCK) as mine:
        return _run(moment) if mine else None


def _run(now: datetime) -> Passed:
    policy, today = watch_policies.in_force(), now.date()
    hours = watch_hours.refresh(now)
    states = watch_states.states(
        watch_budgets.running(today, since=today - timedelta(days=watch_hours.WINDOW)), policy, now
    )
    cap_days = watch_caps.refresh(today)
    found, known = signals(states, policy, now)
    by_subject: dict[str, list[Signal]] = defaultdict(list)
    for one in found:
        by_subject[one.subject].append(one)
    open_ones = set(Alert.objects.filter(ended_at=None).values_list("subject", flat=True))
    silent = watch_alerts.silencing(now)
    told = 0
    for subject in sorted(open_ones | by_subject.keys()):
        given = by_subject.get(subject, [])
        told += len(watch_alerts.look(subject, known.get(subject), given, now, policy.alerts, silent))
    verdicts = [state.verdict for state in states]
    return Passed(
        hours.days, hours.left, len(states), {name: verdicts.count(name) for name in sorted(set(verdicts))}, cap_days,
        len(found), told, Alert.objects.filter(ended_at=None).count(),
    )  # fmt: skip


def signals(states: Sequence[State], policy: Policy, now: datetime) -> tuple[list[Signal], dict[str, Known]]:
    """What fires now, each thing where its money is, and what its subjects are to people."""
    told: list[Signal] = []
    known: dict[str, Known] = {}
    parents: dict[str, str] = {}
    ids = dict(CostCentre.objects.values_list("code", "id"))
    names = {state.running.subject.name for state in states}
    for state in states:
        subject, period = state.running.subject, str(state.running.period)
        mine = watch.signals(subject.name, period, state.standing, policy, state.fired)
        about = Known(Alert.Kind.BUDGET, subject.label, ids.get(subject.code or ""), subject.currency)
        for one in mine:
            known[one.subject] = about._replace(label=f"{subject.label}{_part(one, subject, period)}")
        told += mine
        above = next((each.name for each in subject.above if each.name in names), None)
        if above is not None:  # burn rates, and a likely breach, are told where the money is
            parents[subject.name] = above
            parents[f"{subject.name}:{period}:breach"] = f"{above}:{period}:breach"
    told, _ = folded(told, parents, policy.alerts.part)
    of_queries, also = _of_queries(policy, now)
    return told + of_queries, known | also


def _part(one: Signal, subject: Subject, period: str) -> str:
    """What of a budget a signal is about: all of it, or a threshold or breach of one period."""
    return f", {period}" if one.subject != subject.name else ""


def _of_queries(policy: Policy, now: datetime) -> tuple[list[Signal], dict[str, Known]]:
    today = now.date()
    currency = str(settings.REPORT_CURRENCY)
    known = {
        cap.subject: Known(Alert.Kind.CAP, f"{cap}: at most {cap.most.normalize():f}", cap.cost_centre_id, currency)
        for cap in watch_caps.in_force()
    }
    told = watch_caps.signals(today)
    days = Period(today - timedelta(days=watch_hours.WINDOW), today + timedelta(days=1))
    seen = watch_caps.bands(EVERYTHING, days, policy, today)
    moved = watch_caps.band_signals(seen, policy, today - timedelta(days=1))
    for one in moved:
        known[one.subject] = Known(Alert.Kind.BAND, one.subject.split(":", 2)[2] + ", cost of a query", None, currency)
    return told + moved, known


@transaction.atomic
def create_cap(scope: Scope, *, by: str, **given: Any) -> QueryCap:
    """Say what a query may cost at most: ``most``, ``severity``, and of which cost_centre, tier, feature, provider, model.

    Raises AlertProblem naming the field.
    """
    most = _amount(str(given.get("most", "")))
    severity, tier = given.get("severity") or SEVERITIES[1], given.get("tier") or ""
    if severity not in SEVERITIES:
        raise AlertProblem(f"severity: one of {', '.join(SEVERITIES)}")
    if tier and tier not in TIERS:
        raise AlertProblem(f"tier: one of {', '.join(TIERS)}")
    code = (given.get("cost_centre") or "").strip()
    centre = scope.of(CostCentre.objects.filter(code=code), "id").first() if code else None
    if code and centre is None:
        raise AlertProblem(f"cost_centre: there is no {code[:60]!r}")
    texts = {name: (given.get(name) or "").strip() for name in ("feature", "provider", "model", "note")}
    if long := [name for name, text in texts.items() if len(text) > 300]:
        raise AlertProblem(f"{long[0]}: at most 300 characters")
    row = QueryCap.objects.create(
        most=most, severity=severity, tier=tier, cost_centre=centre, created_by=by[:150], **texts
    )
    audit.record(action="query_cap.create", actor=by, subject=f"{row}", details={"cap": row.pk, "most": f"{most:f}"})
    return row


def _amount(text: str) -> Decimal:
    try:
        amount = written(text)
        if not (amount.is_finite() and 0 < amount <= MOST_CAP):
            raise InvalidOperation
        if amount.as_tuple().exponent < -_DIGITS:  # type: ignore[operator]
            raise InvalidOperation
        money([amount])
    except (InvalidOperation, MoneyError):
        raise AlertProblem(
            f"most: an amount above 0, at most {MOST_CAP:,}, with up to {_DIGITS} decimals, not {text[:40]!r}"
        ) from None
    return amount


@transaction.atomic
def end_cap(scope: Scope, number: int, *, by: str, now: datetime) -> QueryCap:
    """No query is held against it any more; its alert ends by itself. Raises AlertProblem, QueryCap.DoesNotExist."""
    row = scope.of(QueryCap.objects.select_for_update(of=("self",))).get(pk=number)
    if row.ended_at is not None:
        raise AlertProblem(f"it ended at {row.ended_at:%Y-%m-%d %H:%M} UTC already")
    row.ended_at, row.ended_by = now, by[:150]
    row.save(update_fields=["ended_at", "ended_by"])
    audit.record(action="query_cap.end", actor=by, subject=f"{row}", details={"cap": row.pk})
    return row
