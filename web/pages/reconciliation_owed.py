"""What is owed to each provider, on the page Reconciliation and as a file."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from allocation.close import owed
from allocation.close.owed import Owed
from allocation.statement_selectors import snapshot
from finops.periods import Period
from web import owed_rows
from web.downloads import csv_file
from web.pages.access import for_those_who_see_everything
from web.pages.months import Chosen, of_month


def shown(period: Period | None) -> dict[str, Any]:
    """What web/money/owed.html needs."""
    rows = owed.of(period) if period else []
    totals = owed.totals(rows)
    return {
        "owed": rows, "owed_totals": totals, "owed_csv": f"{reverse('reconciliation-owed-csv')}?month={period}",
        "owed_api": f"/api/v1/owed?month={period}", "owed_credits": any(row.credits for row in rows),
        "owed_open": [row for row in totals if row.to_come], "owed_waits": _waits(rows),
    }  # fmt: skip


def _waits(rows: list[Owed]) -> int:
    """How many issuers have an account without an invoice."""
    return len({row.issuer for row in rows if row.to_come})


@require_safe
@for_those_who_see_everything
@of_month("reconciliation")
def as_csv(request: HttpRequest, chosen: Chosen) -> HttpResponse:  # noqa: ARG001  the month is all that is asked
    """The rows of the very table, exact."""
    with snapshot():
        rows = owed.of(chosen.period) if chosen.period else []
    return csv_file(f"owed_{chosen.period or 'empty'}", owed_rows.HEADER, map(owed_rows.line, rows))
