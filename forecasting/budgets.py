"""Budgets: a version is proposed whole, and is in force once a second person has accepted it."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from allocation.models import CostCentre, Grant
from allocation.scope import EVERYTHING, Scope, roles_of
from allocation.selectors import CostQuery, costs
from finops import approvals
from finops.models import Approval
from finops.money import total
from forecasting.calc.budget_entries import BudgetError, Entry, Row, Year, parse
from forecasting.calc.fiscal import PERIODS, Calendar
from forecasting.models import Budget, BudgetLine, BudgetVersion

KIND = "budget"
DEFAULT = "Budget"


class Asked(NamedTuple):
    """Which budget, as what, and how its year runs (None: as it does already, else calendar months)."""

    fiscal_year: int
    name: str = DEFAULT
    kind: str = BudgetVersion.Kind.ORIGINAL.value
    calendar: Calendar | None = None


@transaction.atomic
def propose(
    asked: Asked, header: Sequence[str], rows: Sequence[Row], *, by: str, scope: Scope = EVERYTHING, merge: bool = False
) -> BudgetVersion:
    """Store a version as rows say it and ask for its approval. Raises BudgetError, and nothing is stored.

    Limits of approvals look at the sum of the rows; of several currencies at the largest.

    ``merge``, or a narrower scope: the cost centres of the rows are replaced, all others stay as they are in force.
    """
    if asked.kind not in BudgetVersion.Kind.values:
        raise BudgetError(f"{asked.kind!r} is no version; possible: {', '.join(BudgetVersion.Kind.values)}")
    budget = _budget(asked)
    centres = {centre.code: centre for centre in scope.of(CostCentre.objects.all(), "id")}
    entries = parse(
        header, rows, Year(budget.calendar, budget.fiscal_year, settings.REPORT_CURRENCY, centres, _actuals(budget))
    )
    covers = sorted({entry.cost_centre for entry in entries}) if merge or not scope.everything else None
    if "" in (covers or ()) and not scope.everything:
        raise BudgetError("only finance budgets for the whole: name a cost centre in every row")
    base = in_force_of(budget) if covers is not None else None
    version = _stored(budget, asked.kind, base, covers, by)
    lines = [_line(version, entry, centres) for entry in entries]
    if base is not None and covers is not None:
        kept = base.lines.exclude(cost_centre__code__in=covers)
        kept = kept.exclude(cost_centre=None) if "" in covers else kept
        lines += [_copied(version, line) for line in kept]
    BudgetLine.objects.bulk_create(lines, batch_size=2_000)
    sums: dict[str, Decimal] = {}
    for entry in entries:
        sums[entry.currency] = sums.get(entry.currency, Decimal(0)) + entry.amount
    told = ", ".join(f"{amount.normalize():f} {currency}" for currency, amount in sorted(sums.items()))
    details = {"version": version.pk, "lines": len(entries), "cost_centres": covers or sorted({e.cost_centre for e in entries}),
               "total": told}  # fmt: skip
    worth = max((approvals.Worth(amount, currency) for currency, amount in sums.items()), default=None)
    version.approval = approvals.propose(KIND, f"{version}: {told}", details, by=by, worth=worth)
    version.save(update_fields=["approval"])
    return version


def carry_out(asked: Approval) -> None:
    """Put an accepted version in force. Raises BudgetError where what it was built on is not in force any more."""
    version = BudgetVersion.objects.select_for_update().get(pk=asked.details["version"])
    Budget.objects.select_for_update().get(pk=version.budget_id)
    if version.covers is not None and in_force_of(version.budget) != version.base:
        raise BudgetError(f"{version} was made from a version that is not in force any more: propose it again")
    version.approved_at = Now()  # the clock that months are closed by
    version.save(update_fields=["approved_at"])
    version.refresh_from_db(fields=["approved_at"])


def may_propose_for(user: Any) -> Scope:
    """The cost centres a person may budget for: finance all and the whole, an owner the own."""
    if Grant.Role.FINANCE in roles_of(user):
        return EVERYTHING
    own = Grant.objects.filter(user=user, role=Grant.Role.OWNER).values_list("cost_centre_id", flat=True)
    return Scope(cost_centres=frozenset(code for code in own if code is not None))


def in_force_of(budget: Budget) -> BudgetVersion | None:
    """The version of a budget that counts."""
    return budget.versions.filter(approved_at__isnull=False).order_by("-approved_at", "-number").first()


def _budget(asked: Asked) -> Budget:
    name = asked.name.strip()[:100] or DEFAULT
    found = Budget.objects.select_for_update().filter(fiscal_year=asked.fiscal_year, name=name).first()
    if found is not None:
        if asked.calendar is not None and asked.calendar != found.calendar:
            raise BudgetError(f"{found} has a year of its own ({found.pattern} from month {found.first_month}) already")
        return found
    if asked.fiscal_year not in range(2001, 2100):
        raise BudgetError(f"{asked.fiscal_year} is no fiscal year: 2001 to 2099")
    calendar = asked.calendar or Calendar()
    return Budget.objects.create(
        fiscal_year=asked.fiscal_year, name=name, pattern=calendar.pattern, first_month=calendar.first_month,
        weekday=calendar.weekday, begins=calendar.begins,
    )  # fmt: skip


def _stored(
    budget: Budget, kind: str, base: BudgetVersion | None, covers: Collection[str] | None, by: str
) -> BudgetVersion:
    last = budget.versions.order_by("-number").values_list("number", flat=True).first() or 0
    given: dict[str, Any] = {"kind": kind, "base": base, "covers": covers, "loaded_by": by[:150]}
    return BudgetVersion.objects.create(budget=budget, number=last + 1, **given)


def _line(version: BudgetVersion, entry: Entry, centres: dict[str, CostCentre]) -> BudgetLine:
    return BudgetLine(
        version=version, cost_centre=centres[entry.cost_centre] if entry.cost_centre else None, provider=entry.provider,
        model=entry.model, start=entry.period.start, end=entry.period.end, amount=entry.amount, currency=entry.currency,
    )  # fmt: skip


def _copied(version: BudgetVersion, line: BudgetLine) -> BudgetLine:
    return BudgetLine(
        version=version, cost_centre_id=line.cost_centre_id, provider=line.provider, model=line.model, start=line.start,
        end=line.end, amount=line.amount, currency=line.currency,
    )  # fmt: skip


def _actuals(budget: Budget) -> Any:
    """What the twelve periods of the year before cost, for phasing."""
    periods = budget.calendar.periods(budget.fiscal_year - 1)

    def of(code: str, provider: str, model: str, currency: str) -> list[Decimal]:
        names = (("x_CostCentre", code), ("ServiceProviderName", provider), ("x_Model", model))
        filters = {name: (value,) for name, value in names if value}
        found = [costs(EVERYTHING, CostQuery(p, filters=filters, currency=currency)) for p in periods]
        return [total(frame["EffectiveCost"]) for frame in found]

    assert len(periods) == PERIODS
    return of
