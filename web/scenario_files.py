"""A run of a scenario as tables that leave as files: the same figures as the page and the API."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.http import HttpResponse

from forecasting.calc.scenario_parameters import BY_NAME
from forecasting.calc.scenario_results import PERCENTS, TOTAL
from forecasting.models import ScenarioRun
from forecasting.scenarios_selectors import Comparison

Table = tuple[Sequence[str], list[list[Any]]]
_ENDS = tuple(f"p{percent}" for percent in PERCENTS)
MONTHS = ("month", "x_QueryTier", *_ENDS, "mean", "provenance")
_OUTLOOK = (
    "month", "budget", "over", "over_to_date", *(f"gpus_needed_{end}" for end in _ENDS[::2]),
    *(f"gpus_had_{end}" for end in _ENDS[::2]), "short_hours_mean", "short_hours_p95", "spilled", "lost", "unasked",
    "uncontracted", *(f"gpu_price_{end}" for end in _ENDS[::2]),
)  # fmt: skip
_SPECS = ("parameter", "title", "unit", "low", "base", "high", "source", "assumption")
_ABOUT = ("what", "value")


def name(row: ScenarioRun) -> str:
    """What files of a run are called."""
    return f"scenario_{row.version.scenario.name}_v{row.version.number}_{row.month:%Y-%m}"


def as_json(row: ScenarioRun) -> HttpResponse:
    """The stored bytes: canonical JSON, whose SHA-256 is the run's."""
    response = HttpResponse(bytes(row.content), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{name(row)}.json"'
    return response


def months(found: Mapping[str, Any]) -> Table:
    """Cost of every month by tier; the empty tier is all of them with what is fixed. Month 0 is actual."""
    start = found["fans"][0]["month"]
    rows = [
        [
            fan["month"], fan["tier"], *map(Decimal, fan["quantiles"]), Decimal(fan["mean"]),
            "actual" if fan["month"] == start else "projected",
        ]
        for fan in found["fans"]
    ]  # fmt: skip
    return MONTHS, rows


def sheets(row: ScenarioRun) -> dict[str, Table]:
    """All of a run as a workbook."""
    found = json.loads(bytes(row.content))
    resolved = row.version.resolved
    about = [
        ["scenario", resolved["name"]], ["title", resolved["title"]], ["version", row.version.number],
        ["month 0", f"{row.month:%Y-%m}"], ["currency", found["currency"]], ["seed", found["seed"]], ["draws", found["draws"]],
        ["parameters (SHA-256)", found["parameters"]], ["data (SHA-256)", found["data"]], ["result (SHA-256)", row.digest],
        *(["note", note] for note in (*found["notes"], *row.notes)),
    ]  # fmt: skip
    tasks = [[one["month"], one["tier"], *(one["quantiles"] or [None] * len(_ENDS))] for one in found["tasks"]]
    return {
        "Scenario": (_ABOUT, about), "Cost by month": months(found), "Beside it": (_OUTLOOK, _outlook(found)),
        "Cost of a task": (("month", "x_QueryTier", *_ENDS), tasks), "Sensitivity": _sensitivity(found),
        "Parameters": (_SPECS, parameters(resolved)),
    }  # fmt: skip


def parameters(resolved: Mapping[str, Any]) -> list[list[Any]]:
    """Values of a version, in the order of the drivers; a parameter that is not for a tier has none."""
    order = {name: number for number, name in enumerate(BY_NAME)}
    rows = []
    for full, spec in sorted(resolved["specs"].items(), key=lambda one: (order[one[0].partition(".")[0]], one[0])):
        known = BY_NAME[full.partition(".")[0]]
        values = [None, None, None, "not for this tier", ""] if spec is None else [
            spec[name] for name in ("low", "base", "high", "source", "assumption")
        ]  # fmt: skip
        rows.append([full, known.title, known.unit, *values])
    return rows


def comparison(found: Comparison) -> Table:
    """Several scenarios month by month: their cost, and how much each is dearer than the first."""
    header = ("scenario", "month", *_ENDS, "mean", *(f"dearer_by_{end}" for end in _ENDS), "dearer_by_mean", "dearer")
    rows: list[list[Any]] = []
    for one in found.rows:
        for number, fan in enumerate(one.total):
            apart = one.differences[number] if one.differences else None
            beside = [*apart.quantiles, apart.mean, apart.dearer] if apart else [None] * (len(_ENDS) + 2)
            rows.append([one.name, fan.month.isoformat(), *fan.quantiles, fan.mean, *beside])
    return header, rows


def total_of(found: Mapping[str, Any], tier: str = TOTAL) -> list[Mapping[str, Any]]:
    """The fan of a tier, by default of all."""
    return [fan for fan in found["fans"] if fan["tier"] == tier]


def _outlook(found: Mapping[str, Any]) -> list[list[Any]]:
    rows = []
    for one, budget in zip(found["outlook"], found["budgets"], strict=True):
        needed, had = (one[name] or [None] * 3 for name in ("gpus_needed", "gpus_had"))
        amounts = [Decimal(one[name]) for name in ("spilled", "lost", "unasked")]
        rows.append(
            [
                one["month"], None if budget is None else Decimal(budget), one["over"], one["over_to_date"], *needed, *had,
                *one["short_hours"], *amounts, one["uncontracted"], *one["gpu_price"],
            ]
        )  # fmt: skip
    return rows


def _sensitivity(found: Mapping[str, Any]) -> Table:
    effects = {one["parameter"]: one for one in found["effects"]}
    rows = []
    for swing in found["tornado"]["swings"]:
        effect = effects[swing["parameter"]]
        amounts = [Decimal(swing["low"]), Decimal(found["tornado"]["median"]), Decimal(swing["high"])]
        rows.append([swing["parameter"], *amounts, effect["first"], effect["total"], effect["error"]])
    return (
        "parameter",
        "cost_at_p10",
        "cost_at_median",
        "cost_at_p90",
        "first_effect",
        "total_effect",
        "total_error",
    ), rows
