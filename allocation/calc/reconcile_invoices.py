"""An invoice as people write it: checked, and made into lines that add up to its total."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from finops.currencies import check_currency
from finops.money import MoneyError
from finops.numbers import written
from finops.periods import Period, PeriodError, check_day
from finops.tokens import TOKEN_CLASSES, UNITS
from ingest.calc.lines import CATEGORIES

_CENT, _MOST = Decimal("0.01"), Decimal(10**12)
_FIELDS = (
    "issuer", "provider", "number", "billing_account", "billing_period", "issued_on", "currency", "exchange_rate", "total",
    "tax", "lines",
)  # fmt: skip
_LINE_FIELDS = (
    "description", "model", "class", "day", "mode", "service_tier", "scope", "category", "quantity", "amount",
)  # fmt: skip
_TEXT = 500
_REACH = timedelta(days=31)  # how far outside its billing period a line may lie


class InvoiceError(ValueError):
    """An invoice cannot be used; the message names the line and the field."""


class WrittenLine(NamedTuple):
    """A line; '' and None where it does not say. ``scope`` '': all that the account used."""

    description: str
    model: str
    price_class: str
    day: date | None
    mode: str
    service_tier: str | None
    scope: str
    category: str
    quantity: Decimal | None
    amount: Decimal


class WrittenInvoice(NamedTuple):
    """An invoice. Invariant: the amounts of its lines add up to ``total``; of those of category Tax to ``tax``."""

    issuer: str
    provider: str
    number: str
    billing_account: str
    billing_period: date
    issued_on: date | None
    currency: str
    exchange_rate: Decimal | None
    total: Decimal
    tax: Decimal
    lines: tuple[WrittenLine, ...]


def parse_invoice(document: Any) -> WrittenInvoice:
    """The invoice that a mapping of _FIELDS states. Raises InvoiceError.

    Without lines it is one line of usage. Tax that no line states is a line of its own, and so are the cents by which its
    lines miss the total; by more they may not miss it.
    """
    if not isinstance(document, Mapping):
        raise InvoiceError(f"an invoice is a mapping of {', '.join(_FIELDS)}")
    _known(document, _FIELDS, "the invoice")
    where = f"invoice {document.get('number') or '(without number)'}"
    number, issuer = _text(document, "number", where, needed=True), _text(document, "issuer", where, needed=True)
    total = _amount(document, "total", where, needed=True)
    written = document.get("lines") or []
    if not isinstance(written, Sequence) or isinstance(written, str):
        raise InvoiceError(f"{where}: lines is a list")
    lines = [_line(line, f"{where} line {at}") for at, line in enumerate(written, 1)]
    of_lines = sum((line.amount for line in lines if line.category == "Tax"), Decimal(0))
    tax = _amount(document, "tax", where)
    tax = of_lines if tax is None else tax
    lines = _whole(lines, where, total or Decimal(0), tax - of_lines)
    currency = _text(document, "currency", where, needed=True)
    try:
        check_currency(currency)
    except MoneyError as wrong:
        raise InvoiceError(f"{where}: currency: {wrong}") from None
    month = _month(document, where)
    _in_reach(lines, month, where)
    return WrittenInvoice(
        issuer, (_text(document, "provider", where) or issuer).lower(), number, _text(document, "billing_account", where),
        month, _day(document, "issued_on", where), currency, _rate(document, where), total or Decimal(0),
        tax, tuple(lines),
    )  # fmt: skip


def oddities(found: WrittenInvoice) -> list[str]:
    """What of an invoice is unusual: for whoever enters or accepts it to look at."""
    period, told = Period.month_of(found.billing_period), []
    if found.issued_on is not None and found.issued_on < period.start:
        told.append(f"issued on {found.issued_on}, before its billing period {period} begins")
    if out := [line.day for line in found.lines if line.day is not None and line.day not in period]:
        lines = f"{len(out)} line{'s' if len(out) > 1 else ''}"
        told.append(f"{lines} of days outside its billing period {period}: {min(out)} to {max(out)}")
    if found.total < 0:
        told.append("its total is negative: a credit note")
    return told


def _in_reach(lines: Sequence[WrittenLine], month: date, where: str) -> None:
    period = Period.month_of(month)
    for at, line in enumerate(lines, 1):
        if line.day is not None and not period.start - _REACH <= line.day < period.end + _REACH:
            raise InvoiceError(
                f"{where} line {at}: day {line.day} lies more than {_REACH.days} days outside the billing period {period}"
            )


def _whole(lines: list[WrittenLine], where: str, total: Decimal, more_tax: Decimal) -> list[WrittenLine]:
    """The lines with what they leave out: untold usage, tax, and a cent of rounding a line."""

    def extra(description: str, category: str, amount: Decimal) -> WrittenLine:
        return WrittenLine(description, "", "", None, "", None, "", category, None, amount)

    if more_tax:
        lines = [*lines, extra("tax", "Tax", more_tax)]
    rest = total - sum((line.amount for line in lines), Decimal(0))
    if rest and all(line.category == "Tax" for line in lines):
        return [*lines, extra("as invoiced", "Usage", rest)]
    if abs(rest) > _CENT * len(lines):
        raise InvoiceError(f"{where}: its lines and tax add up to {total - rest}, its total is {total}")
    return [*lines, extra("rounding", "Adjustment", rest)] if rest else lines


def _line(line: Any, where: str) -> WrittenLine:
    if not isinstance(line, Mapping):
        raise InvoiceError(f"{where}: is a mapping of {', '.join(_LINE_FIELDS)}")
    _known(line, _LINE_FIELDS, where)
    category = _text(line, "category", where) or "Usage"
    if category not in CATEGORIES:
        raise InvoiceError(f"{where}: category is one of {', '.join(CATEGORIES)}, not {category!r}")
    price_class = _text(line, "class", where)
    if price_class and price_class not in (*TOKEN_CLASSES, *UNITS):
        raise InvoiceError(f"{where}: class is a token class or a unit, not {price_class!r}")
    mode = _text(line, "mode", where)
    if mode not in ("", "sync", "batch"):
        raise InvoiceError(f"{where}: mode is sync or batch, not {mode!r}")
    amount = _amount(line, "amount", where, needed=True)
    tier = _text(line, "service_tier", where) if line.get("service_tier") is not None else None
    return WrittenLine(
        _text(line, "description", where), _text(line, "model", where), price_class, _day(line, "day", where), mode, tier,
        _text(line, "scope", where), category, _amount(line, "quantity", where), amount or Decimal(0),
    )  # fmt: skip


def _known(given: Mapping[Any, Any], names: Sequence[str], where: str) -> None:
    if stray := sorted(str(name)[:60] for name in given if name not in names):
        raise InvoiceError(f"{where}: there is no field {stray[0]}; possible: {', '.join(names)}")


def _text(given: Mapping[Any, Any], name: str, where: str, *, needed: bool = False) -> str:
    value = given.get(name)
    text = "" if value is None else str(value).strip() if isinstance(value, (str, int)) else None
    if text is None or len(text) > _TEXT or not text.isprintable():
        raise InvoiceError(f"{where}: {name} is a text of at most {_TEXT} characters")
    if needed and not text:
        raise InvoiceError(f"{where}: {name} is missing")
    return text


def _amount(given: Mapping[Any, Any], name: str, where: str, *, needed: bool = False) -> Decimal | None:
    value = given.get(name)
    if value is None and not needed:
        return None
    try:
        if isinstance(value, (bool, float)):
            raise InvalidOperation
        number = written(value)
        if not number.is_finite() or abs(number) >= _MOST or number != round(number, 12):
            raise InvalidOperation
    except InvalidOperation:
        raise InvoiceError(f"{where}: {name} is a number in quotes, such as '1234.56', not {value!r}") from None
    return number


def _rate(given: Mapping[Any, Any], where: str) -> Decimal | None:
    rate = _amount(given, "exchange_rate", where)
    if rate is not None and rate <= 0:
        raise InvoiceError(f"{where}: exchange_rate is above zero")
    return rate


def _day(given: Mapping[Any, Any], name: str, where: str) -> date | None:
    value = given.get(name)
    if value is None:
        return None
    try:
        return check_day(value if type(value) is date else date.fromisoformat(str(value)))
    except PeriodError as wrong:
        raise InvoiceError(f"{where}: {name} {wrong}") from None
    except ValueError:
        raise InvoiceError(f"{where}: {name} is a date, YYYY-MM-DD, not {value!r}") from None


def _month(given: Mapping[Any, Any], where: str) -> date:
    try:
        return Period.month(str(given.get("billing_period"))[:7]).start
    except PeriodError as wrong:
        raise InvoiceError(f"{where}: billing_period: {wrong}") from None
