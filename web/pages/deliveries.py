"""The page Deliveries: what went where, what waits for its next try, and another try of what failed."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from web import delivery_log, delivery_plan
from web.models import Delivery
from web.pages.access import for_finance, for_those_who_see_everything, is_finance
from web.pages.paging import before_of, page_of

SHOWN = 50


@require_safe
@for_those_who_see_everything
def listing(request: HttpRequest) -> HttpResponse:
    """The newest first."""
    before = before_of(request)
    rows = Delivery.objects.select_related("file").defer("file__content").order_by("-pk")
    rows = rows.filter(pk__lt=before) if before is not None else rows
    found = list(rows[: SHOWN + 1])
    context = {
        "rows": found[:SHOWN], "plan": delivery_plan.in_force(), "finance": is_finance(request),
        "again": (Delivery.State.FAILED, Delivery.State.UNSURE), **page_of(request, found, SHOWN),
    }  # fmt: skip
    return render(request, "web/deliveries.html", context)


@require_POST
@for_finance
def retry(request: HttpRequest, number: int) -> HttpResponse:
    """Another try."""
    if number >= 2**63:
        raise Http404
    found = get_object_or_404(Delivery, pk=number)
    if delivery_log.retry(found, request.user.get_username()):
        messages.success(request, f"{found.kind} {found.subject} is sent again within a minute.")
    else:
        messages.error(request, f"Nothing was done: it is {found.state}.")
    return redirect("deliveries")
