"""Why a statement differs from the one before: effects that add up to the difference, and the sentence that tells them.

Of direct cost that counts queries, with C cost, Q queries and u = C / Q of each cell (model and tier) before (0) and now (1):
more or fewer queries (Q1 - Q0) x C0 / Q0; the mix of models and tiers sum q1 u0 - Q1 C0 / Q0, a new cell at its own cost;
the cost per query sum q1 (u1 - u0). The three are C1 - C0. Everything else is told by its basis.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import Any, NamedTuple

from allocation.calc.statement import rounded_to
from finops.money import minor_digits

VOLUME, MIX, RATE = "volume", "mix", "rate"
MINUS = "\u2212"
_WIDE, _STEP = Context(prec=80), Decimal(1).scaleb(-12)
_TOLD = 3  # effects named in the sentence, the rest is one
_WORDS = {
    VOLUME: ("more queries", "fewer queries"), MIX: ("a dearer mix of models and tiers", "a cheaper mix of models and tiers"),
    RATE: ("a higher cost per query", "a lower cost per query"), "direct": ("direct cost that counts no queries",) * 2,
    "shared": ("shared cost",) * 2, "idle": ("idle capacity",) * 2, "correction": ("corrections of closed months",) * 2,
    "adjustment": ("adjustments",) * 2, "variance": ("standard rates",) * 2, "rounding": ("rounding",) * 2,
}  # fmt: skip


class Cell(NamedTuple):
    """Cost of one model and tier on one basis."""

    basis: str
    model: tuple[str, str]  # provider, model
    tier: str
    cost: Decimal
    queries: int


def effects(now: Iterable[Cell], before: Iterable[Cell], difference: Decimal, currency: str) -> dict[str, Decimal]:
    """Effect -> its amount at the minor unit, the largest first, those of nothing left out.

    ``difference``: what the two statements differ by. Invariant: the effects add up to it.
    """
    exact = {name: cost for name, cost in _exact(_sums(now), _sums(before)).items() if cost}
    if not exact:
        return {"rounding": difference} if difference else {}
    names = sorted(exact)
    found = dict(zip(names, rounded_to([exact[name] for name in names], difference, currency), strict=True))
    return {name: found[name] for name in sorted(names, key=lambda name: (-abs(found[name]), name)) if found[name]}


def sentence(change: Mapping[str, Decimal], difference: Decimal | None, before: str, currency: str) -> str:
    """``Up 20.50 USD on August 2026: +25.00 more queries, ...`` Amounts add up.

    ``before``: the name of the month before; ``difference`` None: nothing was charged then.
    """
    digits = minor_digits(currency)
    if difference is None:
        return f"Nothing was charged in {before}: there is nothing to compare with."
    if not change:
        return f"Unchanged on {before}."
    told = [f"{_signed(cost, digits)} {_WORDS[name][cost < 0]}" for name, cost in list(change.items())[:_TOLD]]
    rest = sum(list(change.values())[_TOLD:], Decimal(0))
    if len(change) > _TOLD:
        told.append(f"{_signed(rest, digits)} all else")
    if not difference:
        return f"The same amount as in {before}: {', '.join(told)}."
    return (
        f"{'Up' if difference > 0 else 'Down'} {abs(difference):,.{digits}f} {currency} on {before}: {', '.join(told)}."
    )


def _signed(amount: Decimal, digits: int) -> str:
    return f"{'+' if amount >= 0 else MINUS}{abs(amount):,.{digits}f}"


def _sums(cells: Iterable[Cell]) -> dict[tuple[Any, ...], tuple[Decimal, int]]:
    found: dict[tuple[Any, ...], tuple[Decimal, int]] = defaultdict(lambda: (Decimal(0), 0))
    for cell in cells:
        cost, queries = found[cell.basis, cell.model, cell.tier]
        found[cell.basis, cell.model, cell.tier] = cost + cell.cost, queries + cell.queries
    return found


def _exact(
    now: Mapping[tuple[Any, ...], tuple[Decimal, int]], before: Mapping[tuple[Any, ...], tuple[Decimal, int]]
) -> dict[str, Decimal]:
    """Effects in exact money; what cannot be divided by queries goes to its basis."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    nothing = (Decimal(0), 0)
    counted = []
    for key in now.keys() | before.keys():
        pair = now.get(key, nothing), before.get(key, nothing)
        if key[0] == "direct" and all(queries > 0 or not cost for cost, queries in pair):
            counted.append(pair)
        else:
            found[key[0]] += pair[0][0] - pair[1][0]
    cost_before = sum((each[1][0] for each in counted), Decimal(0))
    queries_before, queries_now = (sum(each[side][1] for each in counted) for side in (1, 0))
    difference = sum((each[0][0] - each[1][0] for each in counted), Decimal(0))
    if not queries_before or not queries_now:
        found[VOLUME] += difference
        return found
    volume = _part(cost_before, queries_now - queries_before, queries_before)
    rate = sum((each[0][0] - _at_former_cost(*each) for each in counted), Decimal(0))
    found[VOLUME], found[RATE], found[MIX] = volume, rate, difference - volume - rate
    return found


def _at_former_cost(now: tuple[Decimal, int], before: tuple[Decimal, int]) -> Decimal:
    """What this month's queries would have cost before; where there were none, what they do cost."""
    return _part(before[0], now[1], before[1]) if before[1] else now[0]


def _part(cost: Decimal, part: int, whole: int) -> Decimal:
    """cost x part / whole, rounded half-even once at 12 decimals."""
    return _WIDE.quantize(_WIDE.divide(_WIDE.multiply(cost, Decimal(part)), Decimal(whole)), _STEP)
