"""Loading price books: versions are added, never overwritten, and no price jumps without a person's approval."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.db import transaction

from finops import audit
from ingest import price_versions as versions
from ingest.calc.overrides import overrides
from ingest.calc.price_changes import HELD, REPORTED, Change, Reference, changes, counts, guarded
from ingest.calc.price_effects import OWN_BOOKS, Resolution, exact_names, uses_of
from ingest.calc.price_files import PriceFile, read_prices
from ingest.calc.price_timelines import Row, key_of, laid_over, with_catalogue
from ingest.calc.prices import PriceError
from ingest.models import RATE_ANEW, DirtySlice, FactDay, PriceBookVersion
from ingest.price_versions import Load, State
from ingest.reslot import rebuild_slots
from ingest.selectors import price_book, price_without, seen_names

BUILTIN = Path(__file__).parent / "price_book" / "builtin.json.gz"
_MOST_TOLD = 1_000
Step = Callable[[list[Row]], list[Row]]


class Loaded(NamedTuple):
    """What a load did to one book. ``changes``: of what was in force, with those that are held."""

    version: PriceBookVersion
    changes: list[Change]
    left_out: list[tuple[str, str, str]]
    fresh: bool  # False: the very same was in force already
    rejected: tuple[Change, ...] = ()  # of the held ones, those that a person rejected before: nobody is asked again


def load_builtin(*, actor: str) -> PriceBookVersion:
    """Load the price book that ships with the product; nothing happens when it is in force already."""
    raw = BUILTIN.read_bytes()
    version = versions.live("builtin")
    if version is not None and version.file_hash == hashlib.sha256(raw).hexdigest():
        return version
    return load_prices(raw, BUILTIN.name, kind="genai-prices", actor=actor)[0].version


def load_overrides(path: Path, *, actor: str) -> PriceBookVersion:
    """Put a YAML file of overrides in force (ingest.calc.overrides says how it is written). Raises PriceError."""
    return load_prices(path.read_bytes(), path.name, kind="overrides", actor=actor)[0].version


def load_prices(
    raw: bytes, origin: str, *, actor: str, kind: str = "", book: str = "", day: date | None = None, again: bool = False
) -> list[Loaded]:
    """Load a price file (ingest.calc.price_files) into its book; overrides may be of two. Raises PriceError.

    ``day``: of a catalogue that does not say its own; today by default. ``again``: as ``put_in_force``.
    """
    found = read_prices(raw, kind=kind, book=book, day=day or datetime.now(UTC).date(), origin=origin)
    return put_in_force(found, origin, hashlib.sha256(raw).hexdigest(), actor=actor, again=again)


@transaction.atomic
def put_in_force(found: PriceFile, origin: str, file_hash: str, *, actor: str, again: bool = False) -> list[Loaded]:
    """Make what a file says the live version of its books, but for prices that a person has to approve first.

    What was rejected before is asked for again where a person wrote it (OWN_BOOKS), or ``again`` says so: catalogues come
    every day with the same slips.
    """
    versions.lock()
    loaded = []
    for book in _books(found):
        state = versions.state(book)
        work = _work(found, book, state)
        if (
            state.version
            and state.version.file_hash == file_hash
            and work.dates == state.version.report.get("dates", [])
            and not (again or (book in OWN_BOOKS and versions.rejected_in(state.version)))
        ):
            loaded.append(Loaded(state.version, [], [], fresh=False))
            continue
        left_out = [*found.left_out, *work.left_out]
        report = {
            "format": found.format,
            **found.counts(),
            "dates": work.dates,
            "left_out": [list(line) for line in left_out],
        }
        matching = found.matching or (state.version.matching if state.version else {})
        load = Load(book, matching, origin, file_hash, actor, report)
        loaded.append(_apply(load, state, work.steps, again=again)._replace(left_out=left_out))
    return loaded


@transaction.atomic
def add_entries(entries: Any, *, origin: str, actor: str) -> list[Loaded]:
    """Lay approved entries, written as overrides are, over the books of the site: other prices stay. Raises PriceError."""
    versions.lock()
    loaded = []
    for book, rows in _by_book(entries).items():
        state = versions.state(book)
        load = Load(book, {}, origin, "", actor, {"format": "entries", "prices": len(rows)})
        loaded.append(_apply(load, state, [_over(rows)], approved=rows))
    return loaded


def changes_of_entries(entries: Any) -> list[Change]:
    """What laying entries over the books of the site would change. Raises PriceError."""
    found: list[Change] = []
    for book, rows in _by_book(entries).items():
        state = versions.state(book)
        wanted = laid_over(state.wanted, rows)
        found += _effects(book)(state.in_force, wanted, changes(state.in_force, wanted, _reference(book)))
    return found


def compared(found: PriceFile) -> list[Change]:
    """What loading a file would change of the prices in force, and what would be held; nothing is written."""
    told: list[Change] = []
    for book in _books(found):
        state = versions.state(book)
        wanted = state.wanted
        for step in _work(found, book, state).steps:
            wanted = step(wanted)
        told += _effects(book)(state.in_force, wanted, changes(state.in_force, wanted, _reference(book)))
    return told


def _apply(
    load: Load, state: State, steps: Sequence[Step], approved: Sequence[Row] = (), *, again: bool = False
) -> Loaded:
    effects = _effects(load.book)
    in_force, wanted, found = laid_over(state.in_force, approved), state.wanted, list[Change]()
    reported: dict[Any, Change] = {}
    first = state.version is None and load.book not in OWN_BOOKS
    for step in steps:
        wanted = step(wanted)
        if not in_force and first:  # nothing to compare with: a book begins
            in_force, first = wanted, False
            continue
        in_force, found = guarded(in_force, wanted, _reference(load.book), effects)
        for change in found:
            if change.verdict.state == REPORTED:
                reported[key_of(change.any_row), change.since] = change
    known = set() if again or load.book in OWN_BOOKS else versions.rejected(load.book)
    held = [change for change in found if change.verdict.state == HELD]
    asked = [change for change in held if versions.asked_of(change.any_row, removes=change.row is None) not in known]
    rejected = tuple(change for change in held if change not in asked)
    told = [*(changes(state.in_force, in_force) if state.version else ()), *held]
    seen = {(key_of(change.any_row), change.since) for change in told}
    told += [change for place, change in reported.items() if place not in seen]
    load.report.update(
        changes=counts(told) if state.version else {"added": len(in_force)}, rejected_before=len(rejected),
        reported=[versions.described(change) for change in [*reported.values()][:_MOST_TOLD]],
    )  # fmt: skip
    version = versions.write(load, in_force, asked, state.version)
    if version == state.version:
        return Loaded(version, [], [], fresh=False, rejected=rejected)
    versions.hold(version, asked, state.version, load.actor)
    before = str(state.version) if state.version else None
    details = {"rows": len(in_force), "origin": load.origin, "held": len(held), "before": before}
    audit.record(action="prices.load", actor=load.actor, subject=str(version), details=details)
    reprice()
    return Loaded(version, told, [], fresh=True, rejected=rejected)


def reprice() -> None:
    """After a change of what is in force: usage is rated again, in slots that the new prices know."""
    _mark_everything()
    if FactDay.objects.exists():
        rebuild_slots()


def _books(found: PriceFile) -> Sequence[str]:
    """A file of overrides states both books of the site; the contract's only where there is or was one."""
    if found.format != "overrides":
        return [found.book]
    contract = any(row["book"] == "contract" for row in found.rows) or versions.live("contract") is not None
    return OWN_BOOKS if contract else OWN_BOOKS[:1]


