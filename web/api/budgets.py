"""/api/v1/budgets: budget against actual by cost centre, and proposals for a budget."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.scope import scope_of
from finops.periods import Period, PeriodError
from forecasting import budgets, selectors
from forecasting.calc.budget_entries import BudgetError, Row
from forecasting.calc.fiscal import PATTERNS, Calendar, FiscalError
from forecasting.models import BudgetVersion
from web.api import cursors
from web.api.approvals import ApprovalOut, described
from web.api.currency import currency_of
from web.api.given import given_in, known_fields
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import ProposesBudgets
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

LINES_MAX = 20_000
_AMOUNT = serializers.CharField(help_text="A decimal string.")
_NONE = serializers.CharField(allow_null=True, help_text="null: nothing is budgeted.")
_ROW: dict[str, Any] = {
    "x_CostCentre": serializers.CharField(allow_null=True, help_text="null: the whole."),
    "BillingCurrency": serializers.CharField(),
    "Budget": _NONE, "Actual": _AMOUNT,
    "Accrual": serializers.CharField(allow_null=True, help_text="Expected of invoices beyond it; null: not accrued."),
    "Variance": _NONE, "YtdBudget": _NONE, "YtdActual": _AMOUNT, "YtdVariance": _NONE,
}  # fmt: skip
_VERSION: dict[str, Any] = {
    "id": serializers.IntegerField(help_text="Of the budget: a gateway asks `/budgets/{id}/state`."),
    "fiscal_year": serializers.IntegerField(), "name": serializers.CharField(), "version": serializers.IntegerField(),
    "kind": serializers.ChoiceField(BudgetVersion.Kind.choices), "approved_at": serializers.DateTimeField(),
}  # fmt: skip
_ANSWER = inline_serializer(
    "Budgets",
    {
        "month": serializers.CharField(), "year_from": serializers.DateField(help_text="First day of the fiscal year."),
        "compared_from": serializers.DateField(help_text="Of the Ytd figures; later where the ledger begins in the year."),
        "versions": inline_serializer("BudgetVersionInForce", _VERSION, many=True),
        "results": inline_serializer("BudgetRow", _ROW, many=True),
        "next": serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page."),
    },
)  # fmt: skip


class NewBudgetLine(serializers.Serializer[Any]):
    """A month and its amount, or a year's amount and how it is phased."""

    cost_centre = serializers.CharField(required=False, allow_blank=True, help_text="Empty: the whole (finance alone).")
    provider = serializers.CharField(required=False, allow_blank=True)
    model = serializers.CharField(required=False, allow_blank=True)
    currency = serializers.CharField(required=False, allow_blank=True)
    month = serializers.CharField(required=False, help_text="2026-09, or P01 to P12.")
    amount = serializers.CharField(required=False, help_text="A decimal string.")
    annual = serializers.CharField(required=False, help_text="A decimal string.")
    phasing = serializers.CharField(required=False, help_text="even, last_year, or twelve percentages.")

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Refuse what it has no field for: an amount under a misspelt name would be lost."""
        known_fields(data, self.fields)
        return dict(super().to_internal_value(data))


class NewBudget(serializers.Serializer[Any]):
    """A version of a budget, all of it; an owner's holds the own cost centres alone, and leaves the others' as they are."""

    fiscal_year = serializers.IntegerField(min_value=2001, max_value=2099)
    name = serializers.CharField(required=False, max_length=100)
    version = serializers.ChoiceField(BudgetVersion.Kind.choices, required=False)
    pattern = serializers.ChoiceField([(name, name) for name in PATTERNS], required=False)
    first_month = serializers.IntegerField(required=False, min_value=1, max_value=12)
    lines = NewBudgetLine(many=True)


class BudgetsView(Resource):
    """Budgets."""

    permission_classes = [ProposesBudgets]

    @extend_schema(
        operation_id="budgets_read", tags=["budgets"], summary="Budget against actual",
        parameters=[
            OpenApiParameter("month", OpenApiTypes.STR, pattern="^[0-9]{4}-[0-9]{2}$", description="Default: this month."),
            OpenApiParameter("currency", OpenApiTypes.STR, pattern="^[A-Z]{3}$", description="Default: the site's."),
            *LIMIT_AND_CURSOR,
        ],
        responses={200: _ANSWER, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Of a month and of the fiscal year to its end, by cost centre, the whole first. Variance = budget - actual - accrual.

        Ytd figures leave months out, cost and budget alike, that lie before the ledger begins.
        """
        cursors.known_only(request, ("month", "currency", "limit", "cursor"))
        text, currency = request.query_params.get("month"), currency_of(request.query_params)
        try:
            period = Period.month_of(timezone.now().date()) if text is None else Period.month(text)
        except PeriodError as wrong:
            raise ValidationError({"month": str(wrong)}) from None
        compared = selectors.compared_to_date(period, currency)
        rows = selectors.against_actual(scope_of(request.user), period, currency, compared)
        found, cursor = cursors.page(request, rows, lambda row: (row.code,), [str])
        body = {
            "month": str(period), "year_from": selectors.to_date(period).start, "compared_from": compared.start,
            "versions": [_version(version) for version in selectors.in_force()], "results": [_row(row) for row in found],
            "next": cursor,
        }  # fmt: skip
        return Response(body, headers=cursors.link(request, cursor))

    @extend_schema(
        operation_id="budgets_propose", tags=["budgets"], summary="Propose a budget", parameters=[PARAMETER],
        request=NewBudget, responses={202: ApprovalOut, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Propose a version; it is in force once another person of finance has accepted the approval."""
        cursors.known_only(request, ())
        said = given_in(NewBudget, request)
        if len(said["lines"]) > LINES_MAX:
            raise ValidationError({"lines": f"at most {LINES_MAX:,}"})
        header = list(dict.fromkeys(name for line in said["lines"] for name in line))
        rows = [
            Row(n, {name: str(line.get(name, "")) for name in header}) for n, line in enumerate(said["lines"], start=1)
        ]
        try:
            asked = budgets.Asked(
                said["fiscal_year"], said.get("name", budgets.DEFAULT), said.get("version", "original"), _calendar(said)
            )
            made = budgets.propose(
                asked, header, rows, by=request.user.get_username(), scope=budgets.may_propose_for(request.user)
            )
        except (BudgetError, FiscalError) as wrong:
            raise ValidationError({"lines": str(wrong)}) from None
        assert made.approval is not None
        return Response(described(made.approval), status=202)


def _calendar(said: dict[str, Any]) -> Calendar | None:
    given = {name: said[name] for name in ("pattern", "first_month") if name in said}
    return Calendar(**given) if given else None


def _version(version: BudgetVersion) -> dict[str, Any]:
    return {
        "id": version.budget_id, "fiscal_year": version.budget.fiscal_year, "name": version.budget.name,
        "version": version.number, "kind": version.kind, "approved_at": version.approved_at,
    }  # fmt: skip


def _row(row: selectors.BudgetRow) -> dict[str, Any]:
    names = ("Budget", "Actual", "Accrual", "Variance", "YtdBudget", "YtdActual", "YtdVariance")
    figures = (row.budget, row.actual, row.accrual, row.left, row.ytd_budget, row.ytd_actual, row.ytd_left)
    amounts = {name: None if figure is None else f"{figure:.12f}" for name, figure in zip(names, figures, strict=True)}
    return {"x_CostCentre": row.code, "BillingCurrency": row.currency, **amounts}
