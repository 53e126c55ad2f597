"""/api/v1/tiers/predict and /api/v1/tiers/predictions: what a query will be and cost, and how such predictions fared."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.calc.predict import Request as Question
from allocation.calc.predict_history import ANY
from allocation.calc.predict_tracking import Tracking
from allocation.scope import scope_of
from allocation.value import predictions
from allocation.value.predictions import ASKED, HELD_OUT, AskError, Trace
from web import prediction_words as words
from web.api import cursors
from web.api import predictions_docs as docs
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource


class PredictView(Resource):
    """One prediction."""

    @extend_schema(
        operation_id="tiers_predict", tags=["tiers"], summary="Predict a query before its call", parameters=[PARAMETER],
        request=docs.Asked, examples=[docs.EXAMPLE],
        responses={200: docs.ANSWER, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Tier, tokens and cost of a query from its features alone, by own history of the same kind. A kind without history
        is `unknown`. The intervals hold 80 % of queries; how often they did is at `/api/v1/tiers/predictions`. With its
        `trace` a prediction is kept and compared with what comes. An owner asks within own cost centres.
        """
        cursors.known_only(request, ())
        body = docs.Asked(data=request.data)
        body.is_valid(raise_exception=True)
        if isinstance(request.data, dict) and (unknown := sorted(set(request.data) - set(body.fields))):
            raise ValidationError({unknown[0][:60]: "is not known"})
        asked = body.validated_data
        question = Question(
            asked["feature"], asked["prompt_tokens"], tuple(dict.fromkeys(asked.get("models", ()))),
            asked.get("effort", ""), asked.get("attachments", False), asked.get("tools"), asked.get("cost_centre", ANY),
        )  # fmt: skip
        try:
            found = predictions.ask(
                scope_of(request.user),
                question,
                by=request.user.get_username(),
                now=timezone.now(),
                trace=_trace(asked),
            )
        except AskError as wrong:
            raise ValidationError({wrong.field: str(wrong)}) from None
        return Response(
            {
                "learnt_through": found.learnt and found.learnt.through,
                "BillingCurrency": found.learnt.currency if found.learnt else settings.REPORT_CURRENCY,
                "tier": found.any_model.tier, "kept": found.kept, "any_model": words.candidate(found.any_model, {}),
                "candidates": [words.candidate(each, found.served) for each in found.candidates],
            }
        )  # fmt: skip


class TrackingView(Resource):
    """How predictions fared."""

    @extend_schema(
        operation_id="tiers_predictions", tags=["tiers"], summary="How predictions fared", parameters=docs.PARAMETERS,
        responses={200: docs.TRACKING, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Predicted against what came, all together and by use case. `held_out`: the last days of the history, predicted from
        the days before alone; `asked`: predictions that were asked for with their trace. Rates are null below 30.
        """
        cursors.known_only(request, ("slice", "limit", "cursor"))
        part = request.query_params.get("slice")
        if part not in (None, HELD_OUT, ASKED):
            raise ValidationError({"slice": f"{HELD_OUT} or {ASKED}"})
        standing = predictions.standing(scope_of(request.user))
        rows = sorted(
            ((kind, row) for kind, row in standing.rows() if part in (None, kind)), key=lambda each: _place(*each)
        )
        shown, cursor = cursors.page(request, rows, lambda each: _place(*each), [str, int, str])
        learnt = standing.learnt
        body: dict[str, Any] = {
            "learnt_through": learnt and learnt.through, "queries": learnt and learnt.queries,
            "checked_since": learnt and learnt.checked_since, "waiting": standing.waiting, "late": standing.late,
            "results": [words.tracked(*each) for each in shown], "next": cursor,
        }  # fmt: skip
        return Response(body, headers=cursors.link(request, cursor))


def _place(part: str, row: Tracking) -> tuple[str, int, str]:
    return part, int(row.feature is not None), row.feature or ""


def _trace(asked: dict[str, Any]) -> Trace | None:
    if "trace" not in asked:
        if given := sorted({"trace_source", "trace_account"} & set(asked)):
            raise ValidationError({given[0]: "says nothing without a trace"})
        return None
    return Trace(asked["trace"], asked.get("trace_source", "generic"), asked.get("trace_account", "default"))
