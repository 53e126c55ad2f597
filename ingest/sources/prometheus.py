"""Prometheus: token counters of vLLM (0.6 to v1), SGLang, TGI and llama.cpp, by query or by scraping a server.

Counters only rise; usage is what they rose by between two readings (ingest.calc.counters), and the first reading of a
meter is its baseline. Prompt counters contain prompt tokens that came from a cache; those are known where the server
counts them by source. ``prefix_cache_hits`` is not used: vLLM counts a waiting request again at every step. Counters of
several engines of one server are added up; of the shards of one model only the first is read. Metrics know no user.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ingest.calc.counters import Readings
from ingest.calc.meters import ENGINES, START, names_of, reading_of, readings, usage
from ingest.prometheus_api import queried, samples_of, scraped, stream_of
from ingest.pull import Client, Option, Page, Stream, Window
from ingest.source import Context, Guide, NotThisKind, Record, RowSource, Skip

_INSTANCES_AT_ONCE = 50
_NOTHING = "no counters of vLLM, SGLang, TGI or llama.cpp in it"


class Prometheus(RowSource):
    """One record per server and instant; usage is per model and interval."""

    kind = "prometheus"
    layer = "meter"
    keeps_readings = True
    reads_text = True
    scopes = ("tokens.*",)
    pulled = True
    secret = "bearer token, where the server asks for one"  # noqa: S105  what it is called
    needs_secret = False
    options = (
        Option("mode", "query: ask a Prometheus server; scrape: read /metrics of an inference server itself", "query"),
        Option("engine", f"{', '.join(ENGINES)}, or empty for all", ""),
        Option("step", "seconds between two readings of a query", "300"),
        Option("match", 'more label matchers of a query, e.g. namespace="llm"', ""),
        Option("server", "what the server is called, when it is scraped; part of the identity of its counters", ""),
    )
    guide = Guide(
        title="Prometheus (vLLM, SGLang, TGI, llama.cpp)",
        connect=(
            "Connect the address of the Prometheus server that scrapes the inference servers (mode query), or of an "
            "inference server itself (mode scrape; SGLang needs --enable-metrics, llama.cpp --metrics). Or import "
            "answers of /api/v1/query_range, or saved scrapes with manage.py ingest_file --source prometheus --at TIME, "
            "each server's under an --account of its own; a line {text, at, labels} holds a scrape with its time."
        ),
        permission="read access to /api/v1/query_range, or to /metrics",
        tells="model, server (service or job) and namespace",
        cannot=(
            "Users, teams and single requests; reasoning tokens; what was counted before the first reading, or between "
            "the last reading of a process and its end. Cached tokens only of servers that count them. Servers that "
            "state no process_start_time_seconds and share all labels cannot be told apart."
        ),
    )

    def is_page(self, document: Any) -> bool:
        """An answer of the HTTP API, a scrape with its time, or a list of them."""
        return isinstance(document, list) or (
            isinstance(document, dict) and ("status" in document or "text" in document)
        )

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """One record per meter and instant. Raises NotThisKind."""
        if isinstance(document, list):
            for index, item in enumerate(document):
                yield from ((f"/{index}{pointer}", record) for pointer, record in self.records(item))
            return
        found = [*readings(samples_of(document))]
        if not found and (isinstance(document, str | bytes) or ("data" in document and document["data"]["result"])):
            raise NotThisKind(_NOTHING)
        for index, record in enumerate(found):
            yield f"/{index}", record

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage of the intervals that a reading ends or splits. Raises Rejected, and Skip for a first baseline."""
        known: Readings = context.state.setdefault("readings", Readings())
        intervals = known.add(reading_of(record, context.at))
        if not intervals:
            raise Skip("first_scrape_baseline")
        return [row for interval in intervals for row in usage(interval)]

    def streams(self, options: dict[str, Any]) -> Sequence[Stream]:
        """One."""
        return (stream_of(options),)

    def pages(self, client: Client, stream: Stream, window: Window, options: dict[str, Any]) -> Iterator[Page]:
        """Scrapes or raw counters, and when the processes began that count them."""
        if stream.name == "scrape":
            yield scraped(client, options)
            return
        names = names_of(str(options.get("engine") or ""))
        for page in queried(client, names, window, options):
            result = page.document["data"]["result"]
            instances = sorted({str(series.get("metric", {}).get("instance", "")) for series in result} - {""})
            for index in range(0, len(instances), _INSTANCES_AT_ONCE):
                some = "|".join(map(re.escape, instances[index : index + _INSTANCES_AT_ONCE]))
                asked = {**options, "match": f"instance=~{json.dumps(some)}"}
                for started in queried(client, [START], page.document["window"], asked):
                    result += started.document["data"]["result"]
            yield page


SOURCE = Prometheus()
