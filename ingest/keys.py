"""Usage keys and rate slots: distinct tuples to small numbers, made in short transactions of their own."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import TruncDate

from ingest.calc.batch import Batch
from ingest.calc.identity import key_hash
from ingest.calc.price_excess import FILL_ORDER, Inputs
from ingest.calc.usage import DIMENSIONS, ints
from ingest.models import RateSlot, UsageKey
from ingest.selectors import LoadedBook

Ints = np.ndarray[Any, np.dtype[np.int64]]
MANY = "(many)"
_FIXED = {"provider", "model_served", "model_requested", "mode", "reported_currency"}  # prices hang on them
_ROLE = tuple(DIMENSIONS.index(name) for name in ("provider", "model_served", "model_requested", "host"))


class Keys:
    """Numbers of usage keys and rate slots for one run, remembered while it lasts."""

    def __init__(self, layer: str | Callable[[], str], source: str, loaded: LoadedBook) -> None:
        self._layer, self.source, self.book = layer, source, loaded.book
        self._keys: dict[tuple[str, ...], int] = {}
        self._models: dict[tuple[str, ...], int] = {}
        self._slots: dict[tuple[int, ...], int] = {}
        self.folded = 0  # keys of which a dimension became (many)

    @property
    def layer(self) -> str:
        """Of the rows; some sources know it when they have read some."""
        return self._layer if isinstance(self._layer, str) else self._layer()

    def key_ids(self, batch: Batch) -> Ints:
        """The usage key id of each fact; keys not seen before are committed now."""
        return self.ids_of(batch.keys)[batch.key]

    def ids_of(self, keys: Sequence[tuple[str, ...]]) -> Ints:
        """The ids of usage keys; those not seen before are committed now."""
        missing = [key for key in keys if key not in self._keys]
        if missing:
            self._find_or_make(missing)
        return np.array([self._keys[key] for key in keys], dtype=np.int64)

    def _find_or_make(self, keys: list[tuple[str, ...]]) -> None:
        hashes = {key_hash(self.layer, self.source, key): key for key in keys}
        known = self._known(list(hashes))
        new = [hashes[digest] for digest in hashes if digest not in known]
        if new:
            new_as = self._fold(new)
            rows = {key_hash(self.layer, self.source, stored): stored for stored in new_as.values()}
            self._insert(rows)
            stored_ids = self._known(list(rows))
            for key, stored in new_as.items():
                self._keys[key] = stored_ids[key_hash(self.layer, self.source, stored)]
        self._keys.update({hashes[digest]: number for digest, number in known.items()})

    def _known(self, digests: list[bytes]) -> dict[bytes, int]:
        rows = UsageKey.objects.filter(key_hash__in=digests).values_list("key_hash", "id")
        return {bytes(digest): number for digest, number in rows}

    def _fold(self, new: list[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, ...]]:
        """Key -> key to store. Beyond the day's limit the most varied dimension becomes (many), then the next."""
        made = UsageKey.objects.alias(day=TruncDate("created_at")).filter(
            source=self.source, day=datetime.now(UTC).date()
        )
        room = settings.NEW_KEYS_PER_DAY - made.count()
        stored = {key: key for key in new}
        while len(set(stored.values())) > max(room, 0):
            varied = [
                (len({key[n] for key in stored.values()}), n) for n, name in enumerate(DIMENSIONS) if name not in _FIXED
            ]
            variety, place = max(varied)
            if variety < 2 and all(key[place] in {"", MANY} for key in stored.values()):
                break
            many = json.dumps({"tags": MANY}) if DIMENSIONS[place] == "tags" else MANY
            stored = {key: (*kept[:place], many, *kept[place + 1 :]) for key, kept in stored.items()}
            self.folded = len(stored)
            if variety < 2:
                break
        return stored

    def _insert(self, rows: dict[bytes, tuple[str, ...]]) -> None:
        objects = []
        for digest in sorted(rows):
            values = dict(zip(DIMENSIONS, rows[digest], strict=True))
            tags = json.loads(values.pop("tags") or "{}")
            objects.append(UsageKey(key_hash=digest, layer=self.layer, source=self.source, tags=tags, **values))
        with transaction.atomic(durable=True):
            UsageKey.objects.bulk_create(objects, ignore_conflicts=True)

    def slot_ids(self, batch: Batch) -> Ints:
        """The rate slot id of each fact under the prices in force."""
        models = np.array([self._model(key) for key in batch.keys], dtype=np.int64)[batch.key]

        def inputs(rows: Ints) -> tuple[Ints, Ints]:
            classes = [ints(batch.usage, name)[rows] for name in FILL_ORDER]
            return np.stack(classes, axis=1), ints(batch.usage, "requests")[rows]

        return self.slots_of(models, batch.occurred_at, batch.context, batch.charge_date, inputs)

    def slots_of(self, models: Ints, occurred_at: Ints, context: Ints, charge_date: Ints, inputs: Inputs) -> Ints:
        """Slot ids: model index in the book, us since 1970, context tokens, days since 1970; inputs as in slots."""
        slots = self.book.slots(models, occurred_at, context, charge_date=charge_date, inputs=inputs)
        columns = [np.asarray(values, dtype=np.int64) for values in slots]
        code = np.zeros(len(models), dtype=np.int64)
        for column in columns:
            if (column != column[0]).any():
                numbers, distinct = pd.factorize(column)
                code = pd.factorize(code * len(distinct) + numbers)[0]
        first = np.full(int(code.max()) + 1, len(models), dtype=np.int64)
        np.minimum.at(first, code, np.arange(len(models)))
        found = [self._slot(tuple(int(column[row]) for column in columns)) for row in first]
        return np.array(found, dtype=np.int64)[code]

    def _model(self, key: tuple[str, ...]) -> int:
        named = tuple(key[place] for place in _ROLE)
        if named not in self._models:
            self._models[named] = self.book.resolve_one(*(text or None for text in named))[0]
        return self._models[named]

    def _slot(self, values: tuple[int, ...]) -> int:
        if values not in self._slots:
            context, start, end, segment, crossing = values
            at = datetime.fromtimestamp(segment / 1e6, UTC) if segment else None
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO ingest_rateslot (context_over, window_start, window_end, segment_from, crossing) "
                    "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                    [context, start, end, at, crossing],
                )
            self._slots[values] = RateSlot.objects.values_list("id", flat=True).get(
                context_over=context, window_start=start, window_end=end, crossing=crossing, **_at(at)
            )
        return self._slots[values]


def _at(at: datetime | None) -> dict[str, Any]:
    return {"segment_from__isnull": True} if at is None else {"segment_from": at}
