"""Fields of LiteLLM's price catalogue as price rows: what each one prices, under which conditions, per which unit.

A field is a base and endings, such as ``input_cost_per_token`` + ``_above_200k_tokens`` + ``_batches``. LiteLLM applies a
band to the whole request. What a price row cannot say is named, never left out in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, NamedTuple

MILLION = 1_000_000
_DIGITS = Context(prec=9, rounding=ROUND_HALF_EVEN)
ROUNDED = "rounded to 9 significant digits"

# Base -> (class, pricing unit). Of the bases of one unit the first that has a price wins; the others are named.
BASES: dict[str, tuple[str, int]] = {
    "input_cost_per_token": ("input_uncached", MILLION), "output_cost_per_token": ("output_visible", MILLION),
    "output_cost_per_reasoning_token": ("output_reasoning", MILLION),
    "cache_read_input_token_cost": ("cache_read", MILLION), "input_cost_per_token_cache_hit": ("cache_read", MILLION),
    "cache_creation_input_token_cost": ("cache_write_5m", MILLION),
    "input_cost_per_audio_token": ("input_audio", MILLION), "output_cost_per_audio_token": ("output_audio", MILLION),
    "cache_read_input_audio_token_cost": ("cache_read_audio", MILLION),
    "cache_read_input_token_cost_per_audio_token": ("cache_read_audio", MILLION),
    "input_cost_per_image_token": ("input_image", MILLION), "output_cost_per_image_token": ("output_image", MILLION),
    "cache_read_input_image_token_cost": ("cache_read_image", MILLION),
    "input_cost_per_video_token": ("input_video", MILLION), "output_cost_per_video_token": ("output_video", MILLION),
    "output_cost_per_image": ("image", 1), "input_cost_per_image": ("image", 1),
    "output_cost_per_video_per_second": ("video_second", 1), "input_cost_per_video_per_second": ("video_second", 1),
    "input_cost_per_audio_per_second": ("audio_second", 1),
    "input_cost_per_character": ("character", MILLION), "output_cost_per_character": ("character", MILLION),
    "input_cost_per_request": ("request", 1), "input_cost_per_query": ("request", 1),
    "search_cost_per_query": ("web_search", 1), "ocr_cost_per_page": ("page", 1),
    "code_interpreter_cost_per_session": ("session", 1), "file_search_cost_per_1k_calls": ("storage_search", 1_000),
}  # fmt: skip
_SECONDS = {"video_generation": "video_second", "audio_transcription": "audio_second", "audio_speech": "audio_second"}
_GIVEN_PER = {"file_search_cost_per_1k_calls": 1_000}  # all others are per one
# Columns of a dated catalogue (USD per 1M tokens) -> the field that they are.
COLUMNS = {
    "input": "input_cost_per_token", "output": "output_cost_per_token", "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost", "reasoning": "output_cost_per_reasoning_token",
    "batch_input": "input_cost_per_token_batches", "batch_output": "output_cost_per_token_batches",
    "input_above_200k": "input_cost_per_token_above_200k_tokens", "output_above_200k": "output_cost_per_token_above_200k_tokens",
    "flex_input": "input_cost_per_token_flex", "flex_output": "output_cost_per_token_flex",
    "priority_input": "input_cost_per_token_priority", "priority_output": "output_cost_per_token_priority",
}  # fmt: skip
_ENDING = re.compile(r"_above_(?P<band>\d+)k_tokens|_(?P<hour>above_1hr)|_(?P<batch>batches)|_(?P<tier>flex|priority)")
_A_PRICE = re.compile(r"cost|price|pricing|multiplier|provider_specific_entry")
_REGION = re.compile(r"[a-z]{2}(-gov)?-[a-z]+-\d")
_INHERITS = {"output_reasoning": "output_visible", "cache_write_1h": "cache_write_5m"}
_MOST = 9_000_000


class Field(NamedTuple):
    """What a price field prices: class, pricing unit and conditions."""

    price_class: str
    per: int
    mode: str
    service_tier: str
    context_over: int


class Entry(NamedTuple):
    """Price rows of one model (without book, dates and source), and (field, why) of what they do not say."""

    rows: list[dict[str, Any]]
    left_out: list[tuple[str, str]]


def field_of(name: str, mode: str = "") -> Field | None:
    """The price field that a name is; None if it is none of those that price rows can say."""
    over, hour, batch, tier, rest = 0, False, False, "", name
    for match in reversed(list(_ENDING.finditer(name))):
        over = int(match["band"]) * 1000 if match["band"] else over
        hour, batch, tier = hour or bool(match["hour"]), batch or bool(match["batch"]), match["tier"] or tier
        rest = rest[: match.start()] + rest[match.end() :]
    base = BASES.get(rest)
    if rest in ("input_cost_per_second", "output_cost_per_second") and mode in _SECONDS:
        base = (_SECONDS[mode], 1)
    if base is None or (hour and base[0] != "cache_write_5m"):
        return None
    return Field("cache_write_1h" if hour else base[0], base[1], "batch" if batch else "sync", tier, over)


def entry_rows(fields: Mapping[str, Any], mode: str = "", *, per_million: bool = False) -> Entry:
    """Price rows of a catalogue's entry. ``per_million``: fields of COLUMNS are per 1M tokens; all others per one unit."""
    found: dict[Field, dict[str, Any]] = {}
    left_out: list[tuple[str, str]] = []
    order = list(BASES)
    for name, value in sorted(
        _prices(fields, left_out), key=lambda pair: _place(order, COLUMNS.get(pair[0], pair[0]), mode)
    ):
        field = field_of(COLUMNS.get(name, name), mode)
        if field is None:
            left_out.append((name, "no price row can say this"))
            continue
        rate, note = rounded(value if per_million and name in COLUMNS else value * field.per / _GIVEN_PER.get(name, 1))
        if not 0 <= rate <= _MOST:
            left_out.append((name, f"{value} is not between 0 and {_MOST:,} per {field.per:,}"))
        elif field in found and found[field]["rate"]:
            if found[field]["rate"] != rate and rate:
                left_out.append((name, f"another price of the same unit is taken: {found[field]['rate']:f}"))
        else:
            found[field] = field._asdict() | {"rate": rate, "note": note or ("" if rate else "free")}
    for field, row in list(found.items()):
        for name, wider in _INHERITS.items():
            heir = field._replace(price_class=name)
            if field.price_class == wider and heir not in found:
                found[heir] = row | {"price_class": name, "note": f"inherits {wider}"}
    return Entry(list(found.values()), left_out)


