"""From batches to committed facts: the database half of an import, on a thread and connection of its own."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import transaction

from finops.tokens import TOKEN_CLASSES
from ingest import facts, runs
from ingest.calc.batch import Batch, fact_columns
from ingest.calc.copyrows import Column
from ingest.calc.line_batch import LineBatch, line_rows
from ingest.calc.usage import MONEY, ints
from ingest.classification import Classifier, changed_tiers, classify_batch
from ingest.keys import Keys
from ingest.models import IngestRun
from ingest.reading import Place
from ingest.totals import Sums, UnitPlace

Ints = np.ndarray[Any, np.dtype[np.int64]]
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass
class Delivery:
    """What the reading half hands over for one transaction."""

    batch: Batch | None
    lines: LineBatch | None = None
    places: list[Place] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    read: int = 0
    also: Callable[[], None] = lambda: None  # what else belongs into its transaction


class Writer:
    """Writes the batches of one run, each in one transaction with its counts, quarantine and dirty marks."""

    def __init__(self, run: IngestRun, keys: Keys, classifier: Classifier, *, line_keys: Keys) -> None:
        self.run, self.keys, self.classifier, self.line_keys = run, keys, classifier, line_keys
        self.billed: dict[str, Decimal] = {}  # what the lines stored or changed state, by currency
        self.staging = False  # since the first known fact: direct COPY would fail again and leave dead rows
        self.days: set[date] = set()  # charge dates of what was read
        self.kept: list[Sums] = []  # sums of what was stored or changed, for the run's totals

    def write(self, delivery: Delivery) -> None:
        """Commit one delivery. Raises FenceLost when the run has been taken over, and database errors."""
        batch, lines = delivery.batch, delivery.lines
        for part in (batch, lines):
            if part is not None:
                delivery.places += [_conflict(record) for record in part.conflicts]
        if lines is not None:
            facts.prepare_days(lines.dates())
            self.line_keys.ids_of(lines.keys)
        if batch is None or not len(batch):
            with transaction.atomic():
                counts = Counter({"duplicate": batch.duplicates if batch else 0})
                self._end(delivery, counts + self._write_lines(delivery))
            return
        days = batch.dates()
        self.days.update(days)
        facts.prepare_days(days)
        key_ids, slot_ids = self.keys.key_ids(batch), self.keys.slot_ids(batch)
        tiers = classify_batch(self.classifier, batch)
        columns = fact_columns(batch, run_id=self.run.pk, key_ids=key_ids, slot_ids=slot_ids, tiers=tiers)
        with transaction.atomic():
            facts.lock_days(days, self.classifier.look_back)
            traced = np.unique(batch.query_id[batch.has_query])
            known = facts.known_queries(traced, days, self.classifier.look_back) if len(traced) else traced
            written = self._store(columns, len(batch))
            touched = np.concatenate([written.inserted, written.changed])
            records = ints(batch.usage, "record")
            delivery.places += [_conflict(int(records[position])) for position in written.conflicts]
            slices = np.unique(batch.charge_date[touched] << 32 | key_ids[touched]).tolist()
            dirty = [(date.fromordinal((code >> 32) + _EPOCH), code & 0xFFFFFFFF) for code in slices]
            if len(written.changed):
                dirty += [(row[0], row[1]) for row in facts.former_slices()]
            facts.write_units(_units(batch, touched), [_place_of(batch, position) for position in written.changed])
            if requests := _requests(batch, touched):
                facts.write_requests(requests)
            dirty += self._retier(batch, touched, known, days)
            facts.mark_dirty(dirty)
            counts = Counter(
                stored=len(written.inserted), changed=len(written.changed),
                duplicate=batch.duplicates + len(batch) - len(touched) - len(written.conflicts),
            )  # fmt: skip
            self._end(delivery, counts + self._write_lines(delivery))
        self.kept.append(_sums(batch, touched, key_ids, slot_ids))

    def _end(self, delivery: Delivery, counts: Counter[str]) -> None:
        """Counts and quarantine of a delivery, in its transaction."""
        delivery.also()
        counted = dict(counts) | {"read": delivery.read, "quarantined": len(delivery.places)}
        runs.advance(self.run, counted, skipped=delivery.skipped)
        runs.quarantine(self.run, delivery.places)

    def _write_lines(self, delivery: Delivery) -> Counter[str]:
        batch = delivery.lines
        if batch is None:
            return Counter()
        key_ids = self.line_keys.ids_of(batch.keys)[batch.key]
        written = facts.store_lines(line_rows(batch, self.run.pk, key_ids.tolist()))
        facts.mark_dirty(written.slices)
        kept = written.inserted | written.changed
        rows = batch.lines.select(["record", "charge_date", "billing_currency", "billed_cost"]).to_pylist()
        for row, line_id in zip(rows, batch.line_id, strict=True):
            place = (row["charge_date"], line_id)
            if place in written.conflicts:
                delivery.places.append(_conflict(row["record"]))
            elif place in kept and row["billed_cost"] is not None:
                currency = row["billing_currency"]
                self.billed[currency] = self.billed.get(currency, Decimal(0)) + row["billed_cost"]
        return Counter(
            stored=len(written.inserted), changed=len(written.changed),
            duplicate=batch.duplicates + len(batch) - len(kept) - len(written.conflicts),
        )  # fmt: skip

    def _store(self, columns: dict[str, Column], rows: int) -> facts.Written:
        if not self.staging:
            if facts.copy_direct(columns, rows):
                none = np.array([], dtype=np.int64)
                return facts.Written(np.arange(rows), none, none)
            self.staging = True
        return facts.copy_staged(columns, rows)

    def _retier(self, batch: Batch, touched: Ints, known: Ints, days: list[date]) -> list[tuple[date, int]]:
        """Judge again the queries of which events were there before, and correct the events whose tier changed."""
        mine = batch.query_id[touched][batch.has_query[touched]]
        queries = np.intersect1d(mine, known)
        if not len(queries):
            return []
        look_back = self.classifier.look_back
        rows = changed_tiers(self.classifier, facts.trace_events(queries, days, look_back))
        facts.update_tiers([row[:4] for row in rows])
        return [(row[0], row[4]) for row in rows]


def _conflict(record: int) -> Place:
    return Place("duplicate_conflict", "the same id with other content in this input", f"record {record}", None, b"")


def _place_of(batch: Batch, position: int) -> tuple[date, UUID]:
    day = date.fromordinal(int(batch.charge_date[position]) + _EPOCH)
    return day, UUID(bytes=batch.event_id[position].tobytes())


def _requests(batch: Batch, touched: Ints) -> list[tuple[date, UUID, str]]:
    if batch.request_id.null_count == len(batch):
        return []
    values = batch.request_id.take(pa.array(touched)).to_pylist()
    return [(*_place_of(batch, position), text[:200]) for position, text in zip(touched, values, strict=True) if text]


def _units(batch: Batch, touched: Ints) -> list[tuple[date, UUID, int, Any]]:
    if batch.usage["units"].null_count == len(batch):
        return []
    rows = []
    for position, units in zip(touched, batch.usage["units"].take(pa.array(touched)).to_pylist(), strict=True):
        rows += [(*_place_of(batch, position), item["unit"], item["quantity"]) for item in units or ()]
    return rows


def _sums(batch: Batch, touched: Ints, key_ids: Ints, slot_ids: Ints) -> Sums:
    """Sums of the facts stored or changed, by date, key, slot and the set of classes and units they use (so that counts
    stay exact).
    """
    usage = batch.usage.take(pa.array(touched)) if len(touched) < len(batch) else batch.usage
    values = {name: ints(usage, name) for name in TOKEN_CLASSES}
    used = np.zeros(len(usage), dtype=np.int64)
    for bit, name in enumerate(TOKEN_CLASSES):
        used |= (values[name] > 0).astype(np.int64) << bit
    of_units = usage["units"].to_pylist() if usage["units"].null_count < len(usage) else []
    for row, items in enumerate(of_units):
        for item in items or ():
            used[row] |= 1 << (len(TOKEN_CLASSES) + item["unit"])
    table = pa.table(
        {
            "charge_date": pa.array(batch.charge_date[touched].astype(np.int32)).cast(pa.date32()),
            "key_id": key_ids[touched], "slot_id": slot_ids[touched], "used": used,
            "events": np.ones(len(usage), dtype=np.int64), "requests": ints(usage, "requests"),
            "reported_cost": pc.fill_null(usage["reported_cost"], pa.scalar(0, MONEY)), **values,
        }
    )  # fmt: skip
    names = ["events", "requests", "reported_cost", *TOKEN_CLASSES]
    summed = table.group_by(["charge_date", "key_id", "slot_id", "used"]).aggregate([(name, "sum") for name in names])
    columns = [summed[f"{name}_sum"] for name in names]
    columns[2] = columns[2].cast(MONEY)
    keys = ["charge_date", "key_id", "slot_id", "used"]
    units: dict[UnitPlace, Decimal] = defaultdict(Decimal)
    for row, items in enumerate(of_units):
        for item in items or ():
            at = int(touched[row])
            day = date.fromordinal(int(batch.charge_date[at]) + _EPOCH)
            place = UnitPlace(day, int(key_ids[at]), int(slot_ids[at]), int(used[row]), item["unit"])
            units[place] += item["quantity"]
    return Sums(pa.table([*(summed[key] for key in keys), *columns], names=[*keys, *names]), dict(units))
