"""FOCUS Cost and Usage 1.0 to 1.4 of any issuer, as CSV, Parquet or JSON lines: lines of a bill.

What contains what stands in ``ingest.calc.focus_lines``. ``reading=strict`` takes only what the specification allows;
lenient reading, the default, also takes what real files write and can mean one thing only, and counts it by column. A
delivery states all charges of a billing account between the first and the last that it holds of a billing period, and
replaces what an earlier one stated of that time; corrections of earlier periods widen nothing.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from finops.formulas import unguarded
from ingest.calc.bill_meters import widen
from ingest.calc.focus_lines import ESSENTIAL, MANDATORY, PROVIDER_COLUMNS, stray
from ingest.calc.focus_lines_delivery import delivered, reading_of
from ingest.calc.focus_lines_values import Reading
from ingest.calc.reasons import Rejected
from ingest.pull import Option
from ingest.source import Context, Covered, Guide, Line, NotThisKind, Record, RowSource, Skip


class Focus(RowSource):
    """A row of the dataset Cost and Usage is one line."""

    kind = "focus"
    layer = "cost_report"
    line_scopes = ("*",)
    redelivers = True
    options = (
        Option("reading", "lenient, or strict: reject whatever the specification does not allow", "lenient"),
        Option("services", "ServiceName patterns to take, separated by commas", "*"),
    )
    guide = Guide(
        "FOCUS export (1.0 to 1.4)",
        "Let your provider, or a tool that writes FOCUS, export Cost and Usage as CSV or Parquet. Import a file with "
        "`manage.py ingest_file FILE --source focus`, or connect the folder or bucket that it is delivered to; each "
        "delivery of a billing period replaces the one before it.",
        "",
        "Billing account, sub account, region, resource, SKU, tags, commitment, invoice; billed and effective cost.",
        "Which query a charge belongs to; and the model, where the issuer's meter does not name it.",
    )

    def columns(self, names: Sequence[str], context: Context) -> None:
        """Refuse a table that lacks mandatory columns. Raises NotThisKind."""
        reading = _reading(context)
        needed = MANDATORY if reading.strict else ESSENTIAL
        missing = [name for name in needed if name not in names]
        if not any(name in names for name in PROVIDER_COLUMNS):
            missing.append(" or ".join(PROVIDER_COLUMNS))
        if missing:
            raise NotThisKind(f"no FOCUS Cost and Usage: {', '.join(missing[:5])} missing")
        if reading.strict and (others := stray(dict.fromkeys(names))):
            raise NotThisKind(f"columns that FOCUS does not know, without x_: {', '.join(others)[:150]}")

    def row(self, record: Record, context: Context) -> list[Record]:
        """One line. Raises Rejected, and Skip for services that are not asked for."""
        reading = _reading(context)
        if missing := [name for name in ESSENTIAL if name not in record]:
            raise Rejected("unknown_shape", f"no FOCUS row: {', '.join(missing)[:150]} missing")
        row = reading.cleaned(_as_meant(record))
        _asked_for(row, context)
        context.unknown_fields.update(stray(record))
        line, stated = delivered(row, reading, context)
        if stated:
            span = Covered(stated.account, "lines", stated.start, stated.end)
            widen(context.covered, context.state, stated[:2], span)
        return [Line(line)]


def _as_meant(record: Record) -> Record:
    """The row without what our own CSV puts before text that a spreadsheet would run. Parquet, with its own times, has none."""
    if "x_ChargeId" not in record or not isinstance(record["BillingPeriodStart"], str):
        return record
    return {name: unguarded(value) if isinstance(value, str) else value for name, value in record.items()}


def _reading(context: Context) -> Reading:
    try:
        return reading_of(context.state, context.options, context.unknown_fields)
    except ValueError as error:
        raise NotThisKind(str(error)) from None


def _asked_for(row: Record, context: Context) -> None:
    globs = context.options.get("services", "*")
    if globs == "*":
        return
    name = str(row.get("ServiceName", "")).lower()
    if not any(fnmatchcase(name, glob.strip().lower()) for glob in globs.split(",")):
        raise Skip("other_service")


SOURCE = Focus()
