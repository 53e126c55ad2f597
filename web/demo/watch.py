"""The demo's watch: a cap on what research costs, one pass over budgets and queries, and one alert answered."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from allocation.scope import EVERYTHING
from forecasting import watch, watch_alerts
from forecasting.models import Alert, QueryCap
from web.demo.agreements import ANALYST, PREPARER
from web.demo.window import Window

TIER, MOST = "research", Decimal(1)
NOTE = "example: what the service level allows an answer to cost"


def load(window: Window) -> None:
    """Look once at everything as the demo's day has it; what is there already stays."""
    at = min(window.now, datetime.combine(window.until + timedelta(days=1), time(), UTC))
    if not QueryCap.objects.filter(created_by=ANALYST).exists():
        watch.create_cap(EVERYTHING, by=ANALYST, most=str(MOST), tier=TIER, severity="ticket", note=NOTE)
    watch.run(at)
    if Alert.objects.exclude(acknowledged_by="").exists():
        return
    still = Alert.objects.filter(ended_at=None, kind=Alert.Kind.BUDGET)
    for row in watch_alerts.by_urgency(list(still))[:1]:
        watch_alerts.acknowledge(EVERYTHING, row.pk, by=PREPARER, now=at, note="example: more budget is asked for")