class _Work(NamedTuple):
    """What a file does to a book, in steps; the days of all its catalogues then; what of the file it leaves out."""

    steps: list[Step]
    dates: list[str]
    left_out: list[tuple[str, str, str]]


def _work(found: PriceFile, book: str, state: State) -> _Work:
    known: list[str] = state.version.report.get("dates", []) if state.version else []
    if found.catalogues:
        dates = sorted({*known, *(day.isoformat() for day in found.catalogues)})
        days = [datetime.fromisoformat(text) for text in dates]
        return _Work([_catalogue(rows, day, days) for day, rows in sorted(found.catalogues.items())], dates, [])
    if found.format != "llm-prices":
        return _Work([_constant([row for row in found.rows if row["book"] == book])], [], [])
    others = [row for row in state.wanted if not row["source"].startswith("llm-prices")]
    taken = {(row["provider"], row["model"].lower()) for row in others}
    new = [row for row in found.rows if (row["provider"], row["model"].lower()) not in taken]
    apart = {f"{row['provider']} {row['model']}" for row in found.rows} - {
        f"{row['provider']} {row['model']}" for row in new
    }
    why = "the book has prices of another source for it"
    return _Work([_constant([*others, *new])], known, [(name, "every price", why) for name in sorted(apart)])


def _catalogue(rows: list[Row], day: datetime, days: list[datetime]) -> Step:
    return lambda wanted: with_catalogue(wanted, rows, day, days)


def _over(rows: list[Row]) -> Step:
    return lambda wanted: laid_over(wanted, rows)


def _constant(rows: list[Row]) -> Step:
    return lambda _wanted: rows


def _by_book(entries: Any) -> dict[str, list[Row]]:
    rows = overrides(entries).to_pylist()
    if not rows:
        raise PriceError("there is no entry")
    books = sorted({row["book"] for row in rows}, key=OWN_BOOKS.index)
    return {book: [row for row in rows if row["book"] == book] for book in books}


def _reference(book: str) -> Reference:
    """What usage costs without a price: the next book's price, for the books in which people correct the others."""
    return price_without if book in OWN_BOOKS else (lambda _row: None)


def _effects(book: str) -> Resolution:
    """What changes of a book do to usage: to that which came, and for the books of the site to all that has a price."""
    live = price_book().book
    return Resolution(live, book, uses_of(seen_names(), exact_names(live) if book in OWN_BOOKS else ()))


def _mark_everything() -> None:
    """Any slice may cost something else now: the refresher rates the cube again."""
    days = FactDay.objects.values_list("charge_date", flat=True)
    DirtySlice.objects.bulk_create([DirtySlice(charge_date=day, usage_key_id=RATE_ANEW) for day in days])
