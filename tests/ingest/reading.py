"""What a file becomes, for tests that need no database."""

from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple

import pyarrow as pa

from finops.tokens import TOKEN_CLASSES
from ingest.calc.mapping import parse_mapping
from ingest.reading import groups
from ingest.source import Context
from ingest.sources import get_source

AT = datetime(2026, 9, 8, 13, tzinfo=UTC)
LATEST = round(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1e6)


class Result(NamedTuple):
    rows: list
    rejects: list
    skipped: Counter
    read: int
    truncated: str
    context: Context

    @property
    def totals(self):
        sums = {name: sum(row[name] or 0 for row in self.rows) for name in TOKEN_CLASSES}
        return {name: value for name, value in sums.items() if value}

    @property
    def reasons(self):
        """(place, reason) of every reject."""
        return [(place.place, place.reason) for place in self.rejects]

    @property
    def ids(self):
        return [row["native_id"] for row in self.rows]


def read(path, kind, *, mapping=None, at=None):
    context = Context(at=at, mapping=parse_mapping(mapping) if mapping else None, tag_keys=frozenset({"team"}))
    found = list(groups(path, get_source(kind), context, latest_us=LATEST))
    rows = pa.concat_tables([group.usage for group in found]).to_pylist() if found else []
    rejects = [place for group in found for place in group.rejects]
    skipped = sum((group.skipped for group in found), Counter())
    count = sum(group.read for group in found)
    assert count == len(rows) + len(rejects) + skipped.total(), "every record read is a row, a reject or a skip"
    return Result(rows, rejects, skipped, count, "".join(group.truncated for group in found), context)


def read_text(tmp_path, text, kind, *, name="input.jsonl", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, kind, **options)
