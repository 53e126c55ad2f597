"""/api/v1/owed: what is owed to each issuer of invoices for a month."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.close import owed
from allocation.statement_selectors import snapshot
from web import owed_rows
from web.api import cursors
from web.api.books import month_asked
from web.api.books_docs import MONTH
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import SeesEverything
from web.api.problems import answers
from web.api.resource import Resource

_ROW: dict[str, Any] = {
    "issuer": serializers.CharField(allow_blank=True, help_text="Who sends the invoice; of a total ''."),
    "BillingCurrency": serializers.CharField(),
    "Expected": serializers.CharField(
        help_text="What the month's charges owe, without what an invoice by hand alone states."
    ),
    "Invoiced": serializers.CharField(
        allow_null=True, help_text="By invoices in force, tax included; null: there is none."
    ),
    "Credits": serializers.CharField(help_text="Of the invoiced, below 0."),
    "ToBeInvoiced": serializers.CharField(help_text="What charges of accounts without an invoice owe."),
    "Owed": serializers.CharField(help_text="Invoiced + ToBeInvoiced. Payments are not known here."),
    "Difference": serializers.CharField(help_text="Owed - Expected."),
    "InvoiceIds": serializers.ListField(child=serializers.CharField()),
}


class OwedView(Resource):
    """What is owed."""

    permission_classes = [SeesEverything]

    @extend_schema(
        operation_id="owed_list", tags=["reconciliation"], summary="What is owed to each provider for a month",
        parameters=[MONTH, *LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "OwedPage",
                {
                    "month": serializers.CharField(),
                    "totals": inline_serializer("OwedTotal", {**_ROW}, many=True),
                    "results": inline_serializer("OwedRow", {**_ROW}, many=True),
                    "next": serializers.CharField(allow_null=True, help_text="The next page's `cursor`."),
                },
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """By issuer and currency, the most owed first; one total a currency. Own fleets and what was paid ahead owe nobody."""
        cursors.known_only(request, ("month", "limit", "cursor"))
        period = month_asked(request)
        with snapshot():
            found = owed.of(period)
        rows, cursor = cursors.page(request, list(enumerate(found)), lambda pair: pair[:1], [int])
        body = {
            "month": str(period), "totals": [owed_rows.row(one) for one in owed.totals(found)],
            "results": [owed_rows.row(one) for _, one in rows], "next": cursor,
        }  # fmt: skip
        return Response(body, headers=cursors.link(request, cursor))
