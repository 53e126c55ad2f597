"""Readings of inference servers' counters: which counters of which server, and what they say as token classes.

Prompt counters are logical tokens: they contain what came from a cache. A scrape states everything its process counts,
so a series that was not in the scrape before began at zero.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from ingest.calc.counters import Interval, Reading, increase
from ingest.calc.prometheus_text import Sample, number
from ingest.calc.reasons import Rejected
from ingest.calc.values import count

ALL_MODELS = "(all models)"  # of a server whose counters do not name its model: real usage without a price
START = "process_start_time_seconds"
_INSTANT = timedelta(microseconds=1)


class Role(NamedTuple):
    """What a counter counts: prompt, cached, computed (of a prompt), output, requests; and of which engine."""

    engine: str
    what: str


COUNTERS = {
    "vllm:prompt_tokens_total": Role("vllm", "prompt"),
    "vllm:prompt_tokens_cached_total": Role("vllm", "cached"),
    "vllm:prompt_tokens_by_source_total": Role("vllm", "by_source"),
    "vllm:generation_tokens_total": Role("vllm", "output"),
    "vllm:request_success_total": Role("vllm", "requests"),
    "sglang:prompt_tokens_total": Role("sglang", "prompt"),
    "sglang:cached_tokens_total": Role("sglang", "cached"),
    "sglang:generation_tokens_total": Role("sglang", "output"),
    "sglang:num_requests_total": Role("sglang", "requests"),
    "sglang:e2e_request_latency_seconds_count": Role("sglang", "finished"),
    "tgi_request_input_length_sum": Role("tgi", "prompt"),
    "tgi_request_generated_tokens_sum": Role("tgi", "output"),
    "tgi_request_count": Role("tgi", "requests"),
    "tgi_request_success": Role("tgi", "finished"),
    "llamacpp:prompt_tokens_total": Role("llamacpp", "prompt"),
    "llamacpp:tokens_predicted_total": Role("llamacpp", "output"),
}  # fmt: skip
ENGINES = tuple(sorted({role.engine for role in COUNTERS.values()}))
# Labels that tell series of one server apart; all others name the server.
_INSIDE = frozenset(
    {"model_name", "model", "engine", "source", "cache_source", "finished_reason", "is_streaming", "priority",
     "engine_type", "dp_rank", "moe_ep_rank", "tp_rank", "pp_rank", "method", "err"}
)  # fmt: skip
_SHARDS = ("tp_rank", "pp_rank")  # every shard of a model counts the same tokens
_FAILED = frozenset({"abort", "error"})


def names_of(engine: str) -> list[str]:
    """The counters of an engine; all engines' for ''."""
    return [name for name, role in COUNTERS.items() if engine in ("", role.engine)]


def readings(samples: Iterable[Sample | Rejected]) -> Iterator[dict[str, Any]]:
    """One record for every meter and instant, in the order of time; and one for everything that could not be read.

    A record is ``{meter, started, at, values}`` (``at`` None: the scrape does not say) or ``{reason, detail}``.
    """
    values: dict[tuple[str, datetime | None], dict[str, Any]] = defaultdict(dict)
    starts: dict[tuple[str, datetime | None], Any] = {}
    bad: list[dict[str, Any]] = []
    for sample in samples:
        if isinstance(sample, Rejected):
            bad.append({"reason": sample.reason, "detail": sample.detail})
            continue
        place = (meter_of(sample.labels), sample.at)
        if sample.name == START:
            starts[place] = sample.value
        elif sample.name in COUNTERS and all(sample.labels.get(shard, "0") in ("0", "") for shard in _SHARDS):
            inside = {name: value for name, value in sample.labels.items() if name in _INSIDE}
            values[place][_text([sample.name, inside])] = sample.value
    yield from bad
    for place in sorted(values, key=lambda place: (place[1] or datetime.min.replace(tzinfo=UTC), place[0])):
        yield {"meter": place[0], "at": place[1], "started": starts.get(place), "values": values[place]}


def meter_of(labels: Mapping[str, str]) -> str:
    """The server that a series belongs to, by its labels."""
    return _text({name: value for name, value in labels.items() if name not in _INSIDE})


def reading_of(record: Mapping[str, Any], at: datetime | None) -> Reading:
    """The reading that a record states; ``at``: its time where it has none of its own. Raises Rejected."""
    if "reason" in record:
        raise Rejected(record["reason"], record["detail"])
    time = record["at"] or at
    if time is None:
        raise Rejected("missing_time", "a scrape does not say when it was taken: give --at")
    started = record["started"]
    begin = None
    if started is not None:
        seconds = number(started, START)
        if not 0 < seconds < 10**11:
            raise Rejected("bad_time", START)
        begin = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(seconds * 1_000_000))
    values = {}
    for key, value in record["values"].items():
        name = json.loads(key)[0]
        values[key] = Decimal(count(format(number(value, name), "f"), name) or 0)
    return Reading(record["meter"], begin, time, values)


def usage(interval: Interval) -> Iterator[dict[str, Any]]:
    """One usage row for every model of a server. Raises Rejected.

    The time of a row is the end of its interval, less an instant so that an interval that ends at midnight belongs to
    the day before; its identity is the end too, so that it stays when the interval is split.
    """
    series = {key: json.loads(key) for key in interval.after.values}
    earlier = {key: json.loads(key)[0] for key in interval.before.values} if interval.before else {}
    family = {**earlier, **{key: name for key, (name, _) in series.items()}}
    added = increase(interval.before.values if interval.before else None, interval.after.values, family)
    by_model: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for key, (name, labels) in series.items():
        role, amount = COUNTERS[name], int(added[key])
        sums = by_model[role.engine, labels.get("model_name") or labels.get("model") or ALL_MODELS]
        what = role.what
        if what == "by_source":
            what = "computed" if labels.get("source") == "local_compute" else "not_computed"
        sums[what] += amount
        if what == "requests" and labels.get("finished_reason") in _FAILED:
            sums["failed"] += amount
    target, reading = json.loads(interval.after.meter), interval.after
    started = reading.started.isoformat() if reading.started else None
    for (engine, model), sums in sorted(by_model.items()):
        yield {
            "native_id": _text([engine, model, target, started, reading.at.isoformat()]),
            "occurred_at": reading.at - _INSTANT,
            "provider": "selfhosted",
            "host": target.get("service") or target.get("job"),
            "project": target.get("namespace"),
            "model_served": model,
            "operation": "chat",
            "requests": sums.get("requests", sums.get("finished", 0)),
            "failed": sums.get("failed", 0),
            **_classes(sums),
        }


def _classes(sums: Mapping[str, int]) -> dict[str, int]:
    prompt = sums.get("prompt", 0)
    cached = sums.get("cached", sums.get("not_computed", 0))
    if cached > prompt:
        raise Rejected("cached_exceeds_input", "more prompt tokens came from a cache than there were prompt tokens")
    return {"input_uncached": prompt - cached, "cache_read": cached, "output_visible": sums.get("output", 0)}


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
