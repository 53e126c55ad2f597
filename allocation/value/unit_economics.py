"""Own figures of unit economics: what customers used, what a query costs, and which cost does not hang on use."""

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q, QuerySet, Sum

from allocation.calc.claims import rounded
from allocation.calc.unit_economics_customers import Customer, Margins, Spread, margins
from allocation.models import AllocatedCost, Basis, CostDaily, QueryCostDaily
from allocation.scope import Scope
from finops.periods import Period
from ingest.calc.price_transparency import Cell, quantiles

# What stands for a customer, and the field of cost_daily that holds it.
BY = {"cost_centre": "cost_centre__code", "team": "team__code", "feature": "feature"}
_ZERO = Decimal(0)
_MOVED = (
    Basis.SHARED,
    Basis.VARIANCE,
)  # come to nothing over all cost centres, and are not fixed or variable by themselves
# What is agreed ahead: it is owed whether it is used or not (first word of a charge's subject).
_AGREED = Q(charge__subject__startswith="commitment ") | Q(charge__subject__startswith="fleet ")
_AGREED |= Q(charge__subject__startswith="other ")


class Own(NamedTuple):
    """A month of one's own, in the site's currency. ``fixed`` + ``variable`` = ``cost``; ``spread`` of a query's list cost."""

    period: Period
    currency: str
    queries: int
    cost: Decimal
    fixed: Decimal
    variable: Decimal
    spread: Spread

    @property
    def suggestions(self) -> dict[str, Decimal]:
        """Assumption -> what stands for it by one's own month, where that is known."""
        each = None if not self.queries else Fraction(self.variable) / self.queries
        found = {
            "query_cost": self.spread.mean, "service_queries": Decimal(self.queries), "fixed_cost": self.fixed,
            "query_variable_cost": None if each is None else rounded(each, "USD"),
        }  # fmt: skip
        return {code: value for code, value in found.items() if value is not None and value >= 0}


class Customers(NamedTuple):
    """Customers of a month; ``unnamed``: cost of usage that names none, in no margin."""

    customers: tuple[Customer, ...]
    unnamed: Decimal


def own(scope: Scope, period: Period) -> Own | None:
    """Cost and queries of a month within a scope, before splits; None: there is neither."""
    found = _rows(scope, period).exclude(basis__in=_MOVED).aggregate(queries=Sum("queries"), cost=Sum("effective_cost"))
    if found["cost"] is None:
        return None
    fixed = _fixed(scope, period)
    return Own(
        period, settings.REPORT_CURRENCY, found["queries"], found["cost"], fixed, found["cost"] - fixed,
        spread(scope, period),
    )  # fmt: skip


def customers(scope: Scope, period: Period, by: str) -> Customers:
    """What each cost centre, team or feature used in a month. ``by``: a key of BY."""
    field = BY[by]
    summed = _rows(scope, period).values_list(field).annotate(Sum("queries"), Sum("effective_cost")).order_by(field)
    named, unnamed = [], _ZERO
    for name, queries, cost in summed:
        if name:
            named.append(Customer(name, queries, cost))
        else:
            unnamed += cost
    return Customers(tuple(named), unnamed)


def of_month(scope: Scope, period: Period, by: str, price: Decimal, fixed: Decimal) -> tuple[Margins, Decimal]:
    """Margins of a month's customers at a flat price, and the cost that no customer bears. Raises ValueError."""
    found = customers(scope, period, by)
    return margins(price, fixed, found.customers, spread(scope, period)), found.unnamed


def spread(scope: Scope, period: Period) -> Spread:
    """Cost of the month's queries: mean, median, 95th percentile, of those whose every call has a price."""
    rows = scope.of(QueryCostDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end))
    summed = rows.order_by().values_list("bin").annotate(Sum("queries"), Sum("cost"))
    found = quantiles(Cell(*row) for row in summed)
    return Spread(found.queries, found.mean, found.p50, found.p95)


def _rows(scope: Scope, period: Period) -> QuerySet[CostDaily]:
    rows = CostDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)
    return scope.of(rows.filter(billing_currency=settings.REPORT_CURRENCY)).order_by()


def _fixed(scope: Scope, period: Period) -> Decimal:
    """What agreements charge: of a fleet or commitment also the part that was used. Splits move it and leave it what it is."""
    rows = AllocatedCost.objects.of_days(period).filter(_AGREED, charge__billing_currency=settings.REPORT_CURRENCY)
    fixed: Decimal | None = scope.of(rows).aggregate(fixed=Sum("effective_cost"))["fixed"]
    return fixed or _ZERO
