"""Write ingest/price_book from the installed genai-prices package: ``python tools/export_price_book.py``.

The package prices nested units (cache reads are part of the input); our token classes are disjoint. Here every class
gets the price of the most specific unit that genai-prices would count it under, for every date, time-of-day window,
context band and request context, so that nothing has to be inherited when usage is priced. Output is deterministic.
"""

from __future__ import annotations

import csv
import gzip
import importlib.metadata
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

from genai_prices import types
from genai_prices.data import providers
from genai_prices.units import _get_registry
from genai_prices.validation import validate_priced_units

OUT = Path(__file__).resolve().parent.parent / "ingest" / "price_book"
ALWAYS = date(1970, 1, 1)
REGISTRY = _get_registry()

# Our class -> the unit of genai-prices that means the same tokens. Its ancestors are where a missing price comes from.
CLASS_UNITS = {
    "input_uncached": "input_tokens", "cache_read": "cache_read_tokens", "cache_write_5m": "cache_write_5m_tokens",
    "cache_write_1h": "cache_write_1h_tokens", "output_visible": "output_tokens",
    "output_reasoning": "output_reasoning_tokens", "input_audio": "input_audio_tokens",
    "cache_read_audio": "cache_audio_read_tokens", "output_audio": "output_audio_tokens",
    "input_image": "input_image_tokens", "cache_read_image": "cache_image_read_tokens",
    "output_image": "output_image_tokens", "input_video": "input_video_tokens", "output_video": "output_video_tokens",
    "request": "requests", "audio_second": "input_audio_seconds", "web_search": "web_searches",
    "storage_search": "storage_searches", "page": "input_document_pages", "character": "input_characters",
}  # fmt: skip
OWNERS = {"cache_write_tokens": "cache_write_5m", "audio_seconds": "audio_second"} | {
    u: c for c, u in CLASS_UNITS.items()
}
TOKENS = [name for name, unit in CLASS_UNITS.items() if REGISTRY.units[unit].dimensions["family"] == "tokens"]
FREE = ("free of charge", "included in the subscription", "(free)")
Row = tuple[Any, ...]


def conditions(model: types.ModelInfo) -> list[dict[str, str]]:
    """The request contexts under which the model has prices of its own; the empty one is the standard price."""
    seen: list[dict[str, str]] = [{}]
    for variant in model.price_variants or ():
        if set_prices(variant.prices) and variant.when not in seen:
            seen.append(variant.when)
    return seen


def set_prices(prices: types.ModelPrice) -> dict[str, Any]:
    return {key: value for key, value in prices.__dict__.items() if value is not None}


def columns_of(when: dict[str, str]) -> tuple[str, str, str]:
    """A request context as (mode, service_tier, variant)."""
    if not when or when == {"processing": "batch"}:
        return ("batch" if when else "sync"), "", ""
    ((key, value),) = when.items()
    return ("sync", value, "") if key == "service_tier" else ("sync", "", f"{key}={value}")


def conditional(model: types.ModelInfo) -> list[types.ConditionalPrice]:
    return model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]


def starts(model: types.ModelInfo) -> list[date]:
    constraints = [item.constraint for item in (*conditional(model), *(model.price_variants or ()))]
    return [ALWAYS, *sorted({c.start_date for c in constraints if isinstance(c, types.StartDateConstraint)})]


def windows(model: types.ModelInfo) -> list[tuple[int, int] | None]:
    """Time-of-day windows in minutes of the UTC day, ``None`` (the rest of the day) first."""
    found: list[tuple[int, int] | None] = [None]
    for item in conditional(model):
        if isinstance(item.constraint, types.TimeOfDateConstraint):
            start, end = (types._utc_timetz(t) for t in (item.constraint.start_time, item.constraint.end_time))
            assert start.second == end.second == 0, "windows are whole minutes"
            found.append((start.hour * 60 + start.minute, end.hour * 60 + end.minute))
    return found


def inside(window: tuple[int, int] | None, minute: int) -> bool:
    if window is None:
        return False
    start, end = window
    return start <= minute < end if start <= end else minute >= start or minute < end


