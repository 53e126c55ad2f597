"""Why two levels differ: hypotheses, and the fewest of them that explain a difference exactly.

The rows of two levels that can only be compared together (a model's day, as a rule) differ in quantities and in cost by
class and treatment. Hypotheses with a known effect (calls that a gateway wrote twice, hours that another month bills,
cached tokens counted again as input, usage priced under another treatment) are tried alone and together; what is left
may be usage that was moved from one treatment to another, or not captured. Only an explanation without rest is believed.
Quantities that left the lower level count at its own price, those that joined it at the book's.
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations
from math import comb
from typing import Any, NamedTuple

from allocation.calc.reconcile_hypotheses import Effect, Hypothesis, Piece, Scene, hypotheses
from allocation.calc.reconcile_rows import ZERO, Evidence, Key, Row, mask_of, money

_MOST_TOGETHER, _MOST_TRIED = 3, 10_000


class Gap(NamedTuple):
    """What is left to explain of one key. ``quantity`` None: the upper level does not say how much."""

    quantity: Decimal | None
    cost: Decimal


Gaps = dict[Key, Gap]


def solve(lower: Sequence[Row], upper: Sequence[Row], level: str, evidence: Evidence) -> list[Piece]:
    """Pieces that explain the cost of ``upper`` less that of ``lower``; the rest is unexplained.

    Rows of usage of one group (Row.worth is compared: exchange is explained already), or of one other category. ``level``:
    the upper one, which may say nothing.
    """
    pieces = _by_nature(lower, upper, evidence)
    if pieces is not None:
        return pieces
    start, end = evidence.start, evidence.end
    late = [row for row in upper if row.correction or not start <= (row.day or start) < end]
    pieces = [Piece(row, "cut_off", row.worth) for row in late]
    for below, above in _apart_by_day(lower, [row for row in upper if row not in late]):
        pieces += _scene_explained(Scene(below, above, level, evidence))
    return pieces


def _apart_by_day(lower: Sequence[Row], upper: Sequence[Row]) -> list[tuple[list[Row], list[Row]]]:
    """Models and days, where both levels tell them apart: the fewer rows, the surer the explanation."""
    mask = mask_of(upper)
    found: dict[tuple[Any, str], tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((lower, upper)):
        for row in rows:
            found[row.day if mask.day else None, row.model if mask.model else ""][side].append(row)
    return list(found.values())


def _scene_explained(scene: Scene) -> list[Piece]:
    pieces: list[Piece] = []
    left = _gaps(scene)
    if any(not scene.is_nothing(key, gap.quantity or ZERO) or _is_open(scene, key, gap) for key, gap in left.items()):
        pieces, left = _explained(scene, left)[1:]
    return pieces + [
        Piece(scene.row_of(key), "rounding", gap.cost)
        for key, gap in left.items()
        if gap.cost and not _is_open(scene, key, gap)
    ]


def _is_open(scene: Scene, key: Key, gap: Gap) -> bool:
    return abs(gap.cost) > scene.room(key)


_NATURES = {"Tax": "tax", "Credit": "credit"}


def _by_nature(lower: Sequence[Row], upper: Sequence[Row], evidence: Evidence) -> list[Piece] | None:
    """Of credits and taxes the category says why; None: usage. Purchases and adjustments explain nothing by themselves."""
    some = (*upper, *lower)
    if not some:
        return []
    category = some[0].category
    if category == "Usage":
        return None
    cause = _NATURES.get(category)
    if cause is None:
        late = [row for row in upper if not evidence.start <= (row.day or evidence.start) < evidence.end]
        return [Piece(row, "cut_off", row.worth) for row in late]
    return [Piece(row, cause, row.worth) for row in upper] + [Piece(row, cause, -row.worth) for row in lower]


def _gaps(scene: Scene) -> Gaps:
    sums: dict[Key, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for side, rows in ((1, scene.upper), (-1, scene.lower)):
        for row in rows:
            found = sums[scene.mask.key(row)]
            found[0] += side * (scene.quantity(row) or ZERO)
            found[1] += side * row.worth
    return {key: Gap(found[0] if scene.counts(key) else None, found[1]) for key, found in sums.items()}


class Explanation(NamedTuple):
    """``rank``: the lower the better; its first field is 0 where nothing is left, 1 where only money is."""

    rank: tuple[int, ...]
    pieces: list[Piece]
    left: Gaps


def _explained(scene: Scene, gaps: Gaps) -> Explanation:
    """The best explanation.

    One that uses what is evident before one that does not, if it leaves no rest; then the one with the fewest causes,
    then with the fewest hypotheses.
    """
    known = [found for found in hypotheses(scene) if _helps(found, gaps)]
    evident = [found for found in known if found.evident]
    best: Explanation | None = None
    for base in [evident, *([found] for found in evident if len(evident) > 1), *([[]] if evident else [])]:
        found = _searched(scene, gaps, base, known)
        if found.rank[0] == 0:
            return found
        best = min(best or found, found, key=lambda tried: tried.rank)
    return best or _searched(scene, gaps, [], known)


def _searched(scene: Scene, gaps: Gaps, base: list[Hypothesis], known: list[Hypothesis]) -> Explanation:
    best = _tried(scene, gaps, base)
    for size in range(1, _MOST_TOGETHER + 1):
        if best.rank[0] == 0 and best.rank[2] <= size + len(base):
            break
        if comb(len(known), size) > _MOST_TRIED:
            break
        for chosen in combinations(known, size):
            exclusive = [found.excludes for found in (*base, *chosen) if found.excludes]
            if len(set(exclusive)) == len(exclusive):
                best = min(best, _tried(scene, gaps, [*base, *chosen]), key=lambda tried: tried.rank)
    return best


def _helps(found: Hypothesis, gaps: Gaps) -> bool:
    """Whether it goes towards what is left anywhere; what is evident may also hide behind something larger."""
    if found.evident:
        return any(key in gaps and (gaps[key].quantity or gaps[key].cost) for key in found.effects)
    for key, effect in found.effects.items():
        gap = gaps.get(key)
        if gap is None:
            continue
        if gap.quantity and effect.quantity and (gap.quantity > 0) == (effect.quantity > 0):
            return True
        if not effect.quantity and gap.cost and (gap.cost > 0) == (effect.cost > 0):
            return True
        if gap.quantity is None and gap.cost:
            return True
    return False


def _tried(scene: Scene, gaps: Gaps, chosen: Sequence[Hypothesis]) -> Explanation:
    left = dict(gaps)
    pieces: list[Piece] = []
    for found in chosen:
        pieces += found.pieces
        for key, effect in found.effects.items():
            left[key] = _less(left.get(key, Gap(ZERO if scene.counts(key) else None, ZERO)), effect)
    more = [
        *_moved(scene, left), *_counted_twice(scene, left), *_not_captured(scene, left), *_unpriced(scene, left),
    ]  # fmt: skip
    counted = sum(not scene.is_nothing(key, gap.quantity or ZERO) for key, gap in left.items())
    open_ = sum(_is_open(scene, key, gap) for key, gap in left.items())
    # Calls of just that number and size are a stronger witness than tokens that merely would fit.
    causes = sum(2 if cause == "wrong_token_class" else 1 for cause in {piece.cause for piece in more})
    whole = 2 if counted else 1 if open_ else 0
    return Explanation((whole, counted + open_, len(chosen) + causes, len(chosen)), [*pieces, *more], left)


def _less(gap: Gap, effect: Effect) -> Gap:
    return Gap(None if gap.quantity is None else gap.quantity - effect.quantity, gap.cost - effect.cost)


def _moved(scene: Scene, left: Gaps) -> list[Piece]:
    """The same usage under another treatment at the two levels."""
    places: dict[tuple[object, ...], list[Key]] = defaultdict(list)
    for key, gap in left.items():
        if gap.quantity:
            places[key[:3]].append(key)
    pieces = []
    for keys in places.values():
        giving = [key for key in keys if (left[key].quantity or ZERO) < 0]
        taking = [key for key in keys if (left[key].quantity or ZERO) > 0]
        pairs = [(a, b) for a in giving for b in taking]
        for a, b in sorted(pairs, key=lambda pair: (_apart(*pair), str(pair))):
            moved = min(-(left[a].quantity or ZERO), left[b].quantity or ZERO)
            if moved <= 0 or scene.is_nothing(a, moved) or scene.is_nothing(b, moved):
                continue
            out, into = scene.price_below(a), scene.price(b)
            if scene.is_unpriced(a) and into is None:
                out = into = ZERO
            if out is None or into is None:
                continue
            left[a] = _less(left[a], Effect(-moved, money(-moved * out)))
            left[b] = _less(left[b], Effect(moved, money(moved * into)))
            cause = "context_band" if a[:5] == b[:5] else "service_tier"
            amount = money(moved * into) - money(moved * out)
            pieces.append(Piece(scene.row_of(a), cause, amount))
    return pieces


def _apart(a: Key, b: Key) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def _counted_twice(scene: Scene, left: Gaps) -> list[Piece]:
    """Cached tokens that the lower level counts as ordinary input as well, of some calls only."""
    pieces = []
    for key, gap in list(left.items()):
        if key.price_class != "input_uncached" or not gap.quantity or gap.quantity >= 0:
            continue
        others = [found for found in left if found != key and found._replace(price_class="input_uncached") == key]
        cached = scene.below(key._replace(price_class="cache_read"))
        falling = any((left[found].quantity or ZERO) < 0 for found in others)
        price = ZERO if scene.is_unpriced(key) else scene.price_below(key)
        if cached and -gap.quantity <= cached and not falling and price is not None:
            amount = money(gap.quantity * price)
            left[key] = _less(gap, Effect(gap.quantity, amount))
            pieces.append(Piece(scene.row_of(key), "wrong_token_class", amount))
    return pieces


def _not_captured(scene: Scene, left: Gaps) -> list[Piece]:
    pieces = []
    for key, gap in list(left.items()):
        if not key.model and not key.price_class:
            continue  # a fee that names nothing is no usage
        if gap.quantity is None:
            if gap.cost > 0 and scene.is_empty_below(key) and not scene.is_unpriced(key):
                left[key] = Gap(None, ZERO)
                pieces.append(Piece(scene.row_of(key), "not_captured", gap.cost))
            continue
        if gap.quantity <= 0 or scene.is_nothing(key, gap.quantity):
            continue
        if not scene.is_counted(key) and not scene.is_empty_below(key):
            continue  # a quantity that is only reckoned from a cost proves nothing about part of a day
        price = scene.price(key)
        if price is None and scene.is_unpriced(key):
            left[key] = Gap(ZERO, gap.cost)
            continue
        amount = money(gap.quantity * price) if price is not None else gap.cost
        left[key] = _less(gap, Effect(gap.quantity, amount))
        pieces.append(Piece(scene.row_of(key), "not_captured", amount))
    return pieces


def _unpriced(scene: Scene, left: Gaps) -> list[Piece]:
    """What the upper level charges for usage of which we have no price."""
    pieces = []
    for key, gap in list(left.items()):
        if gap.cost and not gap.quantity and scene.is_unpriced(key):
            left[key] = Gap(gap.quantity, ZERO)
            pieces.append(Piece(scene.row_of(key), "unpriced", gap.cost))
    return pieces
