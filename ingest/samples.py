"""Golden expectations of source samples: what a sample file becomes, as canonical JSON beside it.

A sample is any file of ``<folder>/<kind>/``; ``NAME.mapping.yaml`` beside it is its mapping and ``NAME.expected.json``
its expectation. Everything a source may ask for is fixed here, so that an expectation never depends on the day.
"""

import json
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingest.calc.mapping import load_mapping
from ingest.reading import Place, groups
from ingest.source import Context, NotThisKind, Source
from ingest.streams import Bomb

AT = datetime(2026, 9, 8, 13, tzinfo=UTC)
LATEST = datetime(2027, 1, 1, tzinfo=UTC)
TAG_KEYS = frozenset({"team", "cost_centre", "project", "feature", "environment", "tier"})
EXPECTED, MAPPING, ORIGIN = ".expected.json", ".mapping.yaml", "ORIGIN.md"


def samples(folder: Path) -> list[Path]:
    """The sample files of one kind's folder, in the order of their names."""
    files = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return sorted(path for path in files if path.name != ORIGIN and not path.name.endswith((EXPECTED, MAPPING)))


def beside(sample: Path, ending: str) -> Path:
    """The file that belongs to a sample."""
    return sample.with_name(sample.name + ending)


def expectation(sample: Path, source: Source) -> dict[str, Any]:
    """What the source makes of a sample: usage rows and lines (without NULLs), rejects and skips, or why it refuses it."""
    mapping = beside(sample, MAPPING)
    context = Context(
        at=AT,
        observed_at=AT,
        tag_keys=TAG_KEYS,
        mapping=load_mapping(mapping.read_text()) if mapping.exists() else None,
    )
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    skipped: Counter[str] = Counter()
    read, truncated = 0, ""
    try:
        for group in groups(sample, source, context, latest_us=round(LATEST.timestamp() * 1e6)):
            rows += [plain(row) for row in group.usage.to_pylist()]
            lines += [plain(line) for line in group.lines.to_pylist()]
            rejects += [_reject(place) for place in group.rejects]
            skipped += group.skipped
            read, truncated = read + group.read, truncated or group.truncated
    except (NotThisKind, Bomb) as refusal:
        return {"refused": str(refusal)}
    found = {"read": read, "usage": rows, "rejects": rejects, "skipped": dict(skipped)}
    rarer = {
        "lines": lines,
        "unknown_fields": dict(context.unknown_fields),
        "covered": [[part, stream, start.isoformat(), end.isoformat()] for part, stream, start, end in context.covered],
        "truncated": truncated,
    }
    return found | {name: value for name, value in rarer.items() if value}


def canonical(found: dict[str, Any]) -> str:
    """An expectation as text, the same for the same content."""
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _reject(place: Place) -> dict[str, Any]:
    return {"reason": place.reason, "detail": place.detail, "place": place.place, "offset": place.offset}


def plain(value: Any) -> Any:
    """A usage row without NULLs, with texts for times and amounts."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value
