"""Who bears what by which rule in a month, and what the tree of cost centres adds up to."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import BooleanField, Case, Count, Sum, Value, When
from django.db.models.functions import Coalesce

from allocation.attribution import cost_centres
from allocation.calc.cost_centres import ZERO, sums
from allocation.models import AllocatedCost, CostCentre, CostDaily
from allocation.scope import Scope
from finops.periods import Period

RULE, DECLARED, CORRECTION = "rule", "declared", "correction"
COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")


class Borne(NamedTuple):
    """What one cost centre and team ('' none) bears by one rule ('' none), or because it was declared or is a correction."""

    cost_centre: str
    team: str
    rule: str
    ground: str
    keys: int
    list_cost: Decimal
    contracted_cost: Decimal
    effective_cost: Decimal
    billed_cost: Decimal


def by_rule(scope: Scope, period: Period, currency: str) -> list[Borne]:
    """Rows of a month in one currency, by cost centre, team, rule and ground; unallocated ones have cost centre ''."""
    rows: Any = scope.of(AllocatedCost.objects.of_days(period))
    rows = rows.filter(charge__billing_currency=currency)
    nothing = Value(Decimal(0))
    rows = rows.annotate(
        declared=Case(
            When(charge__owner__isnull=False, then=Value(True)), default=Value(False), output_field=BooleanField()
        ),
        corrects=Case(
            When(charge__corrects_date__isnull=False, then=Value(True)),
            default=Value(False),
            output_field=BooleanField(),
        ),
    ).values("cost_centre__code", "team__code", "rule__rule", "declared", "corrects")
    rows = rows.annotate(
        keys=Count("charge__usage_key_id", distinct=True),
        **{f"sum_{name}": Coalesce(Sum(name), nothing) for name in COSTS},
    )
    found: dict[tuple[str, str, str, str], list[Any]] = {}
    for row in rows:
        ground = CORRECTION if row["corrects"] else DECLARED if row["declared"] else RULE
        place = (row["cost_centre__code"] or "", row["team__code"] or "", row["rule__rule"] or "", ground)
        amounts = [row["keys"], *(row[f"sum_{name}"] for name in COSTS)]
        former = found.get(place, [0, ZERO, ZERO, ZERO, ZERO])
        found[place] = [before + amount for before, amount in zip(former, amounts, strict=True)]
    return [Borne(*place, *amounts) for place, amounts in sorted(found.items())]


class Branch(NamedTuple):
    """One cost centre in the tree of a day, ``depth`` below its root: what it bears itself, and with all below it."""

    code: str
    name: str
    depth: int
    own: Decimal
    whole: Decimal
    owner: str
    gl_account: str
    legal_entity: str


def tree(period: Period, currency: str) -> list[Branch]:
    """Cost centres with their cost of a month (after splits), parents before their children, each level by code.

    The tree is that of the month's last day; a cost centre outside of it stands beside its roots if it bears anything.
    """
    day = period.end - timedelta(days=1)
    found = cost_centres.on(day)
    rows = CostDaily.objects.filter(
        charge_date__gte=period.start, charge_date__lt=period.end, billing_currency=currency
    )
    rows = rows.exclude(cost_centre=None)
    own = dict(rows.order_by().values_list("cost_centre__code").annotate(cost=Sum("effective_cost")))
    names = dict(CostCentre.objects.values_list("code", "name"))

    def parent_of(code: str) -> str:
        return found[code].parent if code in found else ""

    whole = sums(parent_of, {code: own.get(code, ZERO) for code in {*own, *found}})
    below: dict[str, list[str]] = {}
    for code in sorted(whole):
        below.setdefault(parent_of(code), []).append(code)

    def branches(parent: str, depth: int) -> Iterator[Branch]:
        for code in below.get(parent, []):
            entry = found.get(code)
            told = (entry.owner, entry.gl_account, entry.legal_entity) if entry else ("", "", "")
            name = (entry.name if entry else "") or names.get(code, "")
            yield Branch(code, name, depth, own.get(code, ZERO), whole[code], *told)
            yield from branches(code, depth + 1)

    return list(branches("", 0))
