"""What is owed to each issuer of invoices for one month: expected, invoiced, still to be invoiced. Read fresh, nothing is kept.

By the books (allocation.calc.accruals): charges owe what a bill states, else the contract's price; own fleets, staff and what
was paid ahead owe nobody. Payments are not known here.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from allocation.calc import accruals as calc
from allocation.calc.accruals import ZERO, Place
from allocation.close import invoiced, ledger_costs
from allocation.close.gl import Payers
from allocation.models import Charge
from finops.periods import Period
from ingest.models import UsageKey
from ingest.selectors import key_dimensions

CREDIT = "Credit"
_Key = tuple[str, str]  # issuer, currency


class Owed(NamedTuple):
    """One issuer in one currency of the books. ``invoiced`` None: no invoice of the month is in force.

    ``expected``: what the month's charges owe without what only an invoice by hand states; ``credits``: of the invoiced, below
    0; ``to_come``: what charges owe of accounts without an invoice.
    """

    issuer: str
    currency: str
    expected: Decimal
    invoiced: Decimal | None
    credits: Decimal
    to_come: Decimal
    numbers: tuple[str, ...]

    @property
    def owed(self) -> Decimal:
        """Invoiced and still to be invoiced."""
        return (self.invoiced or ZERO) + self.to_come

    @property
    def difference(self) -> Decimal:
        """What invoices state beyond what was expected."""
        return self.owed - self.expected


def of(period: Period, *, with_credits: bool = True) -> list[Owed]:
    """Every issuer of the month, by currency, most is owed first. ``with_credits``: read them too."""
    payers, issuers = Payers(period), ledger_costs.Issuers()
    costs = ledger_costs.costs(period, payers=payers, names=issuers)
    charged = [row for row in ledger_costs.owed(costs) if row.month == period.start]
    stated = invoiced.stated([period.start], period, payers=payers, names=issuers)
    to_come, postings = calc.close(period.start, charged, stated, (), {})
    beyond = _only_invoiced(period, issuers)
    given = (
        invoiced.stated([period.start], period, payers=payers, names=issuers, category=CREDIT) if with_credits else ()
    )
    credited: dict[_Key, Decimal] = defaultdict(Decimal)
    for one in given:
        credited[_key(one.place)] += one.amount
    found: dict[_Key, Owed] = {}
    for late in to_come:
        old = found.get(_key(late.place), _nothing(late.place))
        found[_key(late.place)] = old._replace(expected=old.expected + late.cost, to_come=old.to_come + late.cost)
    for bill in postings:
        old = found.get(_key(bill.place), _nothing(bill.place))
        found[_key(bill.place)] = old._replace(
            expected=old.expected + bill.charged, invoiced=(old.invoiced or ZERO) + bill.invoiced,
            numbers=tuple(sorted({*old.numbers, *bill.numbers})),
        )  # fmt: skip
    rows = [
        row._replace(expected=row.expected - beyond.get(key, ZERO), credits=credited.get(key, ZERO))
        for key, row in found.items()
    ]
    return sorted(rows, key=lambda row: (row.currency, -row.owed, row.issuer))


def _key(place: Place) -> _Key:
    return place.issuer, place.currency


def _nothing(place: Place) -> Owed:
    return Owed(place.issuer, place.currency, ZERO, None, ZERO, ZERO, ())


def totals(rows: Iterable[Owed]) -> list[Owed]:
    """One row a currency, without issuer."""
    found: dict[str, list[Owed]] = defaultdict(list)
    for row in rows:
        found[row.currency].append(row)
    return [
        Owed(
            "", currency, sum((row.expected for row in mine), ZERO),
            sum((row.invoiced for row in mine if row.invoiced is not None), ZERO)
            if any(row.invoiced is not None for row in mine) else None,
            sum((row.credits for row in mine), ZERO), sum((row.to_come for row in mine), ZERO),
            tuple(sorted({number for row in mine for number in row.numbers})),
        )
        for currency, mine in found.items()
    ]  # fmt: skip


def _only_invoiced(period: Period, issuers: ledger_costs.Issuers) -> dict[_Key, Decimal]:
    """(issuer, currency) -> what an invoice without days charges beyond everything else that is charged."""
    rows = Charge.objects.filter(
        billing_period=period.start, charge_date__gte=period.start, charge_date__lt=period.end, corrects_date=None,
        usage_key_id__in=UsageKey.objects.filter(layer="invoice").values("pk"),
    )  # fmt: skip
    sums = rows.order_by().values_list("usage_key_id", "billing_currency").annotate(Sum("effective_cost"))
    found: dict[_Key, Decimal] = defaultdict(Decimal)
    amounts = list(sums)
    keys = key_dimensions({key for key, _, _ in amounts})
    for key, currency, amount in amounts:
        found[issuers.of(keys[key]), currency] += amount or ZERO
    return found
