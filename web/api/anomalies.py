"""/api/v1/anomalies: days that cost far more or less than was forecast for them, why, and what people said of them."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

from django.http import QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.scope import scope_of
from allocation.statement_selectors import snapshot
from forecasting import anomalies, anomalies_gate
from forecasting import anomalies_selectors as selectors
from forecasting.calc.anomaly_alerts import VERDICTS
from forecasting.models import Anomaly
from web import anomaly_rows as shown
from web.api import anomalies_docs as docs
from web.api import cursors
from web.api.currency import currency_of
from web.api.permissions import JudgesAnomalies
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

_NAMES = ("state", "told", "from", "to", "min_impact", "currency")


class AnomaliesView(Resource):
    """Anomalies."""

    @extend_schema(
        operation_id="anomalies_list", tags=["anomalies"], summary="Days that cost far more or less than was forecast",
        parameters=docs.PARAMETERS, responses={200: docs.LIST, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """In the order they were found. Each is one episode of one node: the whole, a cost centre, a model in it, a tier of that.
        `told`: the money at stake passes the gate (what a look costs over the share of told ones that are real), and no node
        above it that you see shows the same. `summary` is of all that `from`, `to` and `min_impact` leave, whatever page.
        """
        cursors.known_only(request, (*_NAMES, "limit", "cursor"))
        asked, scope = _asked(request.query_params), scope_of(request.user)
        limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
        with snapshot():
            gate, run = anomalies_gate.gate(asked.currency), anomalies.last_run(asked.currency)
            summary = selectors.summary(scope, asked)
            rows = selectors.listed(scope, asked).order_by("pk")
            found = list((rows if place is None else rows.filter(pk__gt=place[0]))[: limit + 1])
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        answer = {
            "BillingCurrency": asked.currency, **shown.gate_row(gate), "judged_from": run and run["since"],
            "judged_to": run and run["until"], "summary": shown.summary_row(summary),
            "results": [shown.api_row(row) for row in found[:limit]], "next": cursor,
        }  # fmt: skip
        return Response(answer, headers=cursors.link(request, cursor))


class AnomalyView(Resource):
    """One anomaly."""

    @extend_schema(
        operation_id="anomalies_read", tags=["anomalies"], summary="An anomaly with its days and what lies below it",
        responses={200: docs.ONE, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, number: int) -> Response:
        """Its days and those around it, and the nodes below it that show the same."""
        cursors.known_only(request, ())
        scope = scope_of(request.user)
        with snapshot():
            row = _one(scope, number)
            under = [each.pk for each in selectors.below(scope, row)]
            below = {
                each.pk: each for each in selectors.listed(scope, selectors.Asked(row.currency)).filter(pk__in=under)
            }
            days = selectors.days([row]).get(row.pk, [])
        return Response(
            shown.api_row(row)
            | {"days": [shown.day_row(day) for day in days], "below": [shown.api_row(below[pk]) for pk in under]}
        )


class AnomalySaid(serializers.Serializer[Any]):
    """What a person says of an anomaly."""

    verdict = serializers.ChoiceField(
        VERDICTS, help_text="expected: it was known beforehand; wrong: nothing was there."
    )
    note = serializers.CharField(required=False, allow_blank=True, max_length=anomalies_gate.NOTE_MAX)


class AnomalyFeedbackView(Resource):
    """A person's word on one anomaly."""

    permission_classes = [JudgesAnomalies]

    @extend_schema(
        operation_id="anomalies_feedback", tags=["anomalies"], summary="Say what an anomaly is", parameters=[PARAMETER],
        request=AnomalySaid, responses={200: docs.SAID, **answers(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request, number: int) -> Response:
        """The anomaly is closed with it, and precision and gate follow: the answer has both. Words are added, never changed; the
        last one counts.
        """
        cursors.known_only(request, ())
        said = AnomalySaid(data=request.data)
        said.is_valid(raise_exception=True)
        given, scope = said.validated_data, scope_of(request.user)
        user: Any = request.user
        _one(scope, number)
        try:
            row = anomalies_gate.say(scope, number, given["verdict"], by=user, note=given.get("note", ""))
        except PermissionError:
            raise PermissionDenied(JudgesAnomalies.message) from None
        return Response(shown.api_row(selectors.one(scope, row.pk)) | shown.gate_row(anomalies_gate.gate(row.currency)))


def _one(scope: Any, number: int) -> Anomaly:
    try:
        return selectors.one(scope, number)
    except (Anomaly.DoesNotExist, OverflowError):
        raise NotFound from None


def _asked(given: QueryDict) -> selectors.Asked:
    """Raises ValidationError."""
    state, told = given.get("state", ""), given.get("told")
    if state and state not in Anomaly.State.values:
        raise ValidationError({"state": f"one of {', '.join(Anomaly.State.values)}"})
    if told not in (None, "true", "false"):
        raise ValidationError({"told": "true or false"})
    least = given.get("min_impact")
    if least is not None and not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", least, re.ASCII):
        raise ValidationError({"min_impact": "an amount such as 60.98, not negative"})
    return selectors.Asked(
        currency_of(given), state, None if told is None else told == "true", _day(given, "from"), _day(given, "to"),
        None if least is None else Decimal(least),
    )  # fmt: skip


def _day(given: QueryDict, name: str) -> date | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise ValidationError({name: "a day written YYYY-MM-DD"}) from None
