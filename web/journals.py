"""The journal and the proof as commands, API and pages tell them."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.http import HttpResponse

from allocation.calc.journal import Line
from allocation.calc.proof import Proof
from allocation.models import JournalEntry
from finops.money import minor_digits
from finops.periods import Period
from web.downloads import csv_file


def standing(entry: JournalEntry | None) -> str:
    """preview, built, posted, exported or numbered."""
    if entry is None:
        return "preview"
    if entry.document_number:
        return "numbered"
    return "exported" if entry.exported_at else "posted" if entry.posted_at else "built"


def described_entry(period: Period, entry: JournalEntry | None) -> dict[str, Any]:
    """A journal's head for JSON; None: a preview."""
    texts = ("content_hash", "built_by", "posted_by", "export_sha256", "document_number")
    return {
        "month": str(period), "state": standing(entry), "number": entry and entry.number,
        **{name: getattr(entry, name) if entry else "" for name in texts},
    }  # fmt: skip


def described_lines(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """Lines for JSON; amounts with the digits of their currency."""
    return [
        {
            **line._asdict(), "posting_date": str(line.posting_date),
            "debit": _digits(line.debit, line.currency), "credit": _digits(line.credit, line.currency),
            "billed_month": f"{line.billed_month:%Y-%m}" if line.billed_month else None,
        }
        for line in lines
    ]  # fmt: skip


def described_proof(rows: Iterable[Proof]) -> list[dict[str, Any]]:
    """Rows for JSON; exact amounts."""
    return [
        {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in row._asdict().items()}
        | {"difference": f"{row.difference:f}", "holds": row.holds}
        for row in rows
    ]


def lines_as_csv(period: Period, state: str, lines: Iterable[Line]) -> HttpResponse:
    """Lines to look at."""
    rows = ([state, *row.values()] for row in described_lines(lines))
    return csv_file(f"journal_{period}_{state}", ("state", *Line._fields), rows)


def _digits(amount: Decimal, currency: str) -> str:
    return f"{amount.quantize(Decimal(1).scaleb(-minor_digits(currency))):f}"
