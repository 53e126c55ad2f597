"""Reads of charges for the books: what is posted in a month, by who bills it, what kind of cost it is and who bears it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection

from allocation.calc.accruals import Owed, Place
from allocation.calc.natures import OWN, PREPAID, PURCHASE, ZERO, Charged, Cost, cause_of, postings
from allocation.close.gl import Payers
from allocation.models import Invoice
from finops.periods import Period
from ingest.selectors import key_dimensions, price_book

_GROUP = (
    "c.usage_key_id", "date_trunc('month', coalesce(c.corrects_date, c.billing_period))::date", "c.billing_currency",
    "split_part(c.subject, ' ', 1)", "c.commitment_status", "c.charge_category", "c.price_class", "c.provenance",
    "c.cause", "coalesce(k.cause, '')", "c.correction_id IS NOT NULL",
)  # fmt: skip
_FROM = {
    # what each charge is, and what is borne of it by whom: two readings of the ledger that have to agree
    False: ("NULL", "c", "charge c"),
    True: (
        "o.code",
        "a",
        "charge c JOIN allocated_cost a ON a.charge_id = c.id AND a.charge_date = c.charge_date "
        "LEFT JOIN allocation_costcentre o ON o.id = a.cost_centre_id",
    ),
}
_NO_KEY = dict.fromkeys(("layer", "provider", "host", "source", "billing_account"), "")


def costs(
    period: Period, *, borne: bool = False, payers: Payers | None = None, names: "Issuers | None" = None
) -> list[Cost]:
    """What charges of the days of a month post, sorted; ``borne``: by cost centre, from the shares of the charges.

    Costs that no issuer bills have an issuer and an account ''. ``payers``, ``names``: where they are at hand.
    """
    rows = _charges(period, borne=borne)
    keys = key_dimensions({row[0] for row in rows if row[0] is not None})
    names, payers = names or Issuers(), payers or Payers(period)
    by_hand = {month: _by_hand(month, names) for month in {row[1] for row in rows}}
    sums: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO, ZERO])
    stated: dict[tuple[Place, str], Decimal] = defaultdict(Decimal)
    for key, month, currency, about, status, category, price_class, provenance, cause, correction, late, *rest in rows:
        dims = keys.get(key, _NO_KEY)
        code, effective, billed, unbilled = rest
        charged = Charged(
            dims["layer"], about, status, category, price_class, provenance, cause, correction, effective or ZERO,
            billed or ZERO, unbilled or ZERO, bool(dims["provider"] and dims["billing_account"]),
        )  # fmt: skip
        issuer, reason = names.of(dims, by_hand[month]), cause_of(charged)
        for part in postings(charged):
            place = _place(payers, part.kind, issuer, dims["billing_account"], currency, month)
            amounts = sums[place, month, code or "", dims["provider"], category, part.kind, reason, late]
            for at, amount in enumerate(part[1:]):
                amounts[at] += amount
        if month == period.start:
            stated[payers.place(issuer, dims["billing_account"], currency, month), dims["layer"]] += charged.billed
    found = [Cost(*at, *amounts) for at, amounts in sums.items() if any(amounts)]
    return sorted([*found, *_paid_ahead(period.start, found, stated)])


def _paid_ahead(month: date, found: Iterable[Cost], stated: Mapping[tuple[Place, str], Decimal]) -> Iterable[Cost]:
    """What an invoice without days bills of an agreement: its residual charges the purchase anew and takes its use back.

    Then what is owed is BilledCost, all of it, and what that leaves was never paid ahead.
    """
    of: dict[Place, list[Cost]] = defaultdict(list)
    for row in found:
        if row.month == month:
            of[row.place].append(row)
    for place in sorted({place for place, layer in stated if layer == "invoice"}):
        if any(row.kind in PREPAID for row in of[place]):
            billed = sum((amount for (at, _), amount in stated.items() if at == place), ZERO)
            less = billed - sum((row.owed for row in of[place]), ZERO)
            if less:
                yield Cost(place, month, "", place.issuer, "Purchase", PURCHASE, "", False, ZERO, less, ZERO)


def owed(rows: Iterable[Cost]) -> list[Owed]:
    """What these costs owe issuers."""
    return [
        Owed(row.place, row.month, row.cause if row.correction else "", row.owed, row.computed)
        for row in rows
        if row.kind not in OWN and (row.owed or row.computed)
    ]


class Issuers:
    """Who sends the invoice for a usage key: its host (of a model that another company serves), else its provider."""

    def __init__(self) -> None:
        self._book = price_book().book

    def canonical(self, provider: str) -> str:
        """The provider as the price book names it."""
        return self._book.resolve_one(provider or None, None, None, None)[1] or provider

    def of(self, dims: Mapping[str, Any], by_hand: Iterable[str] = ()) -> str:
        """``by_hand``: providers whose usage an invoice by hand bills, wherever they were hosted."""
        provider = self.canonical(dims["provider"])
        return provider if provider in by_hand else self.canonical(dims["host"]) or provider or dims["source"]


def _by_hand(month: date, names: Issuers) -> set[str]:
    rows = Invoice.objects.filter(billing_period=month, source=Invoice.Source.MANUAL)
    return {names.canonical(provider) for provider in rows.values_list("provider", flat=True).distinct()}


def _place(payers: Payers, kind: str, issuer: str, account: str, currency: str, month: date) -> Place:
    return payers.place("", "", currency, month) if kind in OWN else payers.place(issuer, account, currency, month)


def _charges(period: Period, *, borne: bool) -> list[tuple[Any, ...]]:
    centre, amounts, tables = _FROM[borne]
    places = ", ".join((*_GROUP, centre))
    count = ", ".join(str(number + 1) for number in range(len(_GROUP) + 1))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {places}, sum({amounts}.effective_cost), sum({amounts}.billed_cost), "
            f"sum({amounts}.effective_cost) FILTER (WHERE {amounts}.billed_cost IS NULL) FROM {tables} "
            "LEFT JOIN allocation_correction k ON k.id = c.correction_id "
            f"WHERE c.charge_date >= %s AND c.charge_date < %s GROUP BY {count}",
            [period.start, period.end],
        )
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
