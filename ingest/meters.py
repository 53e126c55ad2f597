"""Readings of meters that are kept: a source's ``context.state["readings"]`` across imports.

Meant to be used by one import of an account at a time (``one_at_a_time``): the intervals of two would not know of each
other's readings.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from django.db import connection
from django.db.models import Min, QuerySet

from ingest.calc.counters import Reading, Readings
from ingest.models import MeterReading

_AHEAD = timedelta(days=1)  # how much is loaded at once: a chunk of a pull, or the scrapes of a file


class KeptReadings(Readings):
    """Readings of one source and account, loaded around the instants that an import touches."""

    def __init__(self, source: str, account: str) -> None:
        super().__init__()
        self._kept = MeterReading.objects.filter(source=source, account=account)
        self._loaded: dict[str, list[tuple[datetime, datetime]]] = {}

    def load(self, meter: str, at: datetime) -> None:
        """The day from this instant on, and the nearest reading of every process on either side of it."""
        windows = self._loaded.setdefault(meter, [])
        if any(start <= at < end for start, end in windows):
            return
        kept, end = self._kept.filter(meter=_hash(meter)), at + _AHEAD
        sides: list[QuerySet[MeterReading]] = [
            kept.filter(at__lt=at).order_by("started", "-at").distinct("started"),
            kept.filter(at__gte=at, at__lt=end),
            kept.filter(at__gte=end).order_by("started", "at").distinct("started"),
        ]
        rows = (row for side in sides for row in side)
        self.know([_reading(meter, row) for row in rows], kept.aggregate(earliest=Min("at"))["earliest"])
        windows.append((at, end))


def keep(run_id: int, source: str, account: str, readings: Iterable[Reading]) -> None:
    """Write readings, in the transaction of their usage. One that is kept already stays as it is."""
    MeterReading.objects.bulk_create(
        [
            MeterReading(
                source=source, account=account, meter=_hash(reading.meter), started=reading.started, at=reading.at,
                values={name: format(value, "f") for name, value in reading.values.items()}, run_id=run_id,
            )
            for reading in sorted(readings, key=lambda reading: (reading.meter, reading.at))
        ],
        ignore_conflicts=True, batch_size=1_000,
    )  # fmt: skip


@contextmanager
def one_at_a_time(source: str, account: str) -> Iterator[None]:
    """Wait until no other import of this source and account runs."""
    key = int.from_bytes(
        blake2b(f"meters\x1f{source}\x1f{account}".encode(), digest_size=8).digest(), "big", signed=True
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [key])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def _reading(meter: str, row: MeterReading) -> Reading:
    values: dict[str, Any] = row.values
    return Reading(meter, row.started, row.at, {name: Decimal(value) for name, value in values.items()})


def _hash(meter: str) -> str:
    return blake2b(meter.encode(), digest_size=16).hexdigest()
