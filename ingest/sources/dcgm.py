"""NVIDIA's DCGM exporter: how long GPUs were there, how busy they were, and what they drew.

Energy is a counter of millijoules since the driver was loaded; power is in watts, utilisation in percent, the engine's
activity a ratio. Fields that a GPU does not have stand at 2^63 - 16 and above, and are no values. A GPU without a pod is
idle and stays visible. What becomes of MIG instances: ingest.calc.meters_gpu.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from ingest.calc.counters import Interval, Reading
from ingest.calc.meters_gpu import NAMES, reading_of, readings, usage
from ingest.calc.prometheus_text import Sample
from ingest.calc.reasons import Rejected
from ingest.prometheus_api import CounterSource, queried, scraped
from ingest.pull import Client, Option, Page, Stream, Window
from ingest.source import Context, Guide, Record, Skip


class Dcgm(CounterSource):
    """One record per GPU and instant; usage is per GPU, or MIG instance, and interval."""

    kind = "dcgm"
    nothing = "no DCGM fields in it"
    scopes = ("gpu_hour", "gpu_active_hour", "watt_hour")
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

    def readings(self, samples: Iterator[Sample | Rejected]) -> Iterable[Record]:
        """One record per GPU and instant."""
        return readings(samples)

    def reading(self, record: Record, context: Context) -> Reading:
        """The reading that a record is. Raises Rejected and Skip."""
        if "blank" in record:
            raise Skip("blank_value")
        return reading_of(record, context.at)

    def usage(self, interval: Interval) -> Iterable[Record]:
        """The usage rows of an interval."""
        return usage(interval)

    def pages(self, client: Client, stream: Stream, window: Window, options: dict[str, Any]) -> Iterator[Page]:
        """Scrapes, or the raw values of a window."""
        if stream.name == "scrape":
            yield scraped(client, options)
        else:
            yield from queried(client, NAMES, window, options)


SOURCE = Dcgm()
