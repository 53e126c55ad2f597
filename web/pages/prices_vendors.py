"""The page What answers cost: per model the cost of a simple and of a complex query, and when it begins to reason."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from allocation.transparency import vendor_transparency
from ingest.calc.price_transparency import Quantiles, Share
from web.pages.access import for_those_who_see_everything
from web.pages.months import Chosen, of_month

TIERS = ("simple", "complex")


@require_safe
@for_those_who_see_everything
@of_month("price-vendors")
def page(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """One row per model of the month that has queries or single calls."""
    rows = [_row(found) for found in vendor_transparency(chosen.period)] if chosen.period else []
    rows.sort(key=lambda row: -(row["dearest"] or 0))
    dearest = max((row["dearest"] or Decimal(0) for row in rows), default=Decimal(0))
    for row in rows:
        row["part"] = row["dearest"] / dearest if dearest and row["dearest"] else None
    context = {
        "rows": rows, "reasons": [row for row in rows if row["told"]], "period": chosen.period, "months": chosen.months,
        "tab": "vendors", "currency": settings.REPORT_CURRENCY,
        "all": {tier: sum(row[tier].queries for row in rows if row[tier]) for tier in TIERS},
    }  # fmt: skip
    return render(request, "web/price_vendors.html", context)


def _row(found: dict[str, Any]) -> dict[str, Any]:
    tiers: dict[str, Quantiles] = found["tiers"]
    by: dict[str, list[dict[str, Any]]] = {name: _shares(found[name], name) for name in ("effort", "feature", "length")}
    return {
        "provider": found["provider"], "model": found["model"], **{tier: tiers.get(tier) for tier in TIERS},
        "others": [(tier, each) for tier, each in tiers.items() if tier not in TIERS and each.queries],
        "dearest": max((each.p95 for each in tiers.values() if each.p95 is not None), default=None),
        "unpriced": sum(each.unpriced for each in tiers.values()), "engages_from": found["engages_from"],
        "told": any(by.values()), "by": list(by.items()),
    }  # fmt: skip


def _shares(found: dict[Any, Share], name: str) -> list[dict[str, Any]]:
    """Values with calls whose source tells reasoning apart, in order."""
    rows = [(key, share) for key, share in found.items() if share.requests]
    rows.sort(key=lambda row: (row[0] is None, row[0]))
    return [
        {"name": _length(key) if name == "length" else key or "not stated", "share": share,
         "part": Decimal(share.reasoning) / share.requests}
        for key, share in rows
    ]  # fmt: skip


def _length(band: int | None) -> str:
    return "no prompt" if band is None else f"{2**band:,} to {2 ** (band + 1):,} tokens"
