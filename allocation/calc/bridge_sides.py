"""What a cost bridge compares: all that one period and scope cost, by cell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

ZERO = Decimal(0)
WIDE = Context(prec=60)


class Cell(NamedTuple):
    """Whose cost it is and what for: what effects are known by. '' (cost centre and team also None): nobody, nothing."""

    cost_centre: str | None
    team: str | None
    environment: str
    feature: str
    provider: str
    model: str
    tier: str


USE_CASE = (
    "cost_centre",
    "team",
    "environment",
    "feature",
)  # what makes a use case: new and stopped ones are told apart
ANY = "*"  # in place of what the two sides differ by


class Line(NamedTuple):
    """Usage of one cell, service tier and token class (or unit). ``original``: its list cost before conversion.

    ``listed``, ``contracted`` and ``cost`` in one currency; ``currency``: the one it was converted from, '' if it was not.
    """

    cell: Cell
    service: str
    price_class: str
    quantity: Decimal
    original: Fraction
    listed: Decimal
    contracted: Decimal
    cost: Decimal
    currency: str = ""


class Count(NamedTuple):
    """Queries and calls of a cell."""

    cell: Cell
    queries: int
    requests: int


class Fixed(NamedTuple):
    """Cost of a cell that no usage explains; its change is one effect."""

    cell: Cell
    effect: str
    cost: Decimal


@dataclass(frozen=True)
class Side:
    """One side of a bridge: all that one period and scope cost, each amount once.

    ``tiered``: of it, what has a tier; ``estimated``: of that, what was spread over tiers by an estimate (buckets).
    """

    lines: Sequence[Line] = ()
    counts: Sequence[Count] = ()
    fixed: Sequence[Fixed] = ()
    tiered: Decimal = ZERO
    estimated: Decimal = ZERO

    @property
    def estimated_share(self) -> Fraction | None:
        """Of the cost that has a tier, the part whose tier is estimated; None where none has one, or credits leave no share."""
        if self.tiered <= 0 or not 0 <= self.estimated <= self.tiered:
            return None
        return Fraction(self.estimated) / Fraction(self.tiered)

    @property
    def cost(self) -> Decimal:
        """What it cost altogether."""
        return added([*(line.cost for line in self.lines), *(each.cost for each in self.fixed)])

    def without(self, names: Iterable[str]) -> "Side":
        """The same, its cells not told apart by these dimensions."""
        same = dict.fromkeys(names, ANY)
        if not same:
            return self

        def seen(rows: Sequence[Any]) -> list[Any]:
            return [row._replace(cell=row.cell._replace(**same)) for row in rows]

        return replace(self, lines=seen(self.lines), counts=seen(self.counts), fixed=seen(self.fixed))


def added(amounts: Iterable[Decimal]) -> Decimal:
    """Exact sum."""
    total = ZERO
    for amount in amounts:
        total = WIDE.add(total, amount)
    return total


def use_case(cell: Cell) -> tuple[str | None, ...]:
    """The use case of a cell."""
    return tuple(getattr(cell, name) for name in USE_CASE)
