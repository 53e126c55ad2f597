"""/api/v1/roi: what spend returned, what an upgrade brings, which effort pays; the figures of the page ROI & outcomes."""

import math
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.calc.marginal import Arm
from allocation.calc.marginal_rates import Interval
from allocation.calc.outcomes import BENCHMARK, PRODUCTION
from allocation.calc.outcomes_fields import Fields, Wrong
from allocation.calc.roi import MINIMUM, Line
from allocation.scope import scope_of
from allocation.value import roi, roi_marginal
from allocation.value.roi_marginal import Answer, MarginalError, Question
from finops.periods import Period, PeriodError
from web.api import bodies, cursors
from web.api import outcomes_roi_docs as docs
from web.api.currency import currency_of
from web.api.outcomes import decimal
from web.api.outcomes_docs import AMOUNTS, COUNTS, RATIOS
from web.api.permissions import WritesOutcomes
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource
from web.workflow_rows import interval, statistic


class RoiView(Resource):
    """Return on spend."""

    @extend_schema(
        operation_id="roi_read", tags=["outcomes"], summary="Return on spend",
        parameters=[
            *docs.PERIOD, *docs.FILTERS,
            OpenApiParameter("group_by", OpenApiTypes.STR, description=f"Comma separated: {', '.join(docs.COLUMNS)}."),
        ],
        responses={200: docs.ROI, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Accepted cash benefit against loaded cost by cohort of spend, with the share of spend of which nobody says what it
        was for. Ratios are null below the minimum of resolved tasks. Benefits in time and quality stand apart.
        """
        cursors.known_only(
            request, ("first", "last", "currency", "group_by", *(f"filter[{name}]" for name in docs.COLUMNS))
        )
        asked = question(request.query_params)
        scope = scope_of(request.user)
        found = roi.report(scope, asked)
        names = {dimension: name for name, dimension in docs.COLUMNS.items()}
        results = [
            {names[dimension]: _shown(value) for dimension, value in zip(found.by, key, strict=True)} | line_json(line)
            for key, line in found.lines
        ]
        cohorts = [
            {
                "month": f"{each.month:%Y-%m}",
                "matures_on": each.matures_on,
                "mature": each.mature,
                "period_state": each.books,
            }
            | line_json(each.line)
            for each in roi.cohorts(scope, asked, timezone.now().date())
        ]
        return Response(
            {
                "first": str(asked.first), "last": str(asked.last), "currency": asked.money, "minimum_resolved": MINIMUM,
                "results": results, "totals": line_json(found.total), "cohorts": cohorts,
                "cash_in_other_currencies": {unit: decimal(amount) for unit, amount in found.elsewhere.items()},
                "notes": roi.notes(scope, asked),
            }
        )  # fmt: skip


class ComparisonsView(Resource):
    """What an upgrade brings."""

    permission_classes = [WritesOutcomes]

    @extend_schema(
        operation_id="roi_comparisons", tags=["outcomes"], summary="Marginal return of a model, effort or tier",
        parameters=[
            *(OpenApiParameter(name, OpenApiTypes.STR) for name in ("dimension", "base", "candidate", "feature")),
            OpenApiParameter("setting", OpenApiTypes.STR, enum=[PRODUCTION, BENCHMARK]), docs.PERIOD[2],
            OpenApiParameter("value", OpenApiTypes.STR, description="Of a resolved task; default: what outcomes say."),
        ],
        responses={200: docs.COMPARISONS, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """One comparison, or without `dimension` those that were declared and the neighbours by cost of what is used most.
        On the same tasks where there are, else on like ones; with intervals at 95 %, and nothing below the minimum sample.
        """
        names = ("dimension", "base", "candidate", "feature", "setting", "currency", "value")
        cursors.known_only(request, names)
        given, scope = request.query_params, scope_of(request.user)
        currency, value = currency_of(given), _value(given.get("value"))
        asked = roi_marginal.questions(scope)
        if set(names[:5]) & set(given):
            asked = [_compared(given)]
        try:
            found = [roi_marginal.answer(scope, each, currency, value) for each in asked]
        except MarginalError as wrong:
            raise ValidationError({"dimension": str(wrong)}) from None
        return Response({"results": [answer_json(each) for each in found]})

    @extend_schema(
        operation_id="roi_declare", tags=["outcomes"], summary="Declare a margin of no worse", parameters=[PARAMETER],
        request=docs.DECLARE, responses={200: docs.DECLARED, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Before its evidence: outcomes count from `since` on, today at the earliest. Never changed once declared."""
        cursors.known_only(request, ())
        rows = bodies.records(request)
        if len(rows) != 1:
            raise ParseError("The body is one comparison.")
        try:
            fields = Fields(rows[0], ("dimension", "base", "candidate", "feature", "margin", "since"))
            asked = Question(
                fields.text("dimension", 10, None), fields.text("base", 200, None), fields.text("candidate", 200, None),
                fields.text("feature", 200), since=fields.day("since", timezone.now().date()), margin=fields.share("margin"),
            )  # fmt: skip
            made = roi_marginal.declare(asked, by=request.user.get_username())
        except Wrong as wrong:
            raise ValidationError({wrong.field or "detail": wrong.detail}) from None
        except MarginalError as wrong:
            raise ValidationError({"detail": str(wrong)}) from None
        told = {
            name: getattr(made, name)
            for name in ("dimension", "base", "candidate", "feature", "declared_by", "declared_at")
        }
        return Response(told | {"margin": decimal(made.margin), "since": made.starts_on})


class EffortsView(Resource):
    """Which effort pays."""

    @extend_schema(
        operation_id="roi_efforts", tags=["outcomes"], summary="Recommended effort per kind of task",
        parameters=[
            OpenApiParameter("month", description="Whose mix. Default: the newest with cost.", **docs.MONTH), docs.PERIOD[2],
        ],
        responses={200: docs.EFFORTS, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """From benchmark runs, for the own mix: the dearest effort whose score is higher beyond chance than the one before,
        and, where outcomes say what a resolved task is worth, worth its cost. `worth_from`: the value from which a step pays.
        """
        cursors.known_only(request, ("month", "currency"))
        period, currency = month_of(request.query_params, "month"), currency_of(request.query_params)
        found = roi_marginal.efforts(scope_of(request.user), period, currency)
        results = [
            {
                "task_class": each.task_class, "features": each.features, "queries": each.queries, "value": decimal(each.value),
                "advice": [
                    {
                        "model": one.model, "reason": one.reason,
                        "effort": {name: getattr(one.effort, name) for name in docs.EFFORT}
                        | {"cost": statistic(one.effort.cost)},
                        "steps": [
                            {"base": step.base.effort, "candidate": step.candidate.effort}
                            | {name: getattr(step, name) for name in list(docs.STEP)[2:]}
                            | {name: statistic(getattr(step, name)) for name in ("more", "worth_from")}
                            for step in one.steps
                        ],
                    }
                    for one in each.advice
                ],
            }
            for each in found.classes
        ]  # fmt: skip
        return Response(
            {
                "month": str(period),
                "currency": currency,
                "queries": found.queries,
                "unknown_queries": found.unknown,
                "results": results,
            }
        )  # fmt: skip


def _compared(given: Any) -> Question:
    """The one comparison that a request names. Raises ValidationError."""
    for name in ("dimension", "base", "candidate"):
        if not given.get(name):
            raise ValidationError({name: "has to be given for one comparison; without any, those at hand are answered"})
    if given["base"] == given["candidate"]:
        raise ValidationError({"candidate": "is the base: name two values"})
    setting = given.get("setting", PRODUCTION)
    if setting not in (PRODUCTION, BENCHMARK):
        raise ValidationError({"setting": f"one of {PRODUCTION}, {BENCHMARK}"})
    return Question(given["dimension"], given["base"], given["candidate"], given.get("feature", ""), setting)


def question(given: Any) -> roi.RoiQuery:
    """The cohorts, dimensions and filters of a request. Raises ValidationError."""
    last = month_of(given, "last")
    first = month_of(given, "first") if "first" in given else last
    by = tuple(docs.COLUMNS.get(name, name) for name in given.get("group_by", "").split(",") if name)
    filters = {
        dimension: tuple(given[f"filter[{name}]"].split(","))
        for name, dimension in docs.COLUMNS.items()
        if f"filter[{name}]" in given
    }
    if (last.start - first.start).days > 1_100:
        raise ValidationError({"first": "at most 36 months at once"})
    try:
        return roi.RoiQuery(first, last, tuple(dict.fromkeys(by)), filters, currency_of(given))
    except roi.RoiError as wrong:
        raise ValidationError({"group_by" if "dimension" in str(wrong) else "first": str(wrong)}) from None


def month_of(given: Any, name: str) -> Period:
    """The month of a parameter, by default the newest with cost. Raises ValidationError."""
    try:
        if name in given:
            return Period.month(given[name])
    except PeriodError as wrong:
        raise ValidationError({name: str(wrong)}) from None
    return roi.newest()


def _value(given: str | None) -> Decimal | None:
    try:
        return Fields({"value": given}, ("value",)).money("value")
    except Wrong as wrong:
        raise ValidationError({"value": wrong.detail}) from None


def _shown(value: Any) -> Any:
    return f"{value:%Y-%m-%d}" if isinstance(value, date) else value


def line_json(line: Line) -> dict[str, Any]:
    """The figures of a line: amounts and ratios as texts, counts as numbers."""
    return {
        **{name: f"{getattr(line, name):.12f}" for name in AMOUNTS}, **{name: getattr(line, name) for name in COUNTS},
        **{name: None if (each := getattr(line, name)) is None else f"{each:f}" for name in RATIOS},
        "failed_beyond_usage": line.failed_beyond, "parted": line.parted,
        "benefits": [
            {"kind": kind, "unit": unit, "amount": decimal(amount)} for (kind, unit), amount in sorted(line.other_units.items())
        ],
    }  # fmt: skip


def answer_json(answer: Answer) -> dict[str, Any]:
    """A comparison: intervals with their bounds, null where nothing is claimed."""
    asked, found = answer.question, answer.found
    return {
        **{name: getattr(asked, name) for name in ("dimension", "base", "candidate", "feature", "setting", "since")},
        "margin": decimal(asked.margin), "currency": answer.currency, "value": decimal(answer.value),
        "verdict": found.verdict, "arms": {"base": _arm(found.base), "candidate": _arm(found.candidate)},
        **{name: getattr(found, name) for name in ("method", "used", "simpson", "no_worse", "p")},
        "overlap": {
            name: value if isinstance(value, int) else _finite(value) for name, value in found.overlap._asdict().items()
        },
        **{name: _interval(getattr(found, name)) for name in docs.OF_RATES},
        **{name: interval(getattr(found, name)) for name in docs.OF_MONEY},
    }  # fmt: skip


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        "tried": arm.tried, "resolved": arm.resolved, "costed": arm.costed, "rate": _interval(arm.rate),
        "cost_per_task": statistic(arm.cost_per_task), "cost_per_resolved": interval(arm.cost_per_resolved),
    }  # fmt: skip


def _interval(interval: Interval) -> dict[str, float | None]:
    return {name: _finite(float(value)) for name, value in interval._asdict().items()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
