"""What cost centres are charged in currencies of their own: converted once, at the rate of the month, to the last minor unit.

The group's amount of a statement stays what the books and the proof add up; what a cost centre pays is this one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from allocation.calc.capacity_schedule import exactly
from allocation.calc.statement import rounded_by, rounded_to
from finops.money import MoneyError, minor_digits


class OwnRate(NamedTuple):
    """Units of a cost centre's currency for one of the statement's. ``day``: of its last publication; ``source``: whose."""

    currency: str
    rate: Decimal
    day: date
    source: str


def own_amounts(exact: Mapping[str, Decimal], rates: Mapping[str, OwnRate]) -> dict[str, Decimal]:
    """Cost centre -> what it is charged in its own currency, of those with a rate.

    In: exact EffectiveCost by cost centre. Invariant (R10): the amounts of one currency add up to their whole, which is
    rounded once; cents by largest remainder. Raises MoneyError.
    """
    of: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for code in sorted(exact.keys() & rates.keys()):
        of[rates[code].currency][code] = converted(exact[code], rates[code])
    return {code: part for currency, sums in of.items() for code, part in rounded_by(sums, currency).items()}


def own_parts(costs: Sequence[Decimal], amount: Decimal, rate: OwnRate) -> list[Decimal]:
    """Lines of a cost centre in its currency, which add up to its amount; cents by largest remainder. Raises MoneyError."""
    return rounded_to([converted(cost, rate) for cost in costs], amount, rate.currency) if costs else []


def converted(cost: Decimal, rate: OwnRate) -> Decimal:
    """A cost in the cost centre's currency, exactly: at 12 decimals, rounded half-even once."""
    return exactly(Fraction(cost) * Fraction(rate.rate))


def as_text(amount: Decimal, currency: str) -> str:
    """An amount as documents hold it: at the minor unit, without the sign of a zero."""
    whole = amount.quantize(Decimal(1).scaleb(-minor_digits(currency)))
    if whole != amount:
        raise MoneyError(f"{amount} {currency} is finer than its minor unit")
    return f"{whole if whole else abs(whole):f}"


def described(rate: OwnRate, amount: Decimal) -> dict[str, Any]:
    """The part ``own`` of a statement's document."""
    return {
        "currency": rate.currency, "amount": as_text(amount, rate.currency), "rate": f"{rate.rate.normalize():f}",
        "rate_day": rate.day.isoformat(), "rate_source": rate.source,
    }  # fmt: skip
