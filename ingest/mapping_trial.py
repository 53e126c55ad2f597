"""What a mapping makes of the first records of a file, for the person who writes it. Nothing is stored."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from ingest.calc.columns import FieldMapping, dig
from ingest.calc.default_mapping import choose
from ingest.calc.reasons import Rejected
from ingest.calc.usage import check
from ingest.reading import records_in, usage_of_rows
from ingest.samples import plain
from ingest.source import Context
from ingest.sources import get_source
from ingest.sources.generic import Generic

_SHOWN = 80  # characters of a value
_HIDDEN = ("record", "reported_currency", "mode")


def trial(path: Path, mapping: FieldMapping | None, *, limit: int) -> dict[str, Any]:
    """Rows, rejects, how records are known, columns of the file that are not used and columns of the mapping that the
    looked-at records do not have. Raises NotThisKind and Bomb.
    """
    source = get_source("generic")
    everything = frozenset(mapping.tags if mapping else ())
    context = Context(mapping=mapping, tag_keys=everything)
    rows: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    seen: dict[str, None] = {}
    used: set[str] = set()
    for item in islice(records_in(path, source, context), limit):
        record = item.record
        try:
            if isinstance(record, Rejected):
                raise record
            chosen = mapping or choose(record)
            seen |= dict.fromkeys(_leaves(record))
            used |= {name for name in chosen.columns() if dig(record, name) is not None}
            table, bad = check(usage_of_rows(source.row(record, context)), latest_us=_far())  # type: ignore[attr-defined]
            for reject in bad:
                raise Rejected(reject.reason, reject.detail)
            rows += [
                {name: value for name, value in plain(row).items() if name not in _HIDDEN} for row in table.to_pylist()
            ]
        except Rejected as rejected:
            rejects.append({"place": item.place, "reason": rejected.reason, "detail": rejected.detail})
    unused = [name for name in seen if name not in used and not any(_inside(name, outer) for outer in used)]
    absent = sorted(set(mapping.columns()) - used) if mapping else []
    identity = "its id" if context.state.get("identity") != "row" else "its content (identity=row)"
    return {"rows": rows, "rejects": rejects, "identity": identity, "unused": unused, "absent": absent}


def columns(path: Path, *, limit: int) -> dict[str, str]:
    """Columns of the first records, whatever they mean, with the first value of each. Raises NotThisKind and Bomb."""
    found: dict[str, str] = {}
    for item in islice(records_in(path, _AnyHeadings(), Context()), limit):
        if not isinstance(item.record, Rejected):
            for name in _leaves(item.record):
                value = dig(item.record, name)
                found[name] = found.get(name) or ("" if value is None else str(value)[:_SHOWN])
    return found


class _AnyHeadings(Generic):
    """Reads tables that no mapping was written for yet."""

    def columns(self, names: Sequence[str], context: Context) -> None:
        """Refuses none."""


def _far() -> int:
    return round(datetime.now(UTC).timestamp() * 1e6)


def _leaves(record: Mapping[str, Any], place: str = "") -> Iterator[str]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{place}{name}.")
        else:
            yield f"{place}{name}"


def _inside(name: str, outer: str) -> bool:
    return name.startswith(f"{outer}.")
