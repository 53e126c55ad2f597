"""What changes of price rows do to usage: what every model that is known costs before and after them.

A row alone does not say it: a pattern prices models that had other prices, and a price that is taken away uncovers the
one below it, or none. So each change is judged by the usage whose price it has a part in.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa

from ingest.calc.price_changes import HELD, PASSED, REPORTED, Change, Verdict, judge
from ingest.calc.price_index import Condition, PriceIndex, Timeline, condition_of
from ingest.calc.price_timelines import Row
from ingest.calc.prices import BOOKS, PRICE_CLASSES, PRICE_SCHEMA

OWN_BOOKS = ("override", "contract")  # people write them; they go before all others
_WORSE = (PASSED, REPORTED, HELD)
_Name = tuple[str, str]


class Use(NamedTuple):
    """Usage of one model: the names under which it comes, and how it was ``seen`` (mode, tier, region); empty: only known."""

    provider: str | None
    served: str | None
    requested: str | None = None
    host: str | None = None
    seen: frozenset[tuple[str, str, str]] = frozenset()

    @property
    def model(self) -> str:
        """As people call it."""
        return self.served or self.requested or ""


class Resolution:
    """Judges changes of one book, the others standing as they are in ``live``."""

    def __init__(self, live: PriceIndex, book: str, uses: Sequence[Use]) -> None:
        """``uses``: what is known or was seen; a change is judged by its own model too."""
        self.live, self.book, self.uses, self.own = live, book, uses, book in OWN_BOOKS

    def __call__(self, before: Sequence[Row], after: Sequence[Row], found: list[Change]) -> list[Change]:
        """The changes with what they do to usage; ``before`` and ``after`` are the book's rows."""
        names = {_name(change.any_row) for change in found if self._bears(change)}
        if not names:
            return found
        own = [Use(provider, model) for provider, model in sorted(names)]
        if not self.own:
            ends = {_end(model) for _, model in names}
            before, after = ([row for row in rows if _is_near(row["model"], ends)] for rows in (before, after))
        sides = [_index(rows, self.live) for rows in (before, after)]
        concerned: dict[_Name, dict[Use, None]] = {name: {} for name in names}
        for use in (*own, *self.uses):
            for side in sides:
                for name in self._written(side, use):
                    if name in concerned:
                        concerned[name][use] = None
        uses = {use for found_uses in concerned.values() for use in found_uses}
        others = self._others(uses)
        full = [_index([*rows, *others], self.live) for rows in (before, after)]
        return [
            self._judged(change, concerned[_name(change.any_row)], full) if self._bears(change) else change
            for change in found
        ]

    def _bears(self, change: Change) -> bool:
        """Whether a change may do to usage what its rows do not say: catalogues come after the books of the site."""
        return self.own or change.row is None or _is_pattern(change.any_row["model"])

    def _written(self, index: PriceIndex, use: Use) -> Iterator[_Name]:
        """Under which names of the book's rows the usage is priced."""
        at, _ = index.resolve_one(use.provider, use.served, use.requested, use.host)
        for owner in index.model_owners[at] if at >= 0 else ():
            row = index.rows_of(owner)[0]
            yield index.price["provider"][row], index.price["model"][row]

    def _others(self, uses: Iterable[Use]) -> list[Row]:
        """The rows of the other books that may price these uses."""
        rows = set[int]()
        for use in uses:
            at, _ = self.live.resolve_one(use.provider, use.served, use.requested, use.host)
            for owner in self.live.model_owners[at] if at >= 0 else ():
                if BOOKS[owner.book] != self.book:
                    rows.update(self.live.rows_of(owner))
        found: list[Row] = self.live.rows.take(pa.array(sorted(rows), pa.int64())).to_pylist()
        return found

    def _judged(self, change: Change, uses: Mapping[Use, None], sides: Sequence[PriceIndex]) -> Change:
        row, price_class = change.any_row, PRICE_CLASSES.index(change.any_row["price_class"])
        for use in uses:
            itself = _name(row) == (use.provider, use.served)
            for condition in _conditions(row, use):
                lines = [(side, side.timeline(side.resolve_one(*use[:4])[0], price_class, condition)) for side in sides]
                for old, new in _pairs(lines, change.since, change.until):
                    verdict = _verdict(old, new, use)
                    if _WORSE.index(verdict.state) > _WORSE.index(change.verdict.state):
                        reason = verdict.reason if itself else f"{use.model}: {verdict.reason}"
                        former = change.former if change.kind == "removed" else old
                        change = change._replace(verdict=verdict._replace(reason=reason), former=former)
        return change


def _index(rows: Sequence[Row], live: PriceIndex) -> PriceIndex:
    index = PriceIndex(pa.Table.from_pylist(list(rows), schema=PRICE_SCHEMA), [])
    index.matcher = live.matcher
    return index


def _is_pattern(model: str) -> bool:
    return any(sign in model for sign in "*?[")


def _is_near(model: str, ends: set[str]) -> bool:
    return _end(model) in ends or _is_pattern(model)


def _end(model: str) -> str:
    """A model's name without the providers before it."""
    return model.lower().rpartition("/")[2]


def _name(row: Row) -> _Name:
    return row["provider"], row["model"]


def _conditions(row: Row, use: Use) -> set[Condition]:
    """Those of the row, and in its band and window those in which the usage was seen."""
    window = (None if at is None else at.hour * 60 + at.minute for at in (row["window_start"], row["window_end"]))
    slot = (row["context_over"], *window)
    own = condition_of(row["mode"], row["service_tier"] or row["variant"], row["region"], *slot)
    return {own, *(condition_of(*seen, *slot) for seen in use.seen)}


def _pairs(
    lines: Sequence[tuple[PriceIndex, Timeline]], since: datetime, until: datetime
) -> Iterator[tuple[Row | None, Row | None]]:
    """What holds before and after, at every instant of a span from which on it is another."""
    first, last = round(since.timestamp() * 1e6), round(until.timestamp() * 1e6)
    edges = {first, *(start for _, line in lines for start in line.starts if first < start < last)}
    for edge in sorted(edges):
        rows = [(index, line.rows[bisect_right(line.starts, edge) - 1]) for index, line in lines]
        old, new = (index.rows.slice(at, 1).to_pylist()[0] if at >= 0 else None for index, at in rows)
        yield old, new


def _verdict(old: Row | None, new: Row | None, use: Use) -> Verdict:
    if old is None:
        return Verdict(PASSED, None, "")
    if new is None:
        return Verdict(HELD, None, "used, and without a price then") if use.seen else Verdict(PASSED, None, "")
    return judge(old, new)


def exact_names(index: PriceIndex) -> list[_Name]:
    """(provider, model) of all rows whose model is no pattern."""
    names = dict.fromkeys(zip(index.price["provider"], index.price["model"], strict=True))
    return [name for name in names if not _is_pattern(name[1])]


def uses_of(rows: Iterable[Sequence[Any]], known: Iterable[_Name] = ()) -> list[Use]:
    """What is there to judge by: usage (provider, served, requested, host, mode, tier, region) and names of books."""
    seen: dict[tuple[str | None, str | None, str | None, str | None], set[tuple[str, str, str]]] = {}
    for provider, served, requested, host, mode, tier, region in rows:
        names = provider or None, served or None, requested or None, host or None
        seen.setdefault(names, set()).add((mode or "", tier or "", region or ""))
    used = [Use(*names, seen=frozenset(how)) for names, how in seen.items()]
    return used + [Use(provider, model) for provider, model in dict.fromkeys(known)]
