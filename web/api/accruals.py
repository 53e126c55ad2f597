"""/api/v1/accruals: what is owed without an invoice at a month's end, what invoices then changed, and who bears it."""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.close import accruals, accrued
from allocation.close.accruals import Accuracy
from web.api import cursors
from web.api.books import month_asked
from web.api.books_docs import ACCRUAL, ACCURACY, BORNE, MONTH, TRUE_UP
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import KeepsBooks
from web.api.problems import answers
from web.api.resource import Resource


class AccrualsView(Resource):
    """Accruals."""

    permission_classes = [KeepsBooks]

    @extend_schema(
        operation_id="accruals_list", tags=["books"], summary="Accruals, true-ups and how accurate accruals were",
        parameters=[MONTH, *LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "Accruals",
                {
                    "month": serializers.CharField(), "version": serializers.IntegerField(allow_null=True),
                    "accruals": inline_serializer("AccrualRow", {**ACCRUAL}, many=True),
                    "true_ups": inline_serializer("TrueUpRow", {**TRUE_UP}, many=True),
                    "accuracy": inline_serializer("AccrualAccuracy", {**ACCURACY}, many=True),
                    "cost_centres": inline_serializer("AccruedPart", {**BORNE}, many=True),
                    "next": serializers.CharField(
                        allow_null=True,
                        help_text="The next page's `cursor`: accruals come first, then true-ups, accuracy, cost centres.",
                    ),
                },
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Of the run in force; version null: the month was not accrued yet."""
        cursors.known_only(request, ("month", "limit", "cursor"))
        period = month_asked(request)
        run = accruals.in_force(period)
        lists = {
            "accruals": [
                _place(row) | {"InvoiceId": row.invoice_id, "x_Provenance": row.provenance}
                | _money(row, ("cost", "share", "estimate", "amount", "reversed")) for row in accruals.of(period)
            ],
            "true_ups": [
                _place(row) | {"InvoiceIds": row.numbers, "causes": row.causes}
                | _money(row, ("invoiced", "accrued", "charged", "amount")) for row in accruals.true_ups(period)
            ],
            "accuracy": [_accuracy(row) for row in accruals.accuracies(period)],
            "cost_centres": [_part(row, part) for row in accrued.of(period) for part in row.parts],
        }  # fmt: skip
        rows = [(part, at, row) for part, name in enumerate(lists) for at, row in enumerate(lists[name])]
        found, cursor = cursors.page(request, rows, lambda row: row[:2], [int, int])
        paged = {name: [row for part, _, row in found if part == at] for at, name in enumerate(lists)}
        body = {"month": str(period), "version": run and run.version, **paged, "next": cursor}
        return Response(body, headers=cursors.link(request, cursor))


def _place(row: Any) -> dict[str, Any]:
    return {
        "issuer": row.issuer, "BillingAccountId": row.billing_account, "BillingCurrency": row.currency,
        "legal_entity": row.legal_entity, "billed_month": f"{row.billed_month:%Y-%m}",
    }  # fmt: skip


def _money(row: Any, names: Iterable[str]) -> dict[str, str]:
    return {name: f"{getattr(row, name):f}" for name in names}


def _accuracy(row: Accuracy) -> dict[str, Any]:
    return {
        "issuer": row.place and row.place.issuer, "BillingAccountId": row.place and row.place.billing_account,
        **_money(row, ("invoiced", "accrued")), "accuracy": None if row.accuracy is None else f"{row.accuracy:.6f}",
    }  # fmt: skip


def _part(row: accrued.Accrued, part: accrued.Part) -> dict[str, Any]:
    named = {"issuer": row.issuer, "BillingCurrency": row.currency, "x_CostCentre": part.cost_centre or None}
    return named | {"central": part.cost_centre is None} | _money(part, ("posted", "to_come"))
