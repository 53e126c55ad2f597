"""The built-in book and the shortest way from requests to costs, for the tests of prices."""

import functools
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import genai_prices
import numpy as np
import pyarrow as pa

from finops.tokens import ALL_INPUT_CLASSES, ALL_OUTPUT_CLASSES, TOKEN_CLASSES
from ingest.calc.book import PriceBook
from ingest.calc.overrides import overrides
from ingest.calc.price_excess import FILL_ORDER
from ingest.calc.prices import read_builtin

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("provider", "model_served", "model_requested", "host")
MIDSUMMER = datetime(2026, 6, 15, 12, tzinfo=UTC)


@functools.cache
def builtin():
    return read_builtin((ROOT / "ingest" / "price_book" / "builtin.json.gz").read_bytes())


@functools.cache
def _book(text):
    rows = builtin().rows
    extra = overrides(json.loads(text))
    return PriceBook(pa.concat_tables([extra, rows]) if extra.num_rows else rows, builtin().providers)


def book(*entries):
    """The built-in book under overrides written as in YAML."""
    return _book(json.dumps(entries))


def us(at):
    return int(at.timestamp()) * 1_000_000 + at.microsecond


def rated(prices, requests):
    """Rated rows of requests: dicts of names, at, mode, tier, region, requests and token classes."""
    size = len(requests)
    columns = {name: pa.array([r.get(name) for r in requests], pa.string()) for name in NAMES}
    model = prices.resolve(pa.table(columns))
    at = np.array([us(r.get("at", MIDSUMMER)) for r in requests], dtype=np.int64)
    one_call = [r.get("requests", 1) == 1 for r in requests]
    context = np.array(
        [one * sum(r.get(name, 0) for name in ALL_INPUT_CLASSES) for one, r in zip(one_call, requests, strict=True)],
        dtype=np.int64,
    )
    sums = np.array([[r.get(name, 0) for name in FILL_ORDER] for r in requests], dtype=np.int64)
    calls = np.array([r.get("requests", 1) for r in requests], dtype=np.int64)
    slots = prices.slots(model, at, context, inputs=lambda rows: (sums[rows], calls[rows]))
    columns |= {"requests": pa.array(calls)} if any("requests" in r for r in requests) or not prices.all_whole else {}
    columns |= {name: pa.array([r.get(name) for r in requests], pa.int64()) for name in TOKEN_CLASSES}
    columns |= slots._asdict() | {
        "charge_date": pa.array([r.get("at", MIDSUMMER).astimezone(UTC).date() for r in requests], pa.date32()),
        "mode": pa.array([r.get("mode", "sync") for r in requests]),
        "service_tier_served": pa.array([r.get("tier") for r in requests], pa.string()),
        "region": pa.array([r.get("region") for r in requests], pa.string()),
    }
    assert size == len(at)
    return prices.rate(pa.table(columns))


def cost(prices, **request):
    """{class: list cost} of one request; None = unpriced."""
    return {row["price_class"]: row["list_cost"] for row in rated(prices, [request]).to_pylist()}


def totals(rows, size):
    """(input cost, output cost, unpriced classes, rates rounded on import) per request."""
    sums = [[Decimal(0), Decimal(0), 0] for _ in range(size)]
    for row in rows.select(["line", "price_class", "list_cost"]).to_pylist():
        place = sums[row["line"]]
        if row["list_cost"] is None:
            place[2] += 1
        else:
            place[row["price_class"] not in ALL_INPUT_CLASSES] += row["list_cost"]
    return sums


def nested(classes):
    """Our disjoint classes as the nested usage of genai-prices."""

    def total(*names):
        return sum(classes.get(name, 0) for name in names)

    return genai_prices.Usage(
        input_tokens=total(*ALL_INPUT_CLASSES), output_tokens=total(*ALL_OUTPUT_CLASSES),
        cache_read_tokens=total("cache_read", "cache_read_audio", "cache_read_image"),
        cache_write_tokens=total("cache_write_5m", "cache_write_1h"), cache_write_5m_tokens=total("cache_write_5m"),
        cache_write_1h_tokens=total("cache_write_1h"), output_reasoning_tokens=total("output_reasoning"),
        input_audio_tokens=total("input_audio", "cache_read_audio"), cache_audio_read_tokens=total("cache_read_audio"),
        input_image_tokens=total("input_image", "cache_read_image"), cache_image_read_tokens=total("cache_read_image"),
        input_video_tokens=total("input_video"), output_audio_tokens=total("output_audio"),
        output_image_tokens=total("output_image"), output_video_tokens=total("output_video"),
    )  # fmt: skip
