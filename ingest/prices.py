"""Loading price books: versions are added, never overwritten."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from django.db import connection, transaction

from finops import audit
from ingest.calc.overrides import overrides
from ingest.calc.prices import PRICE_SCHEMA, Builtin, read_builtin
from ingest.models import ALL_KEYS, DirtySlice, FactDay, PriceBookVersion
from ingest.reslot import rebuild_slots

BUILTIN = Path(__file__).parent / "price_book" / "builtin.json.gz"


def load_builtin(*, actor: str) -> PriceBookVersion:
    """Load the price book that ships with the product; nothing happens when it is in force already."""
    raw = BUILTIN.read_bytes()
    builtin: Builtin = read_builtin(raw)
    return load_book(
        "builtin", builtin.rows, {"providers": builtin.providers}, hashlib.sha256(raw).hexdigest(), BUILTIN.name, actor
    )


@transaction.atomic
def load_book(
    book: str, rows: pa.Table, matching: dict[str, Any], content_hash: str, origin: str, actor: str
) -> PriceBookVersion:
    """Make these rows (PRICE_SCHEMA) the live version of a book, and mark what it may re-price."""
    existing = PriceBookVersion.objects.filter(book=book, content_hash=content_hash).first()
    if existing is not None and existing.live:
        return existing
    PriceBookVersion.objects.filter(book=book, live=True).update(live=False)
    if existing is not None:
        existing.live = True
        existing.save(update_fields=["live"])
        version = existing
    else:
        version = PriceBookVersion.objects.create(
            book=book, content_hash=content_hash, origin=origin, matching=matching
        )
        names = PRICE_SCHEMA.names
        with (
            connection.cursor() as cursor,
            cursor.cursor.copy(f"COPY ingest_price (version_id, {', '.join(names)}) FROM STDIN") as copy,
        ):
            for row in zip(*(rows[name].to_pylist() for name in names), strict=True):
                copy.write_row((version.pk, *row))
    audit.record(action="prices.load", actor=actor, subject=f"{book} {content_hash[:12]}", details={"rows": len(rows)})
    _mark_everything()
    if FactDay.objects.exists():
        rebuild_slots()
    return version


def load_overrides(path: Path, *, actor: str) -> PriceBookVersion:
    """Put a YAML file of overrides in force (ingest.calc.overrides says how it is written). Raises PriceError."""
    raw = path.read_bytes()
    rows = overrides(yaml.safe_load(raw))
    return load_book("override", rows, {}, hashlib.sha256(raw).hexdigest(), path.name, actor)


def _mark_everything() -> None:
    """Any slice may cost something else now: the refresher rates them all again."""
    days = FactDay.objects.values_list("charge_date", flat=True)
    DirtySlice.objects.bulk_create([DirtySlice(charge_date=day, usage_key_id=ALL_KEYS) for day in days])
