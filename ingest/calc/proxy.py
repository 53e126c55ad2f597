"""An estimate for usage without a price: shown dashed, never in totals, always in budget checks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ingest.calc.price_index import PriceIndex

PERCENTILE = Fraction(9, 10)


def proxy_rows(book: PriceIndex, places: Any, name: str, place: Any, unpriced: Any) -> Any:
    """Price row by which each unpriced row of a class is estimated, -1 where there is none; None if all are priced.

    The dearest standard price of the same provider and class that is live at the row's instant, else the class's 90th
    percentile (nearest rank) over the whole book at that instant; prices in the book's main currency only.
    """
    if unpriced is None or not unpriced.any():
        return None
    rows = np.full(len(place), -1, dtype=np.int64)
    distinct, where = np.unique(place[unpriced], return_inverse=True)
    condition, epoch = np.divmod(distinct, len(places.instants))
    providers = [places.conditions[number][1] for number in condition.tolist()]
    instants = places.instants[epoch].tolist()
    found = [_proxy(book, provider, name, at) for provider, at in zip(providers, instants, strict=True)]
    rows[unpriced] = np.array(found, dtype=np.int64)[where]
    return rows


def _proxy(book: PriceIndex, provider: str | None, name: str, instant: int) -> int:
    standard, edges = _standard(book, name)
    key = ("proxy", provider, name, int(np.searchsorted(edges, instant, side="right")))
    if key not in book.memo:
        since, until = book.price["valid_from"], book.price["valid_to"]
        live = [row for row in standard if since[row] <= instant and (until[row] is None or instant < until[row])]
        own = [row for row in live if book.price["provider"][row] == provider]
        rank = -(-len(live) * PERCENTILE.numerator // PERCENTILE.denominator)
        book.memo[key] = own[-1] if own else live[rank - 1] if live else -1
    found: int = book.memo[key]
    return found


def _standard(book: PriceIndex, name: str) -> tuple[list[int], Any]:
    """The standard prices of a class, cheapest per unit first, and the instants at which the live ones change."""
    key = ("standard", name)
    if key not in book.memo:
        rows = [row for row, kind in enumerate(book.price["price_class"]) if kind == name and _is_standard(book, row)]
        rows.sort(key=lambda row: Fraction(int(book.rate_steps[row]), int(book.per[row])))
        edges = {
            t for row in rows for t in (book.price["valid_from"][row], book.price["valid_to"][row]) if t is not None
        }
        book.memo[key] = rows, np.array(sorted(edges), dtype=np.int64)
    found: tuple[list[int], Any] = book.memo[key]
    return found


def _is_standard(book: PriceIndex, row: int) -> bool:
    at = book.price
    special = at["service_tier"][row] or at["region"][row] or at["variant"][row] or at["context_over"][row]
    plain = at["mode"][row] == "sync" and at["window_start"][row] is None and not special
    return plain and at["currency"][row] == book.currency
