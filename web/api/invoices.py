"""/api/v1/invoices: what providers invoiced; one that is entered by hand waits for another person's approval."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import reconciliation_invoices, reconciliation_selectors
from allocation.calc.reconcile_invoices import InvoiceError
from allocation.models import Invoice, InvoiceLine
from finops.periods import Period, PeriodError
from web.api import cursors
from web.api.approvals import ApprovalOut, described
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import Proposes
from web.api.posting import PARAMETER, Conflict, once
from web.api.problems import answers
from web.api.resource import Resource

MONTH = OpenApiParameter("month", OpenApiTypes.STR, pattern="^[0-9]{4}-[0-9]{2}$", description="Of the billing period.")
_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_INVOICE: dict[str, Any] = {
    "id": serializers.IntegerField(),
    "issuer": serializers.CharField(),
    "number": serializers.CharField(),
    "revision": serializers.IntegerField(help_text="The highest is in force."),
    "billing_account": serializers.CharField(allow_blank=True),
    "billing_period": serializers.CharField(help_text="YYYY-MM"),
    "issued_on": serializers.DateField(allow_null=True),
    "currency": serializers.CharField(),
    "total": serializers.CharField(help_text="With tax."),
    "tax": serializers.CharField(),
    "source": serializers.ChoiceField(Invoice.Source.choices),
    "entered_at": serializers.DateTimeField(),
    "entered_by": serializers.CharField(),
}
_LINE: dict[str, Any] = {
    "description": serializers.CharField(allow_blank=True),
    "day": serializers.DateField(allow_null=True),
    "model": serializers.CharField(allow_blank=True),
    "class": serializers.CharField(allow_blank=True),
    "scope": serializers.CharField(allow_blank=True),
    "category": serializers.CharField(),
    "quantity": serializers.CharField(allow_null=True),
    "amount": serializers.CharField(),
}
_ONE = {
    **_INVOICE,
    "lines": inline_serializer("InvoiceLine", _LINE, many=True),
    "next": _NEXT,
}


class NewInvoiceLine(serializers.Serializer[Any]):
    """One line; what is left out the invoice does not say."""

    description = serializers.CharField(required=False, allow_blank=True)
    model = serializers.CharField(required=False, allow_blank=True)
    day = serializers.DateField(required=False)
    mode = serializers.ChoiceField(["sync", "batch"], required=False)
    service_tier = serializers.CharField(required=False, allow_blank=True)
    scope = serializers.CharField(required=False, allow_blank=True)
    category = serializers.ChoiceField(["Usage", "Purchase", "Tax", "Credit", "Adjustment"], required=False)
    quantity = serializers.CharField(required=False, help_text="A decimal string.")
    amount = serializers.CharField(help_text="A decimal string.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """With ``class``, which is no name of Python's."""
        text = serializers.CharField(required=False, allow_blank=True, help_text="A token class or a unit.")
        return {**super().get_fields(), "class": text}


class NewInvoice(serializers.Serializer[Any]):
    """An invoice; its lines and tax add up to its total."""

    issuer = serializers.CharField()
    provider = serializers.CharField(required=False, help_text="Whose usage it bills; default: the issuer.")
    number = serializers.CharField()
    billing_account = serializers.CharField(required=False, allow_blank=True)
    billing_period = serializers.CharField(help_text="YYYY-MM")
    issued_on = serializers.DateField(required=False)
    currency = serializers.CharField(min_length=3, max_length=3)
    exchange_rate = serializers.CharField(
        required=False, help_text="Units of its currency for one of that in which usage is priced, if it states one."
    )
    total = serializers.CharField(help_text="With tax; a decimal string.")
    tax = serializers.CharField(required=False)
    lines = NewInvoiceLine(many=True, required=False)


