"""/api/v1/reconciliations: from what was computed to what was invoiced, and who clears up what is left."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import reconciliation, reconciliation_selectors
from allocation.calc.reconcile_rows import CAUSES
from allocation.models import Reconciliation, ReconciliationLine
from web.api import cursors
from web.api.given import given_in
from web.api.inline import inline_serializer
from web.api.invoices import MONTH, month_of, number
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import Approves
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

_STATES = reconciliation_selectors.STATES
_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_CAUSES = serializers.DictField(child=serializers.CharField(), help_text=f"Cause: amount. {', '.join(CAUSES)}")
_LEVEL: dict[str, Any] = {"allow_null": True, "help_text": "null: says nothing of the account."}
_TOTAL: dict[str, Any] = {
    "currency": serializers.CharField(),
    "computed": serializers.CharField(),
    **{name: serializers.CharField(required=False) for name in ("provider_usage", "cost_report", "invoice")},
    "stated": serializers.CharField(help_text="By the highest level of each account."),
    "causes": _CAUSES,
    "unexplained": serializers.CharField(),
    "explained": serializers.CharField(help_text="Share of the differences that causes explain."),
    "states": serializers.DictField(child=serializers.IntegerField(), help_text="State: lines."),
}
_RUN: dict[str, Any] = {
    "id": serializers.IntegerField(),
    "month": serializers.CharField(),
    "number": serializers.IntegerField(help_text="Of the runs of the month."),
    "made_at": serializers.DateTimeField(),
    "made_by": serializers.CharField(),
    "hash": serializers.CharField(help_text="Of all inputs and lines."),
    "inputs": serializers.DictField(help_text="Versions of what went in."),
    "totals": inline_serializer("ReconciliationTotal", _TOTAL, many=True),
}
_LINE: dict[str, Any] = {
    "id": serializers.IntegerField(),
    "provider": serializers.CharField(),
    "billing_account": serializers.CharField(allow_blank=True),
    "model": serializers.CharField(allow_blank=True),
    "class": serializers.CharField(allow_blank=True),
    "day": serializers.DateField(allow_null=True),
    "category": serializers.CharField(),
    "currency": serializers.CharField(),
    "state": serializers.CharField(help_text=f"One of {', '.join(_STATES)}."),
    "computed": serializers.CharField(),
    "provider_usage": serializers.CharField(**_LEVEL),
    "cost_report": serializers.CharField(**_LEVEL),
    "invoice": serializers.CharField(**_LEVEL),
    "causes": _CAUSES,
    "unexplained": serializers.CharField(),
    "owner": serializers.CharField(allow_blank=True, help_text="Who clears it up."),
    "note": serializers.CharField(allow_blank=True),
}
_FILTERS = (
    OpenApiParameter("provider", OpenApiTypes.STR),
    OpenApiParameter("state", OpenApiTypes.STR, enum=_STATES),
)


class Remark(serializers.Serializer[Any]):
    """Who clears a line up, and what is to be said of it."""

    owner = serializers.CharField(required=False, allow_blank=True, max_length=reconciliation.LONGEST["owner"])
    note = serializers.CharField(required=False, allow_blank=True, max_length=reconciliation.LONGEST["note"])


class KeptByFinance(Approves):
    """Those who see everything may read; finance sets owners and notes."""

    changing = "Changing this"


class ReconciliationsView(Resource):
    """Runs."""

    permission_classes = [KeptByFinance]

    @extend_schema(
        operation_id="reconciliations_list", tags=["reconciliation"], summary="Reconciliations",
        parameters=[MONTH, *_FILTERS, *LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "ReconciliationPage", {"results": inline_serializer("Reconciliation", {**_RUN}, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Runs, the newest first; with `provider` or `state` those that have a line of them."""
        cursors.known_only(request, ("month", "provider", "state", "limit", "cursor"))
        limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
        found = reconciliation_selectors.runs(
            month=month_of(request), **_filters(request), before=number(place), limit=limit + 1
        )
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        results = [_run(run) for run in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))


class ReconciliationView(Resource):
    """One run with its lines."""

    permission_classes = [KeptByFinance]

    @extend_schema(
        operation_id="reconciliations_read", tags=["reconciliation"], summary="One reconciliation with its lines",
        parameters=[*_FILTERS, *LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "ReconciliationWithLines",
                {**_RUN, "lines": inline_serializer("ReconciliationLine", {**_LINE}, many=True), "next": _NEXT},
            ),
            **answers(400, 401, 403, 404),
        },
    )  # fmt: skip
    def get(self, request: Request, run: int) -> Response:
        """The lines in their order, a page at a time: stated - computed = sum of causes + unexplained."""
        cursors.known_only(request, ("provider", "state", "limit", "cursor"))
        limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
        held = Reconciliation.objects.filter(pk=run).first()
        if held is None:
            raise NotFound("There is no such reconciliation.")
        found = reconciliation_selectors.lines(held, **_filters(request), after=number(place), limit=limit + 1)
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        body = _run(held) | {"lines": [_line(line) for line in found[:limit]], "next": cursor}
        return Response(body, headers=cursors.link(request, cursor))


class ReconciliationLineView(Resource):
    """One line."""

    permission_classes = [KeptByFinance]

    @extend_schema(
        operation_id="reconciliation_lines_read", tags=["reconciliation"], summary="One line of a reconciliation",
        responses={200: inline_serializer("OneReconciliationLine", {**_LINE}), **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, run: int, line: int) -> Response:
        """Amounts at each level, causes, owner and note."""
        cursors.known_only(request, ())
        return Response(_line(_held(run, line)))

    @extend_schema(
        operation_id="reconciliation_lines_change", tags=["reconciliation"], summary="Set owner and note of a line",
        parameters=[PARAMETER], request=Remark,
        responses={
            200: inline_serializer("ChangedReconciliationLine", {**_LINE}),
            **answers(400, 401, 403, 404, 409, 413, 415, 422),
        },
    )  # fmt: skip
    @once
    def patch(self, request: Request, run: int, line: int) -> Response:
        """They go over to the same place of the next run of the month."""
        cursors.known_only(request, ())
        held = _held(run, line)
        given = given_in(Remark, request)
        changed = reconciliation.annotate(held, given, actor=request.user.get_username())
        return Response(_line(changed))


def _filters(request: Request) -> dict[str, str]:
    state = request.query_params.get("state", "")
    if state and state not in _STATES:
        raise ValidationError({"state": f"one of {', '.join(_STATES)}"})
    return {"provider": request.query_params.get("provider", ""), "state": state}


def _held(run: int, line: int) -> ReconciliationLine:
    found = ReconciliationLine.objects.filter(reconciliation_id=run, pk=line).select_related("reconciliation").first()
    if found is None:
        raise NotFound("There is no such line.")
    return found


def _run(run: Reconciliation) -> dict[str, Any]:
    names = ("number", "made_at", "made_by", "hash", "inputs", "totals")
    return {"id": run.pk, "month": f"{run.month:%Y-%m}", **{name: getattr(run, name) for name in names}}


def _line(line: ReconciliationLine) -> dict[str, Any]:
    texts = ("provider", "billing_account", "model", "currency", "state", "causes", "owner", "note")
    amounts = ("computed", "provider_usage", "cost_report", "invoice", "unexplained")
    money = {name: None if getattr(line, name) is None else str(getattr(line, name)) for name in amounts}
    return {
        "id": line.pk, **{name: getattr(line, name) for name in texts}, **money, "class": line.price_class,
        "day": line.charge_date, "category": line.charge_category,
    }  # fmt: skip
