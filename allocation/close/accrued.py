"""A month's accruals by provider and cost centre: taken back, posted, and what of the posted has no invoice yet."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from allocation.calc.accruals import ZERO, Place
from allocation.calc.natures import OWN
from allocation.close import accruals, invoiced, ledger_costs
from allocation.models import Accrual
from finops.periods import Period


class Part(NamedTuple):
    """What a cost centre ('': unallocated; None: nobody, held centrally) bears of a provider's accruals."""

    cost_centre: str | None
    posted: Decimal
    to_come: Decimal


class Accrued(NamedTuple):
    """One issuer in one currency. Invariant: ``parts`` add up to ``posted`` and ``to_come``.

    ``reversed``: accruals of the month before, taken back on the first day; ``posted``: accrued at the month's end;
    ``to_come``: of it what no invoice that came since states.
    """

    issuer: str
    currency: str
    reversed: Decimal
    posted: Decimal
    to_come: Decimal
    parts: tuple[Part, ...]


def of(period: Period) -> list[Accrued]:
    """Of the run in force, by currency, most accrued first; none where the month was not accrued."""
    rows, came = accruals.of(period), accruals.true_ups(period)
    waiting = {row.pk for row in _waiting(rows, period)}
    borne = _borne(period, [row for row in rows if row.billed_month == period.start]) if rows else {}
    taken: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        taken[row.issuer, row.currency] += row.reversed
    for one in came:
        taken[one.issuer, one.currency] += one.accrued
    found = []
    for issuer, currency in taken:
        mine = [row for row in rows if (row.issuer, row.currency) == (issuer, currency)]
        posted = sum((row.amount for row in mine), ZERO)
        to_come = sum((row.amount for row in mine if row.pk in waiting), ZERO)
        parts: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        for row in mine:
            for code, amount in borne.get(row.pk, {}).items():
                parts[code][0] += amount
                parts[code][1] += amount if row.pk in waiting else ZERO
        told = [Part(code, *amounts) for code, amounts in parts.items() if any(amounts)]
        told.sort(key=lambda part: (part.cost_centre == "", -part.posted, part.cost_centre or ""))
        rest = Part(
            None,
            posted - sum((part.posted for part in told), ZERO),
            to_come - sum((part.to_come for part in told), ZERO),
        )
        if rest.posted or rest.to_come:
            told.append(rest)
        if taken[issuer, currency] or posted or told:
            found.append(Accrued(issuer, currency, taken[issuer, currency], posted, to_come, tuple(told)))
    return sorted(found, key=lambda row: (row.currency, -row.posted, row.issuer))


def _waiting(rows: Iterable[Accrual], period: Period) -> list[Accrual]:
    """Those whose account and billed month no invoice in force states; an account that is not named means any."""
    rows = list(rows)
    months = sorted({row.billed_month for row in rows})
    stated = defaultdict(set)
    for one in invoiced.stated(months, period) if months else ():
        stated[one.place.issuer, one.place.currency, one.month].add(one.place.billing_account)
    found = []
    for row in rows:
        known = stated[row.issuer, row.currency, row.billed_month]
        if not (known and (not row.billing_account or known & {"", row.billing_account})):
            found.append(row)
    return found


def _borne(period: Period, rows: Iterable[Accrual]) -> dict[int, dict[str, Decimal]]:
    """Accrual -> cost centre -> what it bears of the month's charges; the estimate is nobody's."""
    by_place: dict[Place, int] = {accruals.place_of(row): row.pk for row in rows}
    found: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for cost in ledger_costs.costs(period, borne=True):
        if cost.month == period.start and cost.kind not in OWN and cost.owed and cost.place in by_place:
            found[by_place[cost.place]][cost.cost_centre] += cost.owed
    return found
