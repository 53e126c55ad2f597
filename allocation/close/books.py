"""What the journal and the proof of a month are made of, read from the ledger."""

from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Sum

from allocation.calc import accruals as calc_accruals
from allocation.calc import statement_policy
from allocation.calc.accruals import Place
from allocation.calc.journal_cells import Centre, Month, Split
from allocation.close import accruals, frozen, gl, ledger_costs
from allocation.close.periods import is_frozen
from allocation.models import Basis, CostCentre, SplitCost, Statement
from finops.periods import Period


def month(period: Period) -> Month:
    """Costs by cost centre, splits, accruals and invoices; of a frozen month those of its run, of another as of now."""
    costs = ledger_costs.costs(period, borne=True)
    found = (kept(period) if is_frozen(period.start) else None) or accruals.compute(period)
    return Month(
        period, costs, splits(period), found.accruals, found.postings, _centres(period),
        Place("", "", "", gl.of(period).payer("", "", period.start)),
        frozen.setting(period, "FINANCE_COST_CENTRE", settings.FINANCE_COST_CENTRE),
    )  # fmt: skip


def kept(period: Period) -> accruals.Computed | None:
    """The accruals and invoices that the run in force of a month noted; None: there is none."""
    if accruals.in_force(period) is None:
        return None
    rows = [
        calc_accruals.Accrual(accruals.place_of(row), row.billed_month, row.cost, row.computed, row.share, row.estimate,
                              row.reversed)
        for row in accruals.of(period)
    ]  # fmt: skip
    posted = [
        calc_accruals.Posting(
            accruals.place_of(row), row.billed_month, tuple(row.numbers), row.invoiced, row.accrued, row.charged,
            tuple((cause, Decimal(amount)) for cause, amount in row.causes.items()),
        )
        for row in accruals.true_ups(period)
    ]  # fmt: skip
    return accruals.Computed(rows, posted)


def splits(period: Period) -> list[Split]:
    """What splits and rate cards put on whom, by provider and currency."""
    rows = SplitCost.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end).order_by()
    fields = ("cost_centre__code", "source__code", "provider", "basis", "billing_currency")
    return [
        Split(code or "", source or "", provider, basis == Basis.VARIANCE, currency, amount)
        for code, source, provider, basis, currency, amount in rows.values_list(*fields).annotate(Sum("effective_cost"))
    ]


def _centres(period: Period) -> dict[str, Centre]:
    """As they are on the month's last day; charged as their statement says, where there is one."""
    last = period.end - timedelta(days=1)
    named = frozen.tree(period)
    policies = frozen.document(period, statement_policy.KIND, statement_policy.parse)
    stated = dict(
        Statement.objects.filter(month=period.start).order_by("version").values_list("cost_centre__code", "kind")
    )
    found = {}
    for code in CostCentre.objects.values_list("code", flat=True):
        entry = named.get(code)
        charging = entry.charging_on(last) if entry else statement_policy.CHARGEBACK
        charged = (stated.get(code) or policies.of(code, period.start, charging).kind) == statement_policy.CHARGEBACK
        entity = entry.legal_entity if entry is not None and entry.legal_entity else None
        found[code] = Centre(entry.gl_account if entry else "", entity, charged)
    return found
