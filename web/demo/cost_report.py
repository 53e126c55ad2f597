"""OpenAI's cost report of the demo: what the ledger computes from the demo's usage, less a discount, and tool calls.

Simulated, as NOTES says: it shows how a bill that differs from usage times price is matched and not summed.
"""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db.models import Sum

from allocation.models import Rating
from ingest.models import UsageKey
from web.demo.window import Window

ACCOUNT = "openai-main"
DISCOUNTED, DISCOUNT = "gpt-5.6-sol", Decimal("0.02")  # a rebate on one model that the price book does not know
SEARCHES_PROJECT, SEARCHES, SEARCH_PRICE = "search-answers", 1_200, Decimal("0.01")  # a day, and dollars each
_LATEST = timedelta(days=1)  # the report of a day is there on the next
_PARTS = {
    "input_uncached": "input",
    "cache_read": "cached input",
    "output_visible": "output",
    "output_reasoning": "output",
}
_PLACES = Decimal("0.000000000001")


def write_cost_report(window: Window, path: Path) -> Path:
    """A page of /organization/costs for the whole days of the window, from the ratings in the database."""
    keys = {
        number: (project, model)
        for number, project, model in UsageKey.objects.filter(
            source="openai", billing_account=ACCOUNT, layer="provider_usage"
        ).values_list("id", "project", "model_served")
    }
    days = [day for day in window.days() if _end(day) + _LATEST <= window.now]
    page = {"object": "page", "data": [_bucket(day, keys) for day in days], "has_more": False, "next_page": None}
    path.write_text(json.dumps(page, separators=(",", ":")), encoding="utf-8")
    return path


def _end(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def _bucket(day: date, keys: dict[int, tuple[str, str]]) -> dict[str, Any]:
    amounts: dict[tuple[str, str], list[Decimal]] = {}
    rows = (
        Rating.objects.filter(charge_date=day, usage_key_id__in=keys, list_cost__isnull=False)
        .values_list("usage_key_id", "price_class")
        .annotate(cost=Sum("list_cost"), quantity_=Sum("quantity"))
    )
    for key, price_class, cost, quantity in rows:
        project, model = keys[key]
        total = amounts.setdefault((project, f"{model}, {_PARTS[price_class]}"), [Decimal(0), Decimal(0)])
        total[0] += cost * (1 - DISCOUNT) if model == DISCOUNTED else cost
        total[1] += quantity
    results = [
        _result(project, line_item, cost, quantity, "tokens")
        for (project, line_item), (cost, quantity) in sorted(amounts.items())
    ]
    searches = Decimal(SEARCHES)
    results.append(_result(SEARCHES_PROJECT, "web search tool calls", searches * SEARCH_PRICE, searches, None))
    start = _end(day) - timedelta(days=1)
    return {
        "object": "bucket", "start_time": int(start.timestamp()), "end_time": int(_end(day).timestamp()),
        "results": results,
    }  # fmt: skip


def _result(project: str, line_item: str, cost: Decimal, quantity: Decimal, unit: str | None) -> dict[str, Any]:
    return {
        "object": "organization.costs.result", "amount": {"value": f"{cost.quantize(_PLACES):f}", "currency": "usd"},
        "line_item": line_item, "project_id": project, "api_key_id": None, "quantity": int(quantity),
        "quantity_unit": unit,
    }  # fmt: skip
