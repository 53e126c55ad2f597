"""What an upgrade brings, and which effort pays: trials from outcomes, efforts from benchmark runs, within a scope."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Avg, Count, Q, QuerySet, Sum
from django.utils import timezone

from allocation.calc import marginal
from allocation.calc.marginal import Found, Trial
from allocation.calc.marginal_effort import Advice, Effort, advise
from allocation.calc.outcomes import BENCHMARK, PRODUCTION
from allocation.models import BenchmarkRun, Comparison, CostDaily, Evidence, Outcome
from allocation.scope import Scope
from finops import audit
from finops.periods import Period

SIDES = ("model", "effort", "tier")
_APART = {"model": ("tier", "feature"), "effort": ("tier", "feature", "model"), "tier": ("feature", "model")}
SHOWN_VALUES = 4  # of a dimension, those with most tasks, are compared in turn


class MarginalError(ValueError):
    """A comparison cannot be made or declared; the message says why."""


class Question(NamedTuple):
    """Which comparison: two values of a dimension, in a feature (empty: all), of one setting, from a day on."""

    dimension: str
    base: str
    candidate: str
    feature: str = ""
    setting: str = PRODUCTION
    since: date | None = None
    margin: Decimal | None = None


class Answer(NamedTuple):
    """A question, what was found, and the value of a resolved task it was judged by (None: nobody says)."""

    question: Question
    found: Found
    value: Decimal | None
    currency: str


class ClassAdvice(NamedTuple):
    """Advice on one kind of task, with the own queries that it stands for and what their tasks are worth."""

    task_class: str
    features: list[str]
    queries: int
    value: Decimal | None
    advice: list[Advice]


class Efforts(NamedTuple):
    """Advice by kind of task, most own queries first; ``queries`` of which ``unknown`` have no benchmark."""

    classes: list[ClassAdvice]
    queries: int
    unknown: int


def declare(question: Question, *, by: str) -> Comparison:
    """Declare a margin before its evidence. Raises MarginalError, also for a day before today."""
    today = timezone.now().date()
    if question.dimension not in SIDES:
        raise MarginalError(f"dimension is one of {', '.join(SIDES)}")
    if question.base == question.candidate:
        raise MarginalError("base and candidate are the same")
    if question.margin is None or not 0 <= question.margin < 1:
        raise MarginalError("the margin lies from 0 to below 1")
    since = question.since or today
    if since < today:
        raise MarginalError("outcomes count from today at the earliest: a margin is declared before its evidence")
    given = {"dimension": question.dimension, "base": question.base, "candidate": question.candidate,
             "feature": question.feature, "starts_on": since}  # fmt: skip
    with transaction.atomic():
        made, new = Comparison.objects.get_or_create(
            **given, defaults={"margin": question.margin, "declared_by": by[:150]}
        )
        if not new and made.margin != question.margin:
            raise MarginalError(
                f"{made} is declared from {since} on with a margin of {made.margin.normalize():f} already"
            )
        if new:
            audit.record(
                action="comparison.declare", actor=by, subject=str(made), details={**given, "margin": question.margin}
            )
    return made


def answer(scope: Scope, question: Question, currency: str, value: Decimal | None = None) -> Answer:
    """Compare. ``value``: of a resolved task; by default the mean of what outcomes say, where they do."""
    if question.dimension not in SIDES:
        raise MarginalError(f"dimension is one of {', '.join(SIDES)}")
    rows = _rows(scope, question.setting).filter(**{f"{question.dimension}__in": [question.base, question.candidate]})
    if question.feature:
        rows = rows.filter(feature=question.feature)
    if question.since:
        rows = rows.filter(at__gte=datetime.combine(question.since, time(), UTC))
    if value is None:
        mean = rows.filter(success=True, currency=currency).aggregate(value=Avg("value"))["value"]
        value = None if mean is None else Decimal(mean)
    found = marginal.compare(
        _trials(rows, question, currency), value=None if value is None else float(value),
        margin=None if question.margin is None else float(question.margin),
    )  # fmt: skip
    return Answer(question, found, value, currency)


def questions(scope: Scope) -> list[Question]:
    """What may be asked: comparisons that were declared, then neighbours by cost of the values with most tasks."""
    found = [
        Question(row.dimension, row.base, row.candidate, row.feature, PRODUCTION, row.starts_on, row.margin)
        for row in Comparison.objects.order_by("-starts_on", "pk")
    ]
    for setting in (PRODUCTION, BENCHMARK):
        for dimension in SIDES:
            rows = _rows(scope, setting).exclude(**{dimension: ""}).order_by().values_list(dimension)
            known = sorted(rows.annotate(Count("pk"), Avg("cost")), key=lambda row: -row[1])[:SHOWN_VALUES]
            ladder = sorted(known, key=lambda row: (row[2] is None, row[2] or 0, row[0]))
            found += [Question(dimension, one[0], two[0], "", setting) for one, two in pairwise(ladder)]
    return found


def efforts(scope: Scope, period: Period, currency: str) -> Efforts:
    """Recommended effort per kind of task for the own mix of a period: its features' queries and what tasks are worth."""
    rows = scope.of(CostDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end))
    queries = {name: int(n or 0) for name, n in rows.order_by().values_list("feature").annotate(Sum("queries"))}
    classes: dict[str, list[BenchmarkRun]] = defaultdict(list)
    for run in BenchmarkRun.objects.filter(cost__isnull=False, currency=currency).order_by("task_class", "model", "pk"):
        classes[run.task_class].append(run)
    made = []
    for name, runs in classes.items():
        features = sorted({feature for run in runs for feature in run.features})
        value = _worth(scope, features, currency)
        advice = advise(name, [_effort(run) for run in _newest(runs)], None if value is None else float(value))
        told = features if scope.everything else [feature for feature in features if feature in queries]
        made.append(ClassAdvice(name, told, sum(queries.get(feature, 0) for feature in features), value, advice))
    covered = {feature for each in made for feature in each.features}
    unknown = sum(n for feature, n in queries.items() if feature not in covered)
    made.sort(key=lambda each: (-each.queries, each.task_class))
    return Efforts(made, sum(queries.values()), unknown)


