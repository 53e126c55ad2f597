"""Throughput of rating against ``genai_prices.calc_price``: ``python -m tests.bench.rating [--rows N]``.

One-request rows over 200 models, plain strings for providers and models, model look-up, slots and rating timed
together, on one thread, best of three runs for both sides. Outputs are compared first, to 12 decimals; if any differs,
no ratio is printed and the exit code is 1.
"""

import argparse
import random
import resource
import sys
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import genai_prices
import numpy as np
import pyarrow as pa
from genai_prices.data import providers

from finops.tokens import ALL_INPUT_CLASSES
from ingest.calc.book import PriceBook
from ingest.calc.prices import read_builtin

BOOK = Path(__file__).resolve().parents[2] / "ingest" / "price_book" / "builtin.json.gz"
CLASSES = ("input_uncached", "cache_read", "output_visible", "output_reasoning")
SAMPLE = 20_000
FIRST_DAY, DAYS = date(2025, 10, 1), 365


def models(book, count=200):
    """Models that price all four classes, all plain text models of providers people use most first."""
    popular = ["openai", "anthropic", "google", "aws", "azure", "mistral", "deepseek", "x-ai", "groq", "together"]
    found = []
    for provider in sorted(providers, key=lambda p: popular.index(p.id) if p.id in popular else 99):
        for model in provider.models:
            hit = book.matcher.model(provider.id, model.id)
            prices = model.prices[0].prices if isinstance(model.prices, list) else model.prices
            if hit and hit.id == model.id and {"input_mtok", "output_mtok"} <= set(vars(prices)):
                found.append((provider.id, model.id))
    return found[:count]


def events(book, rows, seed=7):
    rng, names = np.random.default_rng(seed), models(book)
    pick = rng.integers(0, len(names), rows)
    at = int(datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC).timestamp()) * 1_000_000
    columns = {
        "provider": pa.array([name for name, _ in names]).take(pa.array(pick)),
        "model_served": pa.array([name for _, name in names]).take(pa.array(pick)),
        "occurred_at": pa.array(at + rng.integers(0, DAYS * 86_400, rows) * 1_000_000),
    }
    long = rng.random(rows) < 0.02
    columns["input_uncached"] = pa.array(np.where(long, 300_000, 0) + rng.integers(1, 8_000, rows))
    columns["cache_read"] = pa.array(rng.integers(0, 20_000, rows) * (rng.random(rows) < 0.5))
    columns["output_visible"] = pa.array(rng.integers(1, 2_000, rows))
    columns["output_reasoning"] = pa.array(rng.integers(0, 6_000, rows) * (rng.random(rows) < 0.3))
    return pa.table(columns)


def rated(book, table):
    """From strings to rated rows, as the pipeline does it."""
    names = [table[name].combine_chunks().dictionary_encode() for name in ("provider", "model_served")]
    size = len(names[1].dictionary)
    combined = pa.array(
        names[0].indices.to_numpy().astype(np.int64) * size + names[1].indices.to_numpy()
    ).dictionary_encode()
    distinct = combined.dictionary.to_numpy()
    none = pa.nulls(len(distinct), pa.string())
    keys = pa.table({
        "provider": names[0].dictionary.take(pa.array(distinct // size)),
        "model_served": names[1].dictionary.take(pa.array(distinct % size)),
        "model_requested": none, "host": none,
    })  # fmt: skip
    model = book.resolve(keys)[combined.indices.to_numpy()]
    at = table["occurred_at"].to_numpy()
    context = table["input_uncached"].to_numpy() + table["cache_read"].to_numpy()
    slots = book.slots(model, at, context)
    lines = {name: table[name] for name in CLASSES} | {"provider": names[0], "model_served": names[1]}
    lines["charge_date"] = pa.array((at // 86_400_000_000).astype(np.int32)).cast(pa.date32())
    return book.rate(pa.table(lines | slots._asdict()))


def reference(table):
    """Seconds and (input cost, output cost) per row of the reference library."""
    rows = table.to_pylist()
    usages = [
        genai_prices.Usage(
            input_tokens=row["input_uncached"] + row["cache_read"], cache_read_tokens=row["cache_read"],
            output_tokens=row["output_visible"] + row["output_reasoning"],
            output_reasoning_tokens=row["output_reasoning"],
        )
        for row in rows
    ]  # fmt: skip
    instants = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row["occurred_at"]) for row in rows]
    began = time.perf_counter()
    costs = [
        genai_prices.calc_price(usage, row["model_served"], provider_id=row["provider"], genai_request_timestamp=at)
        for usage, row, at in zip(usages, rows, instants, strict=True)
    ]
    return time.perf_counter() - began, [(cost.input_price, cost.output_price) for cost in costs]


def differences(result, expected, notes):
    """Rows whose cost is not the reference's to 12 decimals; rates rounded on import may differ by that rounding."""
    costs = [[Decimal(0), Decimal(0)] for _ in expected]
    rounded = set()
    for row in result.select(["line", "price_class", "price_id", "list_cost"]).to_pylist():
        if row["list_cost"] is None:
            return [row]
        costs[row["line"]][row["price_class"] not in ALL_INPUT_CLASSES] += row["list_cost"]
        if "rounded" in notes[row["price_id"]]:
            rounded.add(row["line"])
    step = Decimal("1e-12")
    return [
        (line, mine, theirs)
        for line, (mine, theirs) in enumerate(zip(costs, expected, strict=True))
        if line not in rounded and any(abs(a - b) >= step for a, b in zip(mine, theirs, strict=True))
    ]


def timed(source, table, batch):
    """(seconds, rated rows) with a book that remembers nothing yet."""
    book = PriceBook(source.rows, source.providers)
    began = time.perf_counter()
    rows = sum(rated(book, table.slice(start, batch)).num_rows for start in range(0, table.num_rows, batch))
    return time.perf_counter() - began, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=50_000, help="rows per call, as the pipeline cuts them")
    args = parser.parse_args()
    source = read_builtin(BOOK.read_bytes())
    book = PriceBook(source.rows, source.providers)
    table = events(book, args.rows)
    sample = table.slice(0, SAMPLE)
    reference(sample.slice(0, 2_000))  # fills its own look-up caches
    seconds, expected = min((reference(sample) for _ in range(3)), key=lambda run: run[0])
    wrong = differences(rated(book, sample), expected, book.price["note"])
    if wrong:
        print(f"outputs differ in {len(wrong)} rows, no ratio: {random.Random(0).choice(wrong)}")
        return 1
    best, out = min(timed(source, table, args.batch) for _ in range(3))
    mine = args.rows / best
    theirs = len(sample) / seconds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"equal to 12 decimals on {len(sample):,} rows; rating {mine:,.0f} rows/s "
        f"({out / args.rows:.2f} classes a row), "
        f"genai_prices.calc_price {theirs:,.0f} calls/s: {mine / theirs:,.0f}x; peak RSS {peak:,.0f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
