"""The demo's outcomes: RouterArena's answers and Aider's runs are real, outcomes of the demo's own cases simulated and marked so.

Benefits are examples: claimed, attested and accepted by the demo's people.
"""

import csv
import gzip
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

from allocation.models import Benefit, CostCentre, Team
from allocation.value import outcomes, roi_benefits
from finops.periods import Period
from web import approving
from web.demo import traces
from web.demo.agreements import ANALYST, APPROVER, PREPARER
from web.demo.buckets import DATA
from web.demo.window import Window

SIMULATED, ROUTERARENA, AIDER = traces.SIMULATED, "routerarena", "aider"
RESOLVED_FROM = Decimal("0.5")  # of RouterArena's scores, most of which are 0 or 1
_EFFORT = re.compile(r"(.+) \((.*(?:high|medium|low|think).*)\)")


class Work(NamedTuple):
    """Cases a month, handled by two models in turn that resolve ``rates`` of them at ``costs`` each (assumed)."""

    name: str
    owner: dict[str, str]
    cases: int
    models: tuple[str, str]
    rates: tuple[float, float]
    costs: tuple[str, str]
    value: str
    people: str  # what it costs where people take over


WORKS = (
    Work("support", {"cost_centre": "CC-210", "team": "support-automation"}, 420, ("gpt-5.4-mini", "claude-haiku-4-5"),
         (0.68, 0.79), ("0.21", "0.64"), "52.00", "61.00"),
    Work("completion", {"cost_centre": "CC-310", "team": "developer-tools", "feature": "completion"}, 300, ("gpt-4.1",
    "gpt-4.1"),
         (0.81, 0.81), ("0.04", "0.04"), "1.90", ""),
    Work("assistant", {"feature": "assistant"}, 180, ("kimi-k2-0905-preview",) * 2, (0.74, 0.74), ("0.03", "0.03"), "", ""),
)  # fmt: skip


def load(window: Window) -> None:
    """Send what is missing; every row is known by its id."""
    _taken(outcomes.take, list(_routerarena(window.first)))
    _taken(outcomes.take_benchmarks, [*_aider(window.first), *_arena_runs(window.first)])
    for period in window.months():
        _taken(outcomes.take, list(_cases(period, window)))
    teams = set(Team.objects.values_list("cost_centre__code", "code"))
    _taken(outcomes.take, [row for row in traces.outcomes(window) if (row["cost_centre"], row["team"]) in teams])
    for period in window.months()[:-1]:
        _benefits(period, accept=period != window.months()[-2])


def _taken(take: Any, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), outcomes.MAX_BATCH):
        refused = take(rows[start : start + outcomes.MAX_BATCH], by=ANALYST).refused
        assert not refused, refused[0]


def _cases(period: Period, window: Window) -> Iterator[dict[str, Any]]:
    """Simulated: each case succeeds or not by a number drawn from its name; the running month as far as it has come."""
    known = set(CostCentre.objects.values_list("code", flat=True))
    for work in WORKS:
        if work.owner.get("cost_centre", "") not in known | {""}:
            continue
        for number in range(work.cases):
            name = f"{work.name}-{period}-{number}"
            day = period.start + timedelta(days=number % len(period))
            if day >= window.until:
                continue
            arm = number // len(period) % 2
            good = _drawn(name) < work.rates[arm]
            taken_over = work.people if not good else ""
            yield {
                "source": SIMULATED, "id": name, "task": f"{SIMULATED}/{name}", "at": f"{day}T15:00:00Z",
                "observed_at": f"{day}T16:00:00Z",
                "model": work.models[arm], "tier": "moderate", "success": good, "value": work.value if good else "",
                "cost": work.costs[arm], "fallback_cost": taken_over, "currency": "USD", "evidence": "declared",
                "quality": f"{0.55 + 0.4 * _drawn(name, 'q'):.2f}", "rubric": "example-review-v1", **work.owner,
            }  # fmt: skip


def _drawn(*names: str) -> float:
    return int.from_bytes(blake2b("/".join(names).encode(), digest_size=6).digest(), "big") / 2**48


