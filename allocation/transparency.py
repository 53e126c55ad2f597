"""Vendor transparency from the ledger: cost of simple and complex queries per model, and when a model reasons."""

from collections import defaultdict
from typing import Any

from allocation.models import QueryCostDaily
from finops.periods import Period
from ingest.calc.price_transparency import Cell, engages_from, quantiles, shares
from ingest.facts.engagement import reasoning_requests
from ingest.selectors import key_dimensions


def vendor_transparency(period: Period) -> list[dict[str, Any]]:
    """One entry per provider and model of a period, by name.

    ``tiers``: tier -> Quantiles of the cost of its queries (simple, complex and the others that occur). ``effort``,
    ``feature``, ``length``: value -> Share of calls that reasoned ('' = not stated; length: floor(log2) of the prompt's
    tokens, None = an empty prompt). ``engages_from``: prompt tokens from which most calls reason, or None. A call that two
    layers hold counts in both: shares are about how a model behaves, not about how much it was used.
    """
    costs: dict[tuple[str, str], dict[str, list[Cell]]] = defaultdict(lambda: defaultdict(list))
    stored = QueryCostDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)
    for provider, model, tier, number, queries, cost in stored.values_list(
        "provider", "model", "tier", "bin", "queries", "cost"
    ):
        costs[provider, model][tier].append(Cell(number, queries, cost))
    calls = reasoning_requests(period.start, period.end)
    found = key_dimensions({key for key, *_ in calls})
    by_model: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for key, band, *counts in calls:
        names = found[key]
        by_model[names["provider"], names["model_served"] or names["model_requested"]].append(
            ((names["effort"], names["feature"], band), *counts)
        )
    return [
        {
            "provider": provider, "model": model,
            "tiers": {tier: quantiles(cells) for tier, cells in sorted(costs[provider, model].items())},
            **_reasoning(by_model[provider, model]),
        }
        for provider, model in sorted(costs.keys() | by_model.keys())
    ]  # fmt: skip


def _reasoning(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    effort, feature, length = (shares(_by(rows, place)) for place in range(3))
    return {"effort": effort, "feature": feature, "length": length, "engages_from": engages_from(length)}


def _by(rows: list[tuple[Any, ...]], place: int) -> list[tuple[Any, int, int, int]]:
    return [(key[place], requests, reasoning, unsplit) for key, requests, reasoning, unsplit in rows]
