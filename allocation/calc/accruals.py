"""What is owed to issuers of invoices at the end of a month, and what an invoice then changes.

Per *place* (issuer, billing account, currency, legal entity) and the month that is billed, in one currency, exact:

- what the place cost so far (*cost*) is what charges owe its issuer: BilledCost where a bill or an agreement states it,
  else ContractedCost at its effective rate; an agreement's amortisation owes nobody anything.
- without an invoice there is an accrual: cost + estimate, the estimate being the share by which invoices of the account
  exceeded what was computed of it before (``history``). It is reversed on the first day of the next month, and stands
  there anew while no invoice has come.
- an invoice posts what it states; beside the reversal that leaves the true-up, with its causes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

ZERO = Decimal(0)
MONTHS_OF_HISTORY = 3
UNEXPLAINED, REST, ESTIMATE = "unexplained", "unexplained", "estimate"
_STEP = Decimal(1).scaleb(-12)
_HALF_EVEN = Context(prec=60, rounding=ROUND_HALF_EVEN)


class Place(NamedTuple):
    """Who bills, which account, in the currency of the books, and the legal entity that pays."""

    issuer: str
    billing_account: str
    currency: str
    legal_entity: str


class Owed(NamedTuple):
    """What charges posted in the month of the close owe a place for a billed month. ``computed``: without bills."""

    place: Place
    month: date
    cause: str
    amount: Decimal
    computed: Decimal


class Invoiced(NamedTuple):
    """What invoices in force state of an account for a billed month, tax included. Account '': of whatever it used."""

    place: Place
    month: date
    amount: Decimal
    numbers: tuple[str, ...]


class Position(NamedTuple):
    """How a place stood for a billed month at the last close: what was accrued (0: nothing) and what was invoiced."""

    place: Place
    month: date
    cost: Decimal
    estimate: Decimal
    invoiced: Decimal
    computed: Decimal

    @property
    def accrued(self) -> Decimal:
        """The accrual of the last close."""
        return self.cost + self.estimate


class Accrual(NamedTuple):
    """What is owed without an invoice at the end of the month of the close. ``reversed``: of the close before."""

    place: Place
    month: date
    cost: Decimal
    computed: Decimal
    share: Decimal
    estimate: Decimal
    reversed: Decimal

    @property
    def amount(self) -> Decimal:
        """Contracted cost to date and the share that invoices have added before."""
        return self.cost + self.estimate


class Posting(NamedTuple):
    """What invoices of a place and billed month add in the month of the close, and the accrual they take the place of.

    Invariant: of an earlier month true_up = invoiced - accrued; of the month of the close, which no close has accrued, it is
    what the invoice states beyond its charges. ``charged``: what charges of the month of the close bear of it; the rest of
    the true-up is the estimate taken back, or in no charge yet.
    """

    place: Place
    month: date
    numbers: tuple[str, ...]
    invoiced: Decimal
    accrued: Decimal
    charged: Decimal
    causes: tuple[tuple[str, Decimal], ...]

    @property
    def true_up(self) -> Decimal:
        """What the invoice says beyond the accrual: the sum of its causes."""
        return sum((amount for _, amount in self.causes), ZERO)


class History(NamedTuple):
    """A closed and invoiced month of a place: what was computed of it and what the invoices stated."""

    place: Place
    month: date
    computed: Decimal
    invoiced: Decimal


def provisional_number(place: Place, month: date) -> str:
    """The InvoiceId of what no invoice states yet: PROV-2026-09-openai-acct; without blanks."""
    parts = (place.issuer, place.billing_account, place.legal_entity)
    return "-".join([f"PROV-{month:%Y-%m}", *(word for part in parts for word in part.split())])


def history_share(months: Iterable[History]) -> Decimal:
    """By which share of what was computed the invoices of the latest MONTHS_OF_HISTORY were higher; 0 without history.

    At 12 decimals, half-even. Months of which nothing was computed say nothing.
    """
    latest = sorted((row for row in months if row.computed > 0), key=lambda row: row.month)[-MONTHS_OF_HISTORY:]
    computed = sum((row.computed for row in latest), ZERO)
    if not computed:
        return ZERO
    more = sum((row.invoiced for row in latest), ZERO) - computed
    return _HALF_EVEN.divide(more, computed).quantize(_STEP, ROUND_HALF_EVEN)


def close(
    month: date, owed: Sequence[Owed], invoices: Sequence[Invoiced], before: Sequence[Position],
    shares: Mapping[Place, Decimal],
) -> tuple[list[Accrual], list[Posting]]:  # fmt: skip
    """The accruals and the postings of invoices of a month (its first day), sorted by place and billed month.

    In: what charges posted in the month owe, all invoices in force of the months of the books, the positions of the close
    before, shares of history by place. Invariant, per place and billed month: what charges owe in all closes up to this one
    is what was invoiced and accrued, less estimates, but for what ``Posting.causes`` names ``unexplained``.
    """
    charged: dict[tuple[Place, date], list[Owed]] = defaultdict(list)
    for row in owed:
        charged[row.place, row.month].append(row)
    known = {(row.place, row.month): row for row in before}
    costs = {
        at: _booked(known.get(at)) + sum((row.amount for row in charged[at]), ZERO) for at in {*known, *list(charged)}
    }
    stated = _settled(costs, [row for row in invoices if row.month <= month])
    accruals, postings = [], []
    for place, of in sorted({*costs, *stated}):
        at = (place, of)
        old, rows = known.get(at, Position(place, of, ZERO, ZERO, ZERO, ZERO)), charged.get(at, [])
        found = stated.get(at)
        if found is not None or old.invoiced:
            invoiced = (found.amount if found else ZERO) - old.invoiced
            if invoiced or old.accrued or any(row.amount for row in rows):
                numbers = found.numbers if found else ()
                postings.append(_posting(month, old, rows, invoiced, numbers))
        if found is None:
            computed = old.computed + sum((row.computed for row in rows), ZERO)
            share = shares.get(place, ZERO) if computed == costs[at] else ZERO  # what a report states needs no estimate
            estimate = _HALF_EVEN.multiply(computed, share).quantize(_STEP, ROUND_HALF_EVEN)
            if costs[at] or estimate or old.accrued:
                accruals.append(Accrual(place, of, costs[at], computed, share, estimate, old.accrued))
    return accruals, postings


def _booked(old: Position | None) -> Decimal:
    return ZERO if old is None else old.cost or old.invoiced


def _settled(
    costs: Mapping[tuple[Place, date], Decimal], invoices: Sequence[Invoiced]
) -> dict[tuple[Place, date], Invoiced]:
    """Invoices by place: an account that is not named means "the only one", on either side.

    Accounts that an invoice without an account covers get of it what they cost; usage without an account, of the first
    account that is invoiced. The rest stays with the place that the invoice names.
    """
    found: dict[tuple[Place, date], Invoiced] = {}
    for row in invoices:
        old = found.get((row.place, row.month))
        numbers = tuple(sorted({*(old.numbers if old else ()), *row.numbers}))
        found[row.place, row.month] = row._replace(amount=row.amount + (old.amount if old else ZERO), numbers=numbers)
    for (place, month), cost in sorted(costs.items()):
        if (place, month) in found:
            continue
        givers = sorted(
            other
            for other, of in found
            if of == month and other._replace(billing_account=place.billing_account) == place
            and (not other.billing_account or not place.billing_account)
        )  # fmt: skip
        if givers:
            giver = found[givers[0], month]
            found[givers[0], month] = giver._replace(amount=giver.amount - cost)
            found[place, month] = Invoiced(place, month, cost, giver.numbers)
    return found


def _posting(month: date, old: Position, rows: Sequence[Owed], invoiced: Decimal, numbers: tuple[str, ...]) -> Posting:
    charged = sum((row.amount for row in rows), ZERO)
    if old.month == month:  # no close has accrued it: all of it is the month's own, and what differs is in no charge
        causes = {REST: invoiced - charged}
    else:
        causes = defaultdict(lambda: ZERO, {ESTIMATE: -old.estimate})
        for row in rows:
            causes[row.cause or REST] += row.amount
        causes[REST] += invoiced - old.accrued - sum(causes.values(), ZERO)
    named = tuple((cause, amount) for cause, amount in sorted(causes.items()) if amount)
    return Posting(old.place, old.month, numbers, invoiced, old.accrued, charged, named)


def accuracy(pairs: Iterable[tuple[Decimal, Decimal]]) -> Decimal | None:
    """1 - sum of |invoice - accrual| / sum of |invoice|, of (invoiced, accrued); None where nothing is invoiced.

    Errors of accounts do not cancel. 1: each accrual was its invoice; below 0: they were farther off than without one.
    """
    rows = list(pairs)
    total = sum((abs(invoiced) for invoiced, _ in rows), ZERO)
    if not total:
        return None
    missed = sum((abs(invoiced - accrued) for invoiced, accrued in rows), ZERO)
    return 1 - _HALF_EVEN.divide(missed, total).quantize(_STEP, ROUND_HALF_EVEN)
