"""Versions of price books as they are kept: read, written, and what waits for approval in them."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
from django.db import connection

from finops import approvals
from finops.copying import copy_rows
from finops.models import Approval
from ingest.calc.price_changes import Change
from ingest.calc.price_timelines import Key, Row, cut_out, during, key_of, laid_over, value_of
from ingest.calc.prices import PRICE_SCHEMA, content_hash, price_table
from ingest.models import HeldPrice, Price, PriceBookVersion

KIND = "price"
_LOCK = 0x50524943  # "PRIC"
_NAMES = PRICE_SCHEMA.names
_HELD_NAMES = [*_NAMES, "removes"]
Asked = tuple[Key, tuple[Any, ...], bool]  # conditions, value, whether it goes
Held = tuple[Key, tuple[Any, ...], Any, bool]  # with valid_from


class State(NamedTuple):
    """One book as it stands. ``wanted``: with the prices that wait for approval in their place."""

    version: PriceBookVersion | None
    in_force: list[Row]
    wanted: list[Row]


class Load(NamedTuple):
    """What a version comes from."""

    book: str
    matching: dict[str, Any]
    origin: str
    file_hash: str
    actor: str
    report: dict[str, Any]


def lock() -> None:
    """One change of the price books at a time, until the caller's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def live(book: str) -> PriceBookVersion | None:
    """The version of a book that is in force."""
    return PriceBookVersion.objects.filter(book=book, live=True).first()


def rows_of(version: PriceBookVersion | None) -> list[Row]:
    """The prices of a version, in PRICE_SCHEMA."""
    return list(Price.objects.filter(version=version).values(*_NAMES)) if version else []


def state(book: str) -> State:
    """The book as it stands."""
    version = live(book)
    in_force = rows_of(version)
    waiting = HeldPrice.objects.filter(version=version, approval__state=Approval.State.PROPOSED).values(*_HELD_NAMES)
    return State(version, in_force, with_held(in_force, waiting) if version and waiting else in_force)


def with_held(rows: Iterable[Row], held: Iterable[Row]) -> list[Row]:
    """``rows`` with held prices in their place, and without those whose removal is held (``removes``)."""
    found, added = list(rows), list[Row]()
    for row in held:
        if row["removes"]:
            found = cut_out(found, row)
        else:
            added.append({name: row[name] for name in _NAMES})
    return laid_over(found, added)


def rejected(book: str) -> set[Asked]:
    """(conditions, value, whether it goes) of prices that a person rejected."""
    rows = HeldPrice.objects.filter(
        version__book=book, approval__state=Approval.State.REJECTED, superseded=False
    ).values(*_HELD_NAMES)
    return {asked_of(row, removes=row["removes"]) for row in rows}


def rejected_in(version: PriceBookVersion) -> bool:
    """Whether a person rejected some of what its load asked for."""
    rows = HeldPrice.objects.filter(version=version, superseded=False)
    return rows.filter(approval__state=Approval.State.REJECTED).exists()


def asked_of(row: Row, *, removes: bool) -> Asked:
    """What is asked for with a held price, at whatever time."""
    return key_of(row), value_of(row), removes


def write(load: Load, rows: Sequence[Row], held: Sequence[Change], former: PriceBookVersion | None) -> PriceBookVersion:
    """Make these rows the live version of the book, in the caller's transaction, with what waits beside them.

    A version of the same file, with the same prices and nothing held, is the earlier one again. Raises PriceError.
    """
    table = price_table(rows)
    waits = [[*map(str, held_of(*_row(change))), former and former.pk] for change in held]
    beside = [load.matching, load.file_hash, load.report.get("dates", []), waits]
    digest = content_hash(table, beside)
    if former is not None and former.content_hash == digest:
        return former
    PriceBookVersion.objects.filter(book=load.book, live=True).update(live=False)
    version, made = PriceBookVersion.objects.get_or_create(
        book=load.book, content_hash=digest,
        defaults={"origin": load.origin, "matching": load.matching, "loaded_by": load.actor[:150],
                  "file_hash": load.file_hash, "report": load.report},
    )  # fmt: skip
    if made:
        _copy(version, table)
    else:
        version.live = True
        version.save(update_fields=["live"])
    return version


