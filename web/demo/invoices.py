"""The demo's invoices: what the ledger expects to be billed, with planted variances; every number says *example*.

Planted: a day that the ledger never saw, a credit, a tax, usage billed as batch that was taken for sync, another rate of
exchange, cents of rounding, an item that nothing explains. Reconciliation has to find them; nothing tells it where.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

from allocation import reconciliation, reconciliation_invoices
from allocation.calc.reconcile_rows import Row
from allocation.models import Invoice
from allocation.reconciliation_levels import levels
from finops import fx
from finops.periods import Period
from web.demo.agreements import APPROVER, PREPARER
from web.demo.window import Window

ISSUERS = {"anthropic-main": "anthropic", "google-main": "google", "openai-main": "openai"}
CREDIT, TAX_SHARE, ODD_ITEM = Decimal("-350.00"), Decimal("0.02"), Decimal("184.60")
EURO_MARKUP = Decimal("1.008")  # the issuer's rate of exchange is 0.8 % worse than the published one
BATCH_DAYS = (19, 20, 21)  # days after the 1st of the third month that Google bills as batch
NOTED = {
    "openai": (PREPARER, "example: two per cent less than the price list; ask for the amendment to the contract"),
    "anthropic": (APPROVER, "example: that day's export never came; asked for it"),
}
NOTED_LINES = 3
_CENT, _HALF = Decimal("0.01"), Decimal("0.5")
Entry = dict[str, Any]


class Line(NamedTuple):
    """What is expected to be billed of a class of a model on a day, or of a purchase."""

    day: date | None
    model: str
    price_class: str
    category: str
    quantity: Decimal | None
    amount: Decimal
    mode: str = ""


def load(window: Window) -> bool:
    """Enter the invoices of the full months that have none yet; the running month's wait. Whether any were entered."""
    made = False
    for number, period in enumerate(window.months()[:-1]):
        if not Invoice.objects.filter(billing_period=period.start, number__startswith="example-").exists():
            for document in documents(window, number, period):
                reconciliation_invoices.enter(document, by=PREPARER)
                made = True
    return made


def propose_correction(window: Window) -> None:
    """A corrected invoice that another person of finance has to accept."""
    period = window.months()[0]
    number = _number("google-main", period)
    held = Invoice.objects.filter(number=number).order_by("-revision").first()
    if held is None:
        return
    stated = _cents(held.total)
    total = stated - Decimal("25.00")
    lines = [
        {"description": "usage as invoiced", "amount": str(stated)},
        {"description": "example: correction", "category": "Credit", "amount": "-25.00"},
    ]
    document = _document("google-main", period, held.currency, lines, total) | {
        "exchange_rate": str(held.exchange_rate)
    }
    reconciliation_invoices.propose(document, by=PREPARER)


def reconcile(window: Window) -> None:
    """Run the reconciliation of every month, and note who clears up what nothing explains."""
    for period in window.months():
        run = reconciliation.reconcile(f"{period.start:%Y-%m}", PREPARER)
        for provider, (owner, note) in NOTED.items():
            open_lines = [line for line in run.lines.filter(provider=provider) if abs(line.unexplained) > 1]
            for line in sorted(open_lines, key=lambda line: (-abs(line.unexplained), line.pk))[:NOTED_LINES]:
                reconciliation.annotate(line, {"owner": owner, "note": note}, actor=PREPARER)


def documents(window: Window, number: int, period: Period) -> Iterable[Entry]:
    """The invoices of a month. The newest full month's from OpenAI is not there yet."""
    found = levels(period).rows
    newest = period == window.months()[-2]
    for account in ISSUERS:
        rows = [row for row in found if row.account == account]
        if account == "openai-main":
            if not newest:
                yield _of_cost_report(period, rows)
            continue
        lines = _expected(rows)
        if account == "anthropic-main":
            yield _anthropic(window, number, period, lines)
        else:
            yield _google(number, period, lines)


