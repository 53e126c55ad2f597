"""What /metrics tells Prometheus: requests as this process answers them, and the state of the ledger as the database has it.

Labels are names of ours and of connections, never what a user wrote. Several web processes: each writes its counters into
files of one folder, and whichever is asked adds them up (prometheus_client's multiprocess mode, set up by `manage.py web`).
"""

import os
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

from web.metrics_ledger import Ledger

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_own = CollectorRegistry()
REQUESTS = Counter(
    "finops_http_requests", "Requests answered.", ("view", "method", "status"), registry=_own
)  # fmt: skip
SECONDS = Histogram("finops_http_request_seconds", "How long answers took.", ("view",), buckets=_BUCKETS, registry=_own)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestsMiddleware:
    """Counts around all others, so that refusals and errors count too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer and count."""
        begun = time.monotonic()
        response = self._get_response(request)
        view = request.resolver_match.view_name if request.resolver_match else "none"
        method = request.method if request.method in _METHODS else "other"
        REQUESTS.labels(view, method, str(response.status_code)).inc()
        SECONDS.labels(view).observe(time.monotonic() - begun)
        return response


def text() -> bytes:
    """All of it in the Prometheus text format."""
    registry = CollectorRegistry()
    if os.environ.get(FOLDER):
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry = _own
    ledger = CollectorRegistry()
    ledger.register(Ledger())
    return generate_latest(registry) + generate_latest(ledger)
