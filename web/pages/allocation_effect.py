"""Who pays what more or less if rules that wait for a second person were accepted; nothing changes."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from allocation import rule_changes
from allocation.calc.rules import RuleError
from allocation.models import Grant
from allocation.scope import roles_of
from finops.models import Approval
from web.pages.approvals import asked_for, deciding


@require_POST
@never_cache
def page(request: HttpRequest, number: int) -> HttpResponse:
    """A POST, as it counts the open months anew and takes its time: no link leads a robot there."""
    if not roles_of(request.user) & {Grant.Role.ANALYST, Grant.Role.FINANCE}:
        raise PermissionDenied
    kinds = {rule_changes.KIND, rule_changes.DOCUMENT}
    found = [each for each in asked_for(request, kinds) if each["asked"].pk == number]
    if not found:
        raise Http404
    asked: Approval = found[0]["asked"]
    try:
        rows = rule_changes.effect(asked)
    except RuleError as wrong:
        messages.error(request, f"It cannot be carried out any more: {wrong}.")
        return redirect("allocation")
    context = {"rows": _moved(rows), "same": sum(not Decimal(row["difference"]) for row in rows), "waiting": found,
               **deciding(request), "here": "/allocation/", "tab": "rules"}  # fmt: skip
    return render(request, "web/allocation_effect.html", context)


def _moved(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that change, the largest change first; amounts as Decimal."""
    amounts = ("before", "after", "difference")
    moved = [{**row, **{name: Decimal(row[name]) for name in amounts}} for row in rows if Decimal(row["difference"])]
    return sorted(moved, key=lambda row: -abs(row["difference"]))
