"""Figures of calculators as templates write them: by their unit, four significant digits, exact on hover."""

from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from allocation.calc.assumptions import said
from web import formats

register = template.Library()
_DIGITS, _LARGE, _BOX = 4, 1000, 1000
_MONEY = "USD"
_SHARES = ("share", "share/year")


@register.filter
def figure(value: Any, unit: str) -> str | SafeString:
    """A value in its unit: ``$0.10 /query``, ``12.5 x``, ``-29 %``; a dash where there is none."""
    if value is None:
        return formats.NONE
    if isinstance(value, Fraction):
        value = Decimal(value.numerator) / Decimal(value.denominator)
    if not isinstance(value, Decimal):
        return str(value) if not isinstance(value, date) else value.isoformat()
    text, rest = _parts(value, unit)
    unit_text = format_html(' <small class="muted">{}</small>', rest) if rest else ""
    return format_html('<span title="{}">{}</span>{}', said(value).replace("-", formats.MINUS), text, unit_text)


@register.filter
def plain(value: Any) -> str:
    """A value of the register as it is typed."""
    return said(value)


@register.filter
def boxed(share: Fraction | None) -> int:
    """A share in a box 1000 wide."""
    return 0 if share is None else round(min(max(share, Fraction(0)), Fraction(1)) * _BOX)


def _parts(value: Decimal, unit: str) -> tuple[str, str]:
    if unit in _SHARES:
        return formats.percent(value) if value >= 0 else f"{formats.MINUS}{formats.percent(-value)}", unit.removeprefix(
            "share"
        )
    if unit.startswith(_MONEY):
        sign = formats.MINUS if value < 0 else ""
        amount = abs(value)
        shown = formats.unit_cost(amount, _MONEY) if amount < _LARGE else f"${amount.quantize(Decimal('0.01')):,f}"
        return f"{sign}{shown}", unit.removeprefix(_MONEY)
    rest = {"x": formats.TIMES, "any": ""}.get(unit, unit)
    return short(value), rest


def short(value: Decimal) -> str:
    """Four significant digits; whole from a thousand up."""
    if abs(value) >= _LARGE:
        return f"{value.quantize(Decimal(1), ROUND_HALF_EVEN):,f}".replace("-", formats.MINUS)
    return f"{Context(prec=_DIGITS).plus(value).normalize():f}".replace("-", formats.MINUS)
