"""How figures are written, everywhere the same: pages, hovers and mails. Decimals and ints in, text out.

Minus is U+2212; thousands are k/M/B with one decimal in cards and exact in tables; a missing figure is an en dash.
"""

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from finops.money import minor_digits

MINUS = "\u2212"
TIMES = "\u00d7"
NONE = "\u2013"
THIN = "\u202f"  # narrow no-break space: keeps "12 %" together
SYMBOLS = {
    "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CNY": "CN¥", "INR": "₹", "KRW": "₩", "CAD": "CA$", "AUD": "A$",
    "NZD": "NZ$", "HKD": "HK$", "SGD": "S$", "BRL": "R$", "MXN": "MX$", "ILS": "₪", "VND": "₫", "TRY": "₺", "PLN": "zł",
}  # fmt: skip
_NEXT_TO_NOTHING = Decimal("0.000001")  # below it an amount is what roundings of shares leave
_UNITS = ((Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k"))


def symbol(currency: str) -> str:
    """What stands before an amount: a sign where one is in common use, else the code."""
    return SYMBOLS.get(currency, f"{currency}\u00a0")


def money(amount: Decimal, currency: str) -> str:
    """Exact to the minor unit: ``$371,204.18``; what would round to nothing keeps two significant digits, or says that it
    is next to nothing.
    """
    if 0 < abs(amount) < Decimal("0.005"):
        return _small(amount, currency)
    return _signed(symbol(currency), _fixed(amount, minor_digits(currency)))


def money_short(amount: Decimal, currency: str) -> str:
    """For cards: ``$371.2k``, ``$41.20``; below a cent as a unit cost."""
    if 0 < abs(amount) < Decimal("0.01"):
        return _small(amount, currency)
    return _signed(symbol(currency), _short(amount, minor_digits(currency)))


def _small(amount: Decimal, currency: str) -> str:
    if abs(amount) >= _NEXT_TO_NOTHING:
        return unit_cost(amount, currency)
    return f"{'<' if amount > 0 else f'>{MINUS}'}{symbol(currency)}{_NEXT_TO_NOTHING:f}"


def unit_cost(amount: Decimal | None, currency: str) -> str:
    """Cost of one of something: two decimals from ten cents up, else two significant digits (``$0.0093``)."""
    if amount is None:
        return NONE
    if amount == 0 or abs(amount) >= Decimal("0.1"):
        return _signed(symbol(currency), _fixed(amount, 2))
    return _signed(symbol(currency), _fixed(amount, 1 - amount.adjusted()))


def signed_money(amount: Decimal, currency: str) -> str:
    """A difference in short: ``+$47.1k``."""
    return _plus(amount, money_short(amount, currency))


def signed_money_exact(amount: Decimal, currency: str) -> str:
    """A difference to the minor unit."""
    return _plus(amount, money(amount, currency))


def percent(share: Decimal | None, digits: int = 1) -> str:
    """A share as ``97.5 %``. What is neither nothing nor all never reads as ``0.0 %`` or ``100.0 %``."""
    if share is None:
        return NONE
    step = Decimal(1).scaleb(-digits)
    shown = (share * 100).quantize(step, ROUND_HALF_EVEN)
    if shown == 0 and share > 0:
        return f"<{step}{THIN}%"
    if shown == 100 and share < 1:
        return f">{100 - step}{THIN}%"
    return f"{str(shown).replace('-', MINUS)}{THIN}%"


def change(now: Decimal, before: Decimal) -> str:
    """Relative change against a base: ``+26 %``, ``new`` where there was nothing, a dash where there is nothing."""
    if before <= 0:
        return NONE if now == before else "new" if before == 0 else NONE
    ratio = (now - before) / before * 100
    if abs(ratio) >= 1000:
        return f"{TIMES}{THIN}{_fixed(now / before, 0)}"
    shown = ratio.quantize(Decimal(1) if abs(ratio) >= 10 else Decimal("0.1"), ROUND_HALF_EVEN)
    text = str(abs(shown))
    return f"{'+' if shown > 0 else MINUS if shown < 0 else ''}{text}{THIN}%"


def times(ratio: Fraction | Decimal | None) -> str:
    """A factor with a cross behind it, as ``4.40``, ``22.0``, ``0.10`` or ``0.00321``; a dash where there is none."""
    if ratio is None:
        return NONE
    value = Decimal(ratio.numerator) / Decimal(ratio.denominator) if isinstance(ratio, Fraction) else ratio
    digits = min(max(2 - value.adjusted(), 0), 2 if value >= Decimal("0.1") else 6) if value else 2
    return f"{_fixed(value, digits)}{TIMES}"


def count(number: int) -> str:
    """A quantity in short: ``4.1M``; below a thousand in full."""
    return _signed("", _short(Decimal(number), 0))


def whole(number: int) -> str:
    """A quantity in full: ``4,112,345``."""
    return f"{number:,}".replace("-", MINUS)


def month_name(day: date) -> str:
    """``November 2026``."""
    return f"{day:%B %Y}"


def _fixed(amount: Decimal, digits: int) -> str:
    return f"{amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN):,f}"


def _short(amount: Decimal, digits: int) -> str:
    shown = abs(round(amount, digits))
    for size, letter in _UNITS:
        if shown >= size or (shown >= 1000 and shown / size >= Decimal("0.99995")):  # 999,950 reads 1.0M, not 1,000.0k
            return f"{_fixed(amount / size, 1)}{letter}"
    return _fixed(amount, digits)


def _signed(sign: str, number: str) -> str:
    return f"{MINUS}{sign}{number[1:]}" if number.startswith("-") else f"{sign}{number}"


def _plus(amount: Decimal, text: str) -> str:
    return f"+{text}" if amount > 0 else text