def place_of(key: str, provider: str) -> tuple[str, str] | None:
    """(model, region) of a catalogue's key; None for time on units reserved for months, which is no price of usage."""
    parts = key.split("/")
    if any(part.endswith("-month-commitment") for part in parts):
        return None
    if len(parts) > 2 and provider == "aws" and _REGION.fullmatch(parts[1]):
        return "/".join(parts[2:]), parts[1]
    if len(parts) > 2 and provider == "azure" and parts[1] in ("us", "eu"):
        return "/".join(parts[2:]), parts[1]
    return key, ""


def rounded(value: Decimal) -> tuple[Decimal, str]:
    """A rate without the noise of a float, and the note that says so."""
    rate = _DIGITS.plus(value)
    step = rate.quantize(Decimal("1e-12")) if rate.is_finite() and abs(rate) < Decimal(10) ** 12 else rate
    return step, "" if step == value else ROUNDED


def _prices(fields: Mapping[str, Any], left_out: list[tuple[str, str]]) -> Iterator[tuple[str, Decimal]]:
    for name, value in fields.items():
        if value is None or not (_A_PRICE.search(name) or name in COLUMNS):
            continue
        if name == "search_context_cost_per_query" and isinstance(value, dict):
            sizes = {number for number in map(_number, value.values()) if number is not None}
            if len(sizes) == 1:
                yield "search_cost_per_query", sizes.pop()
            else:
                left_out.append((name, f"prices that depend on the size of the search context: {_shown(value)}"))
        elif name == "tiered_pricing" and isinstance(value, list):
            yield from _tiers(value, left_out)
        elif (number := _number(value)) is not None:
            yield name, number
        elif value not in ("", {}, []):
            left_out.append((name, f"no number: {_shown(value)}"))


def _tiers(tiers: list[Any], left_out: list[tuple[str, str]]) -> Iterator[tuple[str, Decimal]]:
    for tier in tiers:
        begin = _number(tier["range"][0]) if isinstance(tier, dict) and isinstance(tier.get("range"), list) else None
        if begin is None or begin % 1000:
            left_out.append(("tiered_pricing", f"no range of whole thousands of tokens: {_shown(tier)}"))
            continue
        for name, value in tier.items():
            if name != "range" and (number := _number(value)) is not None:
                yield f"{name}_above_{int(begin) // 1000}k_tokens" if begin else name, number


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        return None
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


def _place(order: list[str], name: str, mode: str) -> tuple[int, str]:
    base = _ENDING.sub("", name)
    if mode in _SECONDS and base.endswith("_cost_per_second"):
        return (-2 if base.startswith("output") else -1), name
    return (order.index(base) if base in order else len(order)), name


def _shown(value: Any) -> str:
    return str(value)[:120]
