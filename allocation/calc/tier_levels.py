"""What each tier used in a period: usage by price class with queries and calls, estimated tiers apart."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from allocation.calc.bridge_sides import WIDE, added
from finops.tokens import ALL_OUTPUT_CLASSES


class Usage(NamedTuple):
    """Usage of one tier and price class (token class or unit; '' with quantity 0: cost that no usage explains).

    ``quantity`` has a price. ``unsplit``: the part of it whose source does not tell reasoning apart.
    """

    period: str
    tier: str
    estimated: bool
    price_class: str
    quantity: Decimal
    spend: Decimal
    unsplit: Decimal = Decimal(0)


class Count(NamedTuple):
    """Queries and calls of one tier; ``unpriced``: tokens without a price, which are in no usage."""

    period: str
    tier: str
    estimated: bool
    queries: int
    calls: int
    unpriced: int = 0


class Level(NamedTuple):
    """What one tier used in one period, estimated tiers left out; ``estimated`` money and queries apart."""

    spend: Decimal = Decimal(0)
    queries: int = 0
    calls: int = 0
    unpriced: int = 0
    usage: Mapping[str, tuple[Decimal, Decimal]] = {}
    estimated_spend: Decimal = Decimal(0)
    estimated_queries: int = 0
    unsplit: Decimal = Decimal(0)

    @property
    def cost_per_query(self) -> Fraction | None:
        """Exact; None without a query, or where nothing of it has a price."""
        if not self.queries or (self.unpriced and not self.spend):
            return None
        return Fraction(self.spend) / self.queries

    @property
    def estimated_cost_per_query(self) -> Fraction | None:
        """Of the queries whose tier is estimated; None without any."""
        return Fraction(self.estimated_spend) / self.estimated_queries if self.estimated_queries else None

    @property
    def untold(self) -> Fraction | None:
        """Share of output, in tokens, whose source does not tell reasoning apart; None without output."""
        output = sum((self.usage[name][0] for name in ALL_OUTPUT_CLASSES if name in self.usage), Decimal(0))
        return Fraction(self.unsplit) / Fraction(output) if output else None


def levels(usage: Iterable[Usage], counts: Iterable[Count]) -> dict[tuple[str, str], Level]:
    """(period, tier) -> Level. What rows of one key hold is summed."""
    classes: dict[tuple[str, str], dict[str, tuple[Decimal, Decimal]]] = defaultdict(dict)
    apart: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    unsplit: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in usage:
        key = row.period, row.tier
        sums[key]
        if row.estimated:
            apart[key] = WIDE.add(apart[key], row.spend)
            continue
        quantity, spend = classes[key].get(row.price_class, (Decimal(0), Decimal(0)))
        classes[key][row.price_class] = WIDE.add(quantity, row.quantity), WIDE.add(spend, row.spend)
        unsplit[key] = WIDE.add(unsplit[key], row.unsplit)
    for count in counts:
        known = sums[count.period, count.tier]
        more = (0, 0, 0, count.queries) if count.estimated else (count.queries, count.calls, count.unpriced, 0)
        known[:] = (old + new for old, new in zip(known, more, strict=True))
    return {
        key: Level(
            added(spend for _, spend in classes[key].values()),
            queries, calls, unpriced, dict(classes[key]), apart[key], guessed, unsplit[key],
        )
        for key, (queries, calls, unpriced, guessed) in sums.items()
    }  # fmt: skip


def together(parts: Sequence[Level]) -> Level:
    """Several tiers as one."""
    usage: dict[str, tuple[Decimal, Decimal]] = {}
    for name in {name for part in parts for name in part.usage}:
        pairs = [part.usage[name] for part in parts if name in part.usage]
        usage[name] = added(quantity for quantity, _ in pairs), added(spend for _, spend in pairs)
    return Level(
        added(part.spend for part in parts), sum(part.queries for part in parts), sum(part.calls for part in parts),
        sum(part.unpriced for part in parts), usage, added(part.estimated_spend for part in parts),
        sum(part.estimated_queries for part in parts), added(part.unsplit for part in parts),
    )  # fmt: skip
