"""Reads of the price books: dated rows with their provenance, which is in force, what changed last."""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from django.db.models import Q
from django.db.models.functions import Collate

from ingest import price_versions as versions
from ingest.calc.matching import PROVIDER_ALIASES
from ingest.calc.price_changes import Change, changes
from ingest.calc.price_files import read_prices
from ingest.calc.price_index import condition_of
from ingest.calc.prices import BOOKS, PRICE_CLASSES, PRICE_SCHEMA
from ingest.models import Price, PriceBookVersion
from ingest.prices import compared
from ingest.selectors import LoadedBook, price_book

_VERSION = ("version__content_hash", "version__origin", "version__loaded_at", "version__loaded_by", "version__live")
ORDER = ("provider", "model", "price_class", "id")


def price_history(provider: str, model: str, *, at: datetime | None = None) -> list[dict[str, Any]]:
    """Every dated price that usage of a model can have, of all books in force and of their earlier versions.

    The names may be those of a gateway. Each row: PRICE_SCHEMA, ``conditions`` in words, ``version`` (with origin,
    loaded_at, loaded_by, live), and ``in_force``: it prices usage under its conditions at ``at`` (now). Live books come
    first, in the order in which they are asked; then by class, conditions and date.
    """
    instant, loaded = at or datetime.now(UTC), price_book()
    index, known = loaded.book.resolve_one(provider, model, None, None)
    owners = loaded.book.model_owners[index] if index >= 0 else ()
    ids = {loaded.ids[row] for owner in owners for row in loaded.book.rows_of(owner)}
    names = {(found.provider, found.model) for found in Price.objects.filter(id__in=ids)} | {(known or provider, model)}
    wanted = Q(id__in=ids)
    for owner, name in names:
        wanted |= Q(version__live=False, provider=owner, model=name)
    rows = described_rows(Price.objects.filter(wanted), loaded, instant)
    return sorted(rows, key=lambda row: (not row["live"], BOOKS.index(row["book"]), *_place(row)))


def prices(
    *, provider: str | None, model: str | None, price_class: str | None, at: datetime, history: bool,
    after: tuple[str, str, str, int] | None, limit: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """A page of prices by provider, model, class and id: those valid at an instant, or (``history``) of all times and
    versions. ``model`` may hold ``*``; ``after``: the place of the last row of the page before.
    """
    found = Price.objects.all() if history else Price.objects.filter(version__live=True, valid_from__lte=at)
    if not history:
        found = found.filter(Q(valid_to=None) | Q(valid_to__gt=at))
    if provider:
        found = found.filter(provider=PROVIDER_ALIASES.get(provider.lower(), provider.lower()))
    if model:
        literal = [_escaped(part) for part in model.split("*")]
        found = found.filter(model__iregex=f"^{'.*'.join(literal)}$")
    if price_class:
        found = found.filter(price_class=price_class)
    found = found.annotate(p=Collate("provider", "C"), m=Collate("model", "C"), c=Collate("price_class", "C"))
    if after:
        p, m, c, number = after
        found = found.filter(
            Q(p__gt=p) | Q(p=p, m__gt=m) | Q(p=p, m=m, c__gt=c) | Q(p=p, m=m, c=c, id__gt=number)
        )  # fmt: skip
    return described_rows(found.order_by("p", "m", "c", "id")[:limit], price_book(), at)


def described_rows(found: Any, loaded: LoadedBook, at: datetime) -> list[dict[str, Any]]:
    """Prices as ``price_history`` gives them, in the order of the query."""
    return [
        {
            "id": row["id"], **{name: row[name] for name in PRICE_SCHEMA.names}, "conditions": versions.conditions(row),
            "version": row["version__content_hash"][:12], "origin": row["version__origin"],
            "loaded_at": row["version__loaded_at"], "loaded_by": row["version__loaded_by"], "live": row["version__live"],
            "in_force": row["version__live"] and _wins(loaded, row, at),
        }
        for row in found.values("id", *PRICE_SCHEMA.names, *_VERSION)
    ]  # fmt: skip


def last_changes() -> list[Change]:
    """What the last load that replaced a version of its book changed; a book's first load changes nothing of before."""
    for last in PriceBookVersion.objects.filter(live=True).order_by("-loaded_at", "-id"):
        former = PriceBookVersion.objects.filter(book=last.book, id__lt=last.pk).order_by("-id").first()
        if former is not None:
            return changes(versions.rows_of(former), versions.rows_of(last))
    return []


def changes_of_file(raw: bytes, origin: str, *, kind: str, book: str, day: date | None) -> list[Change]:
    """What loading a price file would change of the prices in force. Raises PriceError."""
    return compared(read_prices(raw, kind=kind, book=book, day=day or datetime.now(UTC).date(), origin=origin))


def _wins(loaded: LoadedBook, row: Mapping[str, Any], at: datetime) -> bool:
    """Whether usage under the row's own conditions is priced by it at an instant."""
    if not (row["valid_from"] <= at and (row["valid_to"] is None or at < row["valid_to"])):
        return False
    book = loaded.book
    window = [None if end is None else end.hour * 60 + end.minute for end in (row["window_start"], row["window_end"])]
    condition = condition_of(
        row["mode"], row["service_tier"] or row["variant"], row["region"], row["context_over"], *window
    )
    index, _ = book.resolve_one(row["provider"], row["model"], None, None)
    line = book.timeline(index, PRICE_CLASSES.index(row["price_class"]), condition)
    found = line.rows[bisect_right(line.starts, round(at.timestamp() * 1e6)) - 1]
    return found >= 0 and loaded.ids[found] == row["id"]


def _escaped(text: str) -> str:
    """A text as a POSIX regular expression that matches nothing else."""
    return "".join(f"[{char}]" if char in ".+?()[{|$*" else f"\\{char}" if char in "\\^]}" else char for char in text)


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return PRICE_CLASSES.index(row["price_class"]), row["conditions"], row["valid_from"], row["id"]
