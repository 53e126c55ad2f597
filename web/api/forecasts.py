"""REST: forecasts of cost as they were stored."""

from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.scope import scope_of
from forecasting import forecast_selectors as selectors
from forecasting import forecasts
from forecasting.calc.stated import Band
from forecasting.models import Forecast, ForecastDay, ForecastSeries
from web.api import cursors
from web.api.currency import currency_of
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.problems import answers
from web.api.resource import Resource

_SHARES = serializers.DictField(
    child=serializers.FloatField(allow_null=True), help_text="Interval in percent -> share."
)
_UNSTATED = "null: too few past forecasts are known to state it."
_MONTH = inline_serializer(
    "ForecastMonth",
    {
        "month": serializers.CharField(), "whole": serializers.BooleanField(help_text="The forecast reaches its end."),
        "actual": serializers.CharField(help_text="Of its days before the forecast."), "point": serializers.CharField(),
        **{name: serializers.CharField(allow_null=True, help_text=_UNSTATED) for name in ("low_80", "high_80")},
        "percentiles": serializers.ListField(
            child=serializers.CharField(), help_text="1 to 99, of which 50 is the point; none where no interval is stated."
        ),
        "budget": serializers.CharField(allow_null=True, help_text="Of the whole and of cost centres; null: none."),
        "over": serializers.FloatField(
            allow_null=True,
            help_text="Probability that the budget is passed; null without one, of a part of a month, and without an interval.",
        ),
    },
)  # fmt: skip
_DAY = inline_serializer(
    "ForecastDay",
    {
        **{name: serializers.CharField() for name in ("day", "point")},
        **{name: serializers.CharField(allow_null=True, help_text=_UNSTATED) for name in Band._fields},
    },
)

_SERIES = inline_serializer(
    "ForecastSeries",
    {
        "key": serializers.DictField(child=serializers.CharField(allow_blank=True)),
        "method": serializers.CharField(allow_blank=True, help_text="Empty: refused."),
        "refusal": serializers.CharField(allow_blank=True, help_text="Why, or what is not in the sum."),
        "history": serializers.IntegerField(help_text="Days."), "checked": serializers.IntegerField(),
        "skill": serializers.FloatField(allow_null=True, help_text="Mean absolute error over that of seasonal naive."),
        "basis": serializers.CharField(allow_blank=True),
        "coverage": serializers.DictField(
            child=serializers.FloatField(allow_null=True),
            help_text="Of the intervals that are stated: percent -> share of past days inside; null: not measured.",
        ),
        "unstated": serializers.CharField(allow_blank=True, help_text="Why it has no interval and no odds; empty: it has."),
        "months": serializers.ListField(child=_MONTH), "days": serializers.ListField(child=_DAY, required=False),
    },
)  # fmt: skip
_MARK = inline_serializer(
    "ForecastMark",
    {
        "first": serializers.DateField(), "last": serializers.DateField(),
        "event": serializers.CharField(allow_blank=True, help_text="Empty: list prices change."),
        "where": serializers.DictField(child=serializers.ListField(child=serializers.CharField())),
        "factor": serializers.FloatField(),
    },
)  # fmt: skip
_ANSWER = inline_serializer(
    "Forecasts",
    {
        "forecast": serializers.IntegerField(allow_null=True, help_text="null: none was made yet."),
        "made_at": serializers.DateTimeField(allow_null=True), "history_from": serializers.DateField(allow_null=True),
        "starts_on": serializers.DateField(allow_null=True),
        "horizon": serializers.IntegerField(allow_null=True, help_text="Days."),
        "BillingCurrency": serializers.CharField(), "coverage": _SHARES, "checked": serializers.IntegerField(),
        "notes": serializers.ListField(child=serializers.CharField()),
        "marks": serializers.ListField(child=_MARK, help_text="Announced price steps and calendar events ahead."),
        "results": serializers.ListField(child=_SERIES),
        "next": serializers.CharField(allow_null=True),
    },
)  # fmt: skip

_FILTERS = {f"filter[{name}]": name for name in forecasts.POSSIBLE}
_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("forecast", "made_at", "history_from", "starts_on", "horizon", "next")),
    "coverage": {}, "checked": 0, "marks": [], "results": [],
}  # fmt: skip


