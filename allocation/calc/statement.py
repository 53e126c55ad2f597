"""Rounding for statements: parts that add up to an amount which is already rounded."""

from collections.abc import Hashable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np

from finops.money import minor_digits, money, round_to_minor

KeyT = TypeVar("KeyT", bound=Hashable)


def rounded_to(amounts: Any, goal: Decimal, currency: str) -> list[Decimal]:
    """Amounts (Decimals, exact) at the currency's minor unit so that they add up to ``goal``.

    In: the exact amounts; ``goal`` a whole number of minor units, near their sum. Each part is rounded down, what is
    left goes to the largest remainders, ties to the earlier row; of a negative sum the parts are those of its opposite,
    negated. Invariant: sum = goal; with goal = the sum rounded, every part moves by less than one minor unit. Raises
    MoneyError.
    """
    digits = minor_digits(currency)
    exact: list[Any] = money(list(amounts)).to_pylist()
    units = [int(value.scaleb(12)) for value in exact]
    sign = -1 if (sum(units) or next(filter(None, units), 0)) < 0 else 1
    step = 10 ** (12 - digits)
    parts = np.array([divmod(sign * unit, step) for unit in units], dtype=object).reshape(-1, 2)
    floors, rests = [int(part) for part in parts[:, 0]], [int(part) for part in parts[:, 1]]
    missing = sign * int(goal.scaleb(digits)) - sum(floors)
    if floors:
        every, missing = divmod(missing, len(floors))
        order = sorted(range(len(floors)), key=lambda row: -rests[row])
        for place, row in enumerate(order):
            floors[row] += every + (place < missing)
    return [Decimal(sign * count).scaleb(-digits) for count in floors]


def rounded_by(amounts: Mapping[KeyT, Decimal], currency: str, order: Any = None) -> dict[KeyT, Decimal]:
    """Amounts (exact) of owners at the currency's minor unit: the whole is rounded once, the parts add up to it.

    In: owner -> exact amount; ``order``: sort key that makes ties stable, by default the owners themselves with None
    last. Out: owner -> amount, whatever order they came in. Invariants (R10): finops.money.round_to_minor. Raises
    MoneyError.
    """
    owners = sorted(amounts, key=order or (lambda owner: (owner is None, owner or "")))
    rounded = round_to_minor(money([amounts[owner] for owner in owners]), currency).to_pylist()
    quantum = Decimal(1).scaleb(-minor_digits(currency))
    return {owner: value.quantize(quantum) for owner, value in zip(owners, rounded, strict=True)}
