"""Scenarios, runs and comparisons as the API answers them; money as text."""

from typing import Any

from forecasting import scenarios
from forecasting.calc.scenario_results import Difference
from forecasting.calc.scenario_stored import of_scenario, plain
from forecasting.models import ScenarioRun
from forecasting.scenarios_selectors import Comparison, Shown
from web import scenario_files


def listed(one: Shown) -> dict[str, Any]:
    """A scenario as lists have it."""
    return {
        "name": one.name, "title": one.resolved.title, "about": one.resolved.about, "owner": one.owner, "shared": one.shared,
        "version": one.version.number if one.version else None, "months": one.resolved.months,
        "parameters": one.resolved.digest(), "current": one.current, "run": one.run.pk if one.run else None,
    }  # fmt: skip


def detail(one: Shown) -> dict[str, Any]:
    """A scenario with its values."""
    values = of_scenario(one.resolved)
    names = ("parameter", "title", "unit", "low", "base", "high", "source", "assumption")
    document = scenarios.presets()[one.name] if one.preset else one.version and one.version.document
    return {
        **listed(one), "ramp_months": values["ramp_months"],
        "values": [dict(zip(names, row, strict=True)) for row in scenario_files.parameters(values)],
        "steps": values["steps"], "policy": values["policy"], "correlations": values["correlations"],
        "document": plain(document),
    }  # fmt: skip


def described(row: ScenarioRun) -> dict[str, Any]:
    """A run without its result."""
    return {
        "run": row.pk, "scenario": row.version.scenario.name, "version": row.version.number, "month": f"{row.month:%Y-%m}",
        "seed": row.seed, "draws": row.draws, "data": row.data, "sha256": row.digest, "made_by": row.made_by,
        "made_at": row.made_at, "notes": row.notes,
    }  # fmt: skip


def compared(found: Comparison) -> dict[str, Any]:
    """A comparison as it is answered; money as text."""
    origin = found.start.origin
    rows = [
        {
            "name": one.name, "title": one.title, "parameters": one.parameters,
            "total": plain([fan._asdict() for fan in one.total]),
            "over_all": None if one.over_all is None else _apart(one.over_all),
            "differences": [{"month": each.month.isoformat(), **_apart(each)} for each in one.differences],
        }
        for one in found.rows
    ]  # fmt: skip
    return {
        "month": f"{origin.month:%Y-%m}", "data": origin.digest(), "seed": found.asked.seed, "draws": found.asked.draws,
        "BillingCurrency": origin.currency, "notes": list(found.start.notes), "scenarios": rows,
    }  # fmt: skip


def _apart(one: Difference) -> dict[str, Any]:
    return {"quantiles": [str(value) for value in one.quantiles], "mean": str(one.mean), "dearer": one.dearer}
