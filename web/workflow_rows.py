"""Workflows of agents, runaways and what outcomes cost as page, files and API show them: one question, one answer."""

import math
from decimal import Decimal
from typing import Any

from allocation.calc.agents import Quantiles, Workflow
from allocation.calc.marginal_rates import Interval
from allocation.models import Runaway
from allocation.value.agents import Bin, Line, OutcomeCost

OWNER = ("x_CostCentre", "x_Team", "x_Feature", "x_Environment", "BillingCurrency")
COUNTS = ("tasks", "calls", "retries", "failed_calls", "input", "resent_uncached", "resent_cached", "unpriced", "tried",
          "resolved", "broken")  # fmt: skip
AMOUNTS = ("cost", "tried_cost", "failed_cost", "broken_cost")
SHARES = ("mean_calls", "agents", "failed_share")
OUTCOME_COUNTS, OUTCOME_AMOUNTS = ("tasks", "resolved", "attempts", "untraced"), ("cost", "failed_cost", "people")
OUTCOME_RATIOS = ("per_resolved", "per_resolved_with_people")
REASONS = {
    "calls": "more calls than its workflow's past allows", "calls_cap": "more calls than the cap",
    "cost": "dearer than its workflow's past allows", "cost_cap": "dearer than the cap", "loop": "the same calls over and over",
}  # fmt: skip


def owner(line: Line) -> dict[str, str | None]:
    """Whose and which workflow it is."""
    return dict(zip(OWNER, (value or None for value in line.of), strict=True))


def figures(found: Workflow) -> dict[str, Any]:
    """What a workflow did: counts as numbers, amounts as texts, None where there are too few tasks to say."""
    return {
        **{name: getattr(found, name) for name in (*COUNTS, *SHARES)},
        **{name: amount(getattr(found, name)) for name in AMOUNTS},
        "depth": found.depth, "fan_out": found.fan_out, "resent_share": resent_share(found),
        "calls_per_task": _quantiles(found.calls_per_task), "cost_per_task": _quantiles(found.cost_per_task),
        "cost_per_outcome": None if found.cost_per_outcome is None else interval(found.cost_per_outcome),
    }  # fmt: skip


def resent_share(found: Workflow) -> float | None:
    """Of the input, what had been sent before, at most."""
    return (found.resent_uncached + found.resent_cached) / found.input if found.input else None


def bin_row(found: Bin) -> dict[str, Any]:
    """Tasks by the number of their calls."""
    return found._asdict() | {"cost": amount(found.cost)}


def outcome_row(found: OutcomeCost) -> dict[str, Any]:
    """What the tasks of a feature cost by the traces of all attempts."""
    return {
        "x_Feature": found.feature, **{name: getattr(found, name) for name in OUTCOME_COUNTS},
        **{name: amount(getattr(found, name)) for name in OUTCOME_AMOUNTS},
        **{name: None if (each := getattr(found, name)) is None else amount(each) for name in OUTCOME_RATIOS},
    }  # fmt: skip


def runaway_row(row: Runaway) -> dict[str, Any]:
    """One runaway with what it passed and what has become of it."""
    return {
        "id": row.pk, "day": row.charge_date, "begins_at": row.begins_at, "query": str(row.query_id),
        "x_CostCentre": row.cost_centre and row.cost_centre.code, "x_Team": row.team and row.team.code,
        "x_Feature": row.feature, "x_Environment": row.environment, "BillingCurrency": row.currency,
        "x_QueryTier": row.tier, "reason": row.reason,
        "value": amount(row.value), "bound": amount(row.bound), "calls": row.calls, "cost": amount(row.cost),
        "state": row.state, "found_at": row.found_at, "decided_by": row.decided_by, "decided_at": row.decided_at,
        "note": row.note,
    }  # fmt: skip


def amount(value: Decimal) -> str:
    """An amount, a quantity or a ratio with twelve decimals."""
    return f"{value:.12f}"


def _quantiles(found: Quantiles) -> dict[str, Any]:
    return {name: amount(value) if isinstance(value, Decimal) else value for name, value in found._asdict().items()}


def statistic(value: float | None) -> str | None:
    """An amount that was estimated, as text with twelve decimals; None where nothing is claimed."""
    return None if value is None or not math.isfinite(value) else amount(Decimal(repr(float(value))))


def interval(found: Interval) -> dict[str, str | None]:
    """An interval of amounts."""
    return {name: statistic(value) for name, value in found._asdict().items()}
