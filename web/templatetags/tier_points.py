"""Filters for points: differences of shares."""

from decimal import Decimal

from django import template

from allocation.value import tier_estimates

register = template.Library()
_PLUS, _MINUS = "+", "\u2212"


@register.filter
def points(share: Decimal) -> str:
    """A share as points, one decimal."""
    return f"{100 * share:.1f}"


@register.filter
def signed_points(value: float) -> str:
    """Points with their sign."""
    text = f"{abs(value):.1f}"
    return text if text == "0.0" else f"{_PLUS if value > 0 else _MINUS}{text}"


@register.filter
def share(part: float) -> str:
    """A part of one in per cent, one decimal."""
    return f"{100 * part:.1f}\u202f%"


@register.simple_tag
def tier_error() -> str:
    """What stands beside figures whose tier is estimated."""
    return tier_estimates.told()