def _arena() -> list[dict[str, str]]:
    with gzip.open(DATA / "routerarena_two_models.csv.gz", "rt", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _routerarena(day: date) -> Iterator[dict[str, Any]]:
    """Measured, of a benchmark: the same 389 queries answered by two models."""
    for row in _arena():
        score = Decimal(row["score"])
        scored = {"quality": row["score"], "rubric": f"{ROUTERARENA}-{row['metric']}"} if 0 <= score <= 1 else {}
        yield {
            "source": ROUTERARENA, "id": f"{_code(row['id'])}/{row['model']}", "task": f"{ROUTERARENA}/{_code(row['id'])}",
            "setting": "benchmark",
            "at": f"{day}T00:00:00Z", "observed_at": f"{day}T00:00:00Z", "model": row["model"], "feature": "",
            "success": score >= RESOLVED_FROM,
            "cost": row["inf_cost"], "currency": "USD", "evidence": "measured", **scored,
        }  # fmt: skip


def _arena_runs(day: date) -> Iterator[dict[str, Any]]:
    """RouterArena's answers as one run per model."""
    by_model: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _arena():
        by_model[row["model"]].append(row)
    for model, rows in by_model.items():
        good = sum(Decimal(row["score"]) >= RESOLVED_FROM for row in rows)
        yield {
            "source": ROUTERARENA, "id": f"run/{model}", "observed_at": f"{day}T00:00:00Z",
            "task_class": "questions and answers",
            "features": ["assistant"], "model": model, "tasks": len(rows), "score": f"{Decimal(good) / len(rows):.6f}",
            "cost": str(sum(Decimal(row["inf_cost"]) for row in rows)), "currency": "USD", "run_on": str(day),
            "evidence": "measured",
            **{f"{name}_tokens": sum(int(row[f"{name}_tokens"]) for row in rows) for name in ("input", "output")},
        }  # fmt: skip


def _aider(day: date) -> Iterator[dict[str, Any]]:
    """The polyglot board's models that ran at several efforts."""
    with (DATA / "aider_leaderboards.csv").open(encoding="utf-8") as lines:
        board = [row for row in csv.DictReader(lines) if row["board"] == "polyglot_leaderboard"]
    efforts: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for row in board:
        if float(row["total_cost_usd"] or 0) and (found := _EFFORT.fullmatch(row["model"])):
            efforts[found[1]][found[2]] = row
    for model, runs in efforts.items():
        for effort, row in runs.items() if len(runs) > 1 else ():
            yield {
                "source": AIDER, "id": f"polyglot/{row['date']}/{_code(row['model'])}", "observed_at": f"{day}T00:00:00Z",
                "task_class": "coding", "features": ["completion", "code-assistance"], "model": model, "effort": effort,
                "tasks": row["tests"], "score": f"{Decimal(row['pass_rate_2']) / 100:.6f}", "cost": row["total_cost_usd"],
                "currency": "USD", "run_on": row["date"], "evidence": "measured",
            }  # fmt: skip


def _code(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")


def _benefits(period: Period, *, accept: bool) -> None:
    """Claimed by the analyst, attested for the owner, accepted by finance; the newest month's cash still waits."""
    month = str(period)
    claims: list[dict[str, Any]] = [
        {"effect": "example-outsourced-support", "kind": "cash", "basis": "outcomes",
        "pnl_line": "642000 Outsourced support (example)",
         "unit": "USD", "cost_centre": "CC-210", "realisation": "0.8"},
        {"effect": "example-review-hours", "kind": "capacity", "unit": "hours", "cost_centre": "CC-310", "baseline": "1840",
         "actual": "1365", "realisation": "0.6", "features": "completion"},
        {"effect": "example-claims-errors", "kind": "quality", "unit": "errors", "cost_centre": "CC-330", "baseline": "240",
         "actual": "163", "realisation": "1"},
    ]  # fmt: skip
    known = set(CostCentre.objects.values_list("code", flat=True))
    for claim in claims:
        if claim["cost_centre"] not in known:
            continue
        held = roi_benefits.claim(claim | {"month": month, "evidence": "declared", "reference": "example"}, by=ANALYST)
        if held.state != Benefit.State.CLAIMED:
            continue
        held = roi_benefits.attested(held, by=PREPARER)
        if accept or claim["kind"] != "cash":
            assert held.approval is not None
            approving.decide(held.approval, by=APPROVER, accept=True, reason="example")
