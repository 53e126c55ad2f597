"""Totals of a run: what it stored or changed, and what that costs at today's list prices."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from finops.money import total
from finops.tokens import TOKEN_CLASSES
from ingest.calc.book import PriceBook
from ingest.calc.rating_lines import rating_lines
from ingest.models import RateSlot
from ingest.selectors import key_dimensions

_ZERO = "0.000000000000"


def run_totals(parts: list[pa.Table], book: PriceBook, billed: Mapping[str, Decimal]) -> dict[str, Any]:
    """Token classes, requests, list, reported and billed cost as strings, and the number of records without a price.

    ``billed``: what the lines stored or changed state, by currency.
    """
    totals: dict[str, Any] = dict.fromkeys(("requests", *TOKEN_CLASSES[:6]), "0")
    totals |= {"list_cost": _ZERO, "reported_cost": _ZERO, "billed_cost": _ZERO, "unpriced": 0}
    if len(billed) == 1:
        totals["currency"], totals["billed_cost"] = next((code, f"{cost:.12f}") for code, cost in billed.items())
    elif billed:
        totals |= {"currency": "mixed", "by_currency": {code: f"{cost:.12f}" for code, cost in sorted(billed.items())}}
    if not parts:
        return totals
    table = pa.concat_tables(parts)
    for name in ("requests", *TOKEN_CLASSES):
        amount = pc.sum(table[name]).as_py() or 0
        if amount or name in totals:
            totals[name] = str(amount)
    totals["reported_cost"] = f"{total(table['reported_cost']):.12f}"
    names = ["events", "requests", *TOKEN_CLASSES]
    grouped = table.group_by(["charge_date", "key_id", "slot_id", "used"]).aggregate([(name, "sum") for name in names])
    grouped = grouped.rename_columns(["charge_date", "key_id", "slot_id", "used", *names])
    dimensions = key_dimensions(set(grouped["key_id"].to_pylist()))
    slots = {slot.pk: slot for slot in RateSlot.objects.all()}
    rated = book.rate(rating_lines(grouped, dimensions, slots))
    totals["list_cost"] = f"{total(rated['list_cost']):.12f}"
    unpriced = pc.unique(rated.filter(pc.is_null(rated["list_cost"]))["line"])
    totals["unpriced"] = pc.sum(grouped["events"].take(unpriced)).as_py() or 0
    currencies = [text for text in pc.unique(rated["currency"]).to_pylist() if text]
    currencies = sorted({*currencies, *([totals["currency"]] if billed else [])})
    totals["currency"] = currencies[0] if len(currencies) == 1 else "USD" if not currencies else "mixed"
    return totals
