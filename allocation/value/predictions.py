"""Predictions before the call: asked for within a scope, answered from what was learnt last, and how they fared."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa
from django.db.models import Count, F, Q

from allocation.calc import predict as calc
from allocation.calc.predict import Candidate, Request
from allocation.calc.predict_calibration import UNKNOWN, Predictor
from allocation.calc.predict_history import ANY, AT, BROAD, MINIMUM
from allocation.calc.predict_store import UnknownForm, unpacked
from allocation.calc.predict_tracking import COUNTS, Counts, Tracking, by_feature
from allocation.models import CostCentre, LearntPredictor, Prediction
from allocation.scope import Scope
from finops.focus import TIERS
from ingest.calc.identity import query_ids

MOST_A_DAY = 10_000  # predictions that are kept to be compared
NOTHING_LEARNT = "nothing has been learnt yet: this is done every night, or by manage.py predictions learn"
HELD_OUT, ASKED = "held_out", "asked"


class AskError(ValueError):
    """The question cannot be answered; ``field`` names the part."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class Trace(NamedTuple):
    """By what the facts will know the query: the trace as its source states it, the kind of source, the account of its import."""

    trace: str
    source: str = "generic"
    account: str = "default"


class Learnt(NamedTuple):
    """What is in force."""

    row: LearntPredictor
    predictor: Predictor


@dataclass(frozen=True)
class Answer:
    """A prediction: as the use case is served now, and of each model asked for. ``served``: under which name history has it.

    ``kept``: whether it will be compared with what comes; None: no trace was named.
    """

    learnt: LearntPredictor | None
    any_model: Candidate
    candidates: tuple[Candidate, ...]
    served: Mapping[str, str]
    kept: bool | None = None


def in_force() -> Learnt | None:
    """What was learnt last; None before the first time, and where another version of the ledger wrote it."""
    row = LearntPredictor.objects.defer("content").order_by("-pk").first()
    try:
        return None if row is None else Learnt(row, _unpacked(row.content_hash))
    except UnknownForm:
        return None


@lru_cache(maxsize=2)
def _unpacked(content_hash: str) -> Predictor:
    row = LearntPredictor.objects.filter(content_hash=content_hash).only("content").latest("pk")
    return unpacked(bytes(row.content))


def ask(scope: Scope, request: Request, *, by: str, now: datetime, trace: Trace | None = None) -> Answer:
    """Predict one query; with its trace it is kept, to be compared with what comes. Raises AskError."""
    request = _within(scope, request)
    learnt = in_force()
    if learnt is None:
        nothing = Candidate(ANY, UNKNOWN, NOTHING_LEARNT, 0)
        return Answer(None, nothing, tuple(replace(nothing, model=model) for model in request.models), {})
    served = {model: learnt.row.served[model] for model in request.models if model in learnt.row.served}
    asked = replace(request, models=tuple(served.get(model, model) for model in request.models))
    try:
        found = calc.predict(learnt.predictor, asked)
    except ValueError as wrong:
        raise AskError("prompt_tokens", str(wrong)) from None
    named = tuple(replace(each, model=model) for each, model in zip(found.candidates, request.models, strict=True))
    kept = None
    if trace is not None:
        kept = _keep(request, [found.any_model, *found.candidates], trace, learnt.row.through, by, now)
    return Answer(learnt.row, found.any_model, named, served, kept)


def _within(scope: Scope, request: Request) -> Request:
    """A request of those who see some cost centres is of one of theirs: they learn nothing of others."""
    own = _codes(scope)
    if scope.everything:
        if request.cost_centre not in {ANY, *own}:
            raise AskError("cost_centre", "there is no such cost centre")
        return request
    if request.cost_centre == ANY and len(own) == 1:
        return replace(request, cost_centre=min(own))
    if request.cost_centre not in own:
        said = f"say which: {', '.join(sorted(own))}" if own else "no cost centre is yours"
        raise AskError("cost_centre", said if request.cost_centre == ANY else f"is not yours; {said}")
    return request


def _codes(scope: Scope) -> frozenset[str]:
    return frozenset(scope.of(CostCentre.objects.all(), "id").values_list("code", flat=True))


def _keep(
    request: Request, candidates: Collection[Candidate], trace: Trace, through: date, by: str, now: datetime
) -> bool:
    query, _ = query_ids(trace.source, pa.array([trace.account]), pa.array([trace.trace]))
    if Prediction.objects.filter(asked_at__gt=now - timedelta(days=1), asked_at__lte=now).count() >= MOST_A_DAY:
        return False
    centre = CostCentre.objects.filter(code=request.cost_centre).first()
    _, made = Prediction.objects.get_or_create(
        query_id=int(query[0]),
        defaults={
            "asked_at": now, "asked_by": by, "through": through, "cost_centre": centre, "feature": request.feature,
            "request": asdict(request),
            "candidates": {
                each.model: {
                    "tier": each.tier, "cost": None if each.cost is None else str(each.cost),
                    "cost_interval": each.cost_interval and [f"{bound:.12f}" for bound in each.cost_interval],
                }
                for each in candidates
            },
        },
    )  # fmt: skip
    return made


