"""What the sources of counters share: how Prometheus or an exporter is asked, and how readings become intervals."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from ingest.calc.counters import Interval, Reading, Readings
from ingest.calc.prometheus_text import Sample, matrix_samples, text_samples
from ingest.calc.reasons import Rejected
from ingest.calc.values import instant
from ingest.pull import Client, Page, PullFailed, Stream, Value, Window
from ingest.source import Context, NotThisKind, Record, RowSource, Skip

_MOST_POINTS = 2_000  # of a series in one answer; Prometheus refuses more than 11,000
_NOTHING = "neither a scrape nor an answer of Prometheus"


def stream_of(options: dict[str, Any]) -> Stream:
    """What a connection pulls. A scrape has no past, so that one window is asked once, however long it is."""
    if options.get("mode") == "scrape":
        return Stream("scrape", timedelta(minutes=1), timedelta(days=3_650), timedelta(), states_all=False)
    step = _step(options)
    return Stream("counters", step, step * _MOST_POINTS, timedelta(), states_all=False)


def scraped(client: Client, options: dict[str, Any]) -> Page:
    """What a server says now."""
    answer = client.get("/metrics")
    server = options.get("server")
    text = answer.body.decode("utf-8", "surrogateescape")  # a line that holds a surrogate is rejected
    document = {"text": text, "at": answer.at.isoformat(), "labels": {"instance": server} if server else {}}
    return Page(document, "metrics", answer.at)


def queried(client: Client, names: Sequence[str], window: Window, options: dict[str, Any]) -> Iterator[Page]:
    """The raw values of these metrics at every step of a window, its end left out: the newest point may still change."""
    step, start = _step(options), window.start
    match = str(options.get("match") or "").strip().strip(",")
    query = f'{{__name__=~"{"|".join(names)}"{f",{match}" if match else ""}}}'
    while start < window.end:
        end = max(min(start + step * (_MOST_POINTS - 1), window.end - step), start)
        asked: dict[str, Value] = {
            "query": query, "start": f"{start.timestamp():.0f}", "end": f"{end.timestamp():.0f}",
            "step": int(step.total_seconds()),
        }  # fmt: skip
        answer = client.get("/api/v1/query_range", asked)
        document = answer.json()
        data = document.get("data") if isinstance(document, dict) and document.get("status") == "success" else None
        result = data.get("result") if isinstance(data, dict) and data.get("resultType") == "matrix" else None
        if not isinstance(result, list) or not all(isinstance(series, dict) for series in result):
            raise PullFailed("query_range did not answer with a matrix")
        yield Page(
            {**document, "window": Window(start, end + step)}, f"query_range from {start.isoformat()}", answer.at
        )
        start = end + step


def samples_of(document: Any) -> Iterator[Sample | Rejected]:
    """The samples of a scrape or an answer of the HTTP API. Raises NotThisKind."""
    if isinstance(document, bytes):
        document = document.decode("utf-8", "surrogateescape")  # a line that holds a surrogate is rejected
    if isinstance(document, str):
        return text_samples(document)
    if not isinstance(document, dict):
        raise NotThisKind(_NOTHING)
    if isinstance(document.get("text"), str):
        return _scraped(document)
    data = document.get("data")
    if document.get("status") != "success":
        raise NotThisKind("an error that Prometheus answered, not counters")
    if not isinstance(data, dict) or data.get("resultType") not in ("matrix", "vector"):
        raise NotThisKind("an answer of Prometheus that is neither matrix nor vector")
    if not isinstance(data.get("result"), list):
        raise NotThisKind("an answer of Prometheus without a result")
    return matrix_samples(data["result"])


def _scraped(document: dict[str, Any]) -> Iterator[Sample | Rejected]:
    labels = document.get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise NotThisKind("labels of a scrape are texts")
    given = document.get("at")
    try:
        at = instant(given, "at", zone=None) if given else None
    except Rejected as rejected:
        raise NotThisKind(f"the time of a scrape cannot be read ({rejected.detail})") from None
    for sample in text_samples(document["text"]):
        if isinstance(sample, Rejected):
            yield sample
        else:
            yield sample._replace(labels={**labels, **sample.labels}, at=sample.at or at)


def _step(options: dict[str, Any]) -> timedelta:
    seconds = str(options.get("step") or 300)
    if not seconds.isascii() or not seconds.isdigit() or not 0 < int(seconds) <= 86_400 or 86_400 % int(seconds):
        raise PullFailed("step must be whole seconds that a day is a multiple of")
    return timedelta(seconds=int(seconds))


class CounterSource(RowSource):
    """A meter whose records are readings of counters: one per meter and instant, usage per interval between two."""

    layer = "meter"
    keeps_readings = True
    reads_text = True
    pulled = True
    secret = "bearer token, where the server asks for one"  # noqa: S105  what it is called
    needs_secret = False
    nothing: ClassVar[str]  # what is said of a document without any of its counters

    @abstractmethod
    def readings(self, samples: Iterator[Sample | Rejected]) -> Iterable[Record]:
        """One record per meter and instant."""

    @abstractmethod
    def reading(self, record: Record, context: Context) -> Reading:
        """The reading that a record is. Raises Rejected and Skip."""

    @abstractmethod
    def usage(self, interval: Interval) -> Iterable[Record]:
        """The usage rows of an interval."""

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
        found = [*self.readings(samples_of(document))]
        if not found and (isinstance(document, str | bytes) or ("data" in document and document["data"]["result"])):
            raise NotThisKind(self.nothing)
        for index, record in enumerate(found):
            yield f"/{index}", record

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage of the intervals that a reading ends or splits. Raises Rejected, and Skip for a first baseline."""
        known: Readings = context.state.setdefault("readings", Readings())
        intervals = known.add(self.reading(record, context))
        if not intervals:
            raise Skip("first_scrape_baseline")
        return [row for interval in intervals for row in self.usage(interval)]

    def streams(self, options: dict[str, Any]) -> Sequence[Stream]:
        """One."""
        return (stream_of(options),)
