"""Commitments: what of a day's usage they cover, at what cost, and what of them is not used.

In this order: seats and subscriptions take their notional usage out; provisioned throughput and reserved GPUs cover what
they have capacity for; prepaid credits pay for usage at its contracted cost; enterprise commits count what is spent.
Per commitment and term the effective cost of what is used, unused and expired sums to what was billed for it.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from django.db import transaction

from allocation.calc.commitments import (
    CAPACITY,
    CREDIT,
    ENTERPRISE,
    SEATS,
    SUBSCRIPTION,
    Commitment,
    Commitments,
    seats_of,
)
from allocation.calc.commitments_cover import split
from allocation.calc.commitments_credits import pools
from allocation.calc.commitments_entries import parse
from allocation.costing import settled, terms
from allocation.costing.commitments_capacity import Covering
from allocation.costing.commitments_credits import bearing, consume, found_of, spend
from allocation.costing.commitments_rows import UNUSED, USED, entry, names_of, open_rows
from allocation.costing.work import ZERO, Entry, Work

KIND = "commitments"
__all__ = ["KIND", "apply", "parse", "settle"]


def apply(work: Work) -> Work:
    """The day with its commitments; notes what it consumes of credits and spends of commits."""
    book: Commitments = terms.in_force(KIND, parse)
    if not book.commitments:
        return work
    notes: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for one in book.of_kind(SEATS, SUBSCRIPTION):
        work = _with_seats(work, one)
    covering = Covering()
    for one in book.of_kind(*CAPACITY):
        work = covering.by(one, work, notes)
    work = work.having(work.usage, _purchases(work.day, book.commitments))
    for pool in pools(book.of_kind(CREDIT)):
        work = consume(KIND, work, pool, notes)
    for one in book.of_kind(ENTERPRISE):
        work = spend(KIND, work, one, notes)
    settled.note(KIND, work.day, notes)
    return work


def _with_seats(work: Work, one: Commitment) -> Work:
    entries = [
        entry(
            one, "seat", USED if owner is not None else UNUSED, cost, owner=owner, quantity=Decimal(count), unit="seat"
        )
        for owner, count, cost in seats_of(one, work.day)
    ]
    if one.covers is None or not one.first <= work.day < one.last:
        return work.having(work.usage, entries)
    rows = open_rows(work, one.covers)
    nothing = dict.fromkeys(rows, ZERO)
    shares = dict.fromkeys(rows, Fraction(1))
    return work.having(split(work.usage, shares, nothing, names_of(one), nothing), entries)


def _purchases(day: date, commitments: Sequence[Commitment]) -> list[Entry]:
    return [
        entry(one, "purchase", "", ZERO, billed=billed)
        for one in commitments
        if one.computes_purchase and (billed := one.purchased(day))
    ]


@transaction.atomic
def settle(days: set[date]) -> set[date]:
    """Burn credits down and sum commits anew; returns the days whose charges follow from what has changed."""
    book: Commitments = terms.in_force(KIND, parse)
    if not book.commitments:
        settled.forget(KIND)
        return set()
    if not days or not book.of_kind(CREDIT, ENTERPRISE):
        return set()
    noted = settled.noted(KIND, [one.code for one in book.commitments])
    return bearing(settled.keep(KIND, found_of(noted, book)), noted, book)
