"""Contracts: what usage costs under them (allocation.calc.contracts), with the month's blended rates."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
from django.db import transaction

from allocation.calc.contracts import LIST_COST, TOKENS, Contract, Contracts, Terms, blended, counts, parse
from allocation.costing import settled, terms
from allocation.costing.settled import Figure
from allocation.costing.work import Work, with_column
from finops.money import money
from finops.periods import Period
from finops.tokens import TOKEN_CLASSES

KIND = "contracts"
__all__ = ["KIND", "apply", "parse", "settle"]


class _Row(NamedTuple):
    number: int
    contract: Contract
    price_class: str
    quantity: Decimal
    list_cost: Decimal | None


def apply(work: Work) -> Work:
    """The day's usage at its contracted cost; EffectiveCost is the same until commitments speak.

    Notes what the day adds to each contract's month; takes the month's sums as they were last settled.
    """
    contracts: Contracts = terms.in_force(KIND, parse)
    if not contracts.contracts:
        return work
    rows = list(_under_contract(work, contracts))
    added: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        for basis in row.contract.bases():
            added[row.contract.code, basis] += counts(basis, row.price_class, row.quantity, row.list_cost) or 0
    settled.note(KIND, work.day, added)
    if not rows:
        return work
    sums = _sums(work.day, {row.contract.code for row in rows if row.contract.bases()})
    usage, subjects = work.usage, work.usage["subject"].to_pylist()
    costs = usage["contracted_cost"].to_pylist()
    rates: dict[tuple[str, str], Terms] = {}
    for row in rows:
        of = row.contract.code, row.price_class
        if of not in rates:
            rates[of] = blended(row.contract, sums.get(row.contract.code, {}), row.price_class)
        subjects[row.number] = f"contract {row.contract.code}"
        if row.list_cost is not None:
            costs[row.number] = rates[of].cost(row.list_cost, row.quantity)
    contracted = pa.chunked_array([money(costs)])
    for name, values in (("contracted_cost", contracted), ("effective_cost", contracted)):
        usage = with_column(usage, name, values)
    return work.having(with_column(usage, "subject", pa.array(subjects, pa.string())))


def _under_contract(work: Work, contracts: Contracts) -> Iterator[_Row]:
    found: dict[Any, Contract | None] = {}
    names = ("key_id", "price_class", "currency", "quantity", "list_cost")
    for number, row in enumerate(work.usage.select(names).to_pylist()):
        key = row["key_id"], row["price_class"], row["currency"]
        if key not in found:
            found[key] = contracts.of(work.day, work.dimensions[row["key_id"]], *key[1:])
        contract = found[key]
        if contract is not None:
            yield _Row(number, contract, row["price_class"], row["quantity"], row["list_cost"])


def _sums(day: date, codes: set[str]) -> dict[str, dict[str, Decimal]]:
    """Contract -> basis -> the sum of the day's month."""
    found: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for figure, value in settled.kept(KIND, codes, day.replace(day=1)).items() if codes else ():
        found[figure.code][figure.name] = value
    return found


@transaction.atomic
def settle(days: set[date]) -> set[date]:
    """Sum the months anew; returns the days whose usage has another blended rate thereby."""
    contracts: Contracts = terms.in_force(KIND, parse)
    if not contracts.contracts:
        settled.forget(KIND)
        return set()
    if not days:
        return set()
    noted = settled.noted(KIND, [contract.code for contract in contracts.contracts])
    sums: dict[Figure, Decimal] = defaultdict(Decimal)
    for figure, value in noted.items():
        sums[figure._replace(day=figure.day.replace(day=1))] += value
    changed = {(figure.code, figure.day) for figure in settled.keep(KIND, sums)}
    return {figure.day for figure in noted if (figure.code, figure.day.replace(day=1)) in changed}


def months(period: Period, today: date) -> list[dict[str, Any]]:
    """Volume of each contract and month of a period: code, month, basis, total, and the terms it leads to.

    ``factor`` and ``rate`` are the blended ones of the basis, ``paid`` the share that is not free (exact fractions).
    ``complete_until`` is the last charge date in the total; until the month is over, its terms are ``provisional``.
    """
    contracts: Contracts = terms.in_force(KIND, parse)
    by_code = {contract.code: contract for contract in contracts.contracts}
    last: dict[tuple[str, date], date] = {}
    for figure in settled.noted(KIND, by_code, period.start, period.end):
        last[figure.code, figure.day.replace(day=1)] = figure.day
    kept = {figure: total for figure, total in settled.kept(KIND, by_code).items() if figure[:2] in last}
    rows = []
    for figure, total in kept.items():
        sums = {other.name: value for other, value in kept.items() if other[:2] == figure[:2]}
        price_class = TOKEN_CLASSES[0] if figure.name in (LIST_COST, TOKENS) else figure.name
        row = {"code": figure.code, "month": figure.day, "basis": figure.name, "total": total}
        row |= blended(by_code[figure.code], sums, price_class)._asdict()
        rows.append(row | {"complete_until": last[figure[:2]], "provisional": today < Period.month_of(figure.day).end})
    return rows
