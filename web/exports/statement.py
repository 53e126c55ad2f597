"""The monthly workbook: every sheet a file of its own, all from one snapshot of the database."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from allocation import selectors, statement_selectors, workbook_selectors
from allocation.scope import Scope
from allocation.statement_selectors import Line
from finops.money import minor_digits
from finops.periods import Period
from web.exports import (
    sheet_accruals,
    sheet_allocation,
    sheet_charts,
    sheet_definitions,
    sheet_journal,
    sheet_proof,
    sheet_rates,
    sheet_reconciliation,
    statement_detail,
    statement_metadata,
    statement_owners,
    statement_summary,
    statement_ties,
)
from web.exports.book import Book
from web.exports.checks import CHECKS, CONTROLS
from web.exports.checks import write as write_checks
from web.exports.files import replacing
from web.exports.sheets import SheetNames
from web.exports.statement_facts import Facts, read

CENTRAL = (sheet_reconciliation.NAME, sheet_journal.NAME, sheet_proof.NAME)  # of no cost centre
AFTER_DETAIL = (
    sheet_reconciliation.NAME, sheet_allocation.NAME, sheet_accruals.NAME, sheet_rates.NAME, sheet_journal.NAME,
    sheet_proof.NAME, CHECKS, sheet_definitions.NAME, "Metadata", CONTROLS,
)  # fmt: skip
OWN_SHEETS = (sheet_charts.NAME, "Detail", *AFTER_DETAIL)
STATEMENTS = "Statement sheets"
Progress = Callable[[int, int], None]
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


def write(
    path: Path, scope: Scope, period: Period, generated_at: datetime, *, progress: Progress | None = None
) -> Written:
    """Write the workbook of a month as far as the scope goes; the file appears whole or not at all. Raises OSError.

    ``progress`` is called after each line of Detail with how many are written, and of how many.
    """
    with replacing(path) as temporary, statement_selectors.snapshot():
        facts = read(scope, period, generated_at, selectors.freshness())
        book = Book()
        _describe(book.workbook, facts)
        result = _sheets(book, facts, scope, progress)
        book.workbook.save(temporary)
    if not result.ties(facts):
        log.error("statement %s: Detail and Summary differ", period)
    return Written(
        facts.state, len(facts.owners), result.rows, result.sha256, result.ties(facts), dict(_totals(facts))
    )  # fmt: skip


def _sheets(book: Book, facts: Facts, scope: Scope, progress: Progress | None) -> statement_detail.Result:
    """Every sheet in its place; those that sum up others are filled last."""
    names = SheetNames(("Summary", *OWN_SHEETS))
    summary, charts = book.sheet("Summary"), book.sheet(sheet_charts.NAME)
    owners = [(owner, book.sheet(names.of(owner.code), STATEMENTS)) for owner in facts.owners]
    lines = _told(statement_selectors.lines(scope, facts.period), scope, facts.period, progress)
    result = statement_detail.write(book, facts, lines)
    sheets = {name: book.sheet(name) for name in AFTER_DETAIL if scope.everything or name not in CENTRAL}
    places = statement_summary.write(book, summary, facts, result)
    sheet_charts.write(book, charts, facts, scope, places)
    charged = {owner.code: statement_owners.write(book, sheet, facts, owner) for owner, sheet in owners}
    if scope.everything:
        sheet_reconciliation.write(book, sheets[sheet_reconciliation.NAME], facts)
        sheet_journal.write(book, sheets[sheet_journal.NAME], facts, scope)
        sheet_proof.write(book, sheets[sheet_proof.NAME], facts, scope, places)
    moves = sheet_allocation.write(book, sheets[sheet_allocation.NAME], facts, scope, result)
    sheet_accruals.write(book, sheets[sheet_accruals.NAME], facts, scope)
    sheet_rates.write(book, sheets[sheet_rates.NAME], facts, scope)
    statement_ties.state(book, facts, result, places, charged, moves)
    sheet_definitions.write(book, sheets[sheet_definitions.NAME], facts)
    statement_metadata.write(book, sheets["Metadata"], facts, result, statement_selectors.versions())
    write_checks(book, sheets[CHECKS], sheets[CONTROLS], f"Statement {facts.period}", facts.stamp)
    return result


def _told(lines: Iterator[Line], scope: Scope, period: Period, progress: Progress | None) -> Iterator[Line]:
    if progress is None:
        yield from lines
        return
    total = workbook_selectors.lines(scope, period)
    for done, line in enumerate(lines, start=1):
        yield line
        progress(done, total)


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
