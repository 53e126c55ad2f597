"""What was spent and what it returned, by cohort of spend: read from cost_daily, outcomes and benefits, within a scope.

A month's cost is that of its days as they are known today (``view=as-is`` of costs): what is posted later against a closed month
counts for the month it corrects, here alone; statements stay as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import BooleanField, Count, ExpressionWrapper, Max, Q, Sum
from django.db.models.functions import Coalesce, TruncMonth
from django.utils import timezone

from allocation.calc import roi, roi_gains
from allocation.calc.outcomes import PRODUCTION
from allocation.calc.outcomes_benefits import MATURES_AFTER
from allocation.calc.roi_rows import DIMENSIONS, ZERO, Gain, Outcomes, Spend, part_of
from allocation.models import CostCentre, CostDaily, Evidence, Outcome
from allocation.scope import Scope
from allocation.statement_selectors import state_of
from allocation.value import outcome_traces, unknowns
from allocation.value.roi_claims import claims
from finops.periods import Period


class RoiError(ValueError):
    """The question cannot be answered; the message names the part and what is possible."""


@dataclass(frozen=True)
class RoiQuery:
    """Cohorts from the month of ``first`` to that of ``last``, dimensions to group by, exact values to filter on.

    Raises RoiError. ``currency``: of costs and cash; other currencies are told apart.
    """

    first: Period
    last: Period
    by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    currency: str = ""

    def __post_init__(self) -> None:
        for name in (*self.by, *self.filters):
            if name not in DIMENSIONS:
                raise RoiError(f"there is no dimension {name!r}; possible: {', '.join(DIMENSIONS)}")
        if self.last < self.first:
            raise RoiError(f"the last month, {self.last}, lies before the first, {self.first}")

    @property
    def money(self) -> str:
        """The currency, by default the site's."""
        return self.currency or settings.REPORT_CURRENCY

    @property
    def span(self) -> Period:
        """All days of the cohorts."""
        return Period(self.first.start, self.last.end)


class Cohort(NamedTuple):
    """One month of spend: its line, the day by which its benefits are expected to be whole, and the state of its books."""

    month: date
    line: roi.Line
    matures_on: date
    mature: bool
    books: str


def report(scope: Scope, query: RoiQuery) -> roi.Report:
    """Figures by the query's dimensions. What spend is known to be for is judged by all evidence, shown is what is in scope."""
    span = query.span
    outcomes = _outcomes(span, query.money)
    worths = [
        roi_gains.Worth(row.month, row.cost_centre, row.team, row.feature, query.money, row.value)
        for row in outcomes
        if row.known and row.value
    ]
    months = sorted({day.replace(day=1) for day in span.days()})
    gains = roi_gains.gains(claims(months), worths)
    allowed = None if scope.everything else _codes(scope)

    def shown(row: Spend | Outcomes | Gain) -> bool:
        if allowed is not None and row.cost_centre not in allowed:
            return False
        return all(_named(row, name) in values for name, values in query.filters.items())

    traced = outcome_traces.money(span, query.money)
    return roi.report(_spend(span, query.money), outcomes, gains, query.by, query.money, shown, traced)


def cohorts(scope: Scope, query: RoiQuery, today: date) -> list[Cohort]:
    """The months of a query, oldest first."""
    found = report(scope, RoiQuery(query.first, query.last, ("month",), query.filters, query.currency))
    rows = []
    for (month,), line in sorted(found.lines):
        period = Period.month_of(month)
        matures = line.matures_on or period.end + MATURES_AFTER
        rows.append(Cohort(month, line, matures, matures <= today, state_of(period)))
    return rows


def notes(scope: Scope, query: RoiQuery) -> list[str]:
    """Values of the filters that no usage of the cohorts has, and a currency in which nothing is billed, in words."""
    months = {f"{day:%Y-%m}" for day in query.span.days()}
    asked = query.filters.get("month", ())
    found = [f"{month[:60]!r} is no month of {query.first} to {query.last}" for month in asked if month not in months]
    columns = {"cost_centre": "x_CostCentre", "team": "x_Team", "feature": "x_Feature"}
    filters = {columns[name]: values for name, values in query.filters.items() if name in columns}
    found += unknowns.of_filters(scope, query.span, filters, exact=True)
    return found + unknowns.of_currency(scope, query.span, query.money) + _restated(scope, query)


