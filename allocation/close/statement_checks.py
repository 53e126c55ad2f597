"""What ``verify`` finds wrong with statements: another document than its hash is of, other cents than the frozen books."""

from collections.abc import Iterator
from decimal import Decimal

from allocation.calc.statements import amounts, content_hash
from allocation.close import periods, statement_frames
from allocation.close.statement_views import at_minor_unit
from allocation.models import Statement
from finops.periods import Period


def checked() -> int:
    """Statements that were issued."""
    return Statement.objects.exclude(state=Statement.State.DRAFT).count()


def violations() -> list[str]:
    """One line for each statement that does not hold, by month and id."""
    return [*_documents(), *_books()]


def _documents() -> Iterator[str]:
    rows = Statement.objects.exclude(state=Statement.State.DRAFT).order_by("month", "pk")
    for held in rows.iterator(chunk_size=200):
        if content_hash(held.document) != held.content_hash:
            yield f"{held.month:%Y-%m} statement {held.pk}: its document is not the one its hash is of"
        elif Decimal(held.document["amount"]) != held.amount:
            yield f"{held.month:%Y-%m} statement {held.pk}: {_shown(held)} is not what its document says"


def _books() -> Iterator[str]:
    """Statements of a frozen month's newest version against its cost, rounded anew."""
    for month in sorted(periods.frozen_months()):
        period = Period.month_of(month)
        rows = Statement.objects.filter(month=month).exclude(state=Statement.State.DRAFT).select_related("cost_centre")
        newest = max((held.version for held in rows), default=0)
        for currency in statement_frames.currencies(period):
            charged = amounts(statement_frames.lines(period, currency), currency)
            for held in rows.filter(currency=currency, version=newest).order_by("pk"):
                now = charged.get(held.cost_centre.code, Decimal(0))
                if now != held.amount:
                    yield f"{month:%Y-%m} statement {held.pk}: {_shown(held)} stated, {now} in the books"


def _shown(held: Statement) -> Decimal:
    return at_minor_unit(held.amount, held.currency)
