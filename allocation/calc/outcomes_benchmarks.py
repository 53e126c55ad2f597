"""Benchmark runs as files and systems state them: rows in, runs and refusals out."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.outcomes_fields import EVIDENCE, Fields, Refusal, Wrong

NAMES = (
    "source", "id", "observed_at", "task_class", "features", "model", "effort", "tasks", "score", "cost", "currency",
    "input_tokens", "output_tokens", "run_on", "evidence",
)  # fmt: skip
_FEATURES_MAX = 50


class Run(NamedTuple):
    """One run of one model at one effort over the tasks of one class."""

    source: str
    number: str
    observed_at: datetime
    task_class: str
    features: list[str]
    model: str
    effort: str
    tasks: int
    score: Decimal
    cost: Decimal | None
    currency: str
    input_tokens: int | None
    output_tokens: int | None
    run_on: date
    evidence: str


def parse(rows: Iterable[Any], now: datetime, *, first: int = 1) -> tuple[list[Run], list[Refusal]]:
    """Runs in the order of the rows, and why the other rows are none (allocation.calc.outcomes_fields).

    ``features``: own features that the class stands for, a list, or a text with ``|`` between them.
    """
    taken: list[Run] = []
    refused: list[Refusal] = []
    for number, row in enumerate(rows, start=first):
        try:
            taken.append(_run(row, now))
        except Wrong as wrong:
            refused.append(Refusal(number, wrong.reason, wrong.field, wrong.detail))
    return taken, refused


def _run(row: Any, now: datetime) -> Run:
    fields = Fields(row, NAMES)
    tasks, score, cost, run_on = (
        fields.count("tasks", 1),
        fields.share("score"),
        fields.money("cost"),
        fields.day("run_on"),
    )
    if tasks is None or score is None:
        raise Wrong("missing", "tasks" if tasks is None else "score", "has to be given")
    if tasks >= 2**31:
        raise Wrong("out_of_range", "tasks", "lies above 2147483647")
    if run_on > now.date():
        raise Wrong("out_of_window", "run_on", "lies in the future")
    return Run(
        source=fields.id("source", 100), number=fields.id("id", 200), observed_at=fields.instant("observed_at", now, now),
        task_class=fields.text("task_class", 100, None), features=_features(fields), model=fields.text("model", 200, None),
        effort=fields.text("effort", 40), tasks=tasks, score=score, cost=cost, currency=fields.currency(needed=cost is not None),
        input_tokens=fields.count("input_tokens"), output_tokens=fields.count("output_tokens"), run_on=run_on,
        evidence=fields.one_of("evidence", EVIDENCE, "declared"),
    )  # fmt: skip


def _features(fields: Fields) -> list[str]:
    value = fields.row.get("features")
    parts = value if isinstance(value, list) else str(value or "").split("|")
    found = [Fields({"features": part}, ("features",)).text("features", 200, None) for part in parts if part != ""]
    if len(found) > _FEATURES_MAX:
        raise Wrong("out_of_range", "features", f"at most {_FEATURES_MAX} of them")
    return sorted(set(found))
