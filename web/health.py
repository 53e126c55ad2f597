"""Whether this process answers: for load balancers and the runner, without a log-in and without the database."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path


@login_not_required
def healthz(_: HttpRequest) -> HttpResponse:
    """The web server runs."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


urlpatterns = [path("healthz", healthz, name="healthz")]
