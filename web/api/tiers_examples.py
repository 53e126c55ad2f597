"""Answers of GET /api/v1/tiers in the OpenAPI document; a test asks for them."""

from typing import Any

_ZERO, _ONE, _COST, _EACH = "0.000000000000", "1.000000000000", "6.600000000000", "0.066000000000"


def _level(cost: str, each: str) -> dict[str, Any]:
    return {
        "cost": cost, "Queries": "100", "Requests": "100", "cost_per_query": each, "estimated_cost": _ZERO,
        "estimated_queries": "0", "estimated_cost_per_query": None, "unpriced_tokens": "0", "untold": _ZERO,
    }  # fmt: skip


def _whole(start: str, end: str, cost: str) -> dict[str, str]:
    return {
        "start": start, "end": end, "cost": cost, "beside": _ZERO, "unpriced_tokens": "0", "unpriced_estimate": _ZERO,
    }  # fmt: skip


_BASE, _CHOSEN = _level("10.000000000000", "0.100000000000"), _level(_COST, _EACH)
TABLED: dict[str, Any] = {
    "column": "EffectiveCost", "BillingCurrency": "USD", "minimum_queries": 30,
    "sentence": "A query costs $0.066 on average, 0.66\u00d7 as much as before. Complex queries alone cost 0.66\u00d7 as much "
    "(the price: 0.10\u00d7).",
    "base": _whole("2026-08-01", "2026-09-01", "10.000000000000"), "chosen": _whole("2026-09-01", "2026-10-01", _COST),
    "results": [
        {
            "x_QueryTier": "complex", "status": "compared", "why": "", "base": _BASE, "chosen": _CHOSEN,
            "factors": {
                "reasoning": "3.300000000000", "calls_per_query": _ONE, "tokens_per_call": "2.000000000000",
                "price": "0.100000000000",
            },
            "net": "0.660000000000", "cost_share": _ONE, "estimated_share": _ZERO, "estimated_low": None,
            "estimated_high": None, "query_share": _ONE,
            "roi": {"signal": "no_evidence", "over": None, "low": None, "high": None, "tasks": 0, "relative": None},
        }
    ],
    "totals": {
        "base": _BASE, "chosen": _CHOSEN, "net": "0.660000000000", "mix": _ONE, "within": "0.660000000000", "why": "",
        "estimated_share": _ZERO,
    },
    "notes": [],
}  # fmt: skip
MONTHLY: dict[str, Any] = {
    "column": "EffectiveCost", "BillingCurrency": "USD", "notes": [],
    "results": [
        {"x_QueryTier": "complex", "BillingPeriodStart": "2026-09-01", "cost": _COST, "Queries": "100",
         "cost_per_query": _EACH, "estimated_cost": _ZERO, "estimated_queries": "0"}
    ],
    "next": None,
}  # fmt: skip
_QUANTILE = {"value": _EACH, "low": "0.063095734448", "high": "0.070794578438"}
_FOUND: dict[str, Any] = {
    "Queries": "100", "cost": _COST, "without_cost": "0", "mean": _EACH, **dict.fromkeys(("p50", "p95", "p99"), _QUANTILE),
    "top": {"Queries": "1", "cost": _EACH, "share": "0.010000000000", "low": "0.010000000000", "high": "0.010726451279"},
    "verdict": "one_mode",
    "modes": [
        {"from": None, "below": None, "Queries": "100", "cost": _COST, "query_share": _ONE, "cost_share": _ONE,
         "median": _QUANTILE, "mean": _EACH}
    ],
    "gap": 0.0, "needed": 0.06,
    "bins": [{"from": "0.0630957344480", "below": "0.0707945784384", "Queries": "100", "cost": _COST}],
}  # fmt: skip
DISTRIBUTED: dict[str, Any] = {
    "column": "ListCost", "BillingCurrencies": ["USD"], "estimated_queries": "0", "not_filtered": [], "notes": [],
    "sentence": "The cost of queries has one mode: no two kinds stand apart.",
    "results": [{"x_QueryTier": None, **_FOUND}, {"x_QueryTier": "complex", **_FOUND}],
}  # fmt: skip
