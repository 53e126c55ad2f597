"""The Prometheus text format, and the matrix of its HTTP API, as samples: name, labels, value, time.

Read line by line, so that a damaged line is known by its number and its neighbours are kept; the types that ``# TYPE``
states are not needed, and a sample keeps its whole name (``..._total``).
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from ingest.calc.reasons import Rejected
from ingest.calc.records import require_text
from ingest.calc.values import instant

_BLANK = 2**63 - 16  # DCGM's way to say that there is no value: this and above


class Sample(NamedTuple):
    """One value of one series. ``at`` is None where the scrape does not say it."""

    name: str
    labels: dict[str, str]
    value: Any  # float of a scrape, text of a query
    at: datetime | None


def text_samples(text: str) -> Iterator[Sample | Rejected]:
    """The samples of a scrape; a line that is none as Rejected."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            require_text(line, "the line")
            ((sample,),) = (family.samples for family in text_string_to_metric_families(line + "\n"))
            at = datetime.fromtimestamp(float(sample.timestamp), UTC) if sample.timestamp is not None else None
        except (ValueError, KeyError, IndexError, OverflowError, OSError, Rejected):
            yield Rejected("unknown_shape", f"line {number} is no sample of the Prometheus text format")
        else:
            yield Sample(sample.name, dict(sample.labels), sample.value, at)


def matrix_samples(result: list[Any]) -> Iterator[Sample | Rejected]:
    """The samples of a ``query_range`` answer's matrix (or a vector)."""
    for index, series in enumerate(result):
        metric = series.get("metric") if isinstance(series, dict) else None
        if not isinstance(metric, Mapping) or not all(isinstance(value, str) for value in metric.values()):
            yield Rejected("unknown_shape", f"series {index} has no labels")
            continue
        labels = {name: value for name, value in metric.items() if name != "__name__"}
        values = series.get("values", [series.get("value")])
        for point in values if isinstance(values, list) else [None]:
            if not isinstance(point, list) or len(point) != 2:
                yield Rejected("unknown_shape", f"series {index} has a point that is no pair")
                continue
            try:
                at = instant(point[0], "time", zone=None, formats=("epoch_s",))
            except Rejected as rejected:
                yield rejected
                continue
            yield Sample(str(metric.get("__name__", "")), labels, point[1], at)


def number(value: Any, name: str) -> Decimal:
    """A value as an exact number. Raises Rejected for NaN and infinities."""
    try:
        exact = Decimal(repr(value) if isinstance(value, float) else str(value))
    except ArithmeticError:
        raise Rejected("bad_number", name) from None
    if not exact.is_finite():
        raise Rejected("bad_number", name)
    return exact


def is_blank(value: Any) -> bool:
    """Whether a value is one of DCGM's blanks (the README of its exporter shows 9223372036854775794)."""
    try:
        return Decimal(str(value)) >= _BLANK
    except ArithmeticError:
        return False