def _expected(rows: Sequence[Row]) -> list[Line]:
    """By day, model, class and category; what is covered by a commitment is billed nothing and left out."""
    sums: dict[tuple[date | None, str, str, str], list[Decimal]] = {}
    for row in rows:
        if row.level == "computed" and row.cost:
            place = (row.day, row.model, row.price_class, row.category)
            total = sums.setdefault(place, [Decimal(0), Decimal(0)])
            total[0] += row.quantity or 0
            total[1] += row.cost
    return [Line(*place, quantity or None, amount) for place, (quantity, amount) in sorted(sums.items(), key=str)]


def _anthropic(window: Window, number: int, period: Period, lines: list[Line]) -> Entry:
    """In dollars, to the last digit. Per month: a credit; a day that the ledger lacks, and a tax; an item nobody knows."""
    written = [_written(line, "usage") for line in lines]
    if number == 0:
        written.append({"description": "example: credit for an outage", "category": "Credit", "amount": str(CREDIT)})
    if number == 1:
        lost = window.lost_day()
        week_after = [line for line in lines if line.day == lost + timedelta(days=7)]
        written += [_written(line._replace(day=lost), "usage") for line in week_after]
        tax = _cents(sum((line.amount for line in lines), Decimal(0)) * TAX_SHARE)
        written.append({"description": "example: sales tax", "category": "Tax", "amount": str(tax)})
    if number == 2:
        written.append({"description": "example: nobody knows what this is", "amount": str(ODD_ITEM), "model": "fee"})
    return _document("anthropic-main", period, "USD", written, _total(written))


def _google(number: int, period: Period, lines: list[Line]) -> Entry:
    """In euros and whole cents, at a rate of its own; in the third month some days as batch, at half the price."""
    last = period.end - timedelta(days=1)
    rate = _published(last)
    stated = (rate * EURO_MARKUP).quantize(Decimal("0.0001"))
    written = []
    for line in lines:
        batch = number == 2 and line.day is not None and line.category == "Usage" and line.day.day - 1 in BATCH_DAYS
        amount = line.amount * _HALF if batch else line.amount
        euros = line._replace(amount=_cents(amount * stated), mode="batch" if batch else "")
        if euros.amount:
            written.append(_written(euros, "batch usage" if batch else "usage"))
    document = _document("google-main", period, "EUR", written, _total(written))
    return document | {"exchange_rate": str(stated)}


def _of_cost_report(period: Period, rows: Sequence[Row]) -> Entry:
    """The month's cost report line by line, and what it misses of whole cents."""
    stated = [row for row in rows if row.level == "cost_report" and row.cost]
    lines = [
        Line(row.day, row.model, row.price_class, row.category, row.quantity, row.cost or Decimal(0)) for row in stated
    ]
    written = [_written(line, "usage") for line in lines]
    return _document("openai-main", period, "USD", written, _cents(_total(written)))


def _published(day: date) -> Decimal:
    found = fx.on_or_before("USD", "EUR", day)
    assert found is not None, "the demo's rates reach over its days"
    return found.rate


def _written(line: Line, what: str) -> Entry:
    document: Entry = {"description": f"example: {what}", "category": line.category, "amount": str(line.amount)}
    names = {
        "model": line.model,
        "class": line.price_class,
        "day": line.day and line.day.isoformat(),
        "mode": line.mode,
    }
    document |= {name: value for name, value in names.items() if value}
    return document | ({"quantity": str(line.quantity)} if line.quantity else {})


def _document(account: str, period: Period, currency: str, lines: list[Entry], total: Decimal) -> Entry:
    return {
        "issuer": ISSUERS[account], "number": _number(account, period), "billing_account": account,
        "billing_period": f"{period.start:%Y-%m}", "issued_on": (period.end + timedelta(days=3)).isoformat(),
        "currency": currency, "total": str(total), "lines": lines,
    }  # fmt: skip


def _number(account: str, period: Period) -> str:
    return f"example-{ISSUERS[account]}-{period.start:%Y-%m}"


def _total(lines: list[Entry]) -> Decimal:
    return sum((Decimal(line["amount"]) for line in lines), Decimal(0))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_EVEN)
