"""The cost bridge: why a cost column changed between two periods and scopes, exactly and without a rest.

docs/bridge.md has the formulas, the reasons and an example to recompute; bridge_effects has the arithmetic.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from allocation.calc.bridge_effects import BUDGET, EFFECTS, UNIT, effects_of_chain, exact, links_of, rounded
from allocation.calc.bridge_measures import Measure, Measures, by_tier
from allocation.calc.bridge_sides import WIDE, ZERO, Cell, Side, added, use_case

MONEY_DIGITS = 12


@dataclass(frozen=True)
class Part:
    """Cost before and after, and effects that sum to the difference exactly."""

    start: Decimal
    end: Decimal
    effects: Mapping[str, Decimal]

    @property
    def delta(self) -> Decimal:
        """What it costs more."""
        return WIDE.subtract(self.end, self.start)

    def in_units(self, digits: int) -> "Part":
        """Both ends rounded half-even to so many decimals, the effects by largest remainder: they still sum exactly."""
        start, end = (WIDE.quantize(amount, Decimal(1).scaleb(-digits)) for amount in (self.start, self.end))
        effects = {name: Fraction(value) for name, value in self.effects.items()}
        return Part(start, end, rounded(effects, WIDE.subtract(end, start), digits))


@dataclass(frozen=True)
class Bridge:
    """A bridge by cell. ``unrounded``: effect -> exact sum before it is money; ``began``, ``stopped``: cost of use cases
    that only one side has; ``measures``: tier -> what drove it, before and after; ``estimated``: of the cost with a tier before
    and after, the part whose tier is estimated (None: no cost has a tier).
    """

    cells: Mapping[Cell, Part]
    unrounded: Mapping[str, Fraction]
    began: Decimal
    stopped: Decimal
    measures: Mapping[str, tuple[Measure, Measure]]
    budget: Decimal | None = None
    estimated: tuple[Fraction | None, Fraction | None] = (None, None)

    @property
    def total(self) -> Part:
        """All of it. Against a budget: from the budget to the cost after, the first effect being what it left out."""
        whole = together(self.cells.values())
        if self.budget is None:
            return whole
        return Part(self.budget, whole.end, {BUDGET: WIDE.subtract(whole.start, self.budget), **whole.effects})

    def by(self, *names: str) -> dict[tuple[Any, ...], Part]:
        """Values of these dimensions of a cell -> its part; the parts sum to the whole in every effect."""
        found: dict[tuple[Any, ...], list[Part]] = defaultdict(list)
        for cell, part in self.cells.items():
            found[tuple(getattr(cell, name) for name in names)].append(part)
        return {place: together(parts) for place, parts in found.items()}

    def against(self, budget: Decimal) -> "Bridge":
        """The same bridge from a budget, which has an amount and no drivers: what it set aside differently from the cost
        before is one effect, and the others explain the rest of the way.
        """
        return replace(self, budget=budget)


def together(parts: Iterable[Part]) -> Part:
    """Parts as one."""
    start, end, effects = ZERO, ZERO, dict.fromkeys(EFFECTS, ZERO)
    for part in parts:
        start, end = WIDE.add(start, part.start), WIDE.add(end, part.end)
        for name, amount in part.effects.items():
            effects[name] = WIDE.add(effects.get(name, ZERO), amount)
    return Part(start, end, effects)


def bridge(before: Side, after: Side, *, ignoring: Iterable[str] = ()) -> Bridge:
    """Why ``after`` costs more than ``before``; ``ignoring``: dimensions of a cell by which the two differ by intent.

    The effects of a cell sum to its change exactly, at 12 decimals. Before that they are exact to 10**-40.
    """
    before, after = before.without(ignoring), after.without(ignoring)
    old, new = Measures(before), Measures(after)
    both = old.use_cases & new.use_cases
    old, new = old.of(both), new.of(both)
    units: dict[Cell, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for term in sorted(old.lines.keys() | new.lines.keys(), key=str):
        cell, _, price_class = term
        if use_case(cell) in both:
            apart = len(old.currencies[term] | new.currencies[term]) == 1  # else no rate is of both sides
            chains = [side.chain(term, converted=apart) for side in (old, new)]
            _add(units[cell], effects_of_chain(chains[0], chains[1], links_of(price_class)))
        else:
            _add(units[cell], {"keys": _units(new.cost_of(term) - old.cost_of(term))})
    for side, sign in ((before, -1), (after, 1)):
        for cell, effect, cost in side.fixed:
            _add(units[cell], {effect: sign * _units(Fraction(cost))})
    ends = [_costs(side) for side in (before, after)]
    unrounded: dict[str, int] = defaultdict(int)
    cells = {}
    for cell in sorted(ends[0].keys() | ends[1].keys(), key=str):
        start, end = (side.get(cell, ZERO) for side in ends)
        _add(unrounded, units[cell])
        cells[cell] = Part(start, end, rounded(exact(units[cell]), WIDE.subtract(end, start), MONEY_DIGITS))
    alone = [added(line.cost for line in side.lines if use_case(line.cell) not in both) for side in (before, after)]
    estimated = before.estimated_share, after.estimated_share
    return Bridge(cells, exact(unrounded), alone[1], alone[0], by_tier(old, new), estimated=estimated)


def _costs(side: Side) -> dict[Cell, Decimal]:
    found: dict[Cell, Decimal] = defaultdict(Decimal)
    for cell, cost in [*((e.cell, e.cost) for e in side.lines), *((e.cell, e.cost) for e in side.fixed)]:
        found[cell] = WIDE.add(found[cell], cost)
    return found


def _units(cost: Fraction) -> int:
    return int(cost * UNIT)


def _add(sums: dict[str, int], more: Mapping[str, int]) -> None:
    for name, value in more.items():
        sums[name] = sums.get(name, 0) + value
