"""GET /api/v1/kpis: every key figure with its definition, of one month beside the one before."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import selectors
from allocation.calc.kpis import DIRECTIONS, UNITS, Kpi, Value
from allocation.scope import scope_of
from allocation.selectors import CostQuery
from allocation.statement_selectors import snapshot
from finops.periods import Period, PeriodError
from web import kpis
from web.api import cursors
from web.api.inline import inline_serializer
from web.api.problems import answers
from web.api.resource import Resource

_NUMBER: dict[str, Any] = {"max_digits": 38, "decimal_places": 12, "allow_null": True}
_TARGET = inline_serializer(
    "KpiTarget", {"value": serializers.CharField(), "source": serializers.CharField()}, allow_null=True
)
_KPI = inline_serializer(
    "Kpi",
    {
        "code": serializers.CharField(), "name": serializers.CharField(), "meaning": serializers.CharField(),
        "formula": serializers.CharField(help_text="Of measures, which add up over months and cost centres."),
        "unit": serializers.ChoiceField(UNITS), "better": serializers.ChoiceField(DIRECTIONS),
        "column": serializers.CharField(), "owner": serializers.CharField(), "source": serializers.CharField(),
        "target": _TARGET, "numerator": serializers.DecimalField(**_NUMBER),
        "denominator": serializers.DecimalField(**_NUMBER),
        "value": serializers.DecimalField(help_text="null: nothing to divide by, or not known in your scope.", **_NUMBER),
        "previous": serializers.DecimalField(help_text="Of the month before.", **_NUMBER),
        "met": serializers.BooleanField(allow_null=True),
    },
    many=True,
)  # fmt: skip
_ANSWER = inline_serializer(
    "Kpis",
    {
        "month": serializers.CharField(), "BillingCurrency": serializers.CharField(),
        "measures": serializers.DictField(child=serializers.CharField(), help_text="What each measure is."),
        "glossary": serializers.DictField(child=serializers.CharField()), "results": _KPI,
    },
)  # fmt: skip
_PARAMETERS = [
    OpenApiParameter("month", str, description="`2026-09`; default: the newest with cost that you may see."),
    OpenApiParameter("currency", str, description="Default: the site's."),
]


class KpisView(Resource):
    """The registry of key figures, with values."""

    @extend_schema(
        operation_id="kpis_list", tags=["kpis"], summary="Key figures and what they mean", parameters=_PARAMETERS,
        responses={200: _ANSWER, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Every key figure of a month within your scope: definition, formula, sums, value, the month before, target.

        A figure is a ratio of sums, so those of several months or cost centres add up by `numerator` and `denominator`.
        """
        cursors.known_only(request, ("month", "currency"))
        scope = scope_of(request.user)
        with snapshot():
            month = _month(request, selectors.months(scope))
            currency = request.query_params.get("currency") or settings.REPORT_CURRENCY
            now, before = (kpis.values(scope, CostQuery(of, currency=currency)) for of in (month, month.previous()))
        registry = kpis.registry()
        return Response(
            {
                "month": str(month), "BillingCurrency": currency, "measures": registry.measures,
                "glossary": registry.glossary,
                "results": [_row(one, was) for one, was in zip(now, before, strict=True)],
            }
        )  # fmt: skip


def _month(request: Request, known: list[str]) -> Period:
    asked = request.query_params.get("month")
    if asked is None:
        return Period.month(known[0]) if known else Period.month_of(timezone.now().date())
    try:
        return Period.month(asked)
    except PeriodError as wrong:
        raise ValidationError({"month": str(wrong)}) from None


def _row(one: Value, was: Value) -> dict[str, Any]:
    return {
        **definition(one.kpi), "numerator": _text(one.numerator), "denominator": _text(one.denominator),
        "value": _text(one.value), "previous": _text(was.value), "met": one.met,
    }  # fmt: skip


def definition(kpi: Kpi) -> dict[str, Any]:
    """What a figure means, as it is answered."""
    target = kpi.target and {"value": str(kpi.target.value), "source": kpi.target.source}
    return {
        "code": kpi.code, "name": kpi.name, "meaning": kpi.words, "formula": kpi.formula, "unit": kpi.unit,
        "better": kpi.better, "column": kpi.column, "owner": kpi.owner, "source": kpi.source, "target": target,
    }  # fmt: skip


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
