"""A delivery of FOCUS rows, from any issuer or one cloud: identified lines, and the time that they state whole."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ingest.calc.bill_meters import unknown_meter
from ingest.calc.focus_lines import focus_line, focus_tags, identity
from ingest.calc.focus_lines_values import Reading, Row
from ingest.calc.identity import canonical_tags
from ingest.calc.records import row_identity

READINGS = ("lenient", "strict")


class Stated(NamedTuple):
    """A charge of a billing account and period, in which the delivery states everything around it."""

    account: str
    billing_start: datetime
    start: datetime
    end: datetime


def reading_of(state: dict[str, Any], options: Mapping[str, str], deviations: Counter[str]) -> Reading:
    """How the rows of an import are read, by its option ``reading``. Raises ValueError for another word."""
    if "reading" not in state:
        how = options.get("reading") or "lenient"
        if how not in READINGS:
            raise ValueError(f"reading is {' or '.join(READINGS)}, not {how[:40]!r}")
        state["reading"] = Reading(deviations, strict=how == "strict")
    found: Reading = state["reading"]
    return found


def delivered(row: Row, reading: Reading, context: Any) -> tuple[Row, Stated | None]:
    """The line of a cleaned row with identity and tags, and what it says of the delivery's time. Raises Rejected.

    ``context``: an ingest.source.Context. Taxes, purchases and corrections of earlier periods say nothing of the time.
    """
    line, begins, ends = focus_line(row, reading, lambda meter: unknown_meter(context.unknown_fields, meter))
    tags = focus_tags(row, reading)
    line["tags"], dropped = canonical_tags(tags, context.tag_keys)
    context.dropped_tags.update(dropped)
    line["native_id"] = row_identity(identity(row, line, tags), context.state)
    account = line["billing_account"]
    if not account or line["charge_category"] != "Usage" or line["charge_class"]:
        return line, None
    return line, Stated(account, begins, max(line["period_start"], begins), min(line["period_end"], ends))
