"""What the levels of a bill say, in one form: rows, by what they are compared, and what is known beside them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from allocation.calc.layers import matching_class

LEVELS = ("computed", "provider_usage", "cost_report", "invoice")  # the lowest first
CAUSES = (
    "not_captured", "unpriced", "wrong_token_class", "service_tier", "context_band", "duplicate", "credit", "tax", "fx",
    "cut_off", "rounding",
)  # fmt: skip
ZERO = Decimal(0)
_STEP = Decimal(1).scaleb(-12)
_TIERS = {"", "default", "standard", "on_demand", "auto"}


class Row(NamedTuple):
    """What one level says of one account: usage of a class under one treatment, or a line of another category.

    None: it does not say. ``cost`` None: unpriced. ``mode`` is sync or batch, ``tier`` '' for the ordinary one, ``band``
    the context threshold that was passed (0: none). ``rate``: units of its currency for one of the currency in which
    usage is priced, where its issuer states one. ``lines``: of how many printed amounts it is the sum. ``exchange``: how
    much of its cost comes from another rate of exchange than ours (set by in_one_currency).
    """

    level: str
    provider: str
    account: str
    model: str  # '': does not say
    price_class: str  # '': does not say
    day: date | None
    quantity: Decimal | None
    cost: Decimal | None
    currency: str
    mode: str | None = None
    tier: str | None = None
    band: int | None = None
    scope: str = ""
    category: str = "Usage"
    correction: bool = False
    rate: Decimal | None = None
    lines: int = 1
    exchange: Decimal = Decimal(0)

    @property
    def worth(self) -> Decimal:
        """Cost at our own rate of exchange; nothing where it is unpriced."""
        return (self.cost or Decimal(0)) - self.exchange


class Key(NamedTuple):
    """By what the rows of two levels are compared; '' and None where the upper level does not say."""

    day: date | None
    model: str
    price_class: str
    mode: str | None
    tier: str | None
    band: int | None


class Mask(NamedTuple):
    """Which fields of Key all rows of an upper level state."""

    day: bool
    model: bool
    price_class: bool
    mode: bool
    tier: bool
    band: bool

    def key(self, row: Row) -> Key:
        """The key of a row, as far as this mask sees."""
        return Key(
            row.day if self.day else None, row.model if self.model else "",
            matching_class(row.price_class) if self.price_class else "", row.mode if self.mode else None,
            plain_tier(row.tier) if self.tier else None, row.band if self.band else None,
        )  # fmt: skip

    def both(self, other: "Mask") -> "Mask":
        """What both see."""
        return Mask(*(a and b for a, b in zip(self, other, strict=True)))


def mask_of(rows: Iterable[Row]) -> Mask:
    """What all of these rows state."""
    found = Mask(True, True, True, True, True, True)
    for row in rows:
        found = found.both(
            Mask(
                row.day is not None, bool(row.model), bool(row.price_class), row.mode is not None, row.tier is not None,
                row.band is not None,
            )
        )  # fmt: skip
    return found


def plain_tier(tier: str | None) -> str | None:
    """'' for every name of the ordinary tier."""
    return None if tier is None else "" if tier.lower() in _TIERS else tier.lower()


class Offer(NamedTuple):
    """Of what a price is asked: usage of a class on a day under one treatment. ``tier`` '' is the ordinary one."""

    provider: str
    model: str
    price_class: str
    mode: str
    tier: str
    band: int
    day: date


class Evidence(NamedTuple):
    """What is known beside the levels. The functions are asked only where levels differ; rows they give are computed ones.

    ``start`` and ``end``: the billing period, half-open. ``price``: the price of one unit in the currency of usage, None
    where the book has none for just this treatment. ``rate``: units of the second currency for one of the first on a
    day; raises where there is none. ``bands``: the context thresholds of a model's prices.
    """

    start: date
    end: date
    price: Callable[[Offer], Decimal | None]
    rate: Callable[[str, str, date], Decimal]
    copies: Callable[[str, str, date], Sequence[Row]] = lambda _provider, _account, _day: ()
    hours: Callable[[str, str, str, date], Sequence[tuple[int, Row]]] = lambda _level, _provider, _account, _day: ()
    late: Sequence[Row] = ()  # usage of this period that other periods bill
    bands: Callable[[str, str], Sequence[int]] = lambda _provider, _model: ()


class Line(NamedTuple):
    """One place of a reconciliation: amounts at each level in ``currency``, and why the highest is not the computed one.

    A level is None where it says nothing of the account; where it does not state a day and scope whole, it has the
    amount of the level below. ``causes``: (cause, amount) in the order of CAUSES, without zeros. Invariant:
    stated - computed = sum of causes + unexplained. '' and None: the highest level does not say.
    """

    provider: str
    account: str
    model: str
    price_class: str
    day: date | None
    category: str
    currency: str
    state: str  # matched, within_tolerance, variance, missing
    computed: Decimal
    provider_usage: Decimal | None
    cost_report: Decimal | None
    invoice: Decimal | None
    causes: tuple[tuple[str, Decimal], ...]
    unexplained: Decimal

    @property
    def stated(self) -> Decimal:
        """The amount of the highest level that speaks of the account."""
        return next(
            (amount for amount in (self.invoice, self.cost_report, self.provider_usage) if amount is not None),
            self.computed,
        )

    @property
    def difference(self) -> Decimal:
        """Stated less computed."""
        return self.stated - self.computed


def money(value: Decimal) -> Decimal:
    """Rounded half-even at 12 decimals."""
    return value.quantize(_STEP, ROUND_HALF_EVEN)


def total(costs: Iterable[Decimal | None]) -> Decimal:
    """Sum; what is unpriced counts as nothing."""
    return sum((cost for cost in costs if cost is not None), ZERO)
