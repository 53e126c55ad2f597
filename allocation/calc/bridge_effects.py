"""The effects of a cost bridge, and the exact sharing of a product's change among its factors.

The cost of one kind of usage is queries x calls per query x quantity per call x cost per unit. The change of that product
is shared by its Shapley value: the mean, over every order in which the four could have changed one after the other, of
what each change adds. Each of the four is a product again (queries: all queries x the share of the tier x ...) and its
part is shared among its factors in the same way: by Owen's value, so that what happens elsewhere, and only moves shares,
leaves a cell's calls, tokens and prices alone. It needs no order among the factors, leaves no rest, gives nothing to a
factor that did not change and all to the only one that did, and turns its sign when the two sides change places. In
rationals it is exact; it needs no logarithm, so zero and negative amounts need no care.

Source: L. S. Shapley, A Value for n-Person Games (1953); G. Owen, Values of Games with a Priori Unions (1977); for
decompositions of change: B. W. Ang, F. L. Liu, E. P. Chew, Perfect decomposition techniques in energy and environmental
analysis, Energy Policy 31 (2003). docs/bridge.md shows it.
"""

import operator
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from math import factorial, prod

from finops.tokens import INPUT_CLASSES

DIGITS = 40  # decimals that effects keep before they are rounded to money: what is cut there is below any cent a ledger holds
UNIT = 10**DIGITS
_WIDE = Context(prec=60)

USAGE_EFFECTS = (
    "volume", "tier_mix", "use_case_mix", "model_mix", "calls", "input_tokens", "output_tokens", "reasoning_tokens",
    "other_usage", "cache", "service_tier", "price", "contract", "commitments",
)  # fmt: skip
FIXED_EFFECTS = ("idle", "fx", "keys", "corrections", "shared", "other")
EFFECTS = (*USAGE_EFFECTS, *FIXED_EFFECTS)  # as they are listed; the sharing among them has no order
BUDGET = "budget"  # before the others, where a budget stands in for the cost before

_TO_CALLS = ("volume", "tier_mix", "use_case_mix", "model_mix", "calls")
_FROM_QUANTITY = ("service_tier", "price", "fx", "contract", "commitments")
_GROUPS = (  # which ratios make up the four
    ("volume", "tier_mix", "use_case_mix", "model_mix"), ("calls",),
    ("input_tokens", "output_tokens", "reasoning_tokens", "other_usage", "cache", "service_tier"),
    ("price", "fx", "contract", "commitments"),
)  # fmt: skip
_PER_CALL = {"output_visible": "output_tokens", "output_reasoning": "reasoning_tokens"}


def links_of(price_class: str) -> tuple[str, ...]:
    """What each ratio of the chain of a token class (or unit) is called, from the queries to the cost."""
    if price_class in INPUT_CLASSES:
        return (*_TO_CALLS, "input_tokens", "cache", *_FROM_QUANTITY)
    return (*_TO_CALLS, _PER_CALL.get(price_class, "other_usage"), *_FROM_QUANTITY)


def effects_of_chain(before: Sequence[Fraction], after: Sequence[Fraction], links: Sequence[str]) -> dict[str, int]:
    """Effect -> its part of ``after[-1] - before[-1]``, in units of 10**-DIGITS, rounded half-even once.

    ``before`` and ``after``: the measures of a chain, from the number of queries to the cost; ``links[n]`` names the ratio
    that leads to measure n. A measure that is zero on a side that has a cost says nothing of it: it is left out on both
    sides, and the ratio over the gap has the name of the next link. A side without cost ends at its first zero: the ratios
    after it are unknown there, and taken as on the other side, so that what began or stopped is told by the link at which
    it did.
    """
    if before[-1] == after[-1] == 0:
        return {}
    last = len(links) - 1
    kept = [
        n for n in range(len(links))
        if n == last or all(side[n] or not side[-1] for side in (before, after))
    ]  # fmt: skip
    ratios = [_ratios([side[n] for n in kept]) for side in (before, after)]
    old, new = (
        [other if mine is None else mine for mine, other in zip(*pair, strict=True)] for pair in (ratios, ratios[::-1])
    )
    names = [links[n] for n in kept]
    return _shared(names, [each or Fraction(0) for each in old], [each or Fraction(0) for each in new])


