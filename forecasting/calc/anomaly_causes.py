"""Why an anomaly cost what it did: its difference to the usual by cause, with the cost bridge's own arithmetic and words.

The cost of one kind of usage is all queries x its share of them x calls per query x tokens per call x price per token.
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple

from allocation.calc.bridge_effects import UNIT, effects_of_chain, exact, rounded
from finops.money import SCALE
from finops.tokens import INPUT_CLASSES
from forecasting.calc.series import Key

KEYS = "keys"  # the cost of keys that only one side has
_WIDE = Context(prec=60)
_REASONING = "output_reasoning"


class Usage(NamedTuple):
    """One token class of one series in the cells of an episode; of the usual side the mean over several seasons is fine.

    ``queries`` and ``calls`` are those of the series, the same in each of its rows.
    """

    key: Key
    price_class: str
    queries: Fraction
    calls: Fraction
    quantity: Fraction
    cost: Decimal


def causes(usual: Sequence[Usage], now: Sequence[Usage]) -> dict[str, Decimal]:
    """Effect of the bridge -> money; the effects add up to the difference of cost exactly, at 12 decimals.

    Largest first. Raises ValueError where a series has a class twice on a side.
    """
    sides = [_side(usual), _side(now)]
    both = {key for key, _ in sides[0]} & {key for key, _ in sides[1]}
    queries = [_queries(side, both) for side in sides]
    units: dict[str, int] = defaultdict(int)
    for term in sorted(sides[0].keys() | sides[1].keys()):
        before, after = (side.get(term) for side in sides)
        if term[0] in both:
            chains = [_chain(side, term, whole) for side, whole in zip(sides, queries, strict=True)]
            found = effects_of_chain(chains[0], chains[1], _links(term[1]))
        else:
            found = {KEYS: int((Fraction(after.cost if after else 0) - Fraction(before.cost if before else 0)) * UNIT)}
        for name, amount in found.items():
            units[name] += amount
    change = _total(now) - _total(usual)
    return dict(sorted(rounded(exact(units), change, SCALE).items(), key=lambda one: (-abs(one[1]), one[0])))


def leading(effects: dict[str, Decimal]) -> str:
    """The effect that went furthest in the direction of the whole; '' without any."""
    whole = sum(effects.values(), Decimal(0))
    along = {name: amount for name, amount in effects.items() if (amount > 0) == (whole > 0) and amount}
    return max(along, key=lambda name: abs(along[name]), default="")


def _side(rows: Sequence[Usage]) -> dict[tuple[Key, str], Usage]:
    found: dict[tuple[Key, str], Usage] = {}
    for row in rows:
        if (row.key, row.price_class) in found:
            raise ValueError(f"{'/'.join(row.key)} has {row.price_class} twice: add the rows up first")
        found[row.key, row.price_class] = row
    return found


def _queries(side: dict[tuple[Key, str], Usage], keys: set[Key]) -> Fraction:
    by_key = {key: row.queries for (key, _), row in side.items() if key in keys}
    return sum(by_key.values(), Fraction(0))


def _chain(side: dict[tuple[Key, str], Usage], term: tuple[Key, str], queries: Fraction) -> tuple[Fraction, ...]:
    """From all queries to the cost; a class that the series did not use has its queries and calls, and no tokens."""
    row = side.get(term)
    if row is None:
        other = next(each for (key, _), each in side.items() if key == term[0])
        return queries, other.queries, other.calls, Fraction(0), Fraction(0)
    return queries, row.queries, row.calls, row.quantity, Fraction(row.cost)


def _links(price_class: str) -> tuple[str, ...]:
    tokens = "reasoning_tokens" if price_class == _REASONING else "output_tokens"
    return "volume", "use_case_mix", "calls", "input_tokens" if price_class in INPUT_CLASSES else tokens, "price"


def _total(rows: Sequence[Usage]) -> Decimal:
    found = Decimal(0)
    for row in rows:
        found = _WIDE.add(found, row.cost)
    return found
