"""Reads of budgets: what was meant to be spent, and beside it what was."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.conf import settings
from django.db.models import Min
from django.db.models.functions import Collate

from allocation import selectors
from allocation.close import accruals
from allocation.models import CostCentre, CostDaily
from allocation.scope import EVERYTHING, Scope
from allocation.selectors import CostQuery
from finops.periods import Period
from forecasting.calc.fiscal import Calendar, portion
from forecasting.models import BudgetLine, BudgetVersion

WHOLE: None = None
Amounts = dict[str | None, Decimal]


class BudgetRow(NamedTuple):
    """One cost centre (None: the whole) in one currency. Budgets None: nothing was budgeted.

    ``accrual``: what the month's accruals expect of invoices beyond the actual cost, held centrally: of the whole alone, and
    None where the month is not accrued. Left = budget - actual - accrual. ``ytd_``: over compared_to_date.
    """

    code: str | None
    name: str
    currency: str
    budget: Decimal | None
    actual: Decimal
    accrual: Decimal | None
    left: Decimal | None
    ytd_budget: Decimal | None
    ytd_actual: Decimal
    ytd_left: Decimal | None


def in_force(at: datetime | None = None) -> list[BudgetVersion]:
    """The version in force of every budget, by year and name; ``at``: as it was then."""
    rows = BudgetVersion.objects.filter(approved_at__isnull=False).select_related("budget")
    if at is not None:
        rows = rows.filter(approved_at__lte=at)
    newest: dict[int, BudgetVersion] = {}
    for version in rows.order_by("approved_at", "number"):
        newest[version.budget_id] = version
    return sorted(newest.values(), key=lambda version: (version.budget.fiscal_year, version.budget.name))


def budget_of(code: str | None, period: Period, *, currency: str = "") -> Decimal | None:
    """What a cost centre (None: the whole) may spend in a period, in the site's currency unless another is named.

    A fiscal period that lies in it only partly counts by its days, exactly. None: nothing was budgeted for those days.
    """
    return budgets(period, currency=currency).get(code)


def budget_to_date(code: str | None, period: Period, *, currency: str = "") -> Decimal | None:
    """As ``budget_of``, from the beginning of the fiscal year that holds the period's last day to its end."""
    return budget_of(code, to_date(period), currency=currency)


def budgets(period: Period, *, currency: str = "", at: datetime | None = None) -> Amounts:
    """Cost centre -> its budget for the days of a period; None is the whole. ``at``: by the versions in force then."""
    versions = {version.pk: version.budget_id for version in in_force(at)}
    lines = BudgetLine.objects.filter(
        version__in=versions, start__lt=period.end, end__gt=period.start, currency=currency or settings.REPORT_CURRENCY
    )
    stated, summed = defaultdict[int, Decimal](Decimal), defaultdict[int, Decimal](Decimal)
    found: Amounts = {}
    for version, code, start, end, amount in lines.values_list(
        "version", "cost_centre__code", "start", "end", "amount"
    ):
        part = portion(amount, Period(start, end), period)
        if code is None:
            stated[version] += part
            continue
        found[code] = found.get(code, Decimal(0)) + part
        summed[version] += part
    if stated or summed:  # a budget for the whole has its cost centres' in it already
        whole = set(BudgetLine.objects.filter(version__in=versions, cost_centre=None).values_list("version", flat=True))
        found[WHOLE] = sum(((stated if pk in whole else summed)[pk] for pk in versions), Decimal(0))
    return found


def to_date(period: Period) -> Period:
    """From the beginning of the fiscal year to the end of the period: the year of the budget in force, else the calendar's."""
    last = max(period.days())
    found = [v.budget.calendar for v in in_force() if last in v.budget.calendar.year(v.budget.fiscal_year)]
    calendar = found[0] if found else Calendar()
    return Period(calendar.year(calendar.year_of(last)).start, period.end)


def compared_to_date(period: Period, currency: str = "") -> Period:
    """Of the fiscal year to the period's end the days that budget and actual are compared over.

    A ledger that begins later in the year knows no cost of the months before: they are in neither, from the first day of the
    month of its first cost on.
    """
    year = to_date(period)
    rows = CostDaily.objects.filter(billing_currency=currency or settings.REPORT_CURRENCY)
    first = rows.aggregate(day=Min("charge_date"))["day"]
    begins = year.start if first is None else max(year.start, first.replace(day=1))
    return Period(max(year.start, min(begins, period.start)), period.end)


def against_actual(scope: Scope, period: Period, currency: str = "", year: Period | None = None) -> list[BudgetRow]:
    """Budget and actual of a period and of the year to its end, by cost centre; the whole first for those who see all.

    ``year``: compared_to_date, where it is at hand.
    """
    currency = currency or settings.REPORT_CURRENCY
    year = year or compared_to_date(period, currency)
    meant, meant_ytd = budgets(period, currency=currency), budgets(year, currency=currency)
    spent, spent_ytd = _spent(scope, period, currency), _spent(scope, year, currency)
    rows = scope.of(CostCentre.objects.all(), "id").order_by(Collate("code", "C"))
    names = dict(rows.values_list("code", "name"))
    codes: Iterable[str | None] = [c for c in names if any(c in each for each in (meant, meant_ytd, spent, spent_ytd))]
    if scope.everything:
        codes = [WHOLE, *codes]
        spent[WHOLE], spent_ytd[WHOLE] = (sum(each.values(), Decimal(0)) for each in (spent, spent_ytd))
    accrued = _accrued(period, currency) if scope.everything else None
    found = []
    for code in codes:
        actual, ytd = spent.get(code, Decimal(0)), spent_ytd.get(code, Decimal(0))
        accrual = accrued if code is WHOLE else None
        found.append(
            BudgetRow(
                code, names.get(code or "", ""), currency, meant.get(code), actual, accrual,
                _left(meant.get(code), actual, accrual), meant_ytd.get(code), ytd, _left(meant_ytd.get(code), ytd, accrual),
            )
        )  # fmt: skip
    return found


def _accrued(period: Period, currency: str) -> Decimal | None:
    """What accruals add to the cost; those of the months before are taken back by it, so that it is the year's too."""
    if accruals.in_force(period) is None:
        return None
    return sum((row.estimate for row in accruals.of(period) if row.currency == currency), Decimal(0))


def _spent(scope: Scope, period: Period, currency: str) -> Amounts:
    """Unallocated cost stands under the empty code: it is part of the whole and of nobody."""
    frame = selectors.costs(scope, CostQuery(period, ("x_CostCentre",), currency=currency))
    return {code or "": cost for code, cost in zip(frame["x_CostCentre"], frame["EffectiveCost"], strict=True)}


def _left(budget: Decimal | None, actual: Decimal, accrual: Decimal | None) -> Decimal | None:
    return None if budget is None else budget - actual - (accrual or Decimal(0))


__all__ = [
    "EVERYTHING", "BudgetRow", "against_actual", "budget_of", "budget_to_date", "budgets", "compared_to_date", "in_force",
    "to_date",
]  # fmt: skip
