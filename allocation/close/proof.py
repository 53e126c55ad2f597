"""The proof of a month, read from the ledger: shares and splits on one side, charges, accruals and invoices on the other."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.db.models import Q, Sum

from allocation.calc.journal_cells import Split
from allocation.calc.natures import Cost
from allocation.calc.proof import Proof, Shown, Sides, prove
from allocation.close import accruals, books, frozen, ledger_costs
from allocation.close.gl import Payers
from allocation.close.periods import is_frozen
from allocation.models import AccrualRun, CostDaily
from allocation.scope import Scope
from finops.periods import Period


def of(period: Period, scope: Scope) -> list[Proof]:
    """One row per issuer, legal entity and currency; empty for a scope that does not see everything.

    Of a frozen month as it was when it was frozen, which its manifest covers; of another that of this moment. Raises
    AccrualError where the month before is not accrued.
    """
    if not scope.everything:
        return []
    kept = frozen.versions(period).get(frozen.PROOF)
    return now(period) if kept is None else [Proof(*row[:3], *map(Decimal, row[3:])) for row in kept]


def to_keep(period: Period) -> list[list[str]]:
    """The proof of a month as JSON, kept with it when it is frozen."""
    return [[*row[:3], *(f"{amount:f}" for amount in row[3:])] for row in now(period)]


def now(period: Period) -> list[Proof]:
    """The proof as the ledger gives it now; of a frozen month with the accruals and invoices of its run."""
    shares, charges, splits = ledger_costs.costs(period, borne=True), ledger_costs.costs(period), books.splits(period)
    kept = books.kept(period) if is_frozen(period.start) else None
    found = kept or accruals.compute(period, charges)
    last = AccrualRun.objects.filter(month__lt=period.start).order_by("-month", "-version").first()
    before = books.kept(Period.month_of(last.month)) if last is not None else None
    return prove(
        Sides(
            shares, _placed(period, splits), _beyond(period, shares, splits), charges, found.accruals,
            before.accruals if before else [], found.postings,
        )
    )  # fmt: skip


def _placed(period: Period, splits: list[Split]) -> list[tuple[str, str, Split]]:
    names, payers = ledger_costs.Issuers(), Payers(period)
    issuers = {row.provider: names.canonical(row.provider) for row in splits}
    return [
        (issuers[row.provider], payers.place(issuers[row.provider], "", row.currency, period.start).legal_entity, row)
        for row in splits
    ]


def _beyond(period: Period, shares: list[Cost], splits: list[Split]) -> list[Shown]:
    """What cost_daily, which statements are made of, says beyond shares and splits."""
    left: dict[tuple[str, bool], Decimal] = defaultdict(Decimal)
    rows: Any = CostDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end).order_by()
    sums = rows.values_list("billing_currency").annotate(
        borne=Sum("effective_cost", filter=Q(cost_centre__isnull=False)),
        nobodys=Sum("effective_cost", filter=Q(cost_centre__isnull=True)),
    )
    for currency, borne, nobodys in sums:
        left[currency, True] += borne or 0
        left[currency, False] += nobodys or 0
    for row in shares:
        left[row.place.currency, bool(row.cost_centre)] -= row.expense
    for split in splits:
        left[split.currency, bool(split.cost_centre)] -= split.amount
    return [Shown(*at, amount) for at, amount in sorted(left.items()) if amount]
