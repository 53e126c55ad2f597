"""What the page Explore writes: values of dimensions for people, indices and their changes."""

from collections.abc import Sequence

from django import template

from web import formats
from web.dimensions import called as named

register = template.Library()


@register.filter
def called(value: str | None, column: str) -> str:
    """A value of a dimension for people."""
    return named(column, value)


@register.filter
def at(values: Sequence[str], place: int) -> str:
    """The value at a place; the last one beyond the end, where the others stand."""
    return values[min(place, len(values) - 1)] if values else "s0"


@register.filter
def index(value: float) -> str:
    """An index with the base 1: ``1.84``, ``0.0123``."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3g}"


@register.filter
def step(percent: float | None) -> str:
    """A change in per cent with its sign; nothing where there is no month before."""
    if percent is None:
        return ""
    shown = f"{abs(percent):.{0 if abs(percent) >= 10 else 1}f}"
    sign = "\u00b1" if shown == "0.0" else "+" if percent > 0 else formats.MINUS
    return f"{sign}{shown}{formats.THIN}%"
