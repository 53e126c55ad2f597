"""The tier table, its months and the distribution as page, files and API show them: one question, one answer."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.conf import settings

from allocation.calc.distribution import Distribution, Mode, Quantile, edge
from allocation.calc.tier_estimates import Bounds
from allocation.calc.tier_levels import Level
from allocation.calc.tier_table import FACTORS, Mix, Point, Row
from allocation.value.tiers import Distributions, Report, Whole
from allocation.value.tiers_returns import Return
from web.workflow_rows import statistic

RATIO_DIGITS = 12
LEVEL = (
    "cost", "Queries", "Requests", "cost_per_query", "estimated_cost", "estimated_queries", "estimated_cost_per_query",
    "unpriced_tokens", "untold",
)  # fmt: skip


def ratio(value: Fraction | Decimal | None) -> str | None:
    """An exact ratio to 12 decimals."""
    if value is None:
        return None
    exact = Decimal(value.numerator) / Decimal(value.denominator) if isinstance(value, Fraction) else value
    return f"{exact:.{RATIO_DIGITS}f}"


def money(amount: Decimal) -> str:
    """An amount with all of its decimals."""
    return f"{amount:.12f}"


def level(found: Level) -> dict[str, Any]:
    """LEVEL of one tier in one period: amounts and ratios as text, None where there is nothing to have one of."""
    values = (
        money(found.spend), str(found.queries), str(found.calls), ratio(found.cost_per_query), money(found.estimated_spend),
        str(found.estimated_queries), ratio(found.estimated_cost_per_query), str(found.unpriced), ratio(found.untold),
    )  # fmt: skip
    return dict(zip(LEVEL, values, strict=True))


def row(found: Row, report: Report) -> dict[str, Any]:
    """One tier of the table."""
    return {
        "x_QueryTier": found.tier, "status": found.status, "why": found.why, "base": level(found.base),
        "chosen": level(found.chosen), "factors": _factors(found.factors), "net": ratio(found.net),
        "cost_share": ratio(found.spend_share), "estimated_share": ratio(found.estimated_share),
        "query_share": ratio(found.query_share), "roi": {"signal": found.roi, **_return(report.returns.get(found.tier))},
        **_bounds(report.bounds.get(found.tier)),
    }  # fmt: skip


def whole(found: Whole) -> dict[str, str]:
    """All cost of a period, with what is of no tier or has no price."""
    return {
        "cost": money(found.cost), "beside": money(found.beside), "unpriced_tokens": str(found.unpriced_tokens),
        "unpriced_estimate": money(found.unpriced_estimate),
    }  # fmt: skip


def totals(found: Report) -> dict[str, Any]:
    """All tiers together: what they cost, and how far it is another mix of tiers or dearer tiers."""
    table = found.table
    return {
        "base": level(table.base), "chosen": level(table.chosen), **_mix(table.mix), "why": table.why,
        "estimated_share": ratio(estimated_share(table.chosen)),
    }  # fmt: skip


def estimated_share(found: Level) -> Fraction | None:
    """Share of the cost of tiers whose tier is estimated; None without cost."""
    cost = Fraction(found.spend) + Fraction(found.estimated_spend)
    return Fraction(found.estimated_spend) / cost if cost > 0 else None


def months(lines: Mapping[str, Iterable[Point]]) -> list[dict[str, Any]]:
    """Points of lines, in the order of tier and month."""
    return [
        {
            "x_QueryTier": point.tier, "BillingPeriodStart": f"{point.month}-01", "cost": money(point.spend),
            "Queries": str(point.queries), "cost_per_query": ratio(point.cost_per_query),
            "estimated_cost": money(point.estimated_spend), "estimated_queries": str(point.estimated_queries),
        }
        for points in lines.values() for point in points
    ]  # fmt: skip


def distributed(found: Distributions) -> list[dict[str, Any]]:
    """The distribution of all queries (tier None), then of each tier."""
    return [_distribution(None, found.whole), *(_distribution(tier, each) for tier, each in found.tiers.items())]


def currency_of(found: Distributions) -> str:
    """In which the distribution is written: that of its prices, where they have one."""
    return found.currencies[0] if len(found.currencies) == 1 else str(settings.REPORT_CURRENCY)


def bound(number: int) -> Decimal:
    """The least cost of a bin, to 12 significant digits."""
    return _plain(edge(number))


def _plain(value: Decimal) -> Decimal:
    return round(value, 11 - value.adjusted())


def _distribution(tier: str | None, found: Distribution) -> dict[str, Any]:
    return {
        "x_QueryTier": tier, "Queries": str(found.queries), "cost": money(found.spend), "without_cost": str(found.without),
        "mean": ratio(found.mean), **{name: _quantile(found.quantiles.get(name)) for name in ("p50", "p95", "p99")},
        "top": found.top and {
            "Queries": str(found.top.queries), "cost": money(found.top.spend), "share": ratio(found.top.share),
            "low": ratio(found.top.low), "high": ratio(found.top.high),
        },
        "verdict": found.verdict, "modes": [_mode(mode) for mode in found.modes],
        "gap": _rounded(found.gap), "needed": _rounded(found.needed),
        "bins": [
            {"from": f"{bound(number):f}", "below": f"{bound(number + 1):f}", "Queries": str(queries), "cost": money(cost)}
            for number, queries, cost in found.bins
        ],
    }  # fmt: skip


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)


def _mode(mode: Mode) -> dict[str, Any]:
    return {
        "from": mode.low and f"{_plain(mode.low):f}", "below": mode.high and f"{_plain(mode.high):f}",
        "Queries": str(mode.queries), "cost": money(mode.spend), "query_share": ratio(mode.query_share),
        "cost_share": ratio(mode.spend_share), "median": _quantile(mode.median), "mean": ratio(mode.mean),
    }  # fmt: skip


def _quantile(found: Quantile | None) -> dict[str, str] | None:
    return found and {name: money(value) for name, value in found._asdict().items()}


def _factors(found: Mapping[str, Fraction] | None) -> dict[str, str | None] | None:
    return None if found is None else {name: ratio(found[name]) for name in FACTORS}


def _mix(found: Mix | None) -> dict[str, str | None]:
    return {name: found and ratio(getattr(found, name)) for name in ("net", "mix", "within")}


def _bounds(found: Bounds | None) -> dict[str, str | None]:
    """Between what the estimated cost lies at the first of LEVELS; None where there is none, or its error was not measured."""
    low, high = (None, None) if found is None else (found.low[0], found.high[0])
    return {"estimated_low": ratio(low), "estimated_high": ratio(high)}


def _return(found: Return | None) -> dict[str, Any]:
    """Bounds of the marginal return where there is one, of the net value per task (``relative`` false) otherwise."""
    if found is None or found.evidence is None:
        return {"over": found and found.answer.question.base, "low": None, "high": None, "tasks": 0, "relative": None}
    shown = found.evidence
    return {
        "over": found.answer.question.base, "low": statistic(float(shown.low)), "high": statistic(float(shown.high)),
        "tasks": shown.sample, "relative": found.relative,
    }  # fmt: skip


def month_of(point: Point) -> date:
    """The first day of a point's month."""
    return date.fromisoformat(f"{point.month}-01")
