"""Reads for the sheets of the workbook that are about how the month's cost came to be."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, Sum
from django.db.models.functions import Collate

from allocation.attribution import splits
from allocation.calc.closing import FROZEN
from allocation.close import frozen, manifest
from allocation.models import (
    AllocatedCost,
    AllocationRule,
    BillingPeriod,
    Charge,
    Invoice,
    Reconciliation,
    ReconciliationLine,
    SplitCost,
    SplitOutcome,
)
from allocation.scope import Scope
from finops.periods import Period
from ingest.models import PriceBookVersion

_SHOWN_ELSEWHERE = {frozen.PROOF, frozen.NAMES, frozen.IMPORTS}


class RuleShare(NamedTuple):
    """What one rule gave to one team of a cost centre in one currency."""

    rule: str
    cost_centre: str
    team: str
    currency: str
    cost: Decimal
    lines: int
    conditions: str


class Pool(NamedTuple):
    """What became of a pool or a rate card."""

    code: str
    basis: str
    driver: str
    currency: str
    found: Decimal
    moved: Decimal
    version: int
    note: str


class MovedCost(NamedTuple):
    """What a pool or card put on a cost centre from another; negative: took from it."""

    pool: str
    cost_centre: str
    source: str
    currency: str
    cost: Decimal
    step: int
    kind: str


class Corrected(NamedTuple):
    """What the month bears for frozen days before it."""

    day: date
    posted_on: date
    cause: str
    cost_centre: str
    currency: str
    reversed: Decimal
    restated: Decimal


class FxRate(NamedTuple):
    """A rate of exchange that charges of the month were converted at."""

    original: str
    currency: str
    rate: Decimal
    day: date | None
    source: str
    charges: int
    before: Decimal
    after: Decimal


class Reconciled(NamedTuple):
    """Lines of a reconciliation that have one account, category, state and currency."""

    provider: str
    billing_account: str
    category: str
    state: str
    currency: str
    lines: int
    computed: Decimal
    stated: Decimal
    explained: Decimal
    unexplained: Decimal
    causes: str


def lines(scope: Scope, period: Period) -> int:
    """How many lines Detail has."""
    return scope.of(AllocatedCost.objects.of_days(period)).count()


def by_rule(scope: Scope, period: Period) -> list[RuleShare]:
    """The month's shares by rule and who bears them."""
    rows = scope.of(AllocatedCost.objects.of_days(period)).order_by()
    names = ("rule_id", "rule__rule", "cost_centre__code", "team__code", "charge__billing_currency")
    sums = rows.values_list(*names).annotate(cost=Sum("effective_cost"), lines=Count("*"))
    rules = {rule.pk: rule for rule in AllocationRule.objects.filter(pk__in={row[0] for row in sums if row[0]})}
    found: dict[tuple[str, ...], RuleShare] = {}
    for pk, rule, code, team, currency, cost, lines in sums:
        key = (rule or "", code or "", team or "", currency)
        before = found.get(key)
        words = _conditions(rules.get(pk))
        found[key] = RuleShare(
            *key, (cost or Decimal(0)) + (before.cost if before else 0), lines + (before.lines if before else 0), words
        )
    return [found[key] for key in sorted(found)]


def _conditions(rule: AllocationRule | None) -> str:
    if rule is None:
        return ""
    return "; ".join(f"{name}: {value}" for name, value in rule.conditions.items())


def pools(scope: Scope, period: Period) -> list[Pool]:
    """Pools and cards that were run over the month; of a narrower scope none: they are about everybody."""
    if not scope.everything:
        return []
    drivers = {
        pool.code: " ".join(filter(None, (pool.method, pool.driver, pool.tier))) for pool in splits.in_force(period)
    }
    rows = SplitOutcome.objects.filter(month=period.start).order_by("basis", "step", Collate("code", "C"), "currency")
    return [
        Pool(row.code, row.basis, drivers.get(row.code, ""), row.currency, row.found, row.moved, row.version, row.note)
        for row in rows
    ]


def moves(scope: Scope, period: Period) -> list[MovedCost]:
    """What was moved to and from the cost centres that may be seen."""
    rows = scope.of(SplitCost.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)).order_by()
    names = ("pool", "cost_centre__code", "source__code", "billing_currency", "step", "kind")
    sums = rows.values_list(*names).annotate(cost=Sum("effective_cost"))
    found = [
        MovedCost(pool, code or "", source or "", currency, cost or Decimal(0), step, kind)
        for pool, code, source, currency, step, kind, cost in sums
    ]
    return sorted(
        found, key=lambda move: (move.step, move.pool, move.cost_centre, move.source, move.currency, move.kind)
    )


