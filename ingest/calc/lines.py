"""The line table: lines of providers' cost reports and bills, and the checks all of them pass.

A line holds money that its issuer states, signed: a credit is negative. Columns are LINE_SCHEMA's. What a line leaves out
is NULL; nothing is computed here.
"""

from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.calc.reasons import Reject
from ingest.calc.tables import require_columns, table_of
from ingest.calc.usage import DIMENSIONS, EARLIEST_US, MONEY, NO_ID, UTC_TIME

CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")  # FOCUS ChargeCategory
COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
QUANTITY = pa.decimal128(30, 12)
LINE_SCHEMA = pa.schema(
    [
        ("record", pa.int64()),  # number of the record within its group, to find its place again
        ("native_id", pa.string()),
        ("account", pa.string()),  # NULL: the run's account
        ("period_start", UTC_TIME),  # ChargePeriodStart
        ("period_end", UTC_TIME),
        ("charge_date", pa.date32()),  # on the issuer's clock; NULL: the UTC date of period_start
        ("billing_period", pa.date32()),  # first of the month it is billed in; NULL: the month of charge_date
        *((name, pa.string()) for name in DIMENSIONS),
        ("scope", pa.string()),  # charge scope (ingest.calc.scopes)
        ("charge_category", pa.string()),  # NULL: Usage
        ("charge_class", pa.string()),  # Correction, or NULL
        ("description", pa.string()),  # the SKU text, as the issuer writes it
        ("sku_id", pa.string()),
        ("price_class", pa.string()),  # token class or unit, where it is known
        ("consumed_quantity", QUANTITY),
        ("consumed_unit", pa.string()),  # tokens, a unit of finops.tokens, or the issuer's own word
        *((name, MONEY) for name in COSTS),  # effective_cost NULL: as billed
        ("billing_currency", pa.string()),
        ("invoice_id", pa.string()),
        ("commitment_id", pa.string()),  # FOCUS CommitmentDiscountId
        ("commitment_status", pa.string()),  # Used, Unused
        ("resource_id", pa.string()),
        ("kind_of_cost", pa.string()),  # '' or notional: a subscription's would-be cost, never in a total
    ]
)
LINE_COLUMNS = frozenset(LINE_SCHEMA.names)
_LIMIT = pa.scalar(10**12, MONEY)


def line_table(rows: list[dict[str, Any]]) -> pa.Table:
    """A table of LINE_SCHEMA with its defaults from rows that name the columns they know.

    Raises WrongRows for a name that is no column, and for a value that does not fit its column.
    """
    for row in rows:
        require_columns(tuple(row), LINE_COLUMNS, "line")
    return table_of([_DEFAULTS | row | _derived(row) for row in rows], LINE_SCHEMA, given=rows)


_DEFAULTS: dict[str, Any] = {
    "mode": "sync", "charge_category": "Usage", "charge_class": "", "kind_of_cost": "", "scope": "other",
}  # fmt: skip


def _derived(row: dict[str, Any]) -> dict[str, Any]:
    start = row.get("period_start")
    day: date | None = row.get("charge_date") or (start.date() if start else None)
    effective = row.get("effective_cost")
    return {
        "charge_date": day,
        "billing_period": row.get("billing_period") or (day.replace(day=1) if day else None),
        "effective_cost": row.get("billed_cost") if effective is None else effective,
        "reported_currency": row.get("billing_currency"),
    }


def check_lines(table: pa.Table, *, latest_us: int) -> tuple[pa.Table, list[Reject]]:
    """Split lines into those that may be stored and rejects. ``latest_us``: the latest start, in us since 1970."""
    rejects: dict[int, Reject] = {}
    numbers = table["record"].to_pylist()

    def mark(mask: Any, reason: str, detail: str) -> None:
        for row, hit in enumerate(pc.fill_null(mask, False).to_pylist()):
            if hit:
                rejects.setdefault(row, Reject(numbers[row], reason, detail))

    mark(pc.equal(pc.fill_null(table["native_id"], ""), ""), "unknown_shape", NO_ID)
    mark(pc.is_null(table["period_start"]), "missing_time", "period_start")
    start, end = table["period_start"].cast(pa.int64()), table["period_end"].cast(pa.int64())
    mark(
        pc.or_(pc.less(start, EARLIEST_US), pc.greater(start, latest_us)),
        "out_of_window",
        "before 2015 or in the future",
    )
    mark(pc.less(end, start), "bad_time", "the charge period ends before it begins")
    mark(pc.and_(pc.is_null(table["billed_cost"]), pc.is_null(table["effective_cost"])), "bad_number", "no cost")
    for name in (*COSTS, "consumed_quantity"):
        mark(pc.greater_equal(pc.abs(table[name]), _LIMIT), "too_large", name)
    currency = pc.fill_null(table["billing_currency"], "")
    mark(
        pc.invert(pc.match_substring_regex(currency, "^[A-Z]{3}$")), "unknown_shape", "billing_currency is no currency"
    )
    known = pc.is_in(table["charge_category"], pa.array(CATEGORIES))
    mark(pc.invert(known), "unknown_shape", "charge_category is none of FOCUS")
    if not rejects:
        return table, []
    keep = pa.array([row not in rejects for row in range(len(table))])
    return table.filter(keep), [rejects[row] for row in sorted(rejects)]
