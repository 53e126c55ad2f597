"""The columns of the file that a journal leaves as (document ``journal_template``).

A list, in the order of the file::

    - {name: Posting date, source: posting_date}
    - {name: Amount, source: amount}           # debit less credit
    - {name: Ledger, value: "0L"}              # the same in every line

Without a document the columns are DEFAULT.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.journal import Line
from finops.money import minor_digits

KIND = "journal_template"
SOURCES = (
    "journal", "line", "period", "posting_date", "legal_entity", "currency", "account", "cost_centre", "debit", "credit",
    "amount", "text", "reference", "event", "billed_month",
)  # fmt: skip
DEFAULT = tuple(
    {"name": source.replace("_", " ").capitalize(), "source": source} for source in SOURCES if source != "amount"
)
_LONGEST = 100


class TemplateError(ValueError):
    """The template cannot be used; the message names the column and the field."""


class Column(NamedTuple):
    """A column: from a field of the line (``source``), or with the same ``value`` everywhere."""

    name: str
    source: str
    value: str


def parse(document: Any) -> tuple[Column, ...]:
    """In: the list, or an empty one for DEFAULT. Raises TemplateError."""
    if not isinstance(document, list):
        raise TemplateError("journal_template is a list of columns")
    columns = tuple(_column(row, at) for at, row in enumerate(document or DEFAULT, start=1))
    names = [column.name for column in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TemplateError(f"two columns are named {twice[0]!r}")
    has = {column.source for column in columns}
    if "account" not in has or not ("amount" in has or {"debit", "credit"} <= has):
        raise TemplateError("a journal needs the account, and the amount or debit and credit")
    return columns


def _column(row: Any, at: int) -> Column:
    where = f"column {at}"
    if not isinstance(row, Mapping) or not {"name"} < set(row) <= {"name", "source", "value"} or len(row) != 2:
        raise TemplateError(f"{where}: has a name, and a source or a value")
    texts = {name: row.get(name, "") for name in Column._fields}
    for name, text in texts.items():
        if not isinstance(text, str) or len(text) > _LONGEST or not text.isprintable():
            raise TemplateError(f"{where}: {name} is a text of at most {_LONGEST} characters, not {text!r}")
    if "source" in row and row["source"] not in SOURCES:
        raise TemplateError(f"{where}: source is one of {', '.join(SOURCES)}, not {row['source']!r}")
    if not texts["name"].strip():
        raise TemplateError(f"{where}: name is empty")
    return Column(**texts)


def csv_bytes(
    columns: Iterable[Column], lines: Iterable[Line], journal: str, period: str, field: Callable[[Any], str]
) -> bytes:
    """The file, UTF-8, amounts with the digits of their currency; ``field`` makes a field of a value."""
    columns, text = list(columns), io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([field(column.name) for column in columns])
    for number, line in enumerate(lines, start=1):
        values = _values(line) | {"journal": journal, "line": number, "period": period}
        writer.writerow([field(values[column.source] if column.source else column.value) for column in columns])
    return text.getvalue().encode()


def _values(line: Line) -> dict[str, Any]:
    step = Decimal(1).scaleb(-minor_digits(line.currency))
    amounts = {"debit": line.debit, "credit": line.credit, "amount": line.debit - line.credit}
    month = f"{line.billed_month:%Y-%m}" if line.billed_month else ""
    return line._asdict() | {name: value.quantize(step) for name, value in amounts.items()} | {"billed_month": month}
