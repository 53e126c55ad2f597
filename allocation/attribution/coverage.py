"""What the rules cover of a month: reads charges as they are allocated, with the keys as rules see them."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Max, Sum

from allocation import rulebook
from allocation.calc import rules_words
from allocation.calc.attribution import FIELDS, attribute, provenance
from allocation.calc.rules import Rule, dimensions_of
from allocation.calc.rules_coverage import ZERO, Caught, Gap, RuleCover, cover, gaps
from allocation.models import AllocatedDay, CostDaily, RuleVersion
from finops.periods import Period
from ingest.selectors import key_dimensions

_CAUGHT = (
    "SELECT coalesce(r.rule, ''), c.usage_key_id, coalesce(o.code, ''), "
    "c.owner_id IS NOT NULL OR c.corrects_date IS NOT NULL, coalesce(sum(a.effective_cost), 0) "
    "FROM allocated_cost a JOIN charge c ON c.id = a.charge_id LEFT JOIN allocation_allocationrule r ON r.id = a.rule_id "
    "LEFT JOIN allocation_costcentre o ON o.id = a.cost_centre_id WHERE a.charge_date >= %s AND a.charge_date < %s "
    "AND c.charge_date >= %s AND c.charge_date < %s AND c.billing_currency = %s GROUP BY 1, 2, 3, 4"
)


class Said(NamedTuple):
    """By whose word a field of usage keys is what it is: mapped, caller, source or '' (not stated) -> cost."""

    field: str
    cost: Mapping[str, Decimal]


class Coverage(NamedTuple):
    """A month's cost in one currency and what the rules make of it.

    ``unallocated``: what nobody owns of ``total`` after splits; ``gaps`` are what the rules leave to nobody before them.
    """

    period: Period
    currency: str
    version: int
    total: Decimal
    unallocated: Decimal
    declared: Decimal  # owned by agreement or correction, whatever the rules say
    rules: list[RuleCover]
    gaps: list[Gap]
    said: list[Said]

    @property
    def share(self) -> Decimal | None:
        """The share of cost that has an owner; None without cost."""
        return (self.total - self.unallocated) / self.total if self.total else None

    def share_of(self, cost: Decimal) -> Decimal | None:
        """An amount's share of the whole cost."""
        return cost / self.total if self.total else None


def of_month(period: Period, currency: str = "") -> Coverage:
    """What the rules cover of a month, of those that it was allocated by; ``currency``: the site's by default."""
    currency = currency or settings.REPORT_CURRENCY
    rows = _caught(period, currency)
    stated = key_dimensions({row.key for row in rows})
    book = rulebook.of_month(period.start) or rulebook.of(_version(period))
    last = max(day for day in period.days())
    seen = attribute(stated, book.mappings, last)
    in_force = [rule.rule for rule in book.rules if _in_force(rule, period)]
    total, unallocated = _totals(period, currency)
    return Coverage(
        period=period, currency=currency, version=book.number, total=total, unallocated=unallocated,
        declared=sum((row.cost for row in rows if row.declared and row.cost_centre), ZERO),
        rules=cover(rows, seen.dimensions, book.rules, in_force),
        gaps=gaps(rows, seen.dimensions, book.rules, book.cost_centres),
        said=_said(rows, stated, seen.mapped, book),
    )  # fmt: skip


def _caught(period: Period, currency: str) -> list[Caught]:
    with connection.cursor() as cursor:
        cursor.execute(_CAUGHT, [*[period.start, period.end] * 2, currency])
        return [Caught(*row) for row in cursor.fetchall()]


def _totals(period: Period, currency: str) -> tuple[Decimal, Decimal]:
    rows = CostDaily.objects.filter(
        charge_date__gte=period.start, charge_date__lt=period.end, billing_currency=currency
    )
    total = rows.aggregate(cost=Sum("effective_cost"))["cost"] or ZERO
    return total, rows.filter(cost_centre=None).aggregate(cost=Sum("effective_cost"))["cost"] or ZERO


def _version(period: Period) -> RuleVersion | None:
    """The newest version that a day of the month was allocated by; the one in force where none was."""
    rows = AllocatedDay.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)
    number = rows.aggregate(number=Max("rules"))["number"]
    versions = RuleVersion.objects.order_by("-number")
    return (versions if number is None else versions.filter(number=number)).first()


def _in_force(rule: Rule, period: Period) -> bool:
    return (rule.valid_from or date.min) < period.end and (rule.valid_to or date.max) > period.start


def _said(
    rows: list[Caught],
    stated: Mapping[int, Mapping[str, Any]],
    mapped: Mapping[int, Mapping[str, str]],
    book: rulebook.Rulebook,
) -> list[Said]:
    used = {name for rule in book.rules for name in dimensions_of(rule.when) if name.startswith("tag.")}
    used |= {field for one in book.mappings for field, _ in one.sets if field not in FIELDS}
    found = []
    for field in (*FIELDS, *sorted(used)):
        cost: dict[str, Decimal] = defaultdict(Decimal)
        for row in rows:
            cost[provenance(stated[row.key], mapped.get(row.key, {}), field)] += row.cost
        found.append(Said(field, dict(cost)))
    return found


def as_json(found: Coverage) -> dict[str, Any]:
    """Coverage as API and commands tell it: amounts as texts with 12 decimals."""
    return {
        "month": str(found.period), "currency": found.currency, "version": found.version, "total": f"{found.total:.12f}",
        "unallocated": f"{found.unallocated:.12f}", "declared": f"{found.declared:.12f}",
        "owned_share": None if found.share is None else f"{found.share:.6f}",
        "rules": [
            {
                "id": row.rule.rule, "priority": row.rule.priority, "when": rules_words.condition(row.rule.when),
                "to": rules_words.bearers(row.rule), "state": row.state, "keys": row.keys, "cost": f"{row.cost:.12f}",
                "unallocated": f"{row.unborne:.12f}",
                "taken_by": [{"id": name, "keys": keys, "cost": f"{cost:.12f}"} for name, keys, cost in row.by],
            }
            for row in found.rules
        ],
        "gaps": [
            {
                "reason": gap.reason, "about": gap.about, "keys": gap.keys, "cost": f"{gap.cost:.12f}",
                "suggestion": gap.rule, "likely": gap.likely or None,
            }
            for gap in found.gaps
        ],
        "fields": [
            {"field": said.field, "cost": {name or "not_stated": f"{cost:.12f}" for name, cost in sorted(said.cost.items())}}
            for said in found.said
        ],
    }  # fmt: skip
