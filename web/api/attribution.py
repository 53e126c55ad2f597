"""/api/v1/allocations, mappings, drivers, cost-centres/tree: who bears what by which rule, and what rules look at."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import rule_changes, rulebook
from allocation.attribution import borne, cost_centres, coverage, drivers
from allocation.calc.cost_centres import within
from allocation.scope import scope_of
from finops.periods import Period, PeriodError
from web.api import cursors, documents
from web.api.inline import inline_serializer
from web.api.invoices import month_of
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import SeesEverything
from web.api.problems import answers
from web.api.resource import Resource

_MONEY: dict[str, Any] = {"max_digits": 30, "decimal_places": 12}
_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_MONTH = OpenApiParameter(
    "month", {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"}, required=True, description="YYYY-MM."
)
_CURRENCY = OpenApiParameter(
    "currency",
    {"type": "string", "pattern": "^[A-Z]{3}$"},
    description="By default the site's; totals never mix currencies.",
)

_ALLOCATION: dict[str, Any] = {
    "x_CostCentre": serializers.CharField(allow_null=True, help_text="null: unallocated."),
    "x_Team": serializers.CharField(allow_null=True),
    "rule": serializers.CharField(allow_null=True, help_text="Its id; null: no rule holds, or none was asked."),
    "ground": serializers.ChoiceField(
        [borne.RULE, borne.DECLARED, borne.CORRECTION], help_text="Why: a rule (or none), an agreement's owner, a correction."
    ),
    "keys": serializers.IntegerField(help_text="Usage keys."),
    "ListCost": serializers.DecimalField(**_MONEY), "ContractedCost": serializers.DecimalField(**_MONEY),
    "EffectiveCost": serializers.DecimalField(**_MONEY), "BilledCost": serializers.DecimalField(**_MONEY),
    "BillingCurrency": serializers.CharField(),
}  # fmt: skip


def asked(request: Request) -> tuple[Period, str]:
    """The month and currency of a question. Raises ValidationError."""
    try:
        period = Period.month(request.query_params.get("month", ""))
    except PeriodError as wrong:
        raise ValidationError({"month": str(wrong)}) from None
    currency = request.query_params.get("currency", settings.REPORT_CURRENCY)
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):
        raise ValidationError({"currency": "an ISO 4217 code such as USD"})
    return period, currency


class AllocationsView(Resource):
    """Who bears what."""

    @extend_schema(
        operation_id="allocations_list", tags=["rules"], summary="Who bears what by which rule",
        parameters=[_MONTH, _CURRENCY, *LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "AllocationPage", {"results": inline_serializer("Allocation", _ALLOCATION, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Cost of the cost centres you may see, before splits, by cost centre, team and rule; unallocated first."""
        cursors.known_only(request, ("month", "currency", "limit", "cursor"))
        period, currency = asked(request)
        rows = borne.by_rule(scope_of(request.user), period, currency)
        found, cursor = cursors.page(request, rows, lambda row: row[:4], [str] * 4)
        results = [_row(row, currency) for row in found]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))


def _row(row: borne.Borne, currency: str) -> dict[str, Any]:
    return {
        "x_CostCentre": row.cost_centre or None, "x_Team": row.team or None, "rule": row.rule or None, "ground": row.ground,
        "keys": row.keys, "ListCost": f"{row.list_cost:.12f}", "ContractedCost": f"{row.contracted_cost:.12f}",
        "EffectiveCost": f"{row.effective_cost:.12f}", "BilledCost": f"{row.billed_cost:.12f}", "BillingCurrency": currency,
    }  # fmt: skip


class CoverageView(Resource):
    """What rules cover."""

    permission_classes = [SeesEverything]

    @extend_schema(
        operation_id="allocations_coverage", tags=["rules"], summary="What each rule caught, and what none did",
        parameters=[_MONTH, _CURRENCY],
        responses={
            200: inline_serializer(
                "Coverage",
                {
                    "month": serializers.CharField(), "currency": serializers.CharField(),
                    "version": serializers.IntegerField(), "total": serializers.DecimalField(**_MONEY),
                    "unallocated": serializers.DecimalField(**_MONEY), "declared": serializers.DecimalField(**_MONEY),
                    "owned_share": serializers.DecimalField(max_digits=30, decimal_places=6, allow_null=True),
                    "rules": serializers.ListField(child=serializers.DictField()),
                    "gaps": serializers.ListField(child=serializers.DictField()),
                    "fields": serializers.ListField(child=serializers.DictField()),
                },
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Rules in the order in which they fire, money nobody owns with a rule that would catch it, and whose word fields are."""
        cursors.known_only(request, ("month", "currency"))
        return Response(coverage.as_json(coverage.of_month(*asked(request))))


class _LookedAtView(documents.DocumentView):
    """A document that rules look at."""

    ask = staticmethod(rule_changes.propose_document)


class _DatedView(_LookedAtView):
    """A document whose entries are about times."""

    within: Callable[[Any, Period], bool]

    def get(self, request: Request) -> Response:
        """The version in force, as it was written; of a ``month`` what that says of it, of a frozen one as it was frozen with."""
        cursors.known_only(request, ("month",))
        month = month_of(request)
        found = documents.in_force(self.kind, month)
        if month is not None:
            found["entries"] = [entry for entry in found["entries"] if type(self).within(entry, month)]
        return Response(found)


class _DriversView(_DatedView):
    within = staticmethod(lambda entry, month: Period.month(str(entry["month"])) == month)


class _TreeView(_DatedView):
    within = staticmethod(lambda entry, month: within(entry, month.start, month.end))


def _of(
    kind: str, summary: str, base: type[_LookedAtView] = _LookedAtView, *parameters: OpenApiParameter
) -> type[_LookedAtView]:
    return documents.view(base, kind, summary, tag="rules", name=f"{kind}_document", parameters=parameters)


_ENTRIES_OF = OpenApiParameter(
    "month", OpenApiTypes.STR, pattern="^[0-9]{4}-[0-9]{2}$", description="YYYY-MM: only the entries that are about it."
)
MappingsView = _of(rulebook.MAPPINGS, "What usage is for, whatever callers state")
DriversView = _of(drivers.KIND, "Business metrics that costs are shared by", _DriversView, _ENTRIES_OF)
TreeView = _of(cost_centres.KIND, "The tree of cost centres, dated", _TreeView, _ENTRIES_OF)
