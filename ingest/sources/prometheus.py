"""Prometheus: token counters of vLLM (0.6 to v1), SGLang, TGI and llama.cpp, by query or by scraping a server.

Counters only rise; usage is what they rose by between two readings (ingest.calc.counters), and the first reading of a
meter is its baseline. Prompt counters contain prompt tokens that came from a cache; those are known where the server
counts them by source. ``prefix_cache_hits`` is not used: vLLM counts a waiting request again at every step. Counters of
several engines of one server are added up; of the shards of one model only the first is read. Metrics know no user.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ingest.calc.counters import Interval, Reading
from ingest.calc.meters import ENGINES, START, names_of, reading_of, readings, usage
from ingest.calc.prometheus_text import Sample
from ingest.calc.reasons import Rejected
from ingest.prometheus_api import CounterSource, queried, scraped
from ingest.pull import Client, Option, Page, Stream, Window
from ingest.source import Context, Guide, Record

_INSTANCES_AT_ONCE = 50


class Prometheus(CounterSource):
    """One record per server and instant; usage is per model and interval."""

    kind = "prometheus"
    nothing = "no counters of vLLM, SGLang, TGI or llama.cpp in it"
    scopes = ("tokens.*",)
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

    def readings(self, samples: Iterator[Sample | Rejected]) -> Iterable[Record]:
        """One record per server and instant."""
        return readings(samples)

    def reading(self, record: Record, context: Context) -> Reading:
        """The reading that a record is. Raises Rejected."""
        return reading_of(record, context.at)

    def usage(self, interval: Interval) -> Iterable[Record]:
        """The usage rows of an interval."""
        return usage(interval)

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
