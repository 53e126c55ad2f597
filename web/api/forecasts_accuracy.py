"""REST: how good forecasts were, by the last backtest and at closes."""

from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.scope import scope_of
from forecasting import backtests
from forecasting.calc.backtest import SCORES
from forecasting.forecast_closes import BANDS, Kept, kept
from web.api import cursors
from web.api.currency import currency_of
from web.api.inline import inline_serializer
from web.api.problems import answers
from web.api.resource import Resource

_CURRENCY = OpenApiParameter("currency", OpenApiTypes.STR, pattern="^[A-Z]{3}$", description="Default: the site's.")
_SCORE = inline_serializer(
    "BacktestScore",
    {
        "method": serializers.CharField(help_text="`served`, or `seasonal naive` at the same days."),
        "level": serializers.ListField(child=serializers.CharField(), help_text="None: the whole."),
        "series": serializers.IntegerField(), "cells": serializers.IntegerField(help_text="Actual days forecast."),
        **{name: serializers.FloatField(allow_null=True) for name in SCORES},
    },
)  # fmt: skip
_BACKTEST = inline_serializer(
    "Backtest",
    {
        "backtest": serializers.IntegerField(allow_null=True, help_text="null: none was made yet."),
        "made_at": serializers.DateTimeField(allow_null=True), "history_from": serializers.DateField(allow_null=True),
        "until": serializers.DateField(allow_null=True), "horizon": serializers.IntegerField(allow_null=True),
        "origins": serializers.ListField(child=serializers.DateField()), "BillingCurrency": serializers.CharField(),
        "refused": serializers.IntegerField(allow_null=True), "results": serializers.ListField(child=_SCORE),
    },
)  # fmt: skip
_CLOSE = inline_serializer(
    "ForecastAtClose",
    {
        "month": serializers.CharField(), "x_CostCentre": serializers.CharField(allow_null=True, help_text="null: the whole."),
        "closed_month": serializers.CharField(help_text="At whose close it was in force."),
        "months_ahead": serializers.IntegerField(),
        **{name: serializers.CharField() for name in ("forecast", "actual", "difference")},
        **{
            name: serializers.CharField(allow_null=True, help_text="null: the forecast stated no interval.")
            for name in ("low_80", "high_80")
        },
        "share": serializers.FloatField(allow_null=True, help_text="Difference over forecast."),
        "band": serializers.CharField(
            allow_blank=True, help_text=f"{', '.join(f'{name}: within {share:.0%}' for name, share in BANDS)}; empty: outside."
        ),
        "inside_80": serializers.BooleanField(allow_null=True), "state": serializers.CharField(),
        "bridge": serializers.CharField(),
    },
)  # fmt: skip

_CLOSES = inline_serializer(
    "ForecastsAtCloses",
    {"BillingCurrency": serializers.CharField(), "results": serializers.ListField(child=_CLOSE)},
)


class AccuracyView(Resource):
    """The last backtest."""

    @extend_schema(
        operation_id="forecasts_accuracy", tags=["forecasts"], summary="How good forecasts of the past would have been",
        parameters=[_CURRENCY], responses={200: _BACKTEST, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """MASE, WAPE, weighted quantile loss, bias and coverage by level of the hierarchy, of forecasts made again from days in
        the past without what came after. Ratios only: no amounts.
        """
        currency = _currency(request)
        found = backtests.newest(currency)
        names = ("made_at", "history_from", "until", "horizon", "refused")
        return Response(
            {
                "backtest": found and found.pk, **{name: found and getattr(found, name) for name in names},
                "origins": found.origins if found else [], "BillingCurrency": currency,
                "results": found.scores if found else [],
            }
        )  # fmt: skip


class ClosesView(Resource):
    """Forecasts in force at closes."""

    @extend_schema(
        operation_id="forecasts_closes", tags=["forecasts"], summary="Forecasts in force at closes, and what came",
        parameters=[_CURRENCY], responses={200: _CLOSES, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Months that are frozen beside what was forecast when a month before them was: the whole, or for those who see only
        their cost centres each of these. Exact; variance bands are those of the FinOps Framework.
        """
        currency = _currency(request)
        rows = kept(scope_of(request.user), currency)
        return Response({"BillingCurrency": currency, "results": [_close(row, currency) for row in rows]})


def _close(row: Kept, currency: str) -> dict[str, Any]:
    owner = f"&filter[x_CostCentre]={row.owner}" if row.owner else ""
    return {
        "month": f"{row.month:%Y-%m}", "x_CostCentre": row.owner or None, "closed_month": f"{row.closes:%Y-%m}",
        "months_ahead": row.ahead, "forecast": f"{row.found.forecast:.12f}", "low_80": _text(row.low),
        "high_80": _text(row.high), "actual": f"{row.found.actual:.12f}", "difference": f"{row.found.difference:.12f}",
        "share": row.found.share, "band": row.found.band, "inside_80": row.inside, "state": row.state,
        "bridge": f"/api/v1/bridge?month={row.month:%Y-%m}&currency={currency}{owner}",
    }  # fmt: skip


def _currency(request: Request) -> str:
    """Raises ValidationError."""
    cursors.known_only(request, ("currency",))
    return currency_of(request.query_params)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.12f}"
