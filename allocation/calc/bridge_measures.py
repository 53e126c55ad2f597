"""The measures that the chains of a cost bridge are made of: queries, calls, tokens and costs of one side."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from allocation.calc.bridge_sides import Cell, Line, Side, added, use_case
from finops.tokens import INPUT_CLASSES

Term = tuple[Cell, str, str]  # a cell's usage of one service tier and class


@dataclass(frozen=True)
class Measure:
    """What drives the cost of a group, of use cases that both sides have."""

    queries: int = 0
    requests: int = 0
    tokens: Mapping[str, Decimal] = field(default_factory=dict)


class Measures:
    """One side by cell and class: what the chains of its terms are made of."""

    def __init__(self, side: Side) -> None:
        self.lines: dict[Term, list[Line]] = defaultdict(list)
        self.currencies: dict[Term, frozenset[str]] = defaultdict(frozenset)
        self.counts: dict[Cell, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for line in side.lines:
            term = (line.cell, line.service, line.price_class)
            self.lines[term].append(line)
            self.currencies[term] |= {line.currency}
        for cell, queries, requests in side.counts:
            self.counts[cell] = self.counts[cell][0] + queries, self.counts[cell][1] + requests
        used = {use_case(cell) for cell, *_ in self.lines} | {use_case(c) for c, n in self.counts.items() if any(n)}
        self.use_cases = used

    def of(self, use_cases: set[Any]) -> "Measures":
        """With the sums over the cells of these use cases."""
        queries = {cell: n[0] for cell, n in self.counts.items() if use_case(cell) in use_cases}
        self.queries = sum(queries.values())
        self.of_tier = _summed(queries, lambda cell: cell.tier)
        self.of_case = _summed(queries, lambda cell: (cell.tier, use_case(cell)))
        self.input: dict[Cell, Decimal] = defaultdict(Decimal)
        self.of_class: dict[tuple[Cell, str], Decimal] = defaultdict(Decimal)
        for (cell, _, price_class), lines in self.lines.items():
            quantity = added(line.quantity for line in lines)
            self.of_class[cell, price_class] += quantity
            if price_class in INPUT_CLASSES:
                self.input[cell] += quantity
        return self

    def chain(self, term: Term, *, converted: bool) -> list[Fraction]:
        """The measures from the queries to the cost, as links_of names them; not ``converted``: without rates of exchange."""
        cell, _, price_class = term
        lines = self.lines.get(term, ())
        queries, requests = self.counts.get(cell, (0, 0))
        found: list[Any] = [
            self.queries, self.of_tier.get(cell.tier, 0), self.of_case.get((cell.tier, use_case(cell)), 0), queries,
            requests,
        ]  # fmt: skip
        found += [self.input.get(cell, 0)] if price_class in INPUT_CLASSES else []
        found += [self.of_class.get((cell, price_class), 0), added(line.quantity for line in lines)]
        found += [sum((line.original if converted else Fraction(line.listed) for line in lines), Fraction(0))]
        found += [added(getattr(line, name) for line in lines) for name in ("listed", "contracted", "cost")]
        return [Fraction(each) for each in found]

    def cost_of(self, term: Term) -> Fraction:
        """What a term cost."""
        return Fraction(added(line.cost for line in self.lines.get(term, ())))


def by_tier(old: Measures, new: Measures) -> dict[str, tuple[Measure, Measure]]:
    """Tier -> its measures on both sides, over the use cases that both have."""
    found: dict[str, list[Measure]] = defaultdict(lambda: [Measure(), Measure()])
    both = old.use_cases & new.use_cases
    for place, side in enumerate((old, new)):
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        tokens: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for cell, numbers in side.counts.items():
            if use_case(cell) in both:
                counts[cell.tier] = [a + b for a, b in zip(counts[cell.tier], numbers, strict=True)]
        for (cell, price_class), quantity in side.of_class.items():
            if use_case(cell) in both:
                tokens[cell.tier][price_class] += quantity
        for tier in counts.keys() | tokens.keys():
            queries, requests = counts[tier]
            found[tier][place] = Measure(queries, requests, dict(tokens[tier]))
    return {tier: (one, two) for tier, (one, two) in sorted(found.items())}


def _summed(values: Mapping[Cell, int], key: Callable[[Cell], Any]) -> dict[Any, int]:
    found: dict[Any, int] = defaultdict(int)
    for cell, value in values.items():
        found[key(cell)] += value
    return found
