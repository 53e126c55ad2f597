"""Rounding for statements: parts that add up to an amount which is already rounded."""

from decimal import Decimal
from typing import Any

import numpy as np

from finops.money import minor_digits, money


def rounded_to(amounts: Any, goal: Decimal, currency: str) -> list[Decimal]:
    """Amounts (Decimals, exact) at the currency's minor unit so that they add up to ``goal``.

    In: the exact amounts; ``goal`` a whole number of minor units, near their sum. Each part is rounded down, what is
    left goes to the largest remainders, ties to the earlier row. Invariant: sum = goal; with goal = the sum rounded,
    every part moves by less than one minor unit. Raises MoneyError.
    """
    digits = minor_digits(currency)
    exact: list[Any] = money(list(amounts)).to_pylist()
    units = [int(value.scaleb(12)) for value in exact]
    step = 10 ** (12 - digits)
    parts = np.array([divmod(unit, step) for unit in units], dtype=object).reshape(-1, 2)
    floors, rests = [int(part) for part in parts[:, 0]], [int(part) for part in parts[:, 1]]
    missing = int(goal.scaleb(digits)) - sum(floors)
    if floors:
        every, missing = divmod(missing, len(floors))
        order = sorted(range(len(floors)), key=lambda row: -rests[row])
        for place, row in enumerate(order):
            floors[row] += every + (place < missing)
    return [Decimal(count).scaleb(-digits) for count in floors]
