"""Figures of prices, agreements and reconciliations as templates write them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import template

from allocation.close.statement_views import at_minor_unit
from allocation.costing.entry_keys import SOURCE as AGREEMENTS
from web import formats

register = template.Library()
MARK = "example-"  # what the demo's agreements and invoices are named
_CAUSES = {
    "not_captured": "not captured by us", "unpriced": "unpriced", "wrong_token_class": "wrong token class",
    "service_tier": "service tier or batch", "context_band": "context band", "duplicate": "counted twice",
    "credit": "credit", "tax": "tax", "fx": "rate of exchange", "cut_off": "cut-off between months", "rounding": "rounding",
    "unexplained": "unexplained", "several": "several causes at once",
}  # fmt: skip
STATES = {
    "matched": "matched", "within_tolerance": "within tolerance", "variance": "variance", "missing": "one side missing",
}  # fmt: skip
LEVELS = {
    "computed": "Computed",
    "provider_usage": "Provider usage",
    "cost_report": "Cost report",
    "invoice": "Invoice",
}


@register.filter
def signed(amount: Decimal | None, currency: str) -> str:
    """A difference, exact to the minor unit, with its sign."""
    return formats.NONE if amount is None else formats.signed_money_exact(amount, currency)


@register.filter
def issuer(name: str) -> str:
    """Who sends the invoice; of charges that no usage has, what they come from."""
    return "Agreements" if name == AGREEMENTS else name


@register.filter
def minus(amount: Decimal, part: Decimal) -> Decimal:
    """What is left of an amount."""
    return amount - part


@register.filter
def booked(amount: Decimal, currency: str) -> str:
    """At the minor unit, as books have it: less than half of it is nothing."""
    return formats.money(at_minor_unit(amount, currency), currency)


@register.filter
def exact(amount: Decimal | None, currency: str) -> str:
    """An amount to the minor unit; a dash where there is none."""
    return formats.NONE if amount is None else formats.money(amount, currency)


@register.filter
def each(amount: Decimal | None, currency: str) -> str:
    """Cost of one of something; a dash where there is none."""
    return formats.unit_cost(amount if isinstance(amount, Decimal) else None, currency)


@register.filter
def rate(row: dict[str, Any] | None) -> str:
    """A rate of the price book with all its digits, two at least: ``$0.0375``, ``$5.00``; a dash where there is none."""
    if not row:
        return formats.NONE
    whole, _, part = f"{row['rate'].normalize():f}".partition(".")
    return f"{formats.symbol(row['currency'])}{int(whole):,}.{part:0<2}"


@register.filter
def number(amount: Decimal | None) -> str:
    """A quantity: whole above a hundred, else three digits at most."""
    if amount is None:
        return formats.NONE
    digits = 0 if abs(amount) >= 100 or amount == amount.to_integral_value() else 1 if abs(amount) >= 10 else 2
    return f"{round(amount, digits):,f}".replace("-", formats.MINUS)


@register.filter
def cause(name: str) -> str:
    """Why a difference is, in words."""
    return _CAUSES.get(name, name.replace("_", " "))


@register.filter
def level(name: str) -> str:
    """A level of a reconciliation."""
    return LEVELS.get(name, name)


@register.filter
def day(value: date | datetime | None) -> str:
    """A day as ``7 Oct 2026``."""
    return formats.NONE if value is None else f"{value.day} {value:%b %Y}"


@register.filter
def is_example(name: str) -> bool:
    """Whether it belongs to the demo."""
    return str(name).startswith(MARK)


@register.filter
def plain_name(name: str) -> str:
    """A name without the demo's mark, which a chip beside it shows."""
    return str(name).removeprefix(MARK)


@register.filter
def get(found: dict[str, Any], name: str) -> Any:
    """An entry of a dict by a name that is not known when the template is written."""
    return found.get(name)


@register.filter
def thousandths(share: Decimal | None) -> int:
    """A share in a box 1000 wide."""
    return 0 if share is None else round(min(max(share, Decimal(0)), Decimal(1)) * 1000)


@register.filter
def worth_share(seat: Any) -> Decimal | None:
    """What a person's usage was worth of what their seat cost; 1 is the break-even."""
    return None if seat.worth is None or not seat.cost else seat.worth / seat.cost


@register.filter
def signed_short(amount: Decimal, currency: str) -> str:
    """A difference for cards."""
    return formats.signed_money(amount, currency)


@register.filter
def state_word(state: str) -> str:
    """How the two sides of a line compare."""
    return STATES.get(state, state)