def instant(day: date, window: tuple[int, int] | None, every: list[tuple[int, int] | None]) -> datetime:
    minute = window[0] if window else next(m for m in range(1440) if not any(inside(other, m) for other in every))
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute)


def active(model: types.ModelInfo, when: dict[str, str], at: datetime) -> bool:
    return not when or any(
        variant.when == when
        and set_prices(variant.prices)
        and (not variant.constraint or variant.constraint.active(at))
        for variant in model.price_variants or ()
    )


def priced_classes(prices: dict[str, Any]) -> list[tuple[str, Any, int, str]]:
    """(class, price, per, note) of each class that genai-prices would price with these price keys."""
    units = {REGISTRY.unit_for_price_key(key).usage_key: value for key, value in prices.items()}
    validate_priced_units([REGISTRY.units[key] for key in units], REGISTRY)
    found = []
    for name, unit in CLASS_UNITS.items():
        lineage = [key for key in {unit} | REGISTRY.ancestor_usage_keys(unit) if key in units]
        if not lineage:
            continue
        nearest = max(lineage, key=lambda key: len(REGISTRY.units[key].dimensions))
        note = "" if OWNERS[nearest] == name else f"inherits {OWNERS[nearest]}"
        found.append((name, units[nearest], REGISTRY.units[nearest].per, note))
    return found


def free_classes() -> list[tuple[str, Any, int, str]]:
    return [(name, Decimal(0), 1_000_000, "free") for name in TOKENS]


def bands(price: Any) -> list[tuple[int, Decimal]]:
    if isinstance(price, types.TieredPrices):
        return [(0, price.base), *((tier.start, tier.price) for tier in price.tiers)]
    return [(0, price)]


def rounded(rate: Decimal, note: str) -> tuple[str, str]:
    """The rate as plain digits; float noise and repeating decimals are cut to 9 significant digits, and noted."""
    short = Context(prec=9).plus(rate)
    if short != rate:
        note = "; ".join(filter(None, [note, "rounded to 9 significant digits"]))
    text = format(short.normalize(), "f")
    return text, note


def is_free(model: types.ModelInfo) -> bool:
    words = f"{model.name} {model.price_comments} {model.description}".lower()
    return model.id.endswith(":free") or any(word in words for word in FREE)


def price_rows(model: types.ModelInfo) -> list[Row]:
    """Rows (class, mode, tier, variant, band, window start, end, from, to, rate, per, note); equal dates joined."""
    days, every = starts(model), windows(model)
    found: dict[Row, list[Row]] = {}
    for when in conditions(model):
        for number, day in enumerate(days):
            until = days[number + 1].isoformat() if number + 1 < len(days) else None
            for window in every:
                at = instant(day, window, every)
                if not active(model, when, at):
                    continue
                prices = set_prices(model.get_prices(at, when))
                rows = priced_classes(prices) or (free_classes() if is_free(model) else [])
                for name, price, per, note in rows:
                    for over, rate in bands(price):
                        key = (name, *columns_of(when), over, *(window or (None, None)))
                        extend(found.setdefault(key, []), day.isoformat(), until, (*rounded(rate, note), per))
    return [
        (*key, start, end, rate, per, note) for key, dated in found.items() for start, end, (rate, note, per) in dated
    ]


def extend(dated: list[Row], start: str, until: str | None, value: Row) -> None:
    if dated and dated[-1][1] == start and dated[-1][2] == value:
        start = dated.pop()[0]
    dated.append((start, until, value))


def not_expressed(provider: types.Provider, model: types.ModelInfo) -> list[Row]:
    """(provider, model, what, why) of each price or rule that the price rows do not carry."""
    known = {*CLASS_UNITS.values(), "cache_write_tokens", "audio_seconds"}
    keys = {k for item in (*conditional(model), *(model.price_variants or ())) for k in set_prices(item.prices)}
    rows = [
        (key, "no such token class or unit: usage of it is counted in its parent class, or not at all")
        for key in sorted(keys)
        if REGISTRY.unit_for_price_key(key).usage_key not in known
    ]
    if not keys and not is_free(model):
        rows.append(("every price", "the source has no price and does not say that it is free: stays unpriced"))
    if provider.id == "groq" and model.id.startswith("whisper-large-v3"):
        rows.append(("audio_hours", "a minimum of 10 seconds per request is billed; a rate has no minimum"))
    if {"audio_hours", "input_audio_hours"} <= keys:
        prices = set_prices(conditional(model)[-1].prices)
        if prices["audio_hours"] != prices["input_audio_hours"]:
            rows.append(("audio_hours", "differs from input_audio_hours; audio_second carries the input price"))
    return [(provider.id, model.id, *row) for row in rows]


