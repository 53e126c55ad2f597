"""Predictions and how they fared as API, commands and pages say them: the same names, numbers as text."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from allocation.calc.predict import Candidate
from allocation.calc.predict_history import ANY
from allocation.calc.predict_tracking import AS_STATED, TOO_FEW, TOO_NARROW, TOO_WIDE, Tracking
from allocation.value.predictions import ASKED, HELD_OUT

EVIDENCE = {HELD_OUT: "Last days, as if they were to come", ASKED: "Asked for before their calls"}
VERDICTS = {
    AS_STATED: "fits, within chance", TOO_NARROW: "too narrow", TOO_WIDE: "too wide", TOO_FEW: "too few to say",
}  # fmt: skip
_SHARES, _TOKENS = 4, 0


def tracked(part: str, row: Tracking) -> dict[str, Any]:
    """One row of tracking: rates as text, null below the minimum."""
    counts = ("unknown", "bounded", "covered", "below", "above", "judged", "hits")
    rates = ("coverage", "low", "high", "hit_rate", "majority")
    return {
        "slice": part, "x_Feature": row.feature, **{name: getattr(row, name) for name in counts},
        **{name: share(getattr(row, name)) for name in rates}, "majority_tier": row.majority_tier, "verdict": row.verdict,
    }  # fmt: skip


def candidate(found: Candidate, served: Mapping[str, str]) -> dict[str, Any]:
    """One candidate: what is expected, and the bounds that hold 80 % of queries."""
    return {
        "x_Model": None if found.model == ANY else found.model, "served_as": served.get(found.model), "tier": found.tier,
        "why": found.why, "queries": found.sample,
        "probabilities": found.probabilities and {tier: share(value) for tier, value in found.probabilities.items()},
        "calls": None if found.calls is None else f"{found.calls:.2f}",
        "output_tokens": _span(found.output_tokens, found.output_interval, tokens),
        "cost": _span(found.cost, found.cost_interval, money),
        "interval_why": found.interval_why,
    }  # fmt: skip


def _span(expected: Any, interval: tuple[Any, Any] | None, told: Callable[[Any], str | None]) -> dict[str, Any] | None:
    low, high = interval or (None, None)
    if expected is None:
        return None
    return {"expected": told(expected), "low": told(low), "high": told(high), "expected_lies": lies(expected, interval)}


def lies(expected: Any, interval: tuple[Any, Any] | None) -> str | None:
    """Where a mean lies: within its interval, above or below it; None without one.

    Costs are skewed: a few queries far dearer than the rest pull the mean up, though four of five cost less.
    """
    if expected is None or interval is None:
        return None
    return "above" if expected > interval[1] else "below" if expected < interval[0] else "within"


def tokens(value: float | None) -> str | None:
    """Tokens to the whole one."""
    return None if value is None else f"{value:.{_TOKENS}f}"


def money(value: Decimal | None) -> str | None:
    """Six significant digits: it is an expectation."""
    return None if value is None else f"{value:f}"


def share(value: float | None) -> str | None:
    """A share of 1."""
    return None if value is None else f"{value:.{_SHARES}f}"
