"""Layers of truth, in money: a cost report rules what usage costs; what computed charges do not explain is a line.

Per billing account, provider, day, scope and currency. Computed charges keep their owners; each line of the report is
charged for what it states beyond the computed charges of its cell, which may be negative, so that their sum is the
report's, exactly. Cells are as fine as the line knows: scope, model and class; scope and model; scope; and for lines whose
scope nobody knows (``other``) all that the report rules. A day or scope that the report does not state whole stays with
the computed charges: of its lines is charged only what they state beyond those, in all of the scope.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.layers import ZERO, Who, explained, matching_class

OTHER = "other"
Place = tuple[str, str, str]  # group of accounts, provider, currency
Whole = Callable[[Place, str], bool]  # whether the report states this scope of the day whole


class Stated(NamedTuple):
    """One line of a cost report that is about usage of its day."""

    place: Place
    scope: str
    model: str  # '' where it does not say
    price_class: str
    who: Who
    quantity: Decimal | None  # None: not stated, or not in units of the class
    cost: Decimal


class Computed(NamedTuple):
    """One computed charge; cost None: unpriced."""

    place: Place
    scope: str
    model: str
    price_class: str
    who: Who
    quantity: Decimal
    cost: Decimal | None


class Remainder(NamedTuple):
    """Of one line: what computed charges explain of its cost and quantity, and why a remainder is left."""

    explained: Decimal
    quantity: Decimal | None  # None: the quantities are not of one kind
    cause: str
    charged: bool  # False: an incomplete report's line that lower layers account for


class Ruling(NamedTuple):
    """One Remainder per line, and the numbers of the computed charges whose cost the report rules."""

    remainders: list[Remainder]
    ruled: set[int]


def rule(lines: Sequence[Stated], computed: Sequence[Computed], whole: Whole) -> Ruling:
    """Reconcile a day. Invariant, per place over the scopes that a report states whole and has a line of in any scope:

    sum(computed cost) + sum(line cost - explained) = sum(line cost).
    """
    found = [Remainder(ZERO, ZERO, "", charged=True)] * len(lines)
    ruled: set[int] = set()
    places: dict[Place, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for at, line in enumerate(lines):
        places[line.place][0].append(at)
    for at, row in enumerate(computed):
        if row.place in places:
            places[row.place][1].append(at)
    for place, (of_lines, rows) in places.items():
        scopes = {lines[at].scope for at in of_lines} | {computed[at].scope for at in rows}
        stated = {scope for scope in scopes if whole(place, scope)}
        full = [at for at in of_lines if lines[at].scope in stated]
        # a report that states nothing of a provider is not known to speak of it: only places with lines are ruled
        under = [at for at in rows if full and computed[at].scope in stated]
        ruled.update(under)
        _rule_whole(lines, computed, full, under, found)
        part = [at for at in of_lines if lines[at].scope not in stated]
        _beyond(lines, computed, part, [at for at in rows if not full or computed[at].scope not in stated], found)
    return Ruling(found, ruled)


_LEVELS: tuple[Callable[[Any], tuple[str, ...]], ...] = (
    lambda row: (row.scope, row.model, matching_class(row.price_class)),
    lambda row: (row.scope, row.model),
    lambda row: (row.scope,),
    lambda _row: (),
)


def _level(line: Stated) -> int:
    if line.scope == OTHER:
        return 3
    if not line.model:
        return 2
    return 0 if line.price_class else 1


def _rule_whole(
    lines: Sequence[Stated], computed: Sequence[Computed], full: list[int], under: list[int], found: list[Remainder]
) -> None:
    left = list(under)
    for level, key in enumerate(_LEVELS):
        cells: dict[Any, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for at in full:
            if _level(lines[at]) == level:
                cells[key(lines[at])][0].append(at)
        for at in left:
            if (place := key(computed[at])) in cells:
                cells[place][1].append(at)
        for of_lines, rows in cells.values():
            _explain(lines, computed, of_lines, rows, found)
        taken = {at for _, rows in cells.values() for at in rows}
        left = [at for at in left if at not in taken]
    _take_back(lines, computed, full, left, found)


def _take_back(
    lines: Sequence[Stated], computed: Sequence[Computed], full: list[int], left: list[int], found: list[Remainder]
) -> None:
    """What is computed and nowhere stated explains the lines that are nearest, which state too little then."""
    for key in _LEVELS[1:]:
        near: dict[Any, list[int]] = defaultdict(list)
        for at in full:
            near[key(lines[at])].append(at)
        rows: dict[Any, list[int]] = defaultdict(list)
        for at in left:
            rows[key(computed[at])].append(at)
        for place, mine in rows.items():
            _explain(lines, computed, near.get(place, []), mine, found)
        left = [at for at in left if key(computed[at]) not in near]


def _explain(
    lines: Sequence[Stated], computed: Sequence[Computed], of_lines: list[int], rows: list[int], found: list[Remainder]
) -> None:
    if not rows or not of_lines:
        return
    stated = [(lines[at].who, lines[at].cost) for at in of_lines]
    below = [(computed[at].who, cost) for at in rows if (cost := computed[at].cost) is not None]
    costs = explained(stated, below, cap=False)
    alike = len({_LEVELS[0](row) for row in (*(lines[at] for at in of_lines), *(computed[at] for at in rows))}) == 1
    comparable = alike and all(lines[at].quantity is not None for at in of_lines)
    amounts = [(lines[at].who, lines[at].quantity or ZERO) for at in of_lines]
    counted = [(computed[at].who, computed[at].quantity) for at in rows] if comparable else []
    quantities = explained(amounts, counted, cap=False)
    unequal = sum((amount for _, amount in amounts), ZERO) != sum((amount for _, amount in counted), ZERO)
    cause = "quantity_difference" if unequal else "price_difference"
    if any(computed[at].cost is None for at in rows):
        cause = "unpriced_below"
    elif not comparable:
        cause = "unexplained"
    for at, cost, quantity in zip(of_lines, costs, quantities, strict=True):
        former = found[at]
        again = former.cause not in ("", cause)
        amount = former.quantity + quantity if comparable and former.quantity is not None else None
        found[at] = Remainder(former.explained + cost, amount, "unexplained" if again else cause, charged=True)


def _beyond(
    lines: Sequence[Stated], computed: Sequence[Computed], part: list[int], rows: list[int], found: list[Remainder]
) -> None:
    """Lines of what is not stated whole: the part beyond the computed charges of the scope, if any."""
    scopes = {lines[at].scope for at in part}
    # Computed beyond what the lines of its scope state explains lines of no known scope.
    spare = sum((computed[at].cost or ZERO for at in rows if computed[at].scope not in scopes), ZERO)
    for scope in sorted(scopes, key=lambda name: (name == OTHER, name)):
        mine = [at for at in part if lines[at].scope == scope]
        below = [computed[at] for at in rows if computed[at].scope == scope]
        cost = sum((row.cost for row in below if row.cost is not None), ZERO) + (spare if scope == OTHER else ZERO)
        stated = sum((lines[at].cost for at in mine), ZERO)
        if scope == OTHER:
            below = [computed[at] for at in rows]
        if cost == 0:
            cause = "unpriced_below" if any(row.cost is None for row in below) else ""
            for at in mine:
                found[at] = Remainder(ZERO, ZERO, cause, charged=True)
            continue
        if stated <= cost:
            spare += cost - stated if scope != OTHER else ZERO
            for at in mine:
                found[at] = Remainder(lines[at].cost, None, "", charged=False)
            continue
        parts = explained([(Who(), lines[at].cost) for at in mine], [(Who(), cost)], cap=False)
        for at, explains in zip(mine, parts, strict=True):
            found[at] = Remainder(explains, None, "unexplained", charged=True)
