"""What the page Agents shows of its figures: cards, a sentence, bars, rows, menus, and the same as rows of files."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from allocation import selectors
from allocation.calc.agents import MINIMUM, Workflow
from allocation.models import AgentTask, Runaway
from allocation.scope import Scope
from allocation.selectors import UNALLOCATED, CostQuery
from allocation.value import agent_runaways, agents
from allocation.value.agents import Bin, Report
from finops.periods import Period
from web import formats, workflow_rows
from web.dimensions import FILTERS, called, tier_rank
from web.pages.explore_menus import Menu
from web.pages.explore_state import NAMES, Explored

SHOWN = 9
_COLUMNS = {
    "x_CostCentre": "cost_centre__code", "x_Team": "team__code", "x_Feature": "feature", "x_Environment": "environment",
    "x_QueryTier": "tier",
}  # fmt: skip
_ENDS = ("p50", "p95", "p99")
_FIGURES = (*workflow_rows.COUNTS, *workflow_rows.SHARES, *workflow_rows.AMOUNTS, "depth", "fan_out", "resent_share")
HEADER = (
    *workflow_rows.OWNER, "runaways", *_FIGURES, *(f"calls_{end}" for end in _ENDS), *(f"cost_{end}" for end in _ENDS),
    *(f"cost_per_outcome_{end}" for end in ("estimate", "low", "high")),
)  # fmt: skip
BINS_HEADER = Bin._fields
OUTCOME_HEADER = (
    "x_Feature", *workflow_rows.OUTCOME_COUNTS, *workflow_rows.OUTCOME_AMOUNTS, *workflow_rows.OUTCOME_RATIOS,
)  # fmt: skip
RUNAWAY_HEADER = (
    "id", "day", "begins_at", "query", *workflow_rows.OWNER, "x_QueryTier", "reason", "value", "bound", "calls", "cost", "state",
    "decided_by", "note",
)  # fmt: skip


def report(found: Report, currency: str) -> dict[str, Any]:
    """Cards, sentence, bars and rows."""
    whole, cost = found.whole, found.whole.cost if found.whole else Decimal(0)
    rest = found.lines[SHOWN:]
    return {
        "report": found, "whole": whole, "minimum": MINIMUM, "count": len(found.lines),
        "total": whole and figures(whole), "sentence": _sentence(found, currency), "mean": _of_cost(whole),
        "lines": [
            {**line._asdict(), "share": _share(line.found.cost, cost), **figures(line.found)}
            for line in found.lines[:SHOWN]
        ],
        "rest": rest and {
            "count": len(rest), "tasks": sum(line.found.tasks for line in rest), "cost": _sum(line.found.cost for line in rest),
            "share": _share(_sum(line.found.cost for line in rest), cost), "runaways": sum(line.runaways for line in rest),
            "failed_cost": _sum(line.found.failed_cost for line in rest),
        },
        "bins": _bins(found.bins, whole), "elsewhere": sum(found.elsewhere.values()),
        "unknown_parents": bool(whole) and whole is not None and whole.depth is None,
    }  # fmt: skip


def figures(found: Workflow) -> dict[str, Any]:
    """Of one workflow what is no plain field: shares as Decimal, and the interval of an outcome's cost."""
    per_outcome = None
    if found.cost_per_outcome is not None:
        per_outcome = [Decimal(repr(float(value))) for value in found.cost_per_outcome]
    ends = found.cost_per_task
    return {
        "resent": _of(found.resent_uncached + found.resent_cached, found.input),
        "resent_full": _of(found.resent_uncached, found.input),
        "failed_share": _of(found.failed_calls, found.calls), "per_outcome": per_outcome,
        "tail": ends.p95 / ends.p50 if ends.p50 else None, "lost_share": _share(found.failed_cost, found.tried_cost),
    }  # fmt: skip


def _sentence(found: Report, currency: str) -> list[tuple[str, str]]:
    """Parts of the sentence with their tone: what the tail costs, and what failing does."""
    said: list[tuple[str, str]] = []
    if found.whole is None:
        return said
    calls, costs = found.whole.calls_per_task, found.whole.cost_per_task
    if costs.p50 is not None and costs.p50 > 0:
        said.append(
            (f"Half of the tasks cost up to {formats.unit_cost(costs.p50, currency)}; one in twenty costs ", "")
        )
        said.append((formats.times(costs.p95 / costs.p50), "up"))
        said.append((f" that or more, and one in twenty makes {formats.whole(calls.p95)} calls or more. ", ""))
    if (ratio := _dearer_failures(found)) is not None:
        said.append(("A task that failed cost ", ""))
        said.append((formats.times(ratio), "up" if ratio > 1 else "down"))
        said.append((" a resolved one of its workflow.", ""))
    return said


def _dearer_failures(found: Report) -> Decimal | None:
    """What failed tasks cost against what as many resolved ones of the same workflows do; None for too few of either."""
    both = [one.found for one in found.lines if 0 < one.found.resolved < one.found.tried]
    failed, resolved = sum(one.tried - one.resolved for one in both), sum(one.resolved for one in both)
    expected = _sum((one.tried_cost - one.failed_cost) / one.resolved * (one.tried - one.resolved) for one in both)
    if min(failed, resolved) < MINIMUM or not expected:
        return None
    return _sum(one.failed_cost for one in both) / expected


