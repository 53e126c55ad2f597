"""Dated price rows of all books plus matching rules: which row holds for which use at which instant."""

from __future__ import annotations

import fnmatch
import functools
import re
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ingest.calc.matching import PROVIDER_ALIASES, Matcher, spellings
from ingest.calc.prices import BOOKS, PRICE_CLASSES, check_prices, content_hash

# Names that providers give to their ordinary tier.
STANDARD_TIERS = frozenset({"", "standard", "default", "auto", "on_demand", "ondemand", "on-demand", "regular"})
VARIANTS_OF_TIER = {"fast": "speed=fast"}  # one provider's tier is another's request option
_GLOB = re.compile(r"[*?\[]")
_ALL_DAY = 1441


class Condition(NamedTuple):
    """What a price may depend on besides model, class and date; minutes of the UTC day, -1 without a window."""

    mode: str
    tier: str
    region: str
    context_over: int
    window_start: int
    window_end: int


class Timeline(NamedTuple):
    """Which price row holds from which instant (us UTC, ascending) on; row -1 = none."""

    starts: list[int]
    rows: list[int]
    assumed: list[bool]


class Owner(NamedTuple):
    """A model of a book whose rows a key may use; a resold model has standard prices only."""

    id: int
    book: int
    resold: bool


class PriceIndex:
    """What ``PriceBook`` knows, for the functions that rate.

    In: rows in PRICE_SCHEMA (row numbers are the price ids) and the providers' matching rules.
    ``version`` is a hash of the content, independent of the order of rows. Raises PriceError on rows that cannot be
    rated. Model indexes given out by ``resolve`` belong to this object and are never stored.
    """

    def __init__(self, rows: pa.Table, providers: list[dict[str, Any]]) -> None:
        check_prices(rows)
        self.rows = rows.combine_chunks()
        self.version = content_hash(self.rows, providers)
        self.matcher = Matcher(providers)
        self.price: dict[str, list[Any]] = {name: _plain(self.rows[name]) for name in self.rows.column_names}
        self._index_owners()
        self.rate_steps, self.per = _rates(self.rows), np.append(self.rows["per"].to_numpy(), 1)
        whole = self.rate_steps % self.per == 0
        self.whole = np.append(self.rows["reprices_whole"].to_numpy(), True)
        self.all_whole = bool(self.whole.all())
        self.steps_per_unit = np.where(whole, self.rate_steps // self.per, -1)  # -1: a fraction of 1e-12 per unit
        ends = (t for name in ("valid_from", "valid_to") for t in self.price[name] if t is not None)
        self.changes = np.array(sorted(set(ends)), dtype=np.int64)  # every instant (us UTC) at which a price changes
        self._models: dict[tuple[Owner, ...], int] = {}
        self._numbering = threading.Lock()
        self.model_owners: list[tuple[Owner, ...]] = []
        self.memo: dict[Any, Any] = {}  # answers given before; only speed depends on it

    def resolve(self, keys: pa.Table) -> np.ndarray[Any, Any]:
        """Model index (int32, -1 = nothing in any book) of each key.

        In: columns provider, model_served, model_requested, host (strings, nullable; pass distinct keys). The served
        model is looked up first, then the requested one; provider by name, else host, else model name.
        """
        columns = [keys[name].to_pylist() for name in ("provider", "model_served", "model_requested", "host")]
        found = [self.resolve_one(*key)[0] for key in zip(*columns, strict=True)]
        return np.array(found, dtype=np.int32)

    def resolve_one(self, provider: str | None, served: str | None, requested: str | None, host: str | None) -> Any:
        """(model index, provider id) of one key."""
        key = ("key", provider, served, requested, host)
        if key not in self.memo:
            known = self.matcher.provider(provider, served or requested, host)
            owners = tuple(self._owners_of(known, [served, requested]))
            with self._numbering:  # two threads must not give one number to two models
                if owners and owners not in self._models:
                    self.model_owners.append(owners)
                    self._models[owners] = len(self.model_owners) - 1
            self.memo[key] = (self._models.get(owners, -1), known)
        return self.memo[key]

    def codes(self, column: str, values: Sequence[str] | None) -> tuple[Any, list[str]]:
        """Per price row the int8 code of a column's value, -1 for row -1, and the values."""
        key = ("codes", column)
        if key not in self.memo:
            known = list(values or dict.fromkeys(self.price[column]))
            place = {value: code for code, value in enumerate(known)}
            self.memo[key] = (np.array([*(place[value] for value in self.price[column]), -1], dtype=np.int8), known)
        return self.memo[key]  # type: ignore[no-any-return]

    @functools.cached_property
    def currency(self) -> str | None:
        """The currency of most rows: proxy prices are taken from these alone."""
        return Counter(self.price["currency"]).most_common(1)[0][0] if self.rows.num_rows else None

    def prices_of(self, model: int) -> dict[str, list[Any]]:
        """Conditions that the prices of a model know: thresholds (``excess``: of bands that price only what lies above),
        windows (minutes) and instants of change (us)."""
        rows = [row for owner in self.model_owners[model] for row in self._rows_of[owner.id]]
        at = self.price
        starts, ends = at["window_start"], at["window_end"]
        changes = {t for row in rows for t in (at["valid_from"][row], at["valid_to"][row]) if t is not None}
        return {
            "thresholds": sorted({at["context_over"][row] for row in rows} - {0}),
            "excess": sorted({at["context_over"][row] for row in rows if not at["reprices_whole"][row]}),
            "windows": sorted({(starts[row], ends[row]) for row in rows if starts[row] is not None}),
            "changes": sorted(changes),
        }

    def rows_of(self, owner: Owner) -> list[int]:
        """Row numbers of a model of a book."""
        return self._rows_of[owner.id]

    def timeline(self, model: int, price_class: int, condition: Condition) -> Timeline:
        """The rows that price one class of a model under a condition, over time.

        First the book (override, contract, builtin, snapshot), then the entry that names the model best, then the
        exact mode and tier before the standard price (``assumed``), the exact region before any, the narrowest window,
        the highest band at or below the condition's.
        """
        key = (model, price_class, condition)
        if key not in self.memo:
            self.memo[key] = self._timeline(model, PRICE_CLASSES[price_class], condition)
        found: Timeline = self.memo[key]
        return found

    def _timeline(self, model: int, name: str, condition: Condition) -> Timeline:
        if model < 0:
            return Timeline([0], [-1], [False])
        ranked = []
        for place, owner in enumerate(self.model_owners[model]):
            levels = _levels(condition)
            for row in self._by_class.get((owner.id, name), ()):
                rank = self._rank(row, condition, levels, resold=owner.resold)
                if rank is not None:
                    ranked.append(((owner.book, place, *rank), row))
        ranked.sort()
        since, until = self.price["valid_from"], self.price["valid_to"]
        edges = sorted({0, *(since[row] for _, row in ranked), *(until[row] for _, row in ranked if until[row])})
        line = Timeline([], [], [])
        for edge in edges:
            live = ((r, row) for r, row in ranked if since[row] <= edge and (until[row] is None or edge < until[row]))
            rank, row = next(live, ((), -1))
            line.starts.append(edge)
            line.rows.append(row)
            line.assumed.append(row >= 0 and rank[2] > 0)
        return line

    def _rank(self, row: int, wanted: Condition, levels: dict[Any, int], *, resold: bool) -> tuple[int, ...] | None:
        at = self.price
        kind = (at["mode"][row], at["service_tier"][row], at["variant"][row])
        level, region, over = levels.get(kind), at["region"][row], at["context_over"][row]
        if level is None or region not in (wanted.region, "") or over > wanted.context_over:
            return None
        if resold and kind != ("sync", "", ""):
            return None
        span = _window_length(at["window_start"][row], at["window_end"][row], wanted)
        return None if span is None else (level, 0 if region else 1, span, -over)

    def _index_owners(self) -> None:
        owners: dict[tuple[str, str, str], int] = {}
        self._rows_of: list[list[int]] = []
        self._by_class: dict[tuple[int, str], list[int]] = {}
        names = ("book", "provider", "model", "price_class")
        for row, (*name, kind) in enumerate(zip(*(self.price[n] for n in names), strict=True)):
            owner = owners.setdefault((name[0], name[1], name[2]), len(owners))
            if owner == len(self._rows_of):
                self._rows_of.append([])
            self._rows_of[owner].append(row)
            self._by_class.setdefault((owner, kind), []).append(row)
        self._exact: dict[tuple[int, str, str], int] = {}
        self._globs: list[tuple[int, str, re.Pattern[str], int, int]] = []
        for (book, provider, model), owner in owners.items():
            place, canonical = BOOKS.index(book), PROVIDER_ALIASES.get(provider.lower(), provider.lower())
            if book != "builtin" and _GLOB.search(model):
                literal = len(_GLOB.sub("", model))
                pattern = re.compile(fnmatch.translate(model.lower()))
                self._globs.append((place, canonical, pattern, literal, owner))
            else:
                text = model if book == "builtin" else model.lower()
                self._exact[place, provider if book == "builtin" else canonical, text] = owner
        self._short_names(owners)
        self._globs.sort(key=lambda glob: -glob[3])

    def _short_names(self, owners: dict[tuple[str, str, str], int]) -> None:
        """Models of imported books that carry their provider before their name (``azure/gpt-4o``) answer without it too."""
        for (book, provider, model), owner in owners.items():
            head, slash, rest = model.lower().partition("/")
            canonical = PROVIDER_ALIASES.get(provider.lower(), provider.lower())
            if (
                slash
                and book != "builtin"
                and not _GLOB.search(model)
                and PROVIDER_ALIASES.get(head, head) == canonical
            ):
                self._exact.setdefault((BOOKS.index(book), canonical, rest), owner)

    def _owners_of(self, provider: str | None, names: Sequence[str | None]) -> Iterable[Owner]:
        models = (self.matcher.model(provider, name) for name in names)
        builtin = next((model for model in models if model), None)
        texts = [text for name in names for text in spellings(name, lambda head: self._is(provider, head))]
        canonical = [builtin.id.lower()] if builtin else []
        for place, book in enumerate(BOOKS):
            if book == "builtin":
                owner = self._exact.get((place, builtin.provider, builtin.id)) if builtin else None
                if builtin and owner is not None:
                    yield Owner(owner, place, builtin.resold)
                continue
            hits = (self._written(place, provider, text) for text in (*texts, *canonical))
            found = dict.fromkeys(owner for written in hits for owner in written)
            yield from (Owner(owner, place, resold=False) for owner in found)

    def _written(self, book: int, provider: str | None, text: str) -> Iterable[int]:
        """Owners whose model, exact or pattern, fits a name; the most literal pattern first."""
        for name in (provider or "", "*"):
            if (owner := self._exact.get((book, name, text))) is not None:
                yield owner
        for place, name, pattern, _, owner in self._globs:
            if place == book and name in (provider, "*") and pattern.match(text):
                yield owner

    def _is(self, provider: str | None, head: str) -> bool:
        return self.matcher.provider(head, None, None) == provider


def condition_of(mode: str | None, tier: str | None, region: str | None, *slot: int | None) -> Condition:
    """Normalise a line's mode, service tier, region and slot (context_over, window_start, window_end)."""
    name = (tier or "").strip().lower()
    batch = (mode or "").lower() == "batch" or name == "batch"
    tier = "" if name in STANDARD_TIERS or name == "batch" else name
    over, start, end = slot
    window = (-1, -1) if start is None or end is None else (start, end)
    return Condition("batch" if batch else "sync", tier, region or "", over or 0, *window)


def _levels(wanted: Condition) -> dict[tuple[str, str, str], int]:
    """(mode, service_tier, variant) of rows that may price a condition -> 0 for what was asked, more for less fit."""
    tier, variant = ("", wanted.tier) if "=" in wanted.tier else (wanted.tier, "")
    levels = {(wanted.mode, tier, variant): 0}
    if tier in VARIANTS_OF_TIER:
        levels[wanted.mode, "", VARIANTS_OF_TIER[tier]] = 0
    for level, kind in enumerate([(wanted.mode, "", ""), ("sync", tier, variant), ("sync", "", "")], start=1):
        levels.setdefault(kind, level)
    return levels


def _window_length(start: int | None, end: int | None, wanted: Condition) -> int | None:
    """Minutes of a price's window if the slot's window lies inside it, else None."""
    if start is None or end is None:
        return _ALL_DAY
    first, last = wanted.window_start, wanted.window_end
    if first < 0:
        return None
    inside = start <= first and last <= end if start < end else first >= start or last <= end
    return (end - start) % 1440 or 1440 if inside else None


def _plain(column: Any) -> Any:
    """Python values; instants as us since 1970, times of day as minutes."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).to_pylist()
    if pa.types.is_time(column.type):
        return [None if value is None else value // 60_000_000 for value in column.cast(pa.int64()).to_pylist()]
    return column.to_pylist()


def _rates(rows: pa.Table) -> Any:
    """Rates as int64 steps of 1e-12 per pricing unit, with a 0 at the end for row -1."""
    rates: list[Any] = rows["rate"].to_pylist()
    return np.array([*(int(rate.scaleb(12)) for rate in rates), 0], dtype=np.int64)
