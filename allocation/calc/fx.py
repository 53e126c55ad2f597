"""Money in another currency: converted once, row by row, with what rounding leaves as a figure of its own.

A row that is converted keeps the currency and the EffectiveCost it had, and the rate with its day and source. Converting
twice is converting once: a row in the site's currency stays as it is.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from allocation.calc.capacity_schedule import exactly
from finops.money import MONEY, RATE, multiply

COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
ZERO = Decimal(0)


class At(NamedTuple):
    """At which rate money is converted, of which day that is, and who published it."""

    rate: Decimal
    day: date
    source: str


def converted(amount: Decimal | None, rate: Decimal) -> Decimal | None:
    """amount x rate, rounded half-even once at 12 decimals; None stays None."""
    return None if amount is None else exactly(Fraction(amount) * Fraction(rate))


def left_over(amounts: Iterable[Decimal | None], rate: Decimal) -> Decimal:
    """What converting the sum gives beyond the sum of what is converted; at most half of 10^-12 for each amount."""
    known = [amount for amount in amounts if amount is not None]
    whole = exactly(sum((Fraction(amount) for amount in known), Fraction(0)) * Fraction(rate))
    return whole - sum((converted(amount, rate) or ZERO for amount in known), ZERO)


def convert(row: Mapping[str, Any], at: At, site: str, currency: str = "billing_currency") -> dict[str, Any]:
    """One row (its costs, ``currency``: the name of its currency's field) in the site's currency."""
    if row[currency] == site:
        return dict(row)
    costs = {name: converted(row[name], at.rate) for name in COSTS if name in row}
    before = {"original_currency": row[currency], "original_cost": row["effective_cost"]}
    before |= {f"fx_{name}": value for name, value in at._asdict().items()}
    return {**row, **costs, **before, currency: site}


def convert_usage(usage: pa.Table, of: str, at: At, site: str) -> pa.Table:
    """Charges of usage (allocation.costing.work.of_usage): those in the currency ``of`` in the site's.

    Their list rate and the estimate of what is unpriced are converted too.
    """
    meant = pc.equal(usage["currency"], of)
    columns: dict[str, Any] = {"original_currency": of, "currency": site}
    columns["original_cost"] = usage["effective_cost"]
    columns |= {"fx_rate": pa.scalar(at.rate, RATE), "fx_day": at.day, "fx_source": at.source}
    for name in (*COSTS, "proxy_cost"):
        columns[name] = multiply(usage[name], at.rate, per=1)
    columns["list_rate"] = multiply(usage["list_rate"].cast(MONEY), at.rate, per=1).cast(
        usage.schema.field("list_rate").type
    )
    for name, values in columns.items():
        found = pc.if_else(meant, values, usage[name])
        usage = usage.set_column(usage.column_names.index(name), name, found.cast(usage.schema.field(name).type))
    return usage