def clause(match: Any) -> Any:
    """Match logic as JSON: {"equals": x}, {"or": [...]}, ..."""
    if match is None:
        return None
    ((key, value),) = vars(match).items()
    return {key.rstrip("_"): [clause(item) for item in value] if isinstance(value, list) else value}


def book() -> dict[str, Any]:
    version = importlib.metadata.version("genai-prices")
    return {
        "source": f"genai-prices {version}",
        "currency": "USD",
        "columns": ["price_class", "mode", "service_tier", "variant", "context_over", "window_start", "window_end",
                    "valid_from", "valid_to", "rate", "per", "note"],
        "providers": [
            {
                "id": provider.id,
                "name": provider.name,
                "api_pattern": provider.api_pattern,
                "provider_match": clause(provider.provider_match),
                "model_match": clause(provider.model_match),
                "fallback_model_providers": provider.fallback_model_providers or [],
                "models": [{"id": m.id, "match": clause(m.match), "prices": sorted(price_rows(m), key=repr)}
                           for m in provider.models],
            }
            for provider in providers
        ],
    }  # fmt: skip


def readme(content: dict[str, Any], gaps: int) -> str:
    models = [model for provider in content["providers"] for model in provider["models"]]
    rows = [row for model in models for row in model["prices"]]
    noted = sum("rounded" in row[-1] for row in rows)
    counts = f"{len(content['providers'])} providers, {len(models)} models, {len(rows)} price rows in USD"
    return f"""# Built-in price book

`builtin.json.gz` is exported from the Python package **{content["source"]}** (pydantic/genai-prices, MIT; licence text
in `LICENSE-genai-prices`) by `python tools/export_price_book.py`, which needs the development dependencies. Nothing in
it is written by hand: corrections belong into an override (`prices load`), never into this file. Same package, same
bytes.

- {counts}. Providers and models are in the order in which the package tries them.
- A provider holds the patterns by which a provider name, an API address or a model name is recognised, and the
  providers whose models it resells (`fallback_model_providers`).
- A model holds its match pattern and its price rows (`columns` names the fields). `valid_from` 1970-01-01 means "as
  long as known"; dates are UTC midnights; windows are minutes of the UTC day, `[start, end)`, null = the rest of it.
- `context_over` N: the rate of the whole request when its input tokens (all input classes) are **more than** N; 0 is
  the base band.
- Every token class that the package would price has a row; `note` says `inherits input_uncached` where the package
  falls back on a wider unit (a cache read without a price is priced as input, reasoning as output).
- {noted} rows carry the note `rounded to 9 significant digits` (float noise or thirds in the source).
- Models that the source calls free have rate 0 and the note `free`. A model without any price and without that mark
  has no rows and stays unpriced.
- `not_expressed.csv` ({gaps} rows, generated) lists what price rows cannot say.
"""


def main() -> None:
    content = book()
    gaps = [row for provider in providers for model in provider.models for row in not_expressed(provider, model)]
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "builtin.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    with (OUT / "not_expressed.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("provider", "model", "what", "why"))
        writer.writerows(gaps)
    (OUT / "README.md").write_text(readme(content, len(gaps)), encoding="utf-8")
    licence = next(p for p in importlib.metadata.files("genai-prices") or () if "LICENSE" in p.name)
    (OUT / "LICENSE-genai-prices").write_text(licence.read_text(), encoding="utf-8")
    print(f"{content['source']}: {sum(len(m['prices']) for p in content['providers'] for m in p['models'])} price rows")


if __name__ == "__main__":
    main()
