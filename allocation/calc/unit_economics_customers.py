"""Margins of customers who pay a flat price: what the queries of each cost, who makes a loss, what a price pays."""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple

_STEP = Decimal(1).scaleb(-12)
_PRECISION = 60


class Customer(NamedTuple):
    """What one customer used in a month: queries, and their exact cost."""

    name: str
    queries: int
    cost: Decimal


class Spread(NamedTuple):
    """Cost of a query: how many there were, mean, median and 95th percentile; None: no query has a price."""

    queries: int
    mean: Decimal | None
    p50: Decimal | None
    p95: Decimal | None


class Margin(NamedTuple):
    """A customer with what is left of the price. ``share``: of the price; ``cost_share``: of all customers' cost."""

    customer: Customer
    margin: Decimal
    share: Fraction
    cost_share: Fraction | None


class BreakEven(NamedTuple):
    """Queries that the price pays where each one costs as much; None: no such cost is known, or it is nothing."""

    name: str
    cost: Decimal | None
    queries: Fraction | None


class Margins(NamedTuple):
    """All customers, the worst margin first, and what they come to together. Shares None: there are no customers."""

    rows: tuple[Margin, ...]
    revenue: Decimal
    cost: Decimal
    fixed: Decimal
    margin: Decimal
    loss_making: int
    loss_share: Fraction | None
    break_even: tuple[BreakEven, ...]


def margins(price: Decimal, fixed: Decimal, customers: Sequence[Customer], spread: Spread) -> Margins:
    """Price less ``fixed`` cost of a customer and cost of the queries, of each customer. Raises ValueError without a price.

    Exact: the margins add up to revenue - cost - fixed. A customer whose margin is exactly nothing makes no loss.
    """
    if price <= 0:
        raise ValueError("price: must be above 0")
    with localcontext(prec=_PRECISION):
        cost = sum((one.cost for one in customers), Decimal(0))
        rows = [
            Margin(
                one, left := price - fixed - one.cost, Fraction(left) / Fraction(price),
                Fraction(one.cost) / Fraction(cost) if cost else None,
            )
            for one in customers
        ]  # fmt: skip
        rows.sort(key=lambda row: (row.margin, row.customer.name))
        loss = sum(row.margin < 0 for row in rows)
        count = len(rows)
        return Margins(
            tuple(rows), price * count, cost, fixed * count, price * count - cost - fixed * count, loss,
            Fraction(loss, count) if count else None,
            tuple(
                BreakEven(name, each, (Fraction(price) - Fraction(fixed)) / Fraction(each) if each else None)
                for name, each in (("mean", spread.mean), ("median", spread.p50), ("p95", spread.p95))
            ),
        )  # fmt: skip


def spread_of(customers: Sequence[Customer]) -> Spread:
    """What is known of the cost of a query where only customers are given: its mean."""
    queries = sum(one.queries for one in customers)
    cost = sum((one.cost for one in customers), Decimal(0))
    mean = (Fraction(cost) / queries) if queries else None
    with localcontext(prec=_PRECISION):
        exact = None if mean is None else Decimal(mean.numerator) / Decimal(mean.denominator)
        return Spread(queries, None if exact is None else exact.quantize(_STEP, ROUND_HALF_EVEN), None, None)
