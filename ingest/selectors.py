"""Reads of ingest: the price book in force, usage keys, quarantine."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa
from django.db.models import BooleanField, Count, Q, QuerySet
from django.db.models.expressions import RawSQL

from finops.periods import Period
from ingest.calc.book import PriceBook
from ingest.calc.price_index import condition_of
from ingest.calc.prices import PRICE_CLASSES, PRICE_SCHEMA
from ingest.calc.usage import DIMENSIONS
from ingest.models import FactDay, Price, PriceBookVersion, Quarantine, UsageKey


class LoadedBook(NamedTuple):
    """The prices in force. ``ids[n]`` is the database id of the book's row n."""

    book: PriceBook
    ids: tuple[int, ...]


def price_book() -> LoadedBook:
    """All live prices as one book; kept in memory until a version is loaded."""
    versions = tuple(PriceBookVersion.objects.filter(live=True).order_by("book").values_list("id", "content_hash"))
    return _price_book(versions)


@lru_cache(maxsize=2)
def _price_book(versions: tuple[tuple[int, str], ...]) -> LoadedBook:
    live = [version for version, _ in versions]
    names = PRICE_SCHEMA.names
    rows = list(Price.objects.filter(version__in=live).order_by("id").values_list("id", *names))
    columns = list(zip(*rows, strict=True)) if rows else [()] * (len(names) + 1)
    table = pa.Table.from_arrays(
        [pa.array(values, field.type) for values, field in zip(columns[1:], PRICE_SCHEMA, strict=True)],
        schema=PRICE_SCHEMA,
    )
    providers = [
        provider
        for matching in PriceBookVersion.objects.filter(id__in=live).order_by("book").values_list("matching", flat=True)
        for provider in matching.get("providers", [])
    ]
    return LoadedBook(PriceBook(table, providers), tuple(columns[0]))


def price_without(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The live price (PRICE_SCHEMA) that usage of this one's model, class and conditions has without it; None if there is
    none in its currency, or the model is a pattern.
    """
    book = price_book().book
    if any(mark in row["model"] for mark in "*?["):
        return None
    window = [None if at is None else at.hour * 60 + at.minute for at in (row["window_start"], row["window_end"])]
    tier = row["service_tier"] or row["variant"]
    condition = condition_of(row["mode"], tier, row["region"], row["context_over"], *window)
    model = book.resolve_one(row["provider"], row["model"], None, None)[0]
    line = book.timeline(model, PRICE_CLASSES.index(row["price_class"]), condition)
    found = line.rows[bisect_right(line.starts, round(row["valid_from"].timestamp() * 1e6)) - 1]
    if found < 0 or book.price["currency"][found] != row["currency"]:
        return None
    price: dict[str, Any] = book.rows.slice(found, 1).to_pylist()[0]
    return price


def seen_names() -> list[tuple[Any, ...]]:
    """Provider, served and requested model, host, mode, service tier and region of all usage, each combination once."""
    names = ("provider", "model_served", "model_requested", "host", "mode", "service_tier_served",
             "service_tier_requested", "region")  # fmt: skip
    rows = UsageKey.objects.order_by().values_list(*names).distinct()
    return sorted({(*row[:5], row[5] or row[6], row[7]) for row in rows})


def key_dimensions(key_ids: Iterable[int] | QuerySet[Any, Any]) -> dict[int, dict[str, Any]]:
    """Usage key id -> its dimensions (tags as a dict). In: ids, or the question for them, which is asked within this one."""
    names = ("id", "layer", "source", *DIMENSIONS)
    # Thousands of ids as one array: as a parameter each they take longer to read than their rows.
    one_of = (
        Q(id__in=key_ids) if isinstance(key_ids, QuerySet) else RawSQL("id = ANY(%s)", [list(key_ids)], BooleanField())
    )
    rows = UsageKey.objects.filter(one_of).values_list(*names)
    return {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in rows}


class KnownKeys:
    """key_dimensions that reads each usage key once: for work over several days. A usage key never changes."""

    def __init__(self) -> None:
        self._known: dict[int, dict[str, Any]] = {}

    def of(self, key_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Usage key id -> its dimensions; ids that are no usage key are left out."""
        wanted = {key for key in key_ids if key > 0}  # marks of a whole day are none
        if missing := wanted - self._known.keys():
            self._known |= key_dimensions(missing)
        return {key: self._known[key] for key in sorted(wanted) if key in self._known}


def quarantine_of(run_id: int) -> list[dict[str, Any]]:
    """Quarantined records of a run with place and reason, in the order they were found."""
    rows = Quarantine.objects.filter(run_id=run_id).order_by("id")
    return [dict(row) for row in rows.values("reason", "detail", "place", "byte_offset")]


def quarantine_counts(run_id: int) -> dict[str, int]:
    """Reason -> number of quarantined records of a run."""
    rows = Quarantine.objects.filter(run_id=run_id).values("reason").annotate(count=Count("id")).order_by("reason")
    return dict(rows.values_list("reason", "count"))


def days_with_facts(period: Period) -> list[date]:
    """Charge dates of a period that hold facts, or may."""
    days = FactDay.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)
    return list(days.order_by("charge_date").values_list("charge_date", flat=True))
