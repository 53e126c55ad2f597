"""What the description of the books' API says of its fields."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from allocation.close.journal import LONGEST

MONTH = OpenApiParameter(
    "month", OpenApiTypes.STR, required=True, pattern="^[0-9]{4}-[0-9]{2}$", description="Of the postings."
)
_TEXT = serializers.CharField(allow_blank=True)
_MONEY = serializers.CharField(help_text="A decimal string.")
_PLACE: dict[str, Any] = {
    "issuer": serializers.CharField(), "BillingAccountId": _TEXT, "BillingCurrency": serializers.CharField(),
    "legal_entity": _TEXT, "billed_month": serializers.CharField(help_text="YYYY-MM; before the month: of a late one."),
}  # fmt: skip
ACCRUAL: dict[str, Any] = {
    **_PLACE, "InvoiceId": serializers.CharField(help_text="Provisional."), "x_Provenance": serializers.CharField(),
    "cost": serializers.CharField(help_text="Contracted cost to date."), "share": serializers.CharField(
        help_text="By which invoices of the account were higher than what was computed, over its last closed months."
    ), "estimate": _MONEY, "amount": serializers.CharField(help_text="cost + estimate"), "reversed": serializers.CharField(
        help_text="The accrual of the month before, taken back on the first day."
    ),
}  # fmt: skip
TRUE_UP: dict[str, Any] = {
    **_PLACE, "InvoiceIds": serializers.ListField(child=serializers.CharField()), "invoiced": _MONEY, "accrued": _MONEY,
    "charged": _MONEY, "amount": serializers.CharField(help_text="The true-up: the sum of its causes."),
    "causes": serializers.DictField(child=serializers.CharField()),
}  # fmt: skip
ACCURACY: dict[str, Any] = {
    "issuer": serializers.CharField(allow_null=True, help_text="null: all of them; errors do not cancel."),
    "BillingAccountId": serializers.CharField(allow_null=True, allow_blank=True), "invoiced": _MONEY, "accrued": _MONEY,
    "accuracy": serializers.CharField(allow_null=True, help_text="1 - |invoiced - accrued| / invoiced"),
}  # fmt: skip
BORNE: dict[str, Any] = {
    "issuer": serializers.CharField(), "BillingCurrency": serializers.CharField(),
    "x_CostCentre": serializers.CharField(allow_null=True, help_text="null: unallocated, or held centrally."),
    "central": serializers.BooleanField(help_text="Estimates, and earlier months without an invoice: no cost centre's."),
    "posted": _MONEY, "to_come": serializers.CharField(help_text="Of the posted what no invoice that came since states."),
}  # fmt: skip
LINE: dict[str, Any] = {
    "event": serializers.CharField(), "posting_date": serializers.DateField(), "legal_entity": _TEXT,
    "currency": serializers.CharField(), "account": serializers.CharField(), "cost_centre": _TEXT, "debit": _MONEY,
    "credit": _MONEY, "text": _TEXT, "reference": _TEXT, "billed_month": serializers.CharField(allow_null=True),
}  # fmt: skip
_STATES = ("preview", "built", "posted", "exported", "numbered")
ENTRY: dict[str, Any] = {
    "month": serializers.CharField(), "state": serializers.ChoiceField(_STATES),
    "number": serializers.IntegerField(allow_null=True), "content_hash": _TEXT, "built_by": _TEXT, "posted_by": _TEXT,
    "export_sha256": _TEXT, "document_number": _TEXT,
}  # fmt: skip
SUSPENSE: dict[str, Any] = {"currency": serializers.CharField(), "lines": serializers.IntegerField(), "amount": _MONEY}
PROOF: dict[str, Any] = {
    "issuer": _TEXT, "legal_entity": _TEXT, "currency": serializers.CharField(),
    **{name: serializers.CharField() for name in (
        "statements", "central", "estimated", "invoices", "accrual_movement", "amortisation", "prepayments", "difference",
    )}, "holds": serializers.BooleanField(help_text="difference is 0 in the currency's minor unit."),
}  # fmt: skip


class OfMonth(serializers.Serializer[Any]):
    """Which month's journal."""

    month = serializers.CharField(help_text="YYYY-MM")


class Export(OfMonth):
    """Which journal leaves; again only as a copy."""

    copy = serializers.BooleanField(required=False, default=False, help_text="The same bytes again.")


class Numbered(OfMonth):
    """How the books number it."""

    number = serializers.CharField(max_length=LONGEST)
