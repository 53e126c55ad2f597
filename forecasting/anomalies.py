"""Anomalies: found once a night in what days cost against what was forecast for them, and kept with their cause."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from allocation.models import CostCentre
from finops.copying import copy_rows
from finops.models import SiteMark
from finops.periods import Period
from forecasting import anomalies_causes, anomalies_gate, calendar, forecasts, history
from forecasting.calc.anomaly import NEW
from forecasting.calc.anomaly_match import Held, matched
from forecasting.calc.anomaly_nodes import Found, Ledger, found
from forecasting.calc.daily import MEMORY
from forecasting.calc.series import DAY
from forecasting.models import Anomaly, AnomalyDay, Forecast

DIMENSIONS = forecasts.DIMENSIONS
LEVELS = ((), DIMENSIONS[:1], DIMENSIONS[:3], DIMENSIONS)  # a key begins with that of the level above
JUDGED = 91  # days that are judged anew every night, with what came late; then what was found stands
MARK = "anomalies"
NOT_SHOWN = "data that came later shows it no more"
NOT_JUDGED = f"nobody said what it is within {JUDGED} days"
_MOST_SERIES = 5_000
_LOCK = 0x414E4F4D  # "ANOM"


class AnomalyError(ValueError):
    """It cannot be done; the message says why."""


class Run(NamedTuple):
    """What a run did: the days judged, of how many nodes; episodes found, of these new, and those closed."""

    currency: str
    since: date
    until: date
    nodes: int
    found: int
    new: int
    closed: int


def run(*, currency: str = "", before: date | None = None) -> Run:
    """Judge the last JUDGED of the days that are known ``before`` a day (default: today), and keep what is found.

    Idempotent: the same data leave the same rows. Raises AnomalyError.
    """
    currency = currency or settings.REPORT_CURRENCY
    days = history.recorded(currency, before or timezone.now().date(), MEMORY + JUDGED)
    if days is None:
        raise AnomalyError(f"nothing was spent in {currency} before today: there is nothing to judge")
    costs, panel = history.daily(days, DIMENSIONS, currency)
    if len(panel.keys) > _MOST_SERIES:
        raise AnomalyError(f"{len(panel.keys):,} series are more than {_MOST_SERIES:,}: too many to judge in a night")
    since = max(days.start, days.end - timedelta(days=JUDGED))
    prices = history.prices(days, days.end, DIMENSIONS)
    each = found(Ledger(costs, panel, prices, calendar.known()), LEVELS, since)
    nodes = sum(len({key[: len(level)] for key in panel.keys}) for level in LEVELS)
    return _store(each, Period(since, days.end), days.start, currency, nodes)


@transaction.atomic
def _store(each: Sequence[Found], judged: Period, known_from: date, currency: str, nodes: int) -> Run:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    apart = judged.start - timedelta(days=DAY.season)  # an episode may go on from one that ended just before
    held = {row.pk: row for row in Anomaly.objects.filter(currency=currency, last_day__gte=apart)}
    same = matched(each, [Held(row.pk, tuple(row.key), row.kind, row.first_day, row.last_day) for row in held.values()])
    gone = {pk for pk, row in held.items() if row.last_day >= judged.start} - {
        number for number in same if number is not None
    }
    closed = _close(currency, judged.start, gone)
    centres = dict(CostCentre.objects.values_list("code", "id"))
    newest = forecasts.in_force(currency)
    kept = [
        _kept(one, None if number is None else held[number], currency, centres, newest)
        for one, number in zip(each, same, strict=True)
    ]
    for row, one, moved in kept:
        if moved and one.kind != NEW:  # of what is new there is nothing to compare with
            _explain(row, one, known_from)
    AnomalyDay.objects.filter(anomaly__in=[row.pk for row, _, _ in kept]).delete()
    copy_rows(
        AnomalyDay._meta.db_table, ("anomaly_id", "day", "actual", "expected", "low", "high", "inside"),
        ((row.pk, *day) for row, one, _ in kept for day in one.days),
    )  # fmt: skip
    anomalies_gate.regate(currency)
    done = Run(currency, judged.start, judged.end, nodes, len(each), same.count(None), closed)
    said = done._asdict() | {"since": str(done.since), "until": str(done.until)}
    SiteMark.objects.update_or_create(name=f"{MARK}.{currency}", defaults={"value": said})
    return done


def last_run(currency: str) -> dict[str, Any] | None:
    """What the last run in a currency did; None: there was none yet."""
    mark = SiteMark.objects.filter(name=f"{MARK}.{currency}").first()
    return None if mark is None else dict(mark.value)


def _close(currency: str, since: date, gone: set[int]) -> int:
    """Close what data show no more, and what is older than what is judged."""
    rows = Anomaly.objects.filter(currency=currency)
    late = rows.filter(pk__in=gone).exclude(state=Anomaly.State.CLOSED, why=NOT_SHOWN)
    old = rows.filter(last_day__lt=since, state=Anomaly.State.OPEN)
    values = {"state": Anomaly.State.CLOSED, "told": False, "told_owner": False, "changed_at": timezone.now()}
    return late.update(why=NOT_SHOWN, **values) + old.update(state=Anomaly.State.CLOSED, why=NOT_JUDGED)


def _kept(
    one: Found, row: Anomaly | None, currency: str, centres: dict[str, int], newest: Forecast | None
) -> tuple[Anomaly, Found, bool]:
    """The row of an episode, and whether its figures moved."""
    if row is None:
        code = one.key[one.level.index("x_CostCentre")] if "x_CostCentre" in one.level else ""
        row = Anomaly(currency=currency, level=list(one.level), key=list(one.key), cost_centre_id=centres.get(code))
    values = {
        "kind": one.kind, "first_day": one.first, "last_day": one.last, "expected": one.expected, "actual": one.actual,
        "impact": one.impact, "unknown": one.unknown, "score": one.score, "history": one.history,
    }  # fmt: skip
    back = row.why == NOT_SHOWN
    moved = row.pk is None or back or any(getattr(row, name) != value for name, value in values.items())
    if back:
        row.state, row.why = Anomaly.State.CLOSED if row.feedback.exists() else Anomaly.State.OPEN, ""
    if moved:
        for name, value in values.items():
            setattr(row, name, value)
        row.changed_at, row.changes, row.forecast = timezone.now(), list(one.changes), newest
        row.save()
    return row, one, moved


def _explain(row: Anomaly, one: Found, known_from: date) -> None:
    query = anomalies_causes.question(one.level, one.key, Period.through(one.first, one.last), row.currency)
    found_ = anomalies_causes.why(query, known_from, dearer=one.impact > 0)
    row.usual, row.cause, row.feature = found_.usual, found_.cause, found_.feature
    row.effects = {name: f"{amount:.12f}" for name, amount in found_.effects.items() if amount}
    row.save(update_fields=["usual", "cause", "feature", "effects"])
