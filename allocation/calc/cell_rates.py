"""Prices of a token in the cells of a day: from its ratings, as they are kept or about to be."""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from allocation.calc.query_costs import KEY_BITS, Rates
from finops.tokens import TOKEN_CLASSES

_PRECISION = 60
# price class, list rate, per how many tokens, and without a rate list cost and quantity; cells
Row = tuple[str, Decimal | None, int | None, Decimal | None, Decimal | None, list[int]]


def rates_of_cells(rows: Iterable[Row]) -> Rates:
    """Of rows by price, those without a rate first: of a cell that has both the rate holds, of several the highest.

    A rating at several rates (an excess band) has none of its own: its average is what its cell's calls cost.
    """
    found: dict[int, dict[str, Decimal | None]] = {}
    with localcontext(prec=_PRECISION):
        for name, rate, per, cost, quantity, cells in rows:
            price: Decimal | None
            if rate is not None and per is not None:
                price = Decimal(rate) / per
            else:
                price = None if cost is None or not quantity else Decimal(cost) / quantity
            for cell in cells:
                found.setdefault(cell, {})[name] = price
    return found


def rates_in(ratings: pa.Table) -> Rates:
    """The same of rows of rating: ``usage_key_id, rate_slot_id, price_class, quantity, list_rate, per, list_cost``."""
    ratings = ratings.filter(pc.is_in(ratings["price_class"], pa.array(TOKEN_CLASSES)))
    cell = pc.bit_wise_or(
        pc.shift_left(ratings["usage_key_id"].cast(pa.int64()), KEY_BITS), ratings["rate_slot_id"].cast(pa.int64())
    )
    ratings, rated = ratings.append_column("cell", cell), pc.is_valid(ratings["list_rate"])
    without = ratings.filter(pc.invert(rated)).group_by(["price_class", "cell"])
    rows: list[Any] = [
        (row["price_class"], None, None, row["list_cost_sum"], row["quantity_sum"], [row["cell"]])
        for row in without.aggregate([("list_cost", "sum"), ("quantity", "sum")]).to_pylist()
    ]
    by_rate = ratings.filter(rated).group_by(["price_class", "list_rate", "per"]).aggregate([("cell", "list")])
    stated = sorted(by_rate.to_pylist(), key=lambda row: row["list_rate"])
    rows += [(row["price_class"], row["list_rate"], row["per"], None, None, row["cell_list"]) for row in stated]
    return rates_of_cells(rows)


def bucket_costs(ratings: pa.Table) -> dict[tuple[Any, ...], Decimal | None]:
    """(usage key, tier) -> list cost of what is estimated, of rows of rating."""
    estimated = ratings.filter(ratings["tier_estimated"]).group_by(["usage_key_id", "tier"])
    sums = estimated.aggregate([("list_cost", "sum")])
    keys = zip(sums["usage_key_id"].to_pylist(), sums["tier"].to_pylist(), strict=True)
    return dict(zip(keys, sums["list_cost_sum"].to_pylist(), strict=True))
