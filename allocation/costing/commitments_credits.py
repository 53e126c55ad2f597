"""Prepaid credits and enterprise commits: what a day consumes and spends, and what follows from all days."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from allocation.calc.commitments import CREDIT, ENTERPRISE, Commitment, Commitments
from allocation.calc.commitments_cover import split, spread_cost
from allocation.calc.commitments_credits import burn_down, pools, shortfall, usable, worth
from allocation.costing import settled
from allocation.costing.commitments_rows import EXPIRED, SHORTFALL, entry, names_of, open_rows
from allocation.costing.settled import Figure
from allocation.costing.work import ZERO, Work

DEMAND, SPEND, CHARGED = "demand", "spend", "charged"  # what a day adds; CHARGED: a day that hangs on others
BEFORE, CONSUMED, SPENT = "consumed before", "consumed", "spent"  # what is found of all days
_DAY = timedelta(days=1)
Notes = dict[tuple[str, str], Decimal]


def consume(kind: str, work: Work, pool: Sequence[Commitment], notes: Notes) -> Work:
    """The day with the usage that a pool's credits pay for as Used, and with what expires on it.

    Takes from each credit what was settled, at most what there is to be paid.
    """
    for one in pool:
        if work.day in (one.first, one.last):
            notes[one.code, CHARGED] += 1
    credits = usable(pool, work.day)
    rows = open_rows(work, pool[0].match, currency=pool[0].currency) if credits else {}
    demand = _demand([row["contracted_cost"] for row in rows.values()])
    if demand:
        notes[pool[0].code, DEMAND] += demand
    found = settled.kept(kind, [one.code for one in pool], work.day)
    for one in credits:
        before, consumed = (found.get(Figure(one.code, work.day, name), ZERO) for name in (BEFORE, CONSUMED))
        work = _pay(work, one, before, consumed)
    for one in pool:
        if one.last == work.day:
            before = found.get(Figure(one.code, work.day, BEFORE), ZERO)
            if lost := worth(one, before, one.amount - before):
                expired = entry(one, "breakage", EXPIRED, lost, quantity=one.amount - before, unit=one.currency)
                work = work.having(work.usage, [expired])
    return work


def _demand(costs: Sequence[Decimal | None]) -> Decimal:
    return max(sum((cost for cost in costs if cost is not None), ZERO), ZERO)


def _pay(work: Work, one: Commitment, before: Decimal, consumed: Decimal) -> Work:
    rows = open_rows(work, one.match, currency=one.currency)
    rows = {number: row for number, row in rows.items() if row["contracted_cost"] is not None}
    demand = _demand([row["contracted_cost"] for row in rows.values()])
    paid = min(consumed, demand)
    if paid <= 0:
        return work
    weights = [Fraction(row["contracted_cost"]) for row in rows.values()]
    contracted = dict(zip(rows, spread_cost(paid, weights), strict=True))
    costs = dict(zip(rows, spread_cost(worth(one, before, paid), weights), strict=True))
    shares = dict.fromkeys(rows, Fraction(paid) / Fraction(demand))
    return work.having(split(work.usage, shares, costs, names_of(one), contracted))


def spend(kind: str, work: Work, one: Commitment, notes: Notes) -> Work:
    """Notes what a day adds to an enterprise commit; on its last day, charges what is missing."""
    last = one.last - _DAY
    if not one.first <= work.day <= last:
        return work
    rows = open_rows(work, one.match, currency=one.currency).values()
    spent = sum((row["contracted_cost"] or ZERO for row in rows), ZERO)
    spent += sum(
        made.billed_cost or ZERO
        for made in work.entries
        if made.charge_category == "Purchase" and made.currency == one.currency
        and one.match.holds(made.dimensions, made.price_class)
    )  # fmt: skip
    if spent:
        notes[one.code, SPEND] += spent
    if work.day != last:
        return work
    notes[one.code, CHARGED] += 1
    total = settled.kept(kind, [one.code], one.first).get(Figure(one.code, one.first, SPENT), ZERO)
    missing = shortfall(one.amount, total)
    if not missing:
        return work
    charged = entry(one, "shortfall", SHORTFALL, missing, billed=missing, charge_category="Adjustment")
    return work.having(work.usage, [charged])


def found_of(noted: dict[Figure, Decimal], book: Commitments) -> dict[Figure, Decimal]:
    """What all days say of credits and commits: what each credit is consumed by, what each commit was spent."""
    until = max((figure.day for figure in noted), default=date.min)
    found: dict[Figure, Decimal] = {}
    for pool in pools(book.of_kind(CREDIT)):
        demands = {
            figure.day: value
            for figure, value in noted.items()
            if figure.code == pool[0].code and figure.name == DEMAND
        }
        for row in burn_down(pool, demands, until):
            credit = next(one for one in pool if one.code == row.code)
            before = credit.amount - row.opening - row.purchased
            found[Figure(row.code, row.day, BEFORE)] = before
            found[Figure(row.code, row.day, CONSUMED)] = row.consumed
    for one in book.of_kind(ENTERPRISE):
        spent = [value for figure, value in noted.items() if figure.code == one.code and figure.name == SPEND]
        found[Figure(one.code, one.first, SPENT)] = sum(spent, ZERO)
    return found


def bearing(changed: set[Figure], noted: dict[Figure, Decimal], book: Commitments) -> set[date]:
    """The days already charged that hang on figures which changed."""
    charged = {figure.day for figure in noted if figure.name in (DEMAND, CHARGED)}
    ends = {one.code: one.last - _DAY for one in book.of_kind(ENTERPRISE)}
    return {ends.get(figure.code, figure.day) for figure in changed if figure.name != "by day"} & charged