def _restated(scope: Scope, query: RoiQuery) -> list[str]:
    """Why the spend of cohorts is not what the ledger has in their months, in words: corrections count where they belong."""
    span = query.span
    posted, meant = (
        Q(**{f"{name}__gte": span.start, f"{name}__lt": span.end}) for name in ("charge_date", "corrects_date")
    )
    rows = scope.of(CostDaily.objects.filter(billing_currency=query.money, corrects_date__isnull=False))
    sums = {
        "after": Sum("effective_cost", filter=meant & ~posted),
        "before": Sum("effective_cost", filter=posted & ~meant),
    }
    found = rows.aggregate(**sums)
    after, before = (found[name] or ZERO for name in sums)
    said = [
        f"{after:,.2f} {query.money} of corrections posted in other months count here" if after else "",
        f"{before:,.2f} {query.money} posted in these months for others is left out" if before else "",
    ]
    return [f"Spend is as restated: {'; '.join(filter(None, said))}"] if any(said) else []


def _codes(scope: Scope) -> frozenset[str]:
    return frozenset(scope.of(CostCentre.objects.all(), "id").values_list("code", flat=True))


def _named(row: Any, name: str) -> str:
    value = getattr(row, name)
    return f"{value:%Y-%m}" if isinstance(value, date) else value or ""


def _spend(span: Period, currency: str) -> list[Spend]:
    within = Q(charge_date__gte=span.start, charge_date__lt=span.end, corrects_date=None)
    within |= Q(corrects_date__gte=span.start, corrects_date__lt=span.end)
    rows = CostDaily.objects.filter(within, billing_currency=currency)
    rows = rows.annotate(month=TruncMonth(Coalesce("corrects_date", "charge_date")))
    names = ("month", "cost_centre__code", "team__code", "feature", "basis", "tier")
    found = rows.order_by().values_list(*names).annotate(Sum("effective_cost"), Sum("queries"), Sum("list_cost"))
    return [
        Spend(month, centre, team, feature, part_of(basis, tier), cost or ZERO, int(queries or 0), listed or ZERO)
        for month, centre, team, feature, basis, tier, cost, queries, listed in found
    ]


def _outcomes(span: Period, currency: str) -> list[Outcomes]:
    rows = Outcome.objects.filter(setting=PRODUCTION, spend_month__gte=span.start, spend_month__lt=span.end)
    rows = rows.annotate(
        known=ExpressionWrapper(~Q(evidence=Evidence.NONE), output_field=BooleanField()),
        traced=outcome_traces.is_traced(span, currency),
    )
    names = ("spend_month", "cost_centre__code", "team__code", "feature", "rubric", "known", "traced")
    task, own = Q(counts=True), Q(currency=currency)
    sums = {
        "n_tasks": Count("pk", filter=task), "n_resolved": Count("pk", filter=task & Q(success=True)), "n_attempts": Count("pk"),
        "sum_value": Sum("value", filter=task & own), "n_valued": Count("value", filter=task & own),
        "sum_fallback": Sum("fallback_cost", filter=own), "sum_failed": Sum("cost", filter=own & Q(success=False)),
        "sum_quality": Sum("quality", filter=task), "n_scored": Count("quality", filter=task),
    }  # fmt: skip
    found = rows.order_by().values(*names).annotate(**sums).values_list(*names, *sums)
    return [
        Outcomes(*(row[:6] + tuple(ZERO if value is None else value for value in row[7:])))._replace(traced=row[6])
        for row in found
    ]


def newest() -> Period:
    """The newest month with cost; this one where there is none."""
    last = CostDaily.objects.aggregate(day=Max("charge_date"))["day"]
    return Period.month_of(last or timezone.now().date())


def site_currency() -> str:
    """In which figures are unless another is asked for."""
    return str(settings.REPORT_CURRENCY)