def _copy(version: PriceBookVersion, table: pa.Table) -> None:
    rows = zip(*(table[name].to_pylist() for name in _NAMES), strict=True)
    copy_rows("ingest_price", ("version_id", *_NAMES), ((version.pk, *row) for row in rows))


def hold(version: PriceBookVersion, held: Sequence[Change], former: PriceBookVersion | None, actor: str) -> None:
    """Ask for approval of what is held, one request per model; what was asked for before and still waits is kept."""
    asked: dict[int, set[Held]] = {}
    for price in HeldPrice.objects.filter(version=former, approval__state=Approval.State.PROPOSED):
        row = {name: getattr(price, name) for name in _NAMES}
        asked.setdefault(price.approval_id, set()).add(held_of(row, price.removes))
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in held:
        groups.setdefault((change.any_row["provider"], change.any_row["model"]), []).append(change)
    for (provider, model), group in groups.items():
        rows = {held_of(*_row(change)) for change in group}
        known = next((number for number, found in asked.items() if found == rows), None)
        if known is None:
            subject = f"{version.book} {provider} {model}"
            details = {"version": version.pk, "prices": [described(change) for change in group][:50]}
            known = approvals.propose(KIND, subject, details, actor).pk
        asked.pop(known, None)
        HeldPrice.objects.bulk_create(
            HeldPrice(
                version=version, approval_id=known, former_rate=change.former["rate"], former_per=change.former["per"],
                reason=change.verdict.reason, removes=removes, **row,
            )
            for change in group if change.former for row, removes in [_row(change)]
        )  # fmt: skip
    withdraw(asked, f"another version of the book is in force: {version}", actor)


def withdraw(numbers: Iterable[int], reason: str, actor: str) -> None:
    """Close requests that nobody decided: a later load says something else."""
    for approval in Approval.objects.filter(pk__in=list(numbers), state=Approval.State.PROPOSED):
        HeldPrice.objects.filter(approval=approval).update(superseded=True)
        approvals.supersede(approval, by=actor, reason=reason)


def _row(change: Change) -> tuple[Row, bool]:
    """The price that a change is about, and whether it goes."""
    return change.row or during(change.any_row, change.since, change.until), change.row is None


def held_of(row: Row, removes: bool) -> Held:
    """What tells one held price from another."""
    return key_of(row), value_of(row), row["valid_from"], removes


def described(change: Change) -> dict[str, Any]:
    """A change for people and for JSON: every part a string; conditions only where they say something."""
    row, former, verdict = change.any_row, change.former, change.verdict
    return {
        "change": change.kind, "book": row["book"], "provider": row["provider"], "model": row["model"],
        "class": row["price_class"], "conditions": conditions(row), "from": change.since.isoformat(),
        "to": change.until.isoformat() if change.until.year < 9999 else None,
        "former": former and f"{former['rate'].normalize():f}", "former_per": former and former["per"],
        "rate": change.row and f"{change.row['rate'].normalize():f}", "per": row["per"], "currency": row["currency"],
        "factor": verdict.factor and f"{float(verdict.factor):.4g}", "state": verdict.state, "reason": verdict.reason,
    }  # fmt: skip


def conditions(row: Row) -> str:
    """What a price depends on beside provider, model, class and date, in one line; '' for a standard price."""
    window = f"{row['window_start']:%H:%M}-{row['window_end']:%H:%M} UTC" if row["window_start"] else ""
    band = (
        f"{'over' if row['reprices_whole'] else 'tokens over'} {row['context_over']:,}" if row["context_over"] else ""
    )
    mode = "" if row["mode"] == "sync" else row["mode"]
    return ", ".join(filter(None, (mode, row["service_tier"], row["variant"], row["region"], band, window)))
