"""What form a file has: JSON lines, one JSON document, CSV or Parquet."""

import json
from pathlib import Path
from typing import Any

from ingest import streams
from ingest.calc.reasons import Rejected
from ingest.calc.records import load_json
from ingest.source import Source
from ingest.source_faults import called

_BOM = "\ufeff"
_DECODER = json.JSONDecoder()


def shape(path: Path, source: Source) -> str:
    """'lines', 'document', 'csv' or 'parquet', by what the file begins with; its name says only that it is a CSV.

    A file whose first line is damaged is still lines where another of its lines holds an object of its own. What is no
    JSON is a document for a source that reads text.
    """
    if streams.compression(path) == "parquet":
        return "parquet"
    start, whole = streams.head(path, streams.MAX_LINE)
    text = start.decode("utf-8", "replace").removeprefix(_BOM).lstrip()
    if path.name.lower().removesuffix(".gz").removesuffix(".zst").endswith((".csv", ".tsv")) and text[:1] not in (
        "{",
        "[",
    ):
        return "csv"
    if source.reads_text and text[:1] not in ("{", "["):
        return "document"
    return "document" if text[:1] in ("{", "[") and _is_document(text, whole, source) else "lines"


def _is_document(text: str, whole: bool, source: Source) -> bool:
    first, newline, rest = text.partition("\n")
    if (newline or whole) and (value := _value(first)) is not None:
        return called(source, "the first line", source.is_page, value) and not (rest.strip() and _objects(rest))
    if not newline:  # one line, either cut by our look at it or damaged
        return not whole and (text.startswith("[") or '"data"' in text[:400])
    try:
        _, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):  # longer than our look at it, or damaged
        return text.startswith("[") or not _objects(rest)
    return not text[end:].strip()


def _objects(text: str) -> bool:
    """Whether a whole line from the margin holds a JSON object or list; pretty printers indent theirs."""
    lines = text.split("\n", 50)[:50]
    return any(line[:1] in ("{", "[") and isinstance(_value(line), dict | list) for line in lines if len(line) > 2)


def _value(line: str) -> Any:
    try:
        return load_json(line.encode("utf-8", "surrogatepass"))
    except Rejected:
        return None
