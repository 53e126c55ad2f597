"""One result of OpenAI's usage endpoints: disjoint token classes, and the full bucket that it belongs to.

``input_tokens`` contain cached and written tokens. In the schema of 2026 they and ``output_tokens`` contain every
modality, and ``input_audio_tokens`` and its like leave out what was cached. In that of 2025 they are text alone: audio
stands beside them (a recorded bucket has 822 output and 3,103 output audio tokens), and all of it counts as not cached.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ingest.calc.reasons import Rejected
from ingest.calc.values import count

WIDTHS = (60, 3_600, 86_400)
_YEAR_10000 = 253_402_300_800
TOKEN_FIELDS = frozenset(
    {"input_tokens", "output_tokens", "input_cached_tokens", "input_cache_write_tokens", "input_uncached_tokens"}
    | {f"{way}_{part}_tokens" for way in ("input", "input_cached", "output") for part in ("text", "audio", "image")}
)  # fmt: skip
_SINCE_2026 = TOKEN_FIELDS - {
    "input_tokens", "output_tokens", "input_cached_tokens", "input_audio_tokens", "output_audio_tokens",
}  # fmt: skip


def tokens_of(result: Mapping[str, Any]) -> dict[str, int]:
    """Disjoint classes. Every sum that the result states is checked. Raises Rejected."""
    counts = {name: count(result.get(name), name) for name in TOKEN_FIELDS}
    given = {name: value for name, value in counts.items() if value is not None}

    def of(name: str) -> int:
        return given.get(name, 0)

    cached, written = of("input_cached_tokens"), of("input_cache_write_tokens")
    rest = of("input_tokens") - cached - written
    if rest < 0:
        raise Rejected("cached_exceeds_input", "input_cached_tokens and input_cache_write_tokens exceed input_tokens")
    if given.get("input_uncached_tokens", rest) != rest:
        raise Rejected("unexplained_total", "input_uncached, cached and cache_write tokens are not input_tokens")
    tokens = {"cache_write_5m": written}
    for part in ("audio", "image"):
        tokens[f"cache_read_{part}"] = of(f"input_cached_{part}_tokens")
        tokens[f"input_{part}"] = of(f"input_{part}_tokens")
        tokens[f"output_{part}"] = of(f"output_{part}_tokens")
    read, uncached, visible = cached, rest, of("output_tokens")
    if _SINCE_2026.intersection(given):
        read -= tokens["cache_read_audio"] + tokens["cache_read_image"]
        uncached -= tokens["input_audio"] + tokens["input_image"]
        visible -= tokens["output_audio"] + tokens["output_image"]
    _agree(read, given.get("input_cached_text_tokens"), "input_cached_tokens", "cached_exceeds_input")
    _agree(uncached, given.get("input_text_tokens"), "input_tokens", "cached_exceeds_input")
    _agree(visible, given.get("output_text_tokens"), "output_tokens", "unexplained_total")
    return tokens | {"cache_read": read, "input_uncached": uncached, "output_visible": visible}


def _agree(rest: int, said: int | None, name: str, reason: str) -> None:
    if rest < 0:
        raise Rejected(reason, f"the modalities exceed {name}")
    if said not in (None, rest):
        raise Rejected("unexplained_total", f"the modalities are not {name}")


def nominal(record: Mapping[str, Any], least: int) -> tuple[int, int]:
    """Start and width in seconds of the full bucket that a record's ``start_time`` and ``end_time`` are a part of.

    ``least``: the width is known to be at least this. Raises Rejected.
    """
    start, end = _second(record, "start_time"), _second(record, "end_time")
    if end <= start or end - start > WIDTHS[-1]:
        raise Rejected("bad_time", "the bucket is empty, or longer than a day")
    least = max(end - start, least)
    width = next((width for width in WIDTHS if width >= least and start - start % width + width >= end), None)
    if width is None:
        raise Rejected("bad_time", "the bucket crosses midnight UTC")
    return start - start % width, width


def _second(record: Mapping[str, Any], name: str) -> int:
    try:
        second = count(record.get(name), name)
    except Rejected as rejected:
        raise Rejected("bad_time", rejected.detail) from None
    if second is None:
        raise Rejected("missing_time", name)
    if second >= _YEAR_10000:
        raise Rejected("out_of_window", name)
    return second


def bounds(bucket: Any) -> tuple[int, int] | None:
    """Start and end in seconds as a bucket gives them; None where they make no sense."""
    start, end = (bucket.get("start_time"), bucket.get("end_time")) if isinstance(bucket, Mapping) else (None, None)
    if type(start) is not int or type(end) is not int or not 0 <= start < end < _YEAR_10000:
        return None
    return start, end


def joined(spans: Iterable[tuple[int, int] | None]) -> list[tuple[datetime, datetime]]:
    """Time that buckets cover, those that meet as one."""
    found: list[list[int]] = []
    for start, end in sorted(span for span in spans if span):
        if found and start <= found[-1][1]:
            found[-1][1] = max(end, found[-1][1])
        else:
            found.append([start, end])
    return [(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)) for start, end in found]
