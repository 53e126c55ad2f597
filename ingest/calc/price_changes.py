"""What a load changes of a price book, and which of it a person has to look at first.

Catalogues carry slips of units (x10, per 1k for per 1M) beside real cuts of five and more; only a person can tell. So a
price that changes by 3x or more waits, with its former price in force; one between 2x and 3x passes and is reported. What
a change does to usage beyond its own row says ingest.calc.price_effects.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from finops.tokens import TOKEN_CLASSES
from ingest.calc.price_timelines import Row, during, end_of, joined, key_of, timelines, value_of, without

HELD_FROM, REPORTED_FROM = 3, 2
HELD, REPORTED, PASSED = "held", "reported", ""
_ROUNDING = Fraction(2, 100)
_TOKENS = {
    10: "a decimal place", 100: "two decimal places", 1_000: "per 1k for per 1M tokens, or per token for per 1k",
    1_000_000: "per token for per 1M tokens",
}  # fmt: skip
_OTHERS = {
    10: "a decimal place",
    100: "cents for a whole unit",
    1_000: "per 1,000 for per one",
    1_000_000: "per million for per one",
}
_TIMES = {60: "per minute for per second, or per hour for per minute", 3_600: "per hour for per second"}


class Verdict(NamedTuple):
    """What becomes of a change: HELD, REPORTED or PASSED; by which factor, >= 1 (None: from or to nothing), and why."""

    state: str
    factor: Fraction | None
    reason: str


class Change(NamedTuple):
    """One span of time in which a price is another one. ``kind``: added, removed or changed.

    ``row``: the new price in the span (None: removed); ``former``: the one it replaces, or the last one before it.
    """

    kind: str
    row: Row | None
    former: Row | None
    since: datetime
    until: datetime
    verdict: Verdict

    @property
    def any_row(self) -> Row:
        """The row that names provider, model, class and conditions."""
        return self.row or self.former or {}


Reference = Callable[[Row], Row | None]
Effects = Callable[[Sequence[Row], Sequence[Row], list[Change]], list[Change]]


def judge(former: Row, row: Row) -> Verdict:
    """Whether a price may replace another without a person. In: rows of PRICE_SCHEMA (rate, per, currency, ...)."""
    (old, old_currency, old_whole), (new, currency, whole) = value_of(former), value_of(row)
    if old_currency != currency:
        return Verdict(HELD, None, f"from {old_currency} to {currency}")
    if old == new:
        kind = (
            "" if whole == old_whole else f"the band now prices {'the whole request' if whole else 'only the excess'}"
        )
        return Verdict(REPORTED if kind else PASSED, Fraction(1), kind)
    if not old or not new:
        return Verdict(HELD, None, "from free to a price" if new else "from a price to free")
    factor = max(old / new, new / old)
    text = f"{_short(factor)}x {'more' if new > old else 'less'}"
    if slip := _slip(factor, row["price_class"]):
        text += f", a slip of units? ({slip})"
    return Verdict(HELD if factor >= HELD_FROM else REPORTED if factor >= REPORTED_FROM else PASSED, factor, text)


def _slip(factor: Fraction, price_class: str) -> str:
    tokens = price_class in TOKEN_CLASSES or price_class == "character"
    known = _TOKENS if tokens else _OTHERS | (_TIMES if price_class.endswith(("_second", "_hour")) else {})
    for size, text in known.items():
        if abs(factor / size - 1) <= _ROUNDING:
            return f"x{size:,}: {text}"
    return ""


def _short(factor: Fraction) -> str:
    return f"{round(Decimal(factor.numerator) / factor.denominator, 2):f}".rstrip("0").rstrip(".")


def changes(live: Iterable[Row], new: Iterable[Row], reference: Reference = lambda _row: None) -> list[Change]:
    """What ``new`` changes of ``live``, by provider, model, class and time.

    A price that comes back after a gap is compared with the last one before it; one without any former price with
    ``reference`` (row -> what the usage costs without it).
    """
    before, after = timelines(live), timelines(new)
    found: list[Change] = []
    for key in sorted(before.keys() | after.keys(), key=_order):
        found += _of_line(before.get(key, []), after.get(key, []), reference)
    return found


def guarded(
    live: Iterable[Row], new: Iterable[Row], reference: Reference = lambda _row: None, effects: Effects | None = None
) -> tuple[list[Row], list[Change]]:
    """(rows to put in force, all changes): ``new``, with the former price wherever a change is held.

    ``effects``: judges the changes (of the rows ``live`` and ``new``) by what usage costs before and after them, too.
    """
    before, wanted = list(live), list(new)
    found = changes(before, wanted, reference)
    if effects is not None:
        found = effects(before, wanted, found)
    lines = timelines(wanted)
    for change in found:
        if change.verdict.state == HELD:
            key = key_of(change.any_row)
            lines[key] = without(lines.get(key, []), change.since, change.until)
            if change.former is not None and key_of(change.former) == key:  # else it is another book's, and still there
                lines[key].append(during(change.former, change.since, change.until))
    return [row for line in lines.values() for row in joined(line)], found


def counts(found: Iterable[Change]) -> dict[str, int]:
    """How many of each kind, and how many were held and reported."""
    total = Counter[str]()
    for change in found:
        total[change.kind] += 1
        if change.verdict.state:
            total[change.verdict.state] += 1
    return {name: total[name] for name in ("added", "removed", "changed", REPORTED, HELD)}


def _of_line(before: list[Row], after: list[Row], reference: Reference) -> list[Change]:
    if [(row["valid_from"], end_of(row), value_of(row)) for row in before] == [
        (row["valid_from"], end_of(row), value_of(row)) for row in after
    ]:
        return []
    edges = sorted({edge for row in (*before, *after) for edge in (row["valid_from"], end_of(row))})
    found: list[Change] = []
    for since, until in itertools.pairwise(edges):
        old, new = _at(before, since), _at(after, since)
        change = _change(old, new, before, (since, until), reference)
        if change is None:
            continue
        last = found[-1] if found else None
        if last and last.until == since and _same(last.row, new) and _same(last.former, change.former):
            found[-1] = last._replace(until=until)
        else:
            found.append(change)
    return [change._replace(row=change.row and during(change.row, change.since, change.until)) for change in found]


def _change(
    old: Row | None, new: Row | None, before: list[Row], span: tuple[datetime, datetime], reference: Reference
) -> Change | None:
    if new is None:
        return None if old is None else Change("removed", None, old, *span, Verdict(PASSED, None, ""))
    if old is not None:
        same = value_of(old) == value_of(new)
        return None if same else Change("changed", new, old, *span, judge(old, new))
    former = next((row for row in reversed(before) if end_of(row) <= span[0]), None) or reference(new)
    return Change("added", new, former, *span, judge(former, new) if former else Verdict(PASSED, None, ""))


def _at(line: list[Row], instant: datetime) -> Row | None:
    return next((row for row in line if row["valid_from"] <= instant < end_of(row)), None)


def _same(a: Row | None, b: Row | None) -> bool:
    return a is b or (a is not None and b is not None and value_of(a) == value_of(b))


def _order(key: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(str(part) for part in key)
