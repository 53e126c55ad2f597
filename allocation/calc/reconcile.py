"""Reconciliation: from what we computed to what was invoiced, with the cause of every difference.

Per provider and billing account the levels computed -> provider usage -> cost report -> invoice are compared two by two,
at the finest grain that the upper one states: model, class and day, or what remains of them. A level speaks of a day and
scope only where it states them whole; elsewhere the level below goes on (CONTRACTS 2). What no cause explains exactly is
*unexplained*, never spread: stated - computed = sum of causes + unexplained, always.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import NamedTuple

from allocation.calc.reconcile_causes import solve
from allocation.calc.reconcile_currency import in_one_currency
from allocation.calc.reconcile_groups import Group, groups
from allocation.calc.reconcile_hypotheses import Piece
from allocation.calc.reconcile_rows import (
    CAUSES,
    LEVELS,
    ZERO,
    Evidence,
    Key,
    Line,
    Row,
    plain_tier,
    total,
)

Whole = Callable[[str, str, str, date | None, str], bool]  # level, provider, account, day, scope


class Tolerance(NamedTuple):
    """A difference is within tolerance up to the larger of an amount and a share of what is stated."""

    absolute: Decimal = Decimal("0.01")
    relative: Decimal = Decimal("0.005")

    def state(self, computed: Decimal, stated: Decimal, *, both: bool, rounding: Decimal = ZERO) -> str:
        """matched, within_tolerance, variance; missing where only one side says anything.

        ``rounding``: what printed amounts hide of the difference; it is within any tolerance but none at all.
        """
        difference = stated - computed
        if difference == 0:
            return "matched"
        most = max(self.absolute, self.relative * abs(stated))
        if abs(difference - (rounding if most else ZERO)) <= most:
            return "within_tolerance"
        return "variance" if both else "missing"


DEFAULT = Tolerance()


class Summary(NamedTuple):
    """Totals of one currency. ``levels``: level -> its amount where it speaks, what goes on from below elsewhere.

    ``explained``: share of the differences that causes explain, 1 where there are none.
    """

    currency: str
    computed: Decimal
    levels: dict[str, Decimal]
    stated: Decimal
    causes: dict[str, Decimal]
    unexplained: Decimal
    explained: Decimal
    states: dict[str, int]


def reconcile(rows: Iterable[Row], whole: Whole, evidence: Evidence, tolerance: Tolerance = DEFAULT) -> list[Line]:
    """The lines of one billing period, sorted. Rows in any order, of any number of accounts.

    Raises what ``evidence.rate`` raises where a rate is missing.
    """
    bills: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        bills[row.provider, row.account].append(row._replace(tier=plain_tier(row.tier)))
    with localcontext(prec=60):
        lines = [line for place in sorted(bills) for line in _bill(bills[place], whole, evidence, tolerance)]
        lines = _one_a_place(lines, tolerance)
    return sorted(lines, key=lambda line: (*line[:4], line.day or date.min, *line[5:7]))


def _one_a_place(lines: list[Line], tolerance: Tolerance) -> list[Line]:
    """Lines of the same place (fees beside usage that is not told apart) as one."""
    found: dict[tuple[object, ...], Line] = {}
    for line in lines:
        place = (*line[:7],)
        other = found.get(place)
        if other is None:
            found[place] = line
            continue
        causes: dict[str, Decimal] = defaultdict(Decimal)
        for cause, amount in (*other.causes, *line.causes):
            causes[cause] += amount
        amounts = [
            None if a is None and b is None else (a or ZERO) + (b or ZERO)
            for a, b in ((getattr(other, name), getattr(line, name)) for name in LEVELS)
        ]
        merged = line._replace(
            computed=amounts[0] or ZERO, provider_usage=amounts[1], cost_report=amounts[2], invoice=amounts[3],
            causes=tuple((cause, causes[cause]) for cause in CAUSES if causes[cause]),
            unexplained=other.unexplained + line.unexplained,
        )  # fmt: skip
        both = "missing" not in (other.state, line.state)
        found[place] = merged._replace(
            state=tolerance.state(merged.computed, merged.stated, both=both, rounding=causes["rounding"])
        )
    return list(found.values())


def summaries(lines: Iterable[Line]) -> list[Summary]:
    """One per currency, sorted. Invariant: stated - computed = sum of causes + unexplained."""
    by_currency: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_currency[line.currency].append(line)
    return [_summary(currency, found) for currency, found in sorted(by_currency.items())]


def _summary(currency: str, lines: list[Line]) -> Summary:
    causes: dict[str, Decimal] = defaultdict(Decimal)
    states: dict[str, int] = defaultdict(int)
    for line in lines:
        states[line.state] += 1
        for cause, amount in line.causes:
            causes[cause] += amount
    known = sum((abs(amount) for line in lines for _, amount in line.causes), ZERO)
    open_ = sum((abs(line.unexplained) for line in lines), ZERO)
    return Summary(
        currency, total(line.computed for line in lines), _levels(lines), total(line.stated for line in lines),
        {cause: causes[cause] for cause in CAUSES if cause in causes}, total(line.unexplained for line in lines),
        known / (known + open_) if open_ else Decimal(1), dict(sorted(states.items())),
    )  # fmt: skip


def _levels(lines: list[Line]) -> dict[str, Decimal]:
    """Sums of the levels that speak of anything; of accounts of which one says nothing, the level below goes on."""
    sums: dict[str, Decimal] = {}
    for level in LEVELS[1:]:
        at = LEVELS.index(level) + 1
        if any(getattr(line, level) is not None for line in lines):
            sums[level] = total(
                next(amount for name in reversed(LEVELS[:at]) if (amount := getattr(line, name)) is not None)
                for line in lines
            )
    return sums


def _bill(rows: list[Row], whole: Whole, evidence: Evidence, tolerance: Tolerance) -> list[Line]:
    """The lines of one account."""
    currency, rows, evidence = in_one_currency(rows, evidence)
    spoken = [level for level in LEVELS[1:] if any(row.level == level for row in rows)]
    levels = {"computed": [row for row in rows if row.level == "computed"]}
    below = "computed"
    for level in spoken:
        levels[level] = _effective([row for row in rows if row.level == level], levels[below], whole)
        below = level
    return [
        line for group in groups(levels) for line in _lines(group, ["computed", *spoken], evidence, tolerance, currency)
    ]


def _effective(stated: list[Row], lower: list[Row], whole: Whole) -> list[Row]:
    """The rows of a level, with the lower level's where it does not state a day and scope whole.

    Of usage that it does not state whole the larger of the two goes on, as it is charged; credits, taxes and the like
    count as they are stated.
    """
    if not stated:
        return list(lower)
    level, provider, account = stated[0][:3]
    dateless = {row.scope for row in stated if row.day is None}
    places: dict[tuple[date | None, str, str], tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for side, found in enumerate((stated, lower)):
        for row in found:
            day = None if row.scope in dateless or "" in dateless else row.day
            places[day, row.scope, row.category][side].append(row)
    result: list[Row] = []
    for (day, scope, _), (mine, below) in places.items():
        if whole(level, provider, account, day, scope) or (
            mine and total(row.cost for row in mine) > total(row.cost for row in below)
        ):
            result += mine
        else:
            result += below
    return result


def _lines(group: Group, spoken: Sequence[str], evidence: Evidence, tolerance: Tolerance, currency: str) -> list[Line]:
    levels = {level: group.levels.get(level, []) for level in spoken}
    pieces: list[Piece] = []
    for lower, upper in pairwise(spoken):
        pieces += solve(levels[lower], levels[upper], upper, evidence)
    amounts: dict[Key, dict[str, Decimal]] = defaultdict(dict)
    for level, rows in levels.items():
        for row in rows:
            at = amounts[group.grain.key(row)]
            at[level] = at.get(level, ZERO) + (row.cost or ZERO)
    causes: dict[Key, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for piece in pieces:
        causes[group.grain.key(piece.row)][piece.cause] += piece.amount
    for row in levels[spoken[-1]]:
        causes[group.grain.key(row)]["fx"] += row.exchange
    some = next(row for rows in levels.values() for row in rows)
    lines = []
    for key in sorted(amounts.keys() | causes.keys(), key=str):
        found = {level: amounts[key].get(level, ZERO) for level in spoken}
        known = {cause: amount for cause, amount in causes[key].items() if amount}
        top = spoken[-1]
        state = "missing"
        if top != "computed":
            both = {"computed", top} <= amounts[key].keys()
            state = tolerance.state(found["computed"], found[top], both=both, rounding=known.get("rounding", ZERO))
        lines.append(
            Line(
                some.provider, some.account, key.model, key.price_class, key.day, some.category, currency,
                state,
                found["computed"], found.get("provider_usage"), found.get("cost_report"), found.get("invoice"),
                tuple((cause, known[cause]) for cause in CAUSES if cause in known),
                found[top] - found["computed"] - sum(known.values(), ZERO),
            )
        )  # fmt: skip
    return lines
