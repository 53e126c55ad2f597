"""Unit price x quantity = cost, exactly: what FOCUS demands of every priced row.

Costs are rounded once at 12 decimals, and shares and sums of rounded costs are not a price times their quantity in the
last of them. A unit price stays what the price list says; PricingQuantity, with 18 decimals, is then the nearest quantity
at which the product, rounded to 12 decimals, is the cost. ConsumedQuantity is never touched.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

ZERO, ONE = Decimal(0), Decimal(1)
_WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN)
_WIDEST = Context(prec=900, rounding=ROUND_HALF_EVEN)  # for products of whatever a file may say
_LAST = Decimal("0.000000000001")  # of a cost
_DECIMALS = 18
_NEAR, _LEAST = Decimal("0.000001"), Decimal("0.000000001")  # how far rounding can move a quantity: of itself, at least


class Priced(NamedTuple):
    """Quantity, list and contracted unit price of a row; ``lump``: the quantity is one, at the row's cost."""

    quantity: Decimal
    list_price: Decimal
    contracted_price: Decimal
    lump: bool = False


def holds(price: Decimal, quantity: Decimal, cost: Decimal) -> bool:
    """Whether price x quantity, rounded half-even to 12 decimals, is the cost."""
    return _rounded(_WIDEST.multiply(price, quantity)) == _rounded(cost)


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_LAST, context=_WIDEST)


def priced(
    quantity: Decimal, list_price: Decimal | None, list_cost: Decimal, contracted_cost: Decimal,
    origin: tuple[Decimal, Decimal] | None = None,
) -> Priced | None:  # fmt: skip
    """How a row is priced. None where its two costs have different signs: no price, which is never negative, says that.

    ``list_price``: of one unit of ``quantity``, by the price list; None: the cost states it. ``origin``: quantity and
    contracted cost of the whole charge that the row is a share of, whose contracted price the shares keep.
    """
    if quantity:
        found = quantity if list_price is None else _quantity_at(list_price, quantity, list_cost)
        if found is None:
            list_price, found = None, quantity
        at_list = unit_price(found, list_cost) if list_price is None else list_price
        contracted = _contracted(found, at_list, contracted_cost, origin)
        if at_list is not None and contracted is not None:
            return Priced(found, at_list, contracted)
    if min(list_cost, contracted_cost) < 0 < max(list_cost, contracted_cost):
        return None
    sign = -ONE if min(list_cost, contracted_cost) < 0 else ONE
    return Priced(sign, abs(list_cost), abs(contracted_cost), lump=True)


def unit_price(quantity: Decimal, cost: Decimal) -> Decimal | None:
    """The price with the fewest decimals at which the quantity costs this; None: none that is not negative does."""
    if not cost:
        return ZERO
    if not quantity or (quantity < 0) != (cost < 0):
        return None
    exact = _WIDE.divide(cost, quantity)
    for decimals in range(_DECIMALS + 1):
        price = exact.quantize(ONE.scaleb(-decimals), context=_WIDE)
        if holds(price, quantity, cost):
            return price
    return None


def _quantity_at(price: Decimal, quantity: Decimal, cost: Decimal) -> Decimal | None:
    """The quantity, or what rounding of the cost makes of it; None: the cost is not this price times about that."""
    if holds(price, quantity, cost):
        return quantity
    if not price:
        return None
    near = _WIDE.divide(cost, price).quantize(ONE.scaleb(-_DECIMALS), context=_WIDE)
    moved = abs(near - quantity)
    return near if near and moved <= max(_NEAR * abs(quantity), _LEAST) and holds(price, near, cost) else None


def _contracted(
    quantity: Decimal, list_price: Decimal | None, cost: Decimal, origin: tuple[Decimal, Decimal] | None
) -> Decimal | None:
    whole = unit_price(*origin) if origin is not None else None
    for price in (list_price, whole):
        if price is not None and holds(price, quantity, cost):
            return price
    return unit_price(quantity, cost)
