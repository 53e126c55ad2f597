"""What statements of a month are made from: cost of all cost centres as frames, and the rules behind it in words."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from importlib import import_module
from typing import Any

import pandas as pd
from django.conf import settings
from django.db.models import Case, QuerySet, Sum, Value, When
from django.db.models.functions import TruncMonth

from allocation.calc.statement import rounded_by
from allocation.calc.statement_words import part_words, rule_words
from allocation.calc.statements import LINE_COLUMNS, Budget
from allocation.models import AllocatedCost, AllocationRule, CostDaily, SplitCost, SplitOutcome
from finops.money import MONEY
from finops.periods import Period

_KEY = ("cost_centre__code", "basis", "team__code", "provider", "model", "tier")
_MEASURES = {
    "cost": Sum("effective_cost"), "asked": Sum("requests"), "answered": Sum("queries"), "used": Sum("tokens"),
    "costless": Sum("unpriced_tokens"), "estimate": Sum("unpriced_estimate"),
    "estimated": Sum(Case(When(tier_estimated=True, then="queries"), default=Value(0))),
}  # fmt: skip
_MONEY = ("EffectiveCost", "x_UnpricedEstimate")


def currencies(period: Period) -> list[str]:
    """Currencies in which something was charged, the site's own first."""
    found = set(_days(CostDaily.objects.all(), period).order_by().values_list("billing_currency", flat=True).distinct())
    return sorted(found, key=lambda code: (code != settings.REPORT_CURRENCY, code))


def lines(period: Period, currency: str) -> pd.DataFrame:
    """LINE_COLUMNS of all cost centres, in no order."""
    rows = _days(CostDaily.objects.filter(billing_currency=currency), period).order_by()
    found = list(rows.values(*_KEY).annotate(**_MEASURES).values_list(*_KEY, *_MEASURES))
    columns = list(zip(*found, strict=True)) if found else [()] * len(LINE_COLUMNS)
    return pd.DataFrame(
        {
            name: pd.Series(list(values), dtype=pd.ArrowDtype(MONEY) if name in _MONEY else object)
            for name, values in zip(LINE_COLUMNS, columns, strict=True)
        }
    )


def charged_before(period: Period, year_from: date, currency: str) -> dict[str, Decimal]:
    """Cost centre -> what the months from ``year_from`` up to the period charge it, each month rounded as it is stated."""
    if year_from >= period.start:
        return {}
    rows = _days(CostDaily.objects.filter(billing_currency=currency), Period(year_from, period.start)).order_by()
    months: dict[date, dict[str | None, Decimal]] = defaultdict(dict)
    sums = rows.annotate(month=TruncMonth("charge_date")).values("month", "cost_centre__code")
    for month, code, cost in sums.annotate(cost=Sum("effective_cost")).values_list(
        "month", "cost_centre__code", "cost"
    ):
        months[month][code] = cost
    found: dict[str, Decimal] = defaultdict(Decimal)
    for owners in months.values():
        for code, cost in rounded_by(owners, currency).items():
            if code is not None:
                found[code] += cost
    return found


def rules(period: Period, currency: str) -> dict[str, dict[str, list[str]]]:
    """Cost centre -> basis -> the rules of its direct cost, its pools and rate cards, the months of its corrections.

    The dearest first.
    """
    rows = _days(AllocatedCost.objects.filter(cost_centre__isnull=False), period).order_by()
    rows = rows.filter(charge__billing_currency=currency)
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    sums = rows.filter(rule__isnull=False, charge__corrects_date__isnull=True).values("cost_centre__code", "rule_id")
    direct = list(sums.annotate(cost=Sum("effective_cost")).values_list("cost_centre__code", "rule_id", "cost"))
    known = AllocationRule.objects.in_bulk({rule for _, rule, _ in direct})
    for code, rule, _ in sorted(direct, key=lambda row: (-(row[2] or 0), row[1])):
        if rule in known:  # cost may outlive the version of the rules that gave it
            of = known[rule]
            found[code]["direct"].append(rule_words(of.rule, of.conditions, of.targets, code))
    corrected = rows.filter(charge__corrects_date__isnull=False).annotate(month=TruncMonth("charge__corrects_date"))
    for code, month in sorted(set(corrected.values_list("cost_centre__code", "month"))):
        found[code]["correction"].append(f"{month:%B %Y}")
    for code, basis, words in _moved(period, currency):
        found[code][basis].append(words)
    return found


def _moved(period: Period, currency: str) -> Iterator[tuple[str, str, str]]:
    """Cost centre, basis and words of each pool or rate card that moved cost to or from it, the largest first."""
    rows = _days(SplitCost.objects.filter(billing_currency=currency, cost_centre__isnull=False), period).order_by()
    sums = rows.values("cost_centre__code", "basis", "pool").annotate(cost=Sum("effective_cost"))
    outcomes = SplitOutcome.objects.filter(month=period.start, currency=currency)
    weights = {(each.basis, each.code): each.weights for each in outcomes}
    names = ("cost_centre__code", "basis", "pool", "cost")
    for code, basis, pool, cost in sorted(sums.values_list(*names), key=lambda row: (-abs(row[3]), *row[:3])):
        yield code, basis, part_words(pool, weights.get((basis, pool)) or {}, code, gives=cost < 0)


def year_to_date(period: Period, currency: str) -> Period:
    """Of the fiscal year to the end of the period what the ledger knows; by settings.BUDGETS, which lie right of allocation."""
    found: Period = import_module(settings.BUDGETS).compared_to_date(period, currency)
    return found


def budgets(period: Period, year: Period, currency: str) -> dict[str, Budget]:
    """Cost centre -> what was planned for it, in the month and in the ``year_to_date``."""
    planned = import_module(settings.BUDGETS).budgets
    month, to_date = planned(period, currency=currency), planned(year, currency=currency)
    return {
        code: Budget(month.get(code), to_date.get(code)) for code in month.keys() | to_date.keys() if code is not None
    }


def _days(rows: QuerySet[Any], period: Period) -> QuerySet[Any]:
    return rows.filter(charge_date__gte=period.start, charge_date__lt=period.end)
