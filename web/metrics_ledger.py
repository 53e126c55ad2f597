"""Gauges of the ledger's state, read from the database when they are asked for."""

from collections.abc import Callable, Iterator
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Sum
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from allocation.models import CostDaily
from finops.models import Approval
from finops.periods import Period
from ingest import health_selectors
from ingest.models import IngestRun
from web import schedule, verified
from web.models import BuiltFile, Delivery


class Ledger(Collector):
    """How far behind, how much waits, what has no price, what the last check found. Money is in the site's currency."""

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        now = timezone.now()
        for part in PARTS:
            yield from part(now)


def _gauge(name: str, told: str, value: float | None) -> Iterator[Metric]:
    """None: there is nothing to tell, so nothing is told; zero would be a figure."""
    if value is not None:
        yield GaugeMetricFamily(f"finops_{name}", told, float(value))


def _by(name: str, told: str, label: str, values: dict[str, float]) -> Iterator[Metric]:
    family = GaugeMetricFamily(f"finops_{name}", told, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], float(value))
    yield family


def _sources(now: datetime) -> Iterator[Metric]:
    connected = [status for status in health_selectors.statuses(now) if status.connection]
    lag = {status.name: (now - status.complete_until).total_seconds() for status in connected if status.complete_until}
    done = {status.name: status.last_done_at.timestamp() for status in connected if status.last_done_at}
    yield from _by("source_lag_seconds", "Since the end of the newest complete data of a connection.", "source", lag)
    yield from _by("source_last_success_timestamp", "When data of a connection last arrived.", "source", done)
    wanting = {status.name: float(status.state in ("failing", "late")) for status in connected}
    yield from _by("source_wanting", "1: the connection is late or fails.", "source", wanting)


def _runs(_: datetime) -> Iterator[Metric]:
    counted = IngestRun.objects.values_list("state").order_by("state").annotate(Count("pk"))
    yield from _by("runs", "Imports by how they ended.", "state", dict(counted))
    rows = IngestRun.objects.aggregate(*(Sum(name) for name in ("stored", "changed", "duplicate", "quarantined")))
    yield from _by(
        "rows", "Records of all imports by what became of them.", "outcome",
        {name.removesuffix("__sum"): value or 0 for name, value in rows.items()},
    )  # fmt: skip


def _queues(now: datetime) -> Iterator[Metric]:
    behind = health_selectors.behind()
    yield from _gauge("dirty_slices", "Slices of a day that wait to be computed anew.", behind.slices)
    age = (now - behind.oldest).total_seconds() if behind.oldest else 0
    yield from _gauge("dirty_slice_oldest_seconds", "How long the oldest of them has waited.", age)
    beat = schedule.read(now).age
    yield from _gauge(
        "worker_heartbeat_age_seconds",
        "Since a worker ran the scheduler's heartbeat.",
        beat.total_seconds() if beat else None,
    )
    waiting = BuiltFile.objects.filter(state__in=(BuiltFile.State.WAITING, BuiltFile.State.BUILDING)).count()
    yield from _gauge("exports_waiting", "Files that wait or are built.", waiting)
    open_ones = Delivery.objects.exclude(state=Delivery.State.SENT).values_list("state").order_by("state")
    yield from _by(
        "deliveries", "Deliveries that were not sent yet, by state.", "state", dict(open_ones.annotate(Count("pk")))
    )
    yield from _gauge(
        "approvals_waiting", "Requests that wait for a second person.",
        Approval.objects.filter(state=Approval.State.PROPOSED).count(),
    )  # fmt: skip


def _money(now: datetime) -> Iterator[Metric]:
    month = Period.month(f"{now:%Y-%m}")
    rows = CostDaily.objects.filter(
        charge_date__gte=month.start, charge_date__lt=month.end, billing_currency=settings.REPORT_CURRENCY
    )
    held = rows.aggregate(cost=Sum("effective_cost"), tokens=Sum("unpriced_tokens"), estimate=Sum("unpriced_estimate"))
    loose = rows.filter(cost_centre=None).aggregate(cost=Sum("effective_cost"))["cost"]
    yield from _gauge("month_cost", "EffectiveCost of the running month.", held["cost"] or 0)
    yield from _gauge("month_unallocated_cost", "What of it nobody owns.", loose or 0)
    yield from _gauge("month_unpriced_tokens", "Tokens of the running month without a price.", held["tokens"] or 0)
    yield from _gauge("month_unpriced_estimate", "What those might cost.", held["estimate"] or 0)


def _checks(_: datetime) -> Iterator[Metric]:
    last = verified.last()
    yield from _gauge(
        "verify_failures", "Invariants that the last check found broken.", len(last.failing) if last.at else None
    )
    yield from _gauge(
        "verify_timestamp", "When the invariants were last checked.", last.at.timestamp() if last.at else None
    )


PARTS: tuple[Callable[[datetime], Iterator[Metric]], ...] = (_sources, _runs, _queues, _money, _checks)
