"""Counts and costs of Langfuse's observations: buckets that stand beside one another and add up to their total."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ingest.calc.reasons import Rejected
from ingest.calc.records import load_json
from ingest.calc.values import count, money

_CLASSES = {
    "input": "input_uncached", "input_tokens": "input_uncached", "input_text_tokens": "input_uncached",
    "input_cached_tokens": "cache_read", "input_cached": "cache_read", "input_cache_read": "cache_read",
    "cache_read_input_tokens": "cache_read", "input_cache_creation": "cache_write_5m",
    "input_cache_write": "cache_write_5m", "cache_creation_input_tokens": "cache_write_5m",
    "input_cache_creation_5m": "cache_write_5m", "input_cache_creation_1h": "cache_write_1h",
    "output": "output_visible", "output_tokens": "output_visible", "output_text_tokens": "output_visible",
    "output_accepted_prediction_tokens": "output_visible", "output_rejected_prediction_tokens": "output_visible",
    "output_reasoning_tokens": "output_reasoning", "output_reasoning": "output_reasoning",
    "input_audio_tokens": "input_audio", "input_audio": "input_audio", "cache_audio_read_tokens": "cache_read_audio",
    "output_audio_tokens": "output_audio", "output_audio": "output_audio", "input_image_tokens": "input_image",
    "output_image_tokens": "output_image",
}  # fmt: skip


def classes_of(details: Any, older: Any) -> dict[str, int]:
    """Disjoint classes of ``usageDetails``, else of v1's older ``usage``; empty where neither states any.

    Their sum is the total, if one is stated. Raises Rejected.
    """
    buckets = parsed(details, "usageDetails")
    if not buckets and isinstance(older, Mapping):
        if older.get("unit") not in (None, "TOKENS"):
            raise Rejected("unknown_shape", "usage.unit is not TOKENS")
        buckets = {name: older.get(name) for name in ("input", "output", "total")}
    given = {name: count(value, f"usageDetails.{name}") or 0 for name, value in buckets.items()}
    total = given.pop("total", None)
    classes: dict[str, int] = {}
    for name, number in given.items():
        if name in _CLASSES:
            classes[_CLASSES[name]] = classes.get(_CLASSES[name], 0) + number
    others = sum(number for name, number in given.items() if name not in _CLASSES)
    explained = sum(classes.values())
    if total is None and others:
        raise Rejected("unexplained_total", "usageDetails holds a bucket that is not known")
    if total is not None and total != explained and any((total, explained)):
        raise Rejected("unexplained_total", "the buckets of usageDetails do not add up to its total")
    return classes if explained else {}


def cost_of(total: Any, details: Any) -> Decimal | None:
    """What Langfuse thinks that the call cost, in dollars. Raises Rejected."""
    parts = parsed(details, "costDetails")
    return money(parts.get("total") if total is None else total, "totalCost")


def parsed(value: Any, name: str) -> Mapping[str, Any]:
    """An object, or the text of one as CSV holds it; empty for nothing. Raises Rejected."""
    if isinstance(value, str):
        value = load_json(value.encode("utf-8", "surrogatepass")) if value.strip() else None
    if value is not None and not isinstance(value, Mapping):
        raise Rejected("unknown_shape", f"{name} is not an object")
    return value or {}