def _bins(bins: list[Bin], whole: Workflow | None) -> list[dict[str, Any]]:
    last = max((at for at, one in enumerate(bins) if one.tasks), default=-1)
    found = []
    for at, one in enumerate(bins[: last + 1]):
        most = bins[at + 1].least - 1 if at + 1 < len(bins) else None
        name = (
            f"{one.least}"
            if most == one.least
            else f"{one.least} or more"
            if most is None
            else f"{one.least}\u2013{most}"
        )
        found.append(
            {
                "name": name, "one": one, "tasks": _of(one.tasks, whole.tasks if whole else 0),
                "cost": _share(one.cost, whole.cost if whole else Decimal(0)),
                "each": one.cost / one.tasks if one.tasks else None,
                "failed": _of(one.failed, one.tasks),
            }
        )  # fmt: skip
    return found


def runaway(row: Runaway) -> dict[str, Any]:
    """One runaway with its figures in words."""
    shown = row.value, row.bound
    if row.reason.startswith("cost"):
        words = [formats.unit_cost(value, row.currency or "USD") for value in shown]
    else:
        words = [formats.whole(round(value)) for value in shown]
    return {
        "row": row, "why": workflow_rows.REASONS[row.reason], "value": words[0], "bound": words[1],
        "unit": "calls" if row.reason.startswith("calls") else "rounds" if row.reason == "loop" else "",
        "times": formats.times(row.value / row.bound) if row.bound else "",
    }  # fmt: skip


def menus(scope: Scope, state: Explored, month: Period) -> list[Menu]:
    """A menu per dimension that tasks have."""
    rows = scope.of(AgentTask.objects.filter(charge_date__gte=month.start, charge_date__lt=month.end))
    names, called_by = selectors.cost_centre_names(), {column: name for name, column in FILTERS.items()}
    found = []
    kinds = rows.order_by().values_list(*(_COLUMNS[column] for column in agents.FILTERS)).distinct()
    seen = [set(values) for values in zip(*kinds, strict=True)] or [set()] * len(agents.FILTERS)
    for column, known in zip(agents.FILTERS, seen, strict=True):
        chosen = state.filters.get(column, ())
        stated = [UNALLOCATED if value is None and column == "x_CostCentre" else value for value in known]
        values = sorted({value for value in stated if value} | set(chosen))
        if column == "x_QueryTier":
            values.sort(key=tier_rank)
        if len(values) < 2 and not chosen:
            continue

        def shown(value: str, column: str = column) -> str:
            name = names.get(value) if column == "x_CostCentre" else None
            return "Unallocated" if value == UNALLOCATED else f"{value} · {name}" if name else called(column, value)

        options = [("All", state.search(filters={**state.filters, column: ()}), not chosen)]
        options += [(shown(value), state.toggled(column, value), value in chosen) for value in values]
        text = "All" if not chosen else shown(chosen[0]) if len(chosen) == 1 else f"{len(chosen)} chosen"
        found.append(Menu(NAMES[called_by[column]], text, options, bool(chosen)))
    return found


def api(state: Explored, path: str, month: Period, currency: str) -> str:
    """The address of the same figures in the REST API."""
    pairs = [("month", f"{month}")] + ([] if path.endswith("runaways") else [("currency", currency)])
    pairs += [(f"filter[{column}]", ",".join(values)) for column, values in state.filters.items() if values]
    return f"/api/v1/{path}?{urlencode(pairs, safe='[],*()')}"


def rows(found: Report) -> list[list[Any]]:
    """All workflows as rows of a file, with their total."""
    told = [[*line.of, line.runaways, *_row(line.found)] for line in found.lines]
    if found.whole:
        told.append(["Total", "", "", "", told[0][4], sum(line.runaways for line in found.lines), *_row(found.whole)])
    return told


def _row(found: Workflow) -> list[Any]:
    per_outcome = found.cost_per_outcome or (None,) * 3
    ends = [
        *found.calls_per_task,
        *found.cost_per_task,
        *(None if each is None else float(each) for each in per_outcome),
    ]
    own = [getattr(found, name) if name != "resent_share" else workflow_rows.resent_share(found) for name in _FIGURES]
    return [*own, *ends]


def runaway_rows(found: Iterable[Runaway]) -> list[list[Any]]:
    """Runaways as rows of a file."""
    told = [workflow_rows.runaway_row(row) for row in found]
    return [[row[name] for name in RUNAWAY_HEADER] for row in told]


def sheets(scope: Scope | None, query: CostQuery | None) -> dict[str, Any]:
    """The workbook: name -> header and rows."""
    found = agents.report(scope, query) if scope and query else None
    costs = agents.outcome_costs(scope, query) if scope and query else []
    ran = agent_runaways.listed(scope, query) if scope and query else []
    return {
        "Workflows": (HEADER, rows(found) if found else []),
        "Tasks by calls": (BINS_HEADER, [list(one) for one in found.bins] if found else []),
        "Outcomes": (OUTCOME_HEADER, [[one.feature, *(getattr(one, name) for name in OUTCOME_HEADER[1:])] for one in costs]),
        "Runaways": (RUNAWAY_HEADER, runaway_rows(ran)),
    }  # fmt: skip


def _of_cost(whole: Workflow | None) -> Decimal | None:
    return whole.cost / whole.tasks if whole else None


def _of(part: int, whole: int) -> Decimal | None:
    return Decimal(part) / whole if whole else None


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    return part / whole if whole > 0 else None


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))
