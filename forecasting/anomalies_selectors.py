"""Reads of anomalies, within a scope."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.db.models import F, Prefetch, Q, QuerySet
from django.db.models.functions import Abs

from allocation.scope import Scope
from forecasting.models import Anomaly, AnomalyDay, AnomalyFeedback


@dataclass(frozen=True)
class Asked:
    """Which anomalies: in a currency, and of these by state, whether they are told, of days from and until, and impact.

    ``told`` None: either. ``until``: included. ``least``: the smallest impact, either way.
    """

    currency: str
    state: str = ""
    told: bool | None = None
    since: date | None = None
    until: date | None = None
    least: Decimal | None = None


class Summary(NamedTuple):
    """Of what is asked: how many are open and told, the money at stake in them (more, and less than expected), and others."""

    open: int
    dearer: Decimal
    cheaper: Decimal
    below: int
    closed: int


def told_field(scope: Scope) -> str:
    """The field that says whether those who have this scope are told: nobody is told twice, nor of what they do not see."""
    return "told" if scope.everything else "told_owner"


def listed(scope: Scope, asked: Asked) -> "QuerySet[Anomaly]":
    """Anomalies in scope, the newest day first, with the last words on them."""
    rows = scope.of(Anomaly.objects.filter(currency=asked.currency)).select_related("cost_centre")
    if asked.state:
        rows = rows.filter(state=asked.state)
    if asked.told is not None:
        rows = rows.filter(**{told_field(scope): asked.told})
    if asked.since is not None:
        rows = rows.filter(last_day__gte=asked.since)
    if asked.until is not None:
        rows = rows.filter(first_day__lte=asked.until)
    if asked.least is not None:
        rows = rows.annotate(size=Abs(F("impact"))).filter(size__gte=asked.least)
    words = Prefetch("feedback", AnomalyFeedback.objects.order_by("-said_at", "-pk"), to_attr="words")
    return rows.annotate(is_told=F(told_field(scope))).prefetch_related(words).order_by("-last_day", "-pk")


def one(scope: Scope, number: int) -> Anomaly:
    """An anomaly in scope, as ``listed`` has them. Raises Anomaly.DoesNotExist."""
    row = scope.of(Anomaly.objects.all()).get(pk=number)
    return listed(scope, Asked(row.currency)).get(pk=row.pk)


def days(rows: Iterable[Anomaly]) -> dict[int, list[AnomalyDay]]:
    """Anomaly -> its days in order."""
    found: dict[int, list[AnomalyDay]] = {}
    for day in AnomalyDay.objects.filter(anomaly__in=[row.pk for row in rows]).order_by("anomaly_id", "day"):
        found.setdefault(day.anomaly_id, []).append(day)
    return found


def below(scope: Scope, row: Anomaly) -> "list[Anomaly]":
    """What the same days show of the nodes under it, in the same direction, the largest first."""
    rows = scope.of(Anomaly.objects.filter(currency=row.currency, why=""))
    rows = rows.filter(first_day__lte=row.last_day, last_day__gte=row.first_day)
    rows = rows.filter(Q(impact__gt=0) if row.impact > 0 else Q(impact__lte=0))
    size = len(row.level)
    under = [each for each in rows if len(each.level) > size and each.key[:size] == row.key]
    return sorted(under, key=lambda each: (-abs(each.impact), each.level, each.key))


def summary(scope: Scope, asked: Asked) -> Summary:
    """Counts and sums over the question without its state and without what is told."""
    rows = listed(scope, Asked(asked.currency, since=asked.since, until=asked.until, least=asked.least))
    is_told = told_field(scope)
    at_stake = _amounts(rows.filter(state=Anomaly.State.OPEN, **{is_told: True}))
    quiet = rows.filter(state=Anomaly.State.OPEN, **{is_told: False}).count()
    return Summary(
        len(at_stake), sum((each for each in at_stake if each > 0), Decimal(0)),
        sum((each for each in at_stake if each < 0), Decimal(0)), quiet, rows.filter(state=Anomaly.State.CLOSED).count(),
    )  # fmt: skip


def _amounts(rows: "QuerySet[Anomaly]") -> Sequence[Decimal]:
    return list(rows.values_list("impact", flat=True))