def corrections(scope: Scope, period: Period) -> list[Corrected]:
    """What the month bears for frozen days before it, by day, cause and cost centre."""
    rows = Charge.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end, correction__isnull=False)
    names = ("corrects_date", "charge_date", "correction__cause", "owner__code", "billing_currency", "reversal")
    sums = scope.of(rows, "owner").order_by().values_list(*names).annotate(cost=Sum("effective_cost"))
    found: dict[tuple[Any, ...], list[Decimal]] = {}
    for *key, reversal, cost in sums:
        amounts = found.setdefault((*key[:3], key[3] or "", key[4]), [Decimal(0), Decimal(0)])
        amounts[0 if reversal else 1] += cost or Decimal(0)
    return [Corrected(*key, *found[key]) for key in sorted(found)]


def fx_rates(scope: Scope, period: Period) -> list[FxRate]:
    """The rates that the month's charges were converted at; of a narrower scope those of its own shares' charges."""
    rows = Charge.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end, fx_rate__isnull=False)
    if not scope.everything:
        shares = scope.of(AllocatedCost.objects.of_days(period))
        rows = rows.filter(pk__in=shares.values("charge_id"))
    names = ("original_currency", "billing_currency", "fx_rate", "fx_day", "fx_source")
    sums = rows.order_by().values_list(*names).annotate(n=Count("id"), b=Sum("original_cost"), a=Sum("effective_cost"))
    found = [
        FxRate(original, currency, rate, day, source, count, before or Decimal(0), after or Decimal(0))
        for original, currency, rate, day, source, count, before, after in sums
    ]
    return sorted(found, key=lambda rate: (rate.original, rate.currency, str(rate.day), rate.source, rate.rate))


def price_versions(period: Period) -> list[tuple[str, str, str]]:
    """(name, version, since) of what the month was computed with: of a frozen month what was frozen, else what is in force."""
    held = BillingPeriod.objects.filter(month=period.start, state__in=FROZEN).first()
    if held is not None and held.frozen_versions:
        named = sorted((name, value) for name, value in held.frozen_versions.items() if name not in _SHOWN_ELSEWHERE)
        return [(f"frozen: {name}", _written(value), "") for name, value in named]
    books = PriceBookVersion.objects.filter(live=True).order_by("book")
    return [(f"prices, {book.book}", book.content_hash, f"{book.loaded_at:%Y-%m-%d %H:%M}") for book in books]


def manifest_of(period: Period) -> str:
    """SHA-256 of what the month held when it was frozen; empty while it is not."""
    held = BillingPeriod.objects.filter(month=period.start, state__in=FROZEN).first()
    found = manifest.of(period, held.version) if held is not None else None
    return found.sha256 if found is not None else ""


def invoices(period: Period) -> list[Invoice]:
    """The revisions in force of the month's invoices, by issuer and number; of a frozen month of those its manifest names."""
    held = BillingPeriod.objects.filter(month=period.start, state__in=FROZEN).first()
    kept = manifest.of(period, held.version) if held is not None else None
    named = kept.document.get("contents") if kept is not None else None
    rows = Invoice.objects.filter(billing_period=period.start).order_by("issuer", "number", "revision")
    known = [row for row in rows if named is None or f"invoice {row}" in named]
    return list({(row.issuer, row.number): row for row in known}.values())


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_written(each)}" for name, each in sorted(value.items()))
    return ", ".join(_written(each) for each in value) if isinstance(value, list) else str(value)


def reconciliation_of(period: Period) -> Reconciliation | None:
    """The month's last run; of a frozen month the last one before it was frozen."""
    runs = Reconciliation.objects.filter(month=period.start).order_by("-number")
    held = BillingPeriod.objects.filter(month=period.start, soft_closed_at__isnull=False, state__in=FROZEN).first()
    if held is not None:
        runs = runs.filter(made_at__lte=held.soft_closed_at)
    return runs.first()


def reconciled(run: Reconciliation) -> list[Reconciled]:
    """The lines of a run by account, category, state and currency."""
    lines: dict[tuple[str, ...], list[ReconciliationLine]] = defaultdict(list)
    for line in run.lines.order_by("pk"):
        lines[line.provider, line.billing_account, line.charge_category, line.state, line.currency].append(line)
    return [_summed(key, lines[key]) for key in sorted(lines)]


def _summed(key: tuple[str, ...], lines: list[ReconciliationLine]) -> Reconciled:
    provider, account, category, state, currency = key
    causes = [(cause, Decimal(amount)) for line in lines for cause, amount in line.causes.items()]
    return Reconciled(
        provider, account, category, state, currency, len(lines), _total(line.computed for line in lines),
        _total(_stated(line) for line in lines), _total(amount for _, amount in causes),
        _total(line.unexplained for line in lines), ", ".join(sorted({cause for cause, _ in causes})),
    )  # fmt: skip


def _total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def _stated(line: ReconciliationLine) -> Decimal:
    """What the highest level that speaks says."""
    levels = (line.invoice, line.cost_report, line.provider_usage)
    found: Decimal = next((amount for amount in levels if amount is not None), line.computed)
    return found
