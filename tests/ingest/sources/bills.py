"""What a bill becomes, for tests that need no database."""

import csv
from collections import Counter
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa

from ingest.reading import groups
from ingest.source import Context
from ingest.sources import get_source
from tests.ingest.reading import LATEST


class Bill(NamedTuple):
    lines: list
    rows: list
    rejects: list
    skipped: Counter
    context: Context

    def total(self, column="billed_cost", **where):
        """The sum of a column of the lines that hold these values."""
        chosen = [line for line in self.lines if all(line[name] == value for name, value in where.items())]
        return sum((line[column] for line in chosen if line[column] is not None), Decimal(0))

    @property
    def reasons(self):
        return [(place.place, place.reason) for place in self.rejects]

    @property
    def unknown(self):
        return dict(self.context.unknown_fields)


def read_bill(path, kind, **options):
    """Read a file with these options of its connection."""
    context = Context(tag_keys=frozenset({"team", "environment", "tier", "project"}), options=options)
    found = list(groups(path, get_source(kind), context, latest_us=LATEST))
    lines = pa.concat_tables([group.lines for group in found]).to_pylist()
    rows = pa.concat_tables([group.usage for group in found]).to_pylist()
    rejects = [place for group in found for place in group.rejects]
    skipped = sum((group.skipped for group in found), Counter())
    assert len({line["native_id"] for line in lines}) == len(lines), "no line hides another"
    return Bill(lines, rows, rejects, skipped, context)


def write_csv(path, rows):
    """Rows of a CSV; the first names the columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_csv(path):
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))
