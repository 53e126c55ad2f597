"""GET /api/v1/data-health: how far the figures can be trusted."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from finops.periods import PeriodError
from web import data_health
from web.api import cursors
from web.api.currency import currency_of
from web.api.inline import inline_serializer
from web.api.permissions import SeesEverything
from web.api.problems import answers
from web.api.resource import Resource
from web.api.source_docs import SOURCE
from web.api.sources import described


def _amount(text: str = "") -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=30, decimal_places=12, help_text=text)


def _page(name: str, fields: dict[str, Any], *, many: bool = False) -> serializers.Serializer[Any]:
    return inline_serializer(name, fields, many=many)


_COUNTED = {
    "source": serializers.CharField(), "name": serializers.CharField(), "count": serializers.IntegerField(),
    "last_at": serializers.DateTimeField(),
}  # fmt: skip
_CHECK = {
    "id": serializers.CharField(), "invariant": serializers.IntegerField(), "ok": serializers.BooleanField(),
    "checked": serializers.IntegerField(), "violations": serializers.IntegerField(),
    "examples": serializers.ListField(child=serializers.CharField()),
}  # fmt: skip
_REJECTED = {
    "source": serializers.CharField(), "reason": serializers.CharField(), "count": serializers.IntegerField(),
    "runs": serializers.IntegerField(), "last_at": serializers.DateTimeField(),
}  # fmt: skip
_UNPRICED = {
    "ServiceProviderName": serializers.CharField(), "x_Model": serializers.CharField(),
    "x_UnpricedTokens": serializers.RegexField("^[0-9]+$"), "x_UnpricedEstimate": _amount(),
}  # fmt: skip
_BEHIND = {
    "slices": serializers.IntegerField(), "days": serializers.IntegerField(),
    "oldest": serializers.DateTimeField(allow_null=True),
    "failed": _page(
        "FailedDay", {"day": serializers.DateField(), "reason": serializers.CharField()}, many=True
    ),
}  # fmt: skip
_RUNS = {
    "day": serializers.DateField(), "states": serializers.DictField(child=serializers.IntegerField()),
}  # fmt: skip
_LAYER = {
    "BillingAccountId": serializers.CharField(allow_blank=True), "ServiceProviderName": serializers.CharField(),
    "x_Layer": serializers.CharField(), "BillingCurrency": serializers.CharField(),
    "x_Part": serializers.CharField(help_text="stated; by_id, by_hour, by_day (charged as another's); charged."),
    "x_Cause": serializers.CharField(allow_blank=True), "FirstDay": serializers.DateField(),
    "LastDay": serializers.DateField(), "x_Tokens": serializers.RegexField("^-?[0-9]+$"), "Cost": _amount(),
}  # fmt: skip
_SEVERAL = {
    "BillingAccountId": serializers.CharField(allow_blank=True), "ServiceProviderName": serializers.CharField(),
    "x_Layer": serializers.CharField(), "sources": serializers.ListField(child=serializers.CharField()),
    "matched": serializers.BooleanField(help_text="True: counted once. False: added up; one may be too many."),
    "FirstDay": serializers.DateField(), "LastDay": serializers.DateField(), "days": serializers.IntegerField(),
    "x_Tokens": serializers.RegexField("^[0-9]+$", help_text="What both state of the same models and days."),
    "Cost": _amount("Of these; charged twice if not matched and both tell of the same calls."),
}  # fmt: skip
_HEALTH: dict[str, Any] = {
    "as_of": serializers.DateTimeField(),
    "month": serializers.CharField(help_text="Of the money below."),
    "currency": serializers.CharField(),
    "sources": SOURCE(many=True),
    "verified_at": serializers.DateTimeField(allow_null=True, help_text="Null: the invariants were never checked."),
    "checks": _page("InvariantCheck", _CHECK, many=True),
    "quarantine": _page("QuarantineCount", _REJECTED, many=True),
    "unpriced": _page("UnpricedUsage", _UNPRICED, many=True),
    "x_UnpricedEstimate": _amount("At the dearest comparable price; in no total."),
    "x_BillPricedTokens": serializers.RegexField("^[0-9]+$", help_text="Without a price; a bill states their money."),
    "EffectiveCost": _amount(),
    "unallocated": _amount(),
    "layers": _page("LayerMatch", _LAYER, many=True),
    "several_sources": _page("SeveralSources", _SEVERAL, many=True),
    "unknown_fields": _page("UnknownField", _COUNTED, many=True),
    "dropped_tags": _page("DroppedTag", _COUNTED, many=True),
    "runs": _page("RunsOfDay", _RUNS, many=True),
    "recomputing": _page("Recomputing", _BEHIND),
}


class DataHealthView(Resource):
    """What the page Data health shows."""

    permission_classes = [SeesEverything]

    @extend_schema(
        operation_id="data_health_read", tags=["sources"], summary="How far the figures can be trusted",
        parameters=[
            OpenApiParameter(
                "month", OpenApiTypes.STR, pattern="^20[0-9]{2}-(0[1-9]|1[0-2])$",
                description="Of the money; default: the newest with cost.",
            ),
            OpenApiParameter(
                "currency", OpenApiTypes.STR, pattern="^[A-Z]{3}$", default=settings.REPORT_CURRENCY,
                description="Of the money; currencies are never added.",
            ),
        ],
        responses={200: inline_serializer("DataHealth", _HEALTH), **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Freshness and completeness of sources, the invariants as last checked, rejected records and unknown fields of
        30 days, usage without a price, cost without an owner, and how far the derived figures are behind.
        """
        cursors.known_only(request, ("month", "currency"))
        currency = currency_of(request.query_params)
        month = request.query_params.get("month")
        if month == "":
            raise ValidationError({"month": "a month is written YYYY-MM"})
        try:
            facts = data_health.read(timezone.now(), month or "", currency)
        except PeriodError as error:
            raise ValidationError({"month": str(error)}) from None
        return Response(_told(facts))


def _told(facts: data_health.Facts) -> dict[str, Any]:
    return {
        "as_of": facts.now, "month": facts.month, "currency": facts.currency,
        "sources": [described(status) for status in facts.sources],
        "verified_at": facts.verified.at, "checks": facts.verified.checks, "quarantine": facts.quarantined,
        "unpriced": [
            {"ServiceProviderName": row.provider, "x_Model": row.model, "x_UnpricedTokens": str(row.tokens),
             "x_UnpricedEstimate": f"{row.estimate:.12f}"}
            for row in facts.unpriced
        ],
        "x_UnpricedEstimate": f"{facts.estimate:.12f}", "EffectiveCost": f"{facts.cost:.12f}",
        "x_BillPricedTokens": str(facts.bill_priced_tokens),
        "several_sources": [
            {"BillingAccountId": row.account, "ServiceProviderName": row.provider, "x_Layer": row.layer,
             "sources": row.sources, "matched": row.matched, "FirstDay": row.first, "LastDay": row.last,
             "days": row.days, "x_Tokens": str(row.tokens), "Cost": f"{row.cost:.12f}"}
            for row in facts.several
        ],
        "layers": [
            row | {"x_Tokens": str(row["x_Tokens"]), "Cost": f"{row['Cost']:.12f}"}
            for row in facts.matches.to_dict("records")
        ],
        "unallocated": f"{facts.unallocated:.12f}", "unknown_fields": facts.unknown_fields,
        "dropped_tags": facts.dropped_tags,
        "runs": [{"day": day, "states": states} for day, states in sorted(facts.runs.items())],
        "recomputing": facts.behind._asdict()
        | {"failed": [{"day": day, "reason": why} for day, why in facts.failed]},
    }  # fmt: skip
