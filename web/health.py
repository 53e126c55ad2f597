"""Probes without a log-in: whether this process answers, whether it can do its work, and figures for Prometheus.

None tells versions, names or addresses. /metrics is told to nobody unless FINOPS_METRICS_TOKEN or FINOPS_METRICS_NETWORKS
says to whom; others get what an address that does not exist gets.
"""

import hmac
import logging
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from allocation.models import CostDaily
from finops.requests import client_address
from web import schedule

_AGGREGATED = timedelta(days=62)
_log = logging.getLogger(__name__)
_migrated = False


@login_not_required
def healthz(_: HttpRequest) -> HttpResponse:
    """The web server runs. For load balancers and the runner; without the database."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@login_not_required
@require_safe
@never_cache
def readyz(_: HttpRequest) -> HttpResponse:
    """503 names the first thing that is missing. A silent worker is *degraded*, and no reason to take the pages away."""
    for name, check in (("database", _database), ("migrations", _migrations), ("figures", _figures)):
        try:
            ready = check()
        except (DatabaseError, ImproperlyConfigured) as error:
            _log.warning("not ready: %s: %s", name, error)
            ready = False
        if not ready:
            return JsonResponse({"ready": False, "failing": name}, status=503)
    worker = schedule.read(timezone.now())
    silent = worker.age is None or worker.silent(schedule.MISSED)
    return JsonResponse({"ready": True, "degraded": ["worker"] if silent else []})


@login_not_required
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """In the Prometheus text format."""
    if not (_has_token(request) or _comes_from_allowed(request)):
        raise Http404
    from web.metrics import text

    return HttpResponse(text(), content_type="text/plain; version=0.0.4; charset=utf-8")


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def _migrations() -> bool:
    """Asked until it is so: a process does not outlive an upgrade."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


def _figures() -> bool:
    """What the pages live by: a sum over allocated cost."""
    rows = CostDaily.objects.filter(charge_date__gte=timezone.now().date() - _AGGREGATED)
    rows.aggregate(cost=Sum("effective_cost"), queries=Sum("queries"))
    return True


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    wanted = f"Bearer {settings.METRICS_TOKEN}"
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(given.encode(), wanted.encode())


def _comes_from_allowed(request: HttpRequest) -> bool:
    """By the address of the caller. Behind a proxy that FINOPS_PROXIES does not count, nobody comes from anywhere."""
    address = client_address(request)
    if address is None or ("X-Forwarded-For" in request.headers and not settings.PROXIES):
        return False
    return any(ip_address(address) in ip_network(text) for text in settings.METRICS_NETWORKS)


_views: dict[str, Callable[..., HttpResponse]] = {"healthz": healthz, "readyz": readyz, "metrics": metrics}
urlpatterns = [path(name, view, name=name) for name, view in _views.items()]
