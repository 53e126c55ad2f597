"""Price rows along time: cut, laid over each other, catalogues of a date put into their place.

A row is a dict of PRICE_SCHEMA. Rows of the same conditions form a timeline: half-open spans that never overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time
from fractions import Fraction
from typing import Any

from ingest.calc.prices import PriceError

Row = dict[str, Any]
Key = tuple[Any, ...]
CONDITIONS = (
    "book", "provider", "model", "price_class", "mode", "service_tier", "region", "variant", "context_over", "window_start",
    "window_end",
)  # fmt: skip
END = datetime.max.replace(tzinfo=UTC)


def key_of(row: Row) -> Key:
    """Everything that a price depends on but time."""
    return tuple(row[name] for name in CONDITIONS)


def value_of(row: Row) -> tuple[Fraction, str, bool]:
    """What a price says: money per unit, its currency, and whether its band reprices the whole request."""
    return Fraction(row["rate"]) / row["per"], row["currency"], row["reprices_whole"]


def end_of(row: Row) -> datetime:
    """The end of a row's validity; END when it is open."""
    end: datetime | None = row["valid_to"]
    return end or END


def timelines(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    """Rows by conditions, each list by time."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(key_of(row), []).append(row)
    for line in found.values():
        line.sort(key=lambda row: row["valid_from"])
    return found


def during(row: Row, since: datetime, until: datetime) -> Row:
    """The row, valid in that span."""
    return row | {"valid_from": since, "valid_to": None if until == END else until}


def without(line: Iterable[Row], since: datetime, until: datetime) -> list[Row]:
    """A timeline with a span cut out of it."""
    found = []
    for row in line:
        begin, end = row["valid_from"], end_of(row)
        if end <= since or until <= begin:
            found.append(row)
            continue
        if begin < since:
            found.append(during(row, begin, since))
        if until < end:
            found.append(during(row, until, end))
    return found


def laid_over(rows: Iterable[Row], over: Iterable[Row]) -> list[Row]:
    """``rows`` with ``over`` in their place wherever the two have the same conditions at the same time."""
    lines = timelines(rows)
    for row in over:
        key = key_of(row)
        lines[key] = [*without(lines.get(key, []), row["valid_from"], end_of(row)), row]
    return [row for line in lines.values() for row in joined(line)]


def cut_out(rows: Iterable[Row], row: Row) -> list[Row]:
    """``rows`` without the span of one of the same conditions."""
    lines = timelines(rows)
    lines[key_of(row)] = without(lines.get(key_of(row), []), row["valid_from"], end_of(row))
    return [each for line in lines.values() for each in line]


def with_catalogue(
    rows: Iterable[Row], catalogue: Sequence[Row], day: datetime, dates: Iterable[datetime]
) -> list[Row]:
    """A book of dated catalogues with another one: its prices hold from its day until the day of the next.

    ``rows``: the book so far; ``dates``: the days of the catalogues in it. A price that the catalogue does not have ends.
    The order in which catalogues arrive does not matter.
    """
    until = min((other for other in dates if other > day), default=END)
    lines = {key: without(line, day, until) for key, line in timelines(rows).items()}
    for row in catalogue:
        lines.setdefault(key_of(row), []).append(during(row, day, until))
    return [row for line in lines.values() for row in joined(line)]


def joined(line: Iterable[Row]) -> list[Row]:
    """A timeline in order, in which neighbours that say the same are one row, with the source of the first."""
    found: list[Row] = []
    for row in sorted(line, key=lambda row: row["valid_from"]):
        if found and end_of(found[-1]) == row["valid_from"] and value_of(found[-1]) == value_of(row):
            found[-1] = during(found[-1], found[-1]["valid_from"], end_of(row))
        else:
            found.append(row)
    return found


def check_no_overlaps(rows: Iterable[Row], name: str = "row") -> None:
    """Raise PriceError where two rows of the same conditions, or with windows that overlap, hold at the same instant.

    ``name``: the field (if the rows have it) that says to a person which row it is.
    """
    seen: dict[Key, list[Row]] = {}
    for row in rows:
        others = seen.setdefault(tuple(row[field] for field in CONDITIONS[:-2]), [])
        for other in others:
            in_time = row["valid_from"] < end_of(other) and other["valid_from"] < end_of(row)
            if in_time and _minutes(row) & _minutes(other):
                what = f"{row['provider']} {row['model']} {row['price_class']}"
                place = f"entry {row[name]}: {row['price_class']}" if name in row else what
                against = f"entry {other[name]}" if name in other else "another price of the same conditions"
                windows = "" if row["window_start"] == other["window_start"] else " and in their windows of the day"
                raise PriceError(f"{place} overlaps {against} in valid_from/valid_to{windows}")
        others.append(row)


def _minutes(row: Row) -> set[int]:
    """Minutes of the day that a price holds in; one without a window holds in the rest of the day, here a minute of its own."""
    start, end = row["window_start"], row["window_end"]
    if start is None:
        return {-1}
    first, last = _minute(start), _minute(end)
    return set(range(first, last)) if first < last else {*range(first, 1440), *range(last)}


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute
