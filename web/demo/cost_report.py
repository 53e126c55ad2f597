"""OpenAI's cost report of the demo: the demo's usage at the prices of the book, less a discount, and tool calls.

Simulated, as NOTES says: it shows how a bill that differs from usage times price is matched and not summed.
"""

import json
from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from ingest.calc.book import PriceBook
from ingest.calc.price_index import condition_of
from ingest.calc.prices import PRICE_CLASSES
from ingest.selectors import price_book
from web.demo.window import Window

ACCOUNT = "openai-main"
DISCOUNTED, DISCOUNT = "gpt-5.6-sol", Decimal("0.02")  # a rebate on one model that the price book does not know
SEARCHES_PROJECT, SEARCHES, SEARCH_PRICE = "search-answers", 1_200, Decimal("0.01")  # a day, and dollars each
_LATEST = timedelta(days=1)  # the report of a day is there on the next
_PARTS = {"input_uncached": "input", "output_visible": "output"}
_PLACES = Decimal("0.000000000001")


def write_cost_report(rows: pd.DataFrame, window: Window, path: Path) -> Path:
    """A page of /organization/costs for the whole days of the window: its buckets at the prices of the book."""
    found = rows[rows["provider"] == "openai"]
    sums = found.groupby([found["hour"].dt.date, "project", "model"])[["input_tokens", "output_tokens"]].sum()
    by_day: dict[date, list[tuple[str, str, int, int]]] = {}
    for (day, project, model), counts in zip(sums.index, sums.to_numpy().tolist(), strict=True):
        by_day.setdefault(day, []).append((project, model, *counts))
    book = price_book().book
    days = [day for day in window.days() if _end(day) + _LATEST <= window.now]
    page = {
        "object": "page", "data": [_bucket(day, by_day.get(day, []), book) for day in days], "has_more": False,
        "next_page": None,
    }  # fmt: skip
    path.write_text(json.dumps(page, separators=(",", ":")), encoding="utf-8")
    return path


def _end(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def _bucket(day: date, used: list[tuple[str, str, int, int]], book: PriceBook) -> dict[str, Any]:
    results = []
    for project, model, *counts in used:
        for (price_class, part), quantity in zip(_PARTS.items(), counts, strict=True):
            cost = quantity * _rate(book, model, price_class, day)
            cost = cost * (1 - DISCOUNT) if model == DISCOUNTED else cost
            if quantity:
                results.append(_result(project, f"{model}, {part}", cost, Decimal(quantity), "tokens"))
    searches = Decimal(SEARCHES)
    results.append(_result(SEARCHES_PROJECT, "web search tool calls", searches * SEARCH_PRICE, searches, None))
    start = _end(day) - timedelta(days=1)
    return {
        "object": "bucket", "start_time": int(start.timestamp()), "end_time": int(_end(day).timestamp()),
        "results": results,
    }  # fmt: skip


def _rate(book: PriceBook, model: str, price_class: str, day: date) -> Decimal:
    """The standard price of one token on a day; prices of these models change at midnight."""
    index, _ = book.resolve_one("openai", model, None, None)
    line = book.timeline(index, PRICE_CLASSES.index(price_class), condition_of("sync", "", "", 0, -1, -1))
    instant = round((_end(day) - timedelta(days=1)).timestamp() * 1_000_000)
    row = line.rows[bisect_right(line.starts, instant) - 1]
    rate: Decimal = book.rows["rate"][row].as_py()
    return rate / int(book.per[row])


def _result(project: str, line_item: str, cost: Decimal, quantity: Decimal, unit: str | None) -> dict[str, Any]:
    return {
        "object": "organization.costs.result", "amount": {"value": f"{cost.quantize(_PLACES):f}", "currency": "usd"},
        "line_item": line_item, "project_id": project, "api_key_id": None, "quantity": int(quantity),
        "quantity_unit": unit,
    }  # fmt: skip