class InvoicesView(Resource):
    """Invoices."""

    permission_classes = [Proposes]

    @extend_schema(
        operation_id="invoices_list", tags=["reconciliation"], summary="Invoices",
        parameters=[MONTH, OpenApiParameter("issuer", OpenApiTypes.STR), *LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "InvoicePage", {"results": inline_serializer("Invoice", {**_INVOICE}, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """All revisions, the newest first."""
        cursors.known_only(request, ("month", "issuer", "limit", "cursor"))
        limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
        found = reconciliation_selectors.invoices(
            month=month_of(request),
            issuer=request.query_params.get("issuer", ""),
            before=number(place),
            limit=limit + 1,
        )
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        results = [_invoice(invoice) for invoice in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))

    @extend_schema(
        operation_id="invoices_propose", tags=["reconciliation"], summary="Propose an invoice", parameters=[PARAMETER],
        request=NewInvoice, responses={202: ApprovalOut, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Another person of finance puts it in force by accepting the approval; a known number is then revised."""
        cursors.known_only(request, ())
        try:
            asked = reconciliation_invoices.propose(request.data, by=request.user.get_username())
        except InvoiceError as wrong:
            raise ValidationError({"detail": str(wrong)}) from None
        return Response(described(asked), status=202)


class Withdrawal(serializers.Serializer[Any]):
    """Why an invoice is withdrawn."""

    reason = serializers.CharField(max_length=2_000)


class InvoiceView(Resource):
    """One revision of one invoice."""

    permission_classes = [Proposes]

    @extend_schema(
        operation_id="invoices_read", tags=["reconciliation"], summary="One invoice with its lines",
        parameters=[*LIMIT_AND_CURSOR],
        responses={200: inline_serializer("InvoiceWithLines", _ONE), **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, number: int) -> Response:
        """The lines in their order, a page at a time."""
        cursors.known_only(request, ("limit", "cursor"))
        limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
        invoice = Invoice.objects.filter(pk=number).first()
        if invoice is None:
            raise NotFound("There is no such invoice.")
        after = int(place[0]) if place and place[0] is not None else 0
        found = reconciliation_selectors.invoice_lines(invoice, after=after, limit=limit + 1)
        cursor = cursors.written(request, [found[limit - 1].position]) if len(found) > limit else None
        body = _invoice(invoice) | {"lines": [_line(line) for line in found[:limit]], "next": cursor}
        return Response(body, headers=cursors.link(request, cursor))


class WithdrawalView(Resource):
    """The withdrawal of an invoice."""

    permission_classes = [Proposes]

    @extend_schema(
        operation_id="invoices_withdraw", tags=["reconciliation"], summary="Propose to withdraw an invoice",
        parameters=[PARAMETER], request=Withdrawal,
        responses={202: ApprovalOut, **answers(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request, number: int) -> Response:
        """Once another person of finance accepts it, the invoice's next revision states nothing; only of one by hand."""
        cursors.known_only(request, ())
        invoice = Invoice.objects.filter(pk=number).first()
        if invoice is None:
            raise NotFound("There is no such invoice.")
        said = Withdrawal(data=request.data)
        said.is_valid(raise_exception=True)
        try:
            asked = reconciliation_invoices.propose_withdrawal(
                invoice.issuer, invoice.number, by=request.user.get_username(), reason=said.validated_data["reason"]
            )
        except InvoiceError as wrong:
            raise Conflict(f"{wrong}.") from None
        return Response(described(asked), status=202)


def month_of(request: Request) -> Period | None:
    """The month that is asked for. Raises ValidationError."""
    text = request.query_params.get("month")
    try:
        return None if text is None else Period.month(text)
    except PeriodError as wrong:
        raise ValidationError({"month": str(wrong)}) from None


def number(place: cursors.Place | None) -> int | None:
    """The id at which the page before ended."""
    return None if place is None or place[0] is None else int(place[0])


def _invoice(invoice: Invoice) -> dict[str, Any]:
    names = (
        "issuer",
        "number",
        "revision",
        "billing_account",
        "issued_on",
        "currency",
        "source",
        "entered_at",
        "entered_by",
    )
    return {
        "id": invoice.pk, **{name: getattr(invoice, name) for name in names},
        "billing_period": f"{invoice.billing_period:%Y-%m}", "total": str(invoice.total), "tax": str(invoice.tax),
    }  # fmt: skip


def _line(line: InvoiceLine) -> dict[str, Any]:
    return {
        "description": line.description, "day": line.charge_date, "model": line.model, "class": line.price_class,
        "scope": line.scope, "category": line.charge_category,
        "quantity": None if line.quantity is None else str(line.quantity), "amount": str(line.amount),
    }  # fmt: skip