class Kind(NamedTuple):
    """A use case at an effort that has enough history, how long its prompts are (mean), and the models it was seen with."""

    feature: str
    effort: str
    queries: int
    prompt_tokens: int
    models: tuple[str, ...]


def kinds(scope: Scope, cost_centre: str = ANY) -> list[Kind]:
    """Kinds of queries of a cost centre (ANY: all of those in scope together) of which something is known, the commonest
    first.
    """
    learnt = in_force()
    own = {cost_centre} if scope.everything else {code for code in _codes(scope) if cost_centre in (ANY, code)}
    counts: dict[tuple[str, str], int] = {}
    prompts: dict[tuple[str, str], float] = {}
    models: dict[tuple[str, str], dict[str, int]] = {}
    for named, queries, prompt in _known(learnt):
        if named["cost_centre"] not in own:
            continue
        kind = named["feature"], named["effort"]
        if named["model"] == ANY:
            counts[kind] = counts.get(kind, 0) + queries
            prompts[kind] = prompts.get(kind, 0.0) + queries * prompt
        else:
            of = models.setdefault(kind, {})
            of[named["model"]] = of.get(named["model"], 0) + queries
    found = [
        Kind(
            *kind, queries, round(prompts[kind] / queries),
            tuple(sorted(models.get(kind, {}), key=lambda model: (-models[kind][model], model))),
        )
        for kind, queries in counts.items()
    ]  # fmt: skip
    return sorted(found, key=lambda kind: (-kind.queries, kind))


def cost_centres(scope: Scope) -> list[str]:
    """Codes within a scope of which something is known, the one with most queries first."""
    counts: dict[str, int] = {}
    own = None if scope.everything else _codes(scope)
    for named, queries, _ in _known(in_force()):
        code = named["cost_centre"]
        if named["model"] == ANY and code not in (ANY, "") and (own is None or code in own):
            counts[code] = counts.get(code, 0) + queries
    return sorted(counts, key=lambda code: (-counts[code], code))


def _known(learnt: Learnt | None) -> Iterator[tuple[dict[str, str], int, float]]:
    """Broad keys that are no unknown ones: (key, queries, mean length of the prompt)."""
    if learnt is None:
        return
    broad = learnt.predictor.history.levels[0]
    for key, place in broad.rows.items():
        if (queries := int(broad.counts[place])) >= MINIMUM:
            yield dict(zip(BROAD, key, strict=True)), queries, float(broad.statistics[place, AT["prompt_tokens"]])


class Standing(NamedTuple):
    """How predictions fared: all together first, then by use case.

    ``held_out``: queries of the last days of what was learnt, predicted from the days before alone. ``asked``: predictions
    that were asked for. Of those ``waiting`` have no query yet, and ``late`` were asked after it began.
    """

    learnt: LearntPredictor | None
    held_out: list[Tracking]
    asked: list[Tracking]
    waiting: int
    late: int

    def rows(self) -> Iterator[tuple[str, Tracking]]:
        """(HELD_OUT or ASKED, how they fared) of both."""
        for evidence, found in ((HELD_OUT, self.held_out), (ASKED, self.asked)):
            yield from ((evidence, row) for row in found)


def standing(scope: Scope, most: int | None = None) -> Standing:
    """Within a scope, by the cost centre that bore the queries; use cases beyond the ``most`` compared ones together."""
    learnt = LearntPredictor.objects.defer("content").order_by("-pk").first()
    own = None if scope.everything else _codes(scope)
    checks = [
        (feature, Counts(**{**counts, "came": tuple(counts["came"])}))
        for centre, feature, counts in (learnt.checked if learnt else [])
        if own is None or centre in own
    ]
    came = scope.of(Prediction.objects.filter(began_at__isnull=False, late=False), "borne_by")
    rows = [(row["feature"], _counts(row)) for row in came.order_by().values("feature").annotate(**_SUMS)]
    waiting = scope.of(Prediction.objects.filter(began_at=None), "cost_centre").count()
    late = scope.of(Prediction.objects.filter(late=True), "borne_by").count()
    return Standing(learnt, by_feature(checks, most), by_feature(rows, most), waiting, late)


_KNOWN = ~Q(predicted=UNKNOWN)
_BOUNDED = _KNOWN & Q(cost__isnull=False, cost_low__isnull=False)
_SUMS: dict[str, Any] = {
    "n_unknown": Count("pk", filter=~_KNOWN), "n_bounded": Count("pk", filter=_BOUNDED),
    "n_below": Count("pk", filter=_BOUNDED & Q(cost__lt=F("cost_low"))),
    "n_above": Count("pk", filter=_BOUNDED & Q(cost__gt=F("cost_high"))),
    "n_hits": Count("pk", filter=_KNOWN & Q(predicted=F("tier"))),
    **{f"n_{tier}": Count("pk", filter=_KNOWN & Q(tier=tier)) for tier in TIERS},
}  # fmt: skip


def _counts(row: Mapping[str, Any]) -> Counts:
    sums = {name: row[f"n_{name}"] for name in COUNTS}
    return Counts(**sums, came=tuple(row[f"n_{tier}"] for tier in TIERS))