def _rows(scope: Scope, setting: str) -> "QuerySet[Outcome]":
    return scope.of(Outcome.objects.filter(~Q(evidence=Evidence.NONE), setting=setting))


def _trials(rows: "QuerySet[Outcome]", question: Question, currency: str) -> list[Trial]:
    """One per task and arm, with all of its attempts there; its cost is known where that of each attempt is."""
    sides: dict[tuple[str, bool], list[Any]] = {}
    names = ("task", question.dimension, "success", "cost", "currency", *_APART[question.dimension])
    for task, side, success, cost, unit, *apart in rows.order_by("at", "pk").values_list(*names):
        found = sides.setdefault((task, side == question.candidate), [" / ".join(apart), False, Decimal(0)])
        found[1] = found[1] or success
        found[2] = None if cost is None or unit != currency or found[2] is None else found[2] + cost
    return [
        Trial(task, candidate, stratum, resolved, None if cost is None else float(cost))
        for (task, candidate), (stratum, resolved, cost) in sides.items()
    ]


def _newest(runs: Sequence[BenchmarkRun]) -> Iterable[BenchmarkRun]:
    """Of each model and effort the run of the latest day."""
    found = {(run.model, run.effort): run for run in sorted(runs, key=lambda run: (run.run_on, run.pk))}
    return found.values()


def _effort(run: BenchmarkRun) -> Effort:
    assert run.cost is not None
    cost = float(run.cost) / run.tasks
    return Effort(run.model, run.effort, run.tasks, float(run.score), cost, run.currency, run.evidence)


def _worth(scope: Scope, features: Sequence[str], currency: str) -> Decimal | None:
    rows = _rows(scope, PRODUCTION).filter(feature__in=features, counts=True, success=True, currency=currency)
    mean = rows.aggregate(value=Avg("value"))["value"]
    return None if mean is None else Decimal(mean)
