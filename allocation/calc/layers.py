"""Layers of truth, in quantities: what several layers say of the same calls is matched, never summed (invariant 6).

Gateway, trace and meter see only what passes through them: their *union* is charged. A gateway's calls count in full; of
a trace what no gateway knows, of a meter what neither knows. Provider usage sees everything: where it states a day whole
it *rules*, quantities then tie to it exactly; where it does not, it is one more witness, of which is charged what lower
layers have not seen. So nothing is doubled, and nothing that any layer states is lost.

Two rows are about the same account when their billing accounts are equal, or one does not say which; about the same
usage when provider, model and class are the same, and for a ruling the scope. Visible and reasoning output are one
class: many providers do not split them, and bill them alike.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

REQUESTS, COUNTS = "requests", ("requests", "queries")  # as price_class: counts of calls
WITNESSES = ("gateway", "trace", "meter")  # the lower layers, the surest first
UNKNOWN_MODELS = frozenset({"", "(all models)", "(many)"})
ZERO = Decimal(0)
_UNIT = Decimal(1).scaleb(-12)


def account_groups(accounts: Iterable[str]) -> dict[str, str]:
    """Which billing accounts of one provider's rows of a day are compared: account -> name of its group.

    An account that is not stated means "the only one": it is compared with every other, which makes them all one group.
    """
    known = set(accounts)
    return {account: "" if "" in known else account for account in known}


class Who(NamedTuple):
    """By what rows of one cell are paired first, where both know it."""

    account: str = ""
    api_key: str = ""
    project: str = ""


class Usage(NamedTuple):
    """One rating (or count of calls) of a day."""

    layer: str
    group: str  # of its billing account
    provider: str
    model: str  # what the price book knows it as; '' where the source does not say
    price_class: str
    scope: str
    operation: str
    who: Who
    quantity: Decimal
    source: str = ""  # kind; of provider usage: several may speak of one account


class Outcome(NamedTuple):
    """What becomes of one row: parts of its quantity, and the cause of what is charged of it."""

    explained: Decimal = ZERO  # charged by other layers
    exceeds: Decimal = ZERO  # negative: charged below and not stated by the provider who rules
    cause: str = ""


# group, provider, scope, operation, source: whether this source of provider usage states the day whole
Ruled = Callable[[str, str, str, str, str], bool]


def matching_class(price_class: str) -> str:
    """The class under which layers are compared."""
    return "output_visible" if price_class == "output_reasoning" else price_class


def prorated(total: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """``total`` over weights (their absolute values) by largest remainder; ties go to the earlier row.

    Whole numbers stay whole; else parts have 12 decimals. Invariants: the parts sum to the total; none exceeds its weight
    unless the total exceeds all. Weights that are all zero count alike.
    """
    whole = all(value == value.to_integral_value() for value in (total, *weights))
    step = Decimal(1) if whole else _UNIT
    units, basis = int(abs(total) / step), [int(abs(weight) / step) for weight in weights]
    if not any(basis):
        basis = [1] * len(basis)
    all_ = sum(basis)
    parts = [divmod(units * weight, all_) for weight in basis]
    counts = [part for part, _ in parts]
    for row in sorted(range(len(parts)), key=lambda row: -parts[row][1])[: units - sum(counts)]:
        counts[row] += 1
    return [(-count if total < 0 else count) * step for count in counts]


def explained(
    stated: Sequence[tuple[Who, Decimal]], below: Sequence[tuple[Who, Decimal]], *, cap: bool
) -> list[Decimal]:
    """How much of each stated amount of a cell the amounts below explain.

    Rows whose account, else API key, else project are the same known value are paired first; the rest explains the
    rest pro rata. With ``cap`` a row is never explained beyond what it states (a witness); without, everything below
    explains something (a ruling), so that stated - explained sums to the difference exactly. Without stated rows: [].
    """
    result = [ZERO] * len(stated)
    rows, lower = list(range(len(stated))), list(range(len(below)))

    def allot(amount: Decimal, among: list[int]) -> None:
        if cap:
            amount = min(amount, sum((stated[row][1] for row in among), ZERO))
        for row, part in zip(among, prorated(amount, [stated[row][1] for row in among]), strict=True):
            result[row] += part

    for field in range(len(Who._fields)):
        mine: dict[str, list[int]] = defaultdict(list)
        theirs: dict[str, Decimal] = defaultdict(Decimal)
        for row in rows:
            mine[stated[row][0][field]].append(row)
        for row in lower:
            theirs[below[row][0][field]] += below[row][1]
        both = mine.keys() & theirs.keys() - {""}
        for value in sorted(both):
            allot(theirs[value], mine[value])
        rows = [row for row in rows if stated[row][0][field] not in both]
        lower = [row for row in lower if below[row][0][field] not in both]
    rest = sum((below[row][1] for row in lower), ZERO)
    if rest and (rows or not cap) and stated:
        allot(rest, rows or list(range(len(stated))))
    return result


def by_precedence(rows: Iterable[Usage], ruled: Ruled) -> list[str]:
    """The sources of provider usage of one place, who leads last: who states the day whole, else more, else by name."""
    whole: dict[str, bool] = defaultdict(bool)
    stated: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row.layer == "provider_usage":
            whole[row.source] |= ruled(row.group, row.provider, row.scope, row.operation, row.source)
            stated[row.source] += row.quantity if row.price_class not in COUNTS else ZERO
    return sorted(whole, key=lambda source: (whole[source], stated[source], source))


def provider_outcomes(rows: Sequence[Usage], charged: Sequence[Decimal], ruled: Ruled) -> list[Outcome]:
    """What provider usage adds to, or takes from, what lower layers charge; one Outcome per row.

    ``charged``: of each row what the union of the lower layers leaves of it. ``ruled``: whether a source states the day
    whole for a scope and operation. Where the one that leads rules: sum(charged below) + sum(its rows) = what it states,
    by scope, model and class; requests likewise in scopes of which it counts any.
    """
    found, left = [Outcome()] * len(rows), list(charged)
    places = defaultdict(list)
    for at, row in enumerate(rows):
        places[row.group, row.provider].append(at)
    for place in places.values():
        lower = [at for at in place if rows[at].layer in WITNESSES]
        sources = by_precedence((rows[at] for at in place), ruled)
        kinds = _kinds(rows, place, sources[-1], ruled) if sources else {}
        for source in sources:
            upper = [at for at in place if rows[at].layer == "provider_usage" and rows[at].source == source]
            below = [at for at in lower if left[at]]
            for cell in _cells(rows, kinds, upper, below, leads=source == sources[-1]) if below else ():
                _settle(rows, left, cell, found)
            for at in upper:
                left[at] -= found[at].explained
            lower += upper
    return found


_Kind = tuple[bool, str, str]  # whether the source that leads rules, of which scope ('' where it does not), class


def _kinds(rows: Sequence[Usage], place: Sequence[int], lead: str, ruled: Ruled) -> dict[int, _Kind]:
    calls = [rows[at] for at in place if rows[at].price_class == REQUESTS and rows[at].quantity]
    counting = {row.scope for row in calls if row.layer == "provider_usage" and row.source == lead}
    kinds = {}
    for at in place:
        row = rows[at]
        stated = row.price_class not in COUNTS or row.scope in counting  # some providers count no requests
        rules = stated and ruled(row.group, row.provider, row.scope, row.operation, lead)
        kinds[at] = rules, row.scope if rules else "", matching_class(row.price_class)
    return kinds


class _Cell(NamedTuple):
    upper: list[int]
    lower: list[int]
    rules: bool


def _cells(
    rows: Sequence[Usage], kinds: dict[int, _Kind], upper: list[int], lower: list[int], *, leads: bool
) -> list[_Cell]:
    cells: dict[Any, _Cell] = {}
    vague = {kinds[at] for at in upper if rows[at].model in UNKNOWN_MODELS}
    of_upper = set(upper)
    for at in (*upper, *lower):
        model = "" if kinds[at] in vague or rows[at].model in UNKNOWN_MODELS else rows[at].model
        cell = cells.setdefault((*kinds[at], model), _Cell([], [], leads and kinds[at][0]))
        (cell.upper if at in of_upper else cell.lower).append(at)
    return list(cells.values())


def _settle(rows: Sequence[Usage], left: Sequence[Decimal], cell: _Cell, found: list[Outcome]) -> None:
    stated = [(rows[at].who, rows[at].quantity) for at in cell.upper]
    below = [(rows[at].who, left[at]) for at in cell.lower]
    if not stated:
        for at in cell.lower if cell.rules else ():
            found[at] = found[at]._replace(exceeds=-left[at], cause="below_exceeds")
        return
    for at, part in zip(cell.upper, explained(stated, below, cap=not cell.rules), strict=True):
        whole = rows[at].quantity
        found[at] = Outcome(min(part, whole), min(whole - part, ZERO), "not_seen_below")


class Hourly(NamedTuple):
    """What one row of a lower layer says of one hour; ``matched``: of calls that a gateway knows by their id."""

    at: int
    hour: int
    quantity: Decimal
    matched: bool


class Witnessed(NamedTuple):
    """Parts of one row that other lower layers charge."""

    by_id: Decimal = ZERO
    by_hour: Decimal = ZERO


def union(rows: Sequence[Usage], hours: Sequence[Hourly]) -> dict[int, Witnessed]:
    """What of traces and meters other lower layers charge; row number -> parts.

    A traced call that a gateway knows by id is charged by the gateway. Of the rest, per account, provider, model, class
    and hour, a trace is charged for what exceeds the gateway's calls that no id has matched, and a meter for what exceeds
    all that gateways and traces are charged for. Invariant: per such cell the charge is at least what any layer states,
    and at most their sum.
    """
    by_id: dict[int, Decimal] = defaultdict(Decimal)
    by_hour: dict[int, Decimal] = defaultdict(Decimal)
    cells: dict[Any, dict[str, list[Hourly]]] = defaultdict(lambda: defaultdict(list))
    for hourly in hours:
        row = rows[hourly.at]
        place = (row.group, row.provider, row.model, matching_class(row.price_class), hourly.hour)
        cells[place][row.layer].append(hourly)
    for cell in cells.values():
        below = [(rows[item.at].who, item.quantity) for item in cell["gateway"] if not item.matched]
        traced = [item for item in cell["trace"] if not item.matched]
        for item in cell["trace"]:
            by_id[item.at] += item.quantity if item.matched else ZERO
        parts = explained([(rows[item.at].who, item.quantity) for item in traced], below, cap=True)
        seen = [(rows[item.at].who, item.quantity) for item in cell["gateway"]]
        for item, part in zip(traced, parts, strict=True):
            by_hour[item.at] += part
            seen.append((rows[item.at].who, item.quantity - part))
        metered = [(rows[item.at].who, item.quantity) for item in cell["meter"]]
        for item, part in zip(cell["meter"], explained(metered, seen, cap=True), strict=True):
            by_hour[item.at] += part
    return {at: Witnessed(by_id[at], by_hour[at]) for at in by_id.keys() | by_hour.keys()}
