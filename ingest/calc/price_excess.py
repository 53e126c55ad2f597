"""Bands that price only the excess: of a request, the input tokens above a threshold.

A prompt is filled in the order in which caches hold it: what was read from a cache is its beginning, what is written to
one follows, and what no cache knows is its end. A threshold is thus crossed in one input class; the classes before it lie
below, those after it above. Within a slot the crossing class is the same for every request, so the tokens above are
(sum of the classes up to the crossing one) - threshold x requests, exactly.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from finops.tokens import ALL_INPUT_CLASSES
from ingest.calc.price_index import Condition, PriceIndex

# From the beginning of the prompt to its end; a cache that lives longer has to come first.
FILL_ORDER = (
    "cache_read", "cache_read_audio", "cache_read_image", "cache_write_1h", "cache_write_5m", "input_audio", "input_image",
    "input_video", "input_uncached",
)  # fmt: skip
assert set(FILL_ORDER) == set(ALL_INPUT_CLASSES)
_DIGIT = 4  # bits: 1 + place in FILL_ORDER of the class that crosses a threshold, 0: not above it
MOST_THRESHOLDS = 15  # digits that int64 holds
Inputs = Callable[[Any], tuple[Any, Any]]


class Part(NamedTuple):
    """What one line of a class costs: the sum over its bands. ``price``: the highest band with tokens, -1 = unpriced.

    ``rate_steps``: its rate where it is the only one, else None; ``cost_steps``: 1e-12 of the currency.
    """

    price: int
    rate_steps: int | None
    cost_steps: int


def crossings(thresholds: Any, sums: Any, requests: Any) -> Any:
    """Where requests cross a model's excess thresholds, packed into int64, the lowest threshold in the lowest digit.

    In: thresholds ascending; sums int64 (n, len(FILL_ORDER)) and requests int64 (n): of a bucket of calls its sums, so
    that the average call decides. Out: int64 (n), 0 = above none.
    """
    filled = np.cumsum(sums, axis=1)
    packed = np.zeros(len(sums), dtype=np.int64)
    for number, threshold in enumerate(thresholds.tolist()):
        above = filled > threshold * np.maximum(requests, 1)[:, None]
        place = np.where(above.any(axis=1), above.argmax(axis=1) + 1, 0)
        packed |= place.astype(np.int64) << (_DIGIT * number)
    return packed


class Excess:
    """Prices lines of one class whose price is a band of that kind. ``lines`` as ``rating.rate`` takes them."""

    def __init__(self, book: PriceIndex, lines: pa.Table, price_class: int) -> None:
        self._book, self._class = book, price_class
        names = [name for name in (*FILL_ORDER, "requests", "crossing") if name in lines.column_names]
        self._lines = lines.select(names)

    def part(self, line: int, name: str, place: tuple[int, Condition, int]) -> Part:
        """What a line costs. ``place``: model index, condition, instant (us UTC)."""
        model, condition, instant = place
        row = self._lines.slice(line, 1).to_pylist()[0]
        chain = self._chain(model, condition, instant)
        left, parts, above = row[name] or 0, list[tuple[int, int]](), 0
        for threshold, price in chain:
            beyond = left if threshold is None else self._beyond(model, row, name, threshold)
            if beyond is None or not above <= beyond <= left:
                return Part(-1, None, 0)
            parts.append((beyond - above, price))
            above = beyond
        used = [(quantity, price) for quantity, price in parts if quantity]
        codes = {self._book.price["currency"][price] for _, price in used if price >= 0}
        if above != left or len(codes) > 1 or any(price < 0 for _, price in used):
            return Part(-1, None, 0)
        cost = sum(
            (Fraction(quantity * int(self._book.rate_steps[price]), int(self._book.per[price])) for quantity, price in used),
            Fraction(0),
        )  # fmt: skip
        rate = int(self._book.rate_steps[used[0][1]]) if len(used) == 1 else None
        return Part(used[0][1], rate, round(cost))  # round() of a Fraction is half-even

    def _chain(self, model: int, condition: Condition, instant: int) -> list[tuple[int | None, int]]:
        """(threshold, price row) from the highest band down; the last one, without a threshold, takes all that is left."""
        found: list[tuple[int | None, int]] = []
        while True:
            line = self._book.timeline(model, self._class, condition)
            row = line.rows[bisect.bisect_right(line.starts, instant) - 1]
            if row < 0 or self._book.price["reprices_whole"][row]:
                return [*found, (None, row)]
            threshold: int = self._book.price["context_over"][row]
            found.append((threshold, row))
            condition = condition._replace(context_over=threshold - 1)

    def _beyond(self, model: int, row: dict[str, Any], name: str, threshold: int) -> int | None:
        """Tokens of the class above a threshold; None where the line does not say where it is crossed."""
        thresholds = self._book.prices_of(model)["excess"]
        digit = (row.get("crossing") or 0) >> (_DIGIT * thresholds.index(threshold)) & ((1 << _DIGIT) - 1)
        place = FILL_ORDER.index(name) + 1
        if digit == 0 or "requests" not in row:
            return None
        if place != digit:
            return (row[name] or 0) if place > digit else 0
        filled = sum(row.get(known) or 0 for known in FILL_ORDER[:place])
        return int(filled - threshold * (row["requests"] or 0))
