"""The monthly workbook: Summary, one sheet per cost centre, Detail, Metadata, all from one snapshot of the database."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from allocation import selectors, statement_selectors
from allocation.scope import Scope
from finops.money import minor_digits
from finops.periods import Period
from web.exports import statement_detail, statement_metadata, statement_owners, statement_summary
from web.exports.files import replacing
from web.exports.sheets import SheetNames, add_styles
from web.exports.statement_facts import Facts, read

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Written:
    """What was written, for people and for `--json`."""

    state: str
    cost_centres: int
    rows: int
    detail_sha256: str
    ties: bool
    totals: dict[str, dict[str, str]]


def file_name(period: Period, cost_centre: str = "") -> str:
    """The name by which finance knows the file."""
    return f"statement_{period}{f'_{cost_centre}' if cost_centre else ''}.xlsx"


def write(path: Path, scope: Scope, period: Period, generated_at: datetime) -> Written:
    """Write the workbook of a month as far as the scope goes; the file appears whole or not at all. Raises OSError."""
    with replacing(path) as temporary, statement_selectors.snapshot():
        facts = read(scope, period, generated_at, selectors.freshness())
        book = Workbook(write_only=True)
        add_styles(book)
        _describe(book, facts)
        names = SheetNames(("Summary", "Detail", "Metadata"))
        summary = book.create_sheet("Summary")
        owners = [(owner, book.create_sheet(names.of(owner.code))) for owner in facts.owners]
        lines = statement_selectors.lines(scope, period)
        result = statement_detail.write(book, facts, lines)
        statement_metadata.write(book.create_sheet("Metadata"), facts, result, statement_selectors.versions())
        statement_summary.write(summary, facts, result)
        for owner, sheet in owners:
            statement_owners.write(sheet, facts, owner)
        book.save(temporary)
    if not result.ties(facts):
        log.error("statement %s: Detail and Summary differ", period)
    return Written(
        facts.state, len(facts.owners), result.rows, result.sha256, result.ties(facts), dict(_totals(facts))
    )  # fmt: skip


def _describe(book: Any, facts: Facts) -> None:
    book.properties.creator = "Inference Ledger"
    book.properties.title = f"Statement {facts.period}"
    book.properties.created = book.properties.modified = facts.generated_at.replace(tzinfo=None)


def _totals(facts: Facts) -> Iterable[tuple[str, dict[str, str]]]:
    for money in facts.currencies:
        yield (
            money.currency,
            {
                "EffectiveCost": f"{money.exact:.12f}", "Charged": _minor(money.charged, money.currency),
                "unallocated": _minor(money.unallocated, money.currency),
                "unpriced_estimate": f"{money.unpriced_estimate:.12f}",
                "unpriced_tokens": str(money.unpriced_tokens),
            },
        )  # fmt: skip


def _minor(amount: Decimal, currency: str) -> str:
    return f"{amount:.{minor_digits(currency)}f}"
