"""Prepaid credits and committed spend: how a balance burns down, and what is missing at the end of a term."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from allocation.calc.commitments import CREDIT, Commitment
from allocation.calc.contracts import rounded

ZERO = Decimal(0)


class Balance(NamedTuple):
    """A day of a credit on which something happens: opening + purchased - consumed - expired = closing >= 0."""

    code: str
    day: date
    opening: Decimal
    purchased: Decimal
    consumed: Decimal
    expired: Decimal

    @property
    def closing(self) -> Decimal:
        """What is left at the end of the day."""
        return self.opening + self.purchased - self.consumed - self.expired


def pools(commitments: Sequence[Commitment]) -> list[list[Commitment]]:
    """Credits that pay for the same usage, each pool in the order of their codes."""
    found: dict[tuple[object, str], list[Commitment]] = {}
    for one in commitments:
        if one.kind == CREDIT:
            found.setdefault((one.match, one.currency), []).append(one)
    return [sorted(pool, key=lambda one: one.code) for pool in found.values()]


def usable(pool: Sequence[Commitment], day: date) -> list[Commitment]:
    """The credits of a pool that may be consumed on a day, in the order in which they are: earliest expiry first."""
    return sorted((one for one in pool if one.first <= day < one.last), key=lambda one: (one.last, one.first, one.code))


def burn_down(pool: Sequence[Commitment], demands: Mapping[date, Decimal], until: date) -> list[Balance]:
    """The days up to ``until``, included, on which credits begin, are consumed or end, by day and code.

    ``demands``: what usage of a day would consume, at contracted cost; what is not above 0 consumes nothing. A credit is
    worth nothing from its end on. Invariant: no balance is ever negative.
    """
    left = dict.fromkeys((one.code for one in pool), ZERO)
    days = {*demands, *(one.first for one in pool), *(one.last for one in pool)}
    found = []
    for day in sorted(day for day in days if day <= until):
        wanted, consumed = max(demands.get(day, ZERO), ZERO), dict.fromkeys(left, ZERO)
        opening = dict(left)
        for one in pool:
            left[one.code] = one.amount if one.first == day else left[one.code]
        for one in usable(pool, day):
            consumed[one.code] = min(wanted, left[one.code])
            left[one.code] -= consumed[one.code]
            wanted -= consumed[one.code]
        for one in pool:
            if day in (one.first, one.last) or consumed[one.code]:
                purchased = one.amount if one.first == day else ZERO
                expired = opening[one.code] if one.last == day else ZERO
                found.append(Balance(one.code, day, opening[one.code], purchased, consumed[one.code], expired))
    return found


def worth(credit: Commitment, before: Decimal, consumed: Decimal) -> Decimal:
    """What was paid for the part of a credit that is consumed after ``before`` of it.

    The parts of a whole credit sum to its price, exactly.
    """
    paid = Fraction(credit.price) / Fraction(credit.amount)
    return rounded(paid * Fraction(before + consumed)) - rounded(paid * Fraction(before))


def shortfall(committed: Decimal, spent: Decimal) -> Decimal:
    """What a commit leaves to be paid at its end; nothing where it is spent."""
    return max(committed - spent, ZERO)
