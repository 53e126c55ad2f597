"""What cost centres weigh by a driver in a month, and which weights rules share by.

Usage drivers count what rules that do not share by a driver give to a cost centre: were the outcome of sharing to weigh
again, running the rules twice would give something else than running them once.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from allocation import layer_changes, rulebook
from allocation.calc.assign import parts, share_counts
from allocation.calc.daily import NOT_USED
from allocation.calc.drivers import Metrics, among, parse_metrics
from allocation.calc.rules import Rule, RuleError
from allocation.calc.rules_targets import USAGE_DRIVERS
from allocation.charged_days import charged_days
from allocation.costing import terms
from allocation.models import CostCentre, LayerDay, Settled, TermsVersion
from finops.periods import Period
from ingest.selectors import key_dimensions

KIND = rulebook.DRIVERS
_COUNTED = {"requests": 0, "queries": 1}
_SUMMED = {
    "cost": ("coalesce(sum(a.effective_cost), 0)", "c.billing_currency = %s"),
    "tokens": ("coalesce(sum(a.quantity), 0)", "c.consumed_unit = 'tokens'"),
    "gpu_time": ("coalesce(sum(a.quantity), 0)", "c.price_class = 'gpu_hour'"),
}
_DIRECT = (
    "SELECT o.code, {what} FROM allocated_cost a JOIN charge c ON c.id = a.charge_id "
    "JOIN allocation_costcentre o ON o.id = a.cost_centre_id LEFT JOIN allocation_allocationrule r ON r.id = a.rule_id "
    "WHERE a.charge_date >= %s AND a.charge_date < %s AND c.charge_date >= %s AND c.charge_date < %s AND {which} "
    "AND c.corrects_date IS NULL AND c.charge_category <> 'Adjustment' AND NOT c.commitment_status = ANY(%s) "
    "AND NOT coalesce(jsonb_exists(r.targets, 'proportional'), false) {tier} GROUP BY 1"
)


def weights(
    name: str, period: Period, over: Sequence[str] | None = None, tier: str | None = None
) -> dict[str, Decimal]:
    """Cost centre -> what it weighs by a driver in a month, by code; 0 for one of ``over`` without any.

    ``name``: cost, tokens, requests, queries, gpu_time (what is used directly, of one ``tier`` where it is given) or a
    metric that was loaded. ``over`` None: all who have some. All zero: there is nothing to share by.
    """
    return among(_of(name, tier or "", period), over)


def weights_by_tier(
    name: str, period: Period, over: Sequence[str] | None, tiers: Iterable[str]
) -> dict[str, dict[str, Decimal]]:
    """Tier -> ``weights``; of what is counted, the month is counted once for all tiers."""
    if name not in _COUNTED:
        return {tier: weights(name, period, over, tier) for tier in tiers}
    counts = _counts(_COUNTED[name], period)
    found: dict[str, dict[str, Decimal]] = {}
    for tier in tiers:
        mine = {centre: Decimal(count) for (centre, of), count in sorted(counts.items()) if of == tier and count}
        found[tier] = among(mine, over)
    return found


def metrics() -> Metrics:
    """The business metrics in force."""
    found: Metrics = terms.in_force(KIND, parse_metrics)
    return found


@transaction.atomic
def load(document: Any, *, actor: str) -> TermsVersion:
    """Make a document the metrics in force. Raises RuleError. What shares by them follows when rules are run again."""
    check(document)
    return terms.load(KIND, document, parse_metrics, actor=actor, charged=False)


def check(document: Any) -> Metrics:
    """What a document says. Raises RuleError, also for a cost centre that there is not."""
    found, known = parse_metrics(document), set(CostCentre.objects.values_list("code", flat=True))
    if lost := sorted({code for values in found.values.values() for code in values} - known):
        raise RuleError(f"cost_centre: there is no cost centre {lost[0]}; rules and `cost_centres load` make them")
    return found


def settle(days: Iterable[date], *, only_missing: bool = False) -> set[date]:
    """Keep the weights that rules share by in the months of these days; returns the days that have to be allocated anew.

    ``only_missing``: of months that never change again, where a driver without any weights is all that may be added.
    """
    wanted = {
        (rule.driver.name, rule.driver.tier): rulebook.settled_as(rule.driver)
        for rule in rulebook.in_force().rules
        if rule.driver
    }
    if not wanted and not Settled.objects.filter(kind=KIND).exists():
        return set()
    changed: set[date] = set()
    for month in sorted({day.replace(day=1) for day in days}):
        period = Period.month_of(month)
        now = {code: _of(*pair, period) for pair, code in wanted.items()} if not only_missing else {}
        before = _settled(month)
        if only_missing:
            now = before | {code: _of(*pair, period) for pair, code in wanted.items() if code not in before}
        if _replace(month, before, {code: found for code, found in now.items() if found}):
            changed |= set() if only_missing else charged_days(period)
    return changed


def _settled(month: date) -> dict[str, dict[str, Decimal]]:
    found: dict[str, dict[str, Decimal]] = {}
    for code, centre, value in Settled.objects.filter(kind=KIND, day=month).values_list("code", "name", "value"):
        found.setdefault(code, {})[centre] = value
    return found


@transaction.atomic
def _replace(
    month: date, before: Mapping[str, Mapping[str, Decimal]], now: Mapping[str, Mapping[str, Decimal]]
) -> bool:
    if before == now:
        return False
    Settled.objects.filter(kind=KIND, day=month).delete()
    Settled.objects.bulk_create(
        Settled(kind=KIND, code=code, day=month, name=centre, value=value)
        for code, weighed in now.items()
        for centre, value in weighed.items()
    )
    return True


def _of(name: str, tier: str, period: Period) -> dict[str, Decimal]:
    """Cost centre -> what it weighs, nobody that weighs nothing."""
    if name not in USAGE_DRIVERS:
        found = dict(metrics().values.get((name, str(period)), {}))
    elif name in _COUNTED:
        found = _counted(_COUNTED[name], tier, period)
    else:
        found = _summed(name, tier, period)
    return {centre: value for centre, value in sorted(found.items()) if value}


def _summed(name: str, tier: str, period: Period) -> dict[str, Decimal]:
    what, which = _SUMMED[name]
    given: list[Any] = [period.start, period.end] * 2
    given += [settings.REPORT_CURRENCY] if "%s" in which else []
    given += [list(NOT_USED)] + ([tier] if tier else [])
    with connection.cursor() as cursor:
        cursor.execute(_DIRECT.format(what=what, which=which, tier="AND c.tier = %s" if tier else ""), given)
        return dict(cursor.fetchall())


def _counted(column: int, tier: str, period: Period) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for (centre, of), count in _counts(column, period).items():
        if not tier or of == tier:
            found[centre] = found.get(centre, Decimal(0)) + count
    return found


def _counts(column: int, period: Period) -> dict[tuple[str, str], int]:
    """(cost centre, tier) -> requests or queries, as the rules give them day by day."""
    book, found = rulebook.in_force(), dict[tuple[str, str], int]()
    within = {"charge_date__gte": period.start, "charge_date__lt": period.end}
    layered = set(LayerDay.objects.filter(**within).values_list("charge_date", flat=True))
    days = {day: layer_changes.counts_of_day(day, layered=day in layered) for day in sorted(charged_days(period))}
    dimensions = key_dimensions({row[0] for rows in days.values() for row in rows})
    for day, rows in days.items():
        assignment = book.on(day, {row[0]: dimensions[row[0]] for row in rows}).assignment
        direct = [row for row in rows if not _shares(assignment[row[0]])]
        bearers = parts([row[0] for row in direct], assignment)
        counts = share_counts([row[4 + column] for row in direct], bearers)
        for centre, at, count in zip(bearers.cost_centre, bearers.row, counts, strict=True):
            if centre:
                found[centre, direct[at][1]] = found.get((centre, direct[at][1]), 0) + int(count)
    return found


def _shares(rule: Rule | None) -> bool:
    return rule is not None and rule.driver is not None
