"""Which anomalies people hear of: by the money at stake and what they said of earlier ones; and what they say."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from allocation import assumptions
from allocation.models import Grant
from allocation.scope import Scope
from finops import audit, fx
from finops.models import User
from forecasting.calc.anomaly import Episode
from forecasting.calc.anomaly_alerts import VERDICTS, Feedback, Precision, alerts, least_impact, precision
from forecasting.calc.anomaly_nodes import gated
from forecasting.models import Anomaly, AnomalyFeedback

TRIAGE, ASSUMED = "anomaly_triage_cost", "anomaly_precision"  # codes of the assumption register
_REGISTER_CURRENCY = "USD"
EVERYWHERE = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE})
NOTE_MAX = 300


class FeedbackError(ValueError):
    """It cannot be said of this anomaly; the message says why."""


class Gate(NamedTuple):
    """From which impact on an anomaly is told, and why: what a look costs, and how many of the told ones are real.

    ``least`` None: there is no rate from the register's currency, so that every anomaly is told.
    """

    least: Decimal | None
    triage: Decimal | None
    precision: Precision
    currency: str


def gate(currency: str) -> Gate:
    """The gate in a currency, as of now."""
    register = assumptions.in_force()
    judged = precision(_said(), float(register.number(ASSUMED)))
    triage: Decimal | None = register.number(TRIAGE)
    if currency != _REGISTER_CURRENCY:
        rate = fx.rate_for(_REGISTER_CURRENCY, currency, timezone.now().date())
        triage = None if rate is None or triage is None else triage * rate[0]
    return Gate(None if triage is None else least_impact(triage, judged), triage, judged, currency)


def regate(currency: str) -> None:
    """Say of the open anomalies in a currency whether they are told, by the gate as of now. What is closed stays as it was."""
    least = gate(currency).least or Decimal(0)
    said = _said()
    rows = list(Anomaly.objects.filter(currency=currency, why="").order_by("first_day", "pk"))
    for field, top in (("told", 0), ("told_owner", 1)):
        told = _told([row for row in rows if len(row.level) >= top], float(least), said)
        still_open = Anomaly.objects.filter(currency=currency, state=Anomaly.State.OPEN)
        still_open.filter(pk__in=told, **{field: False}).update(**{field: True})
        still_open.filter(**{field: True}).exclude(pk__in=told).update(**{field: False})


def _told(rows: Sequence[Anomaly], least: float, said: Sequence[Feedback]) -> list[int]:
    """Numbers of those that are told, of a hierarchy that begins with the first level of the rows."""
    episodes = {row.pk: _gated(row) for row in rows}
    levels: dict[int, list[Episode]] = {}
    for row in sorted(rows, key=lambda each: len(each.level)):
        levels.setdefault(len(row.level), []).append(episodes[row.pk])
    found = {id(one.episode) for one in alerts(list(levels.values()), least, said)}
    return [number for number, episode in episodes.items() if id(episode) in found]


def _said() -> list[Feedback]:
    """The last word on every anomaly, for its days as they are now."""
    rows = AnomalyFeedback.objects.order_by("anomaly_id", "-said_at", "-pk").distinct("anomaly_id")
    found = []
    for row in rows.select_related("anomaly"):
        one = _gated(row.anomaly)
        found.append(Feedback(one.key, one.start, one.end, row.verdict))
    return found


def _gated(row: Anomaly) -> Episode:
    return gated(tuple(row.key), row.kind, (row.first_day, row.last_day), (row.expected, row.actual))


def may_judge(user: User, row: Anomaly) -> bool:
    """Whether a person may say what an anomaly is: analyst and finance of all, an owner of the own cost centre's."""
    grants = Grant.objects.filter(user=user)
    if grants.filter(role__in=EVERYWHERE).exists():
        return True
    own = grants.filter(role=Grant.Role.OWNER, cost_centre=row.cost_centre_id)
    return row.cost_centre_id is not None and own.exists()


@transaction.atomic
def say(scope: Scope, number: int, verdict: str, *, by: User, note: str = "") -> Anomaly:
    """Note what a person says of an anomaly: it is closed with that, and the gate follows.

    Raises Anomaly.DoesNotExist for one not in scope, PermissionError, FeedbackError.
    """
    row = scope.of(Anomaly.objects.select_for_update(of=("self",))).get(pk=number)
    if not may_judge(by, row):
        raise PermissionError("saying what an anomaly is needs the role analyst, finance or owner of its cost centre")
    if verdict not in VERDICTS:
        raise FeedbackError(f"verdict is {verdict[:60]!r}, expected one of: {', '.join(VERDICTS)}")
    if len(note) > NOTE_MAX:
        raise FeedbackError(f"note is longer than {NOTE_MAX} characters")
    AnomalyFeedback.objects.create(anomaly=row, verdict=verdict, note=note, said_by=by.get_username()[:150])
    row.state = Anomaly.State.CLOSED
    row.save(update_fields=["state"])
    audit.record(
        action="anomalies.feedback", actor=by.get_username(), subject=f"anomaly {row.pk}: {row}",
        details={"verdict": verdict, "note": note},
    )  # fmt: skip
    regate(row.currency)
    row.refresh_from_db()
    return row
