"""Benefits as reports read them."""

from collections.abc import Iterable
from datetime import date

from django.db.models import QuerySet

from allocation.calc.roi_gains import Claim
from allocation.models import Benefit
from allocation.scope import Scope
from finops.models import Approval


def claim_of(row: Benefit) -> Claim:
    """A benefit without what people said of it."""
    return Claim(
        row.pk, row.month, row.kind, row.basis, row.unit, row.cost_centre.code, row.team.code if row.team else None,
        row.features, row.baseline, row.actual, row.direction, row.realisation, row.state == Benefit.State.ACCEPTED,
        row.matures_on,
    )  # fmt: skip


def claims(months: Iterable[date]) -> list[Claim]:
    """Benefits of cohorts that nobody refused."""
    rows = Benefit.objects.filter(month__in=list(months)).select_related("cost_centre", "team")
    rows = rows.exclude(state=Benefit.State.ATTESTED, approval__state=Approval.State.REJECTED)
    return [claim_of(row) for row in rows.order_by("pk")]


def listed(scope: Scope) -> "QuerySet[Benefit]":
    """Benefits in scope, newest cohort first."""
    rows = scope.of(Benefit.objects.select_related("cost_centre", "team", "approval"))
    return rows.order_by("-month", "effect")