class ForecastsView(Resource):
    """Forecasts of daily cost."""

    @extend_schema(
        operation_id="forecasts_read", tags=["forecasts"], summary="What cost is forecast to be",
        parameters=[
            OpenApiParameter(
                "group_by", OpenApiTypes.STR,
                description=f"Columns that tell series apart, by commas: {', '.join(forecasts.DIMENSIONS)}; none: the whole.",
            ),
            OpenApiParameter(
                "granularity", OpenApiTypes.STR, enum=["month", "day"], description="`day` adds the days. Default: month."
            ),
            OpenApiParameter("currency", OpenApiTypes.STR, pattern="^[A-Z]{3}$", description="Default: the site's."),
            OpenApiParameter("forecast", {"type": "integer", "minimum": 1}, description="Default: the newest."),
            *(
                OpenApiParameter(
                    f"filter[{name}]", OpenApiTypes.STR, pattern="^[ -~]{0,200}$",
                    description="The series of this value, as it stands in `key`; `group_by` must tell it apart.",
                )
                for name in forecasts.POSSIBLE
            ),
            *LIMIT_AND_CURSOR,
        ],
        responses={200: _ANSWER, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Points add up: days to their month, and series to the whole, of which a day's point is the median of what may come.
        EffectiveCost at the prices of its day, announced ones included. A series that history cannot carry is refused with the
        reason and has no figures. Coverage: how many past days lay inside intervals that were made without them; null: history
        holds too few. Those who see only their cost centres see the levels that tell cost centres apart.
        """
        known = ("group_by", "granularity", "currency", "forecast", "limit", "cursor", *_FILTERS)
        cursors.known_only(request, known)
        (asked, daily), scope = _asked(request), scope_of(request.user)
        limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
        try:
            found = selectors.held(asked)
        except selectors.NoneYet as none:
            return Response(_NOTHING | {"BillingCurrency": asked.money, "notes": [str(none)]})
        except selectors.NoForecast as none:
            raise NotFound(str(none)) from None
        rows = selectors.series(scope, found, asked.level).order_by("pk")
        rows = rows.filter(**_filters(request, asked.level))
        page = list((rows if place is None else rows.filter(pk__gt=place[0]))[: limit + 1])
        cursor = cursors.written(request, [page[limit - 1].pk]) if len(page) > limit else None
        answer = {
            "forecast": found.pk, "made_at": found.made_at, "history_from": found.history_from, "starts_on": found.starts_on,
            "horizon": found.horizon, "BillingCurrency": found.currency, "coverage": found.coverage,
            "checked": found.checked, "notes": selectors.notes(scope, found),
            "marks": selectors.marks(scope, found),
            "results": _described(found, page[:limit], daily=daily), "next": cursor,
        }  # fmt: skip
        return Response(answer, headers=cursors.link(request, cursor))


def _asked(request: Request) -> tuple[selectors.Asked, bool]:
    """Raises ValidationError."""
    said = request.query_params
    level = tuple(name for name in forecasts.POSSIBLE if name in (names := said.get("group_by", "").split(",")))
    if len(level) != len([name for name in names if name]):
        raise ValidationError(
            {"group_by": f"some of {', '.join(forecasts.DIMENSIONS)}, each once, with commas between"}
        )
    granularity, number = said.get("granularity", "month"), said.get("forecast")
    if granularity not in ("month", "day"):
        raise ValidationError({"granularity": "month or day"})
    if number is not None and not (number.isascii() and number.isdigit() and 0 < int(number[:19]) < 2**63):
        raise ValidationError({"forecast": "a whole number of at least 1"})
    return selectors.Asked(level, currency_of(said), None if number is None else int(number)), granularity == "day"


def _filters(request: Request, level: tuple[str, ...]) -> dict[str, str]:
    """Places of the key -> values. Raises ValidationError."""
    found = {}
    for parameter, name in _FILTERS.items():
        value = request.query_params.get(parameter)
        if value is None:
            continue
        if name not in level:
            raise ValidationError({parameter: f"group_by must name {name} too"})
        found[f"key__{level.index(name)}"] = value
    return found


def _described(found: Forecast, rows: list[ForecastSeries], *, daily: bool) -> list[dict[str, Any]]:
    months = {
        pk: [
            {
                "month": f"{row.month:%Y-%m}", "whole": row.whole, "actual": f"{row.actual:.12f}", "point": f"{row.point:.12f}",
                "low_80": _text(each.low_80), "high_80": _text(each.high_80),
                "percentiles": [f"{one:.12f}" for one in row.percentiles],
                "budget": None if each.budget is None else f"{each.budget:.12f}", "over": each.over,
            }
            for each in mine for row in [each.row]
        ]
        for pk, mine in selectors.months(found, rows).items()
    }  # fmt: skip
    days: dict[int, list[dict[str, Any]]] = {}
    of = {row.pk: row for row in rows}
    for day in ForecastDay.objects.filter(series__in=rows if daily else []).order_by("series", "day"):
        bounds = {name: _text(bound) for name, bound in selectors.band(of[day.series_id], day)._asdict().items()}
        told = {"day": day.day.isoformat(), "point": _text(day.point), **bounds}
        days.setdefault(day.series_id, []).append(told)
    return [
        {
            "key": dict(zip(row.level, row.key, strict=True)), "method": row.method, "refusal": row.refusal,
            "history": row.history, "checked": row.checked, "basis": row.basis, "coverage": row.coverage,
            "unstated": selectors.unstated(row),
            "skill": None if row.skill is None else float(row.skill),
            "months": months.get(row.pk, []), **({"days": days.get(row.pk, [])} if daily else {}),
        }
        for row in rows
    ]  # fmt: skip


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.12f}"