def _shared(names: Sequence[str], old: Sequence[Fraction], new: Sequence[Fraction]) -> dict[str, int]:
    """Name of a factor -> its part of the change of the product: among the groups, then within each."""
    groups = [[n for n, name in enumerate(names) if name in group] for group in _GROUPS]
    sides = [[prod((side[n] for n in places), start=Fraction(1)) for places in groups] for side in (old, new)]
    found = {}
    for places, (times, below) in zip(groups, means(*sides), strict=True):
        moved = [n for n in places if old[n] != new[n]]
        if not moved:
            continue
        still = prod((old[n] for n in places if n not in moved), start=Fraction(times, below))
        times, below = still.numerator, still.denominator
        inner = means([old[n] for n in moved], [new[n] for n in moved])
        for n, (mean, divisor) in zip(moved, inner, strict=True):
            change = new[n] - old[n]
            if share := _half_even(change.numerator * mean * times * UNIT, change.denominator * divisor * below):
                found[names[n]] = share
    return found


def _ratios(chain: Sequence[Fraction]) -> list[Fraction | None]:
    found: list[Fraction | None] = []
    last = Fraction(1)
    for measure in chain:
        found.append(measure / last if last else None)
        last = measure if last else Fraction(0)
    return found


def means(old: Sequence[Fraction], new: Sequence[Fraction]) -> list[tuple[int, int]]:
    """For each factor the mean of the product of the others, as numerator and denominator.

    Over all orders in which the factors may change from ``old`` to ``new``: when its turn comes some of the others are new
    already and some still old, and their products are the coefficients of the product of (old + new z) of the others. The
    Shapley value of a factor is its own change times this mean.
    """
    pairs, size = [_over_one(*pair) for pair in zip(old, new, strict=True)], len(old)
    weights = [factorial(place) * factorial(size - 1 - place) for place in range(size)]
    found = []
    for n in range(size):
        polynomial, below = [1], factorial(size)
        for other, (one, two, divisor) in enumerate(pairs):
            if other != n:
                polynomial, below = _times(polynomial, one, two), below * divisor
        found.append((sum(map(operator.mul, weights, polynomial)), below))
    return found


def _over_one(old: Fraction, new: Fraction) -> tuple[int, int, int]:
    """Both as whole numbers over one denominator."""
    return old.numerator * new.denominator, new.numerator * old.denominator, old.denominator * new.denominator


def _times(polynomial: list[int], constant: int, slope: int) -> list[int]:
    return [
        constant * low + slope * high for low, high in zip([*polynomial, 0], [0, *polynomial], strict=True)
    ]  # fmt: skip


def _half_even(value: int, divisor: int) -> int:
    sign = -1 if value < 0 else 1
    whole, rest = divmod(abs(value), divisor)
    return sign * (whole + (2 * rest > divisor or (2 * rest == divisor and whole % 2 == 1)))


def exact(effects: Mapping[str, int]) -> dict[str, Fraction]:
    """Effects as they are before they become money."""
    return {name: Fraction(value, UNIT) for name, value in effects.items()}


def rounded(effects: Mapping[str, Fraction], goal: Decimal, digits: int) -> dict[str, Decimal]:
    """The effects with so many decimals that they sum to ``goal`` exactly, by largest remainder; ties to the earlier one.

    Each is cut towards zero and what is then missing goes, one unit each, to those that lost most in its direction: so
    that the opposite of all effects is rounded to the opposite. ``goal`` may differ from their sum by what rounding its own
    two ends made of it; without any effect a goal that is not zero cannot be met, and is a ValueError.
    """
    scale = 10**digits
    units = {name: value * scale for name, value in effects.items()}
    cut = {name: int(value) for name, value in units.items()}  # towards zero
    missing = int(Fraction(goal) * scale) - sum(cut.values())
    sign = -1 if missing < 0 else 1
    order = sorted(units, key=lambda name: sign * (cut[name] - units[name]))
    if missing and not order:
        raise ValueError(f"no effect explains {goal}")
    for place in range(abs(missing)):
        cut[order[place % len(order)]] += sign
    return {name: _WIDE.scaleb(Decimal(value), -digits) for name, value in cut.items()}
