"""NVIDIA's DCGM exporter: how long GPUs were there, how busy they were, and what they drew.

Energy is a counter of millijoules since the driver was loaded; power is in watts, utilisation in percent, the engine's
activity a ratio. Fields that a GPU does not have stand at 2^63 - 16 and above, and are no values. A GPU without a pod is
idle and stays visible. What becomes of MIG instances: ingest.calc.meters_gpu.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from ingest.calc.counters import Readings
from ingest.calc.meters_gpu import NAMES, reading_of, readings, usage
from ingest.prometheus_api import queried, samples_of, scraped, stream_of
from ingest.pull import Client, Option, Page, Stream, Window
from ingest.source import Context, Guide, NotThisKind, Record, RowSource, Skip


class Dcgm(RowSource):
    """One record per GPU and instant; usage is per GPU, or MIG instance, and interval."""

    kind = "dcgm"
    layer = "meter"
    keeps_readings = True
    reads_text = True
    scopes = ("gpu_hour", "gpu_active_hour", "watt_hour")
    pulled = True
    secret = "bearer token, where the server asks for one"  # noqa: S105  what it is called
    needs_secret = False
    options = (
        Option("mode", "query: ask a Prometheus server; scrape: read /metrics of an exporter itself", "query"),
        Option("step", "seconds between two readings of a query", "300"),
        Option("match", 'more label matchers of a query, e.g. cluster="a"', ""),
    )
    guide = Guide(
        title="NVIDIA DCGM exporter",
        connect=(
            "Connect the address of the Prometheus server that scrapes the exporters (mode query), or of one exporter "
            "(mode scrape). Or import answers of /api/v1/query_range, or saved scrapes with manage.py ingest_file "
            "--source dcgm --at TIME."
        ),
        permission="read access to /api/v1/query_range, or to /metrics",
        tells="GPU model, host and Kubernetes namespace; idle GPUs as such",
        cannot=(
            "Which request or user kept a GPU busy. What a GPU costs: hours, active hours and watt hours get their "
            "prices from you. Energy of single MIG instances. How busy a GPU was in a gap of more than an hour."
        ),
    )

    def is_page(self, document: Any) -> bool:
        """An answer of the HTTP API, a scrape with its time, or a list of them."""
        return isinstance(document, list) or (
            isinstance(document, dict) and ("status" in document or "text" in document)
        )

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """One record per GPU and instant. Raises NotThisKind."""
        if isinstance(document, list):
            for index, item in enumerate(document):
                yield from ((f"/{index}{pointer}", record) for pointer, record in self.records(item))
            return
        found = [*readings(samples_of(document))]
        if not found and (isinstance(document, str | bytes) or ("data" in document and document["data"]["result"])):
            raise NotThisKind("no DCGM fields in it")
        for index, record in enumerate(found):
            yield f"/{index}", record

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage of the intervals that a reading ends or splits. Raises Rejected and Skip."""
        if "blank" in record:
            raise Skip("blank_value")
        known: Readings = context.state.setdefault("readings", Readings())
        intervals = known.add(reading_of(record, context.at))
        if not intervals:
            raise Skip("first_scrape_baseline")
        return [row for interval in intervals for row in usage(interval)]

    def streams(self, options: dict[str, Any]) -> Sequence[Stream]:
        """One."""
        return (stream_of(options),)

    def pages(self, client: Client, stream: Stream, window: Window, options: dict[str, Any]) -> Iterator[Page]:
        """Scrapes, or the raw values of a window."""
        if stream.name == "scrape":
            yield scraped(client, options)
        else:
            yield from queried(client, NAMES, window, options)


SOURCE = Dcgm()
