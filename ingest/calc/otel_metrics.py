"""Usage in OpenTelemetry's metric ``gen_ai.client.token.usage``: one row per interval, for one side of the tokens.

The points of type ``input`` and ``output`` are whole sides: what was cached and what was reasoned is in them and not
told. Points of other types are parts of these, and left out. A point of delta temporality states an interval. One of
cumulative temporality states all since its start, so that usage is what lies between two points (ingest.calc.counters)
and the first of a series is its baseline; a start after that, or a lower value, is a process that began again.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from ingest.calc.counters import Reading, Readings, increase
from ingest.calc.genai_spans import dimensions
from ingest.calc.reasons import Rejected
from ingest.calc.spans import operation_of
from ingest.calc.values import count, instant

Record = dict[str, Any]
NAME = "gen_ai.client.token.usage"
_DELTA, _CUMULATIVE = 1, 2
_NO_VALUE = 1  # flag of a point
_INSTANT = timedelta(microseconds=1)
_SIDES = {"input": "input_uncached", "prompt": "input_uncached", "output": "output_visible",
          "completion": "output_visible"}  # fmt: skip
_PARTS = {"cached", "cache", "cache_read", "cache_creation", "cache_write", "reasoning", "total"}
_TYPES = ("gen_ai.token.type", "gen_ai.usage.token_type", "llm.usage.token_type")
_TOKENS, _CALLS = "tokens", "calls"


class NoUsage(Exception):
    """The point states no usage; the message is the reason, in one word."""


def point_rows(point: Record, known: Readings) -> list[Record]:
    """The usage rows of a data point, without tags: its interval, and one that it splits if it comes late.

    ``known``: the points of cumulative series before. Raises NoUsage and Rejected.
    """
    if point.get("metric") != NAME:
        raise NoUsage("other_metric")
    if (count(point["flags"], "flags") or 0) & _NO_VALUE:
        raise NoUsage("no_value")
    side = _side(point["attributes"])
    if point["form"] not in ("histogram", "exponentialHistogram", "sum"):
        raise Rejected("unknown_shape", f"{NAME} is no histogram and no sum")
    tokens, calls = count(point["value"], "sum"), count(point["count"], "count") or 0
    if tokens is None:
        raise Rejected("bad_number", "sum is missing")
    began, ended = nanoseconds(point["start"], "startTimeUnixNano"), nanoseconds(point["time"], "timeUnixNano")
    if not ended:
        raise Rejected("missing_time", "timeUnixNano")
    start = moment(began, "startTimeUnixNano") if began else None
    reading = Reading(_series(point), start, moment(ended, "timeUnixNano"), _values(tokens, calls))
    found = _intervals(reading, point["temporality"], known)
    common = dimensions(point["attributes"], point["resource"]) | {"operation": operation_of(point["attributes"])}
    return [
        common
        | {
            "native_id": f"{NAME}:{after.meter}:{began}:{after.at.isoformat()}",
            "occurred_at": after.at - _INSTANT,
            "requests": int(added[_CALLS]) if side == "input_uncached" else 0,  # each call is a point of either side
            side: int(added[_TOKENS]),
        }
        for after, added in found
    ]


def nanoseconds(value: Any, name: str) -> int:
    """Nanoseconds since 1970 as OTLP writes them, 0 where they are left out. Raises Rejected."""
    try:
        return int(value) if isinstance(value, int | str) and not isinstance(value, bool) and str(value) else 0
    except ValueError:
        raise Rejected("bad_time", name) from None


def moment(nanos: int, name: str) -> datetime:
    """The instant of a number of nanoseconds. Raises Rejected."""
    return instant(nanos // 1_000, name, zone=None, formats=("epoch_us",))


def _intervals(reading: Reading, temporality: Any, known: Readings) -> list[tuple[Reading, Mapping[str, Decimal]]]:
    """What was added by when: by this point first, then by the one after it."""
    if temporality == _DELTA:
        found = [(reading, reading.values)]
    elif temporality == _CUMULATIVE:
        family = dict.fromkeys(reading.values, reading.meter)
        found = [
            (
                interval.after,
                increase(interval.before.values if interval.before else None, interval.after.values, family),
            )
            for interval in known.add(reading)
        ]
        if not found:
            raise NoUsage("baseline")
    else:
        raise Rejected("unknown_shape", "the temporality is neither delta nor cumulative")
    if len(found) == 1 and not any(found[0][1].values()):
        raise NoUsage("empty_interval")
    return found


def _values(tokens: int, calls: int) -> dict[str, Decimal]:
    return {_TOKENS: Decimal(tokens), _CALLS: Decimal(calls)}


def _side(attributes: Mapping[str, Any]) -> str:
    word = next((attributes[name] for name in _TYPES if name in attributes), None)
    if word in _PARTS:
        raise NoUsage("part_of_a_side")
    if not isinstance(word, str) or word not in _SIDES:
        raise Rejected("unknown_shape", "gen_ai.token.type is neither input nor output")
    return _SIDES[word]


def _series(point: Record) -> str:
    identity = [point["resource"], point["scope"], point["attributes"]]
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
