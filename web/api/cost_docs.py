"""How GET /api/v1/costs is described in the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from allocation.calc.closing import ORDER
from allocation.selectors import FILTERS
from finops.focus import COST_COLUMNS
from web.api.cost_request import DAYS_MAX, DIMENSIONS_MAX, GRANULARITIES, VIEWS
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR

_PRINTABLE = "^[ -~]{0,200}$"


def _amount(text: str = "", *, required: bool = True) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=30, decimal_places=12, help_text=text, required=required)


def _count(text: str = "") -> serializers.RegexField:
    return serializers.RegexField("^[0-9]+$", help_text=text)


def _signed(text: str = "Negative where lower layers say more than the one that rules.") -> serializers.RegexField:
    return serializers.RegexField("^-?[0-9]+$", help_text=text)


def _dimension(text: str = "") -> serializers.CharField:
    return serializers.CharField(required=False, allow_null=True, help_text=text)


_ROW: dict[str, Any] = {
    "ChargeDate": serializers.DateField(required=False, help_text="With granularity=day."),
    "BillingPeriodStart": serializers.DateField(
        required=False, help_text="First of the month, with granularity=month."
    ),
    **{
        name: _dimension("Null: unallocated." if name == "x_CostCentre" else "")
        for name in FILTERS
        if name != "x_Provenance"
    },
    **{name: _amount("Where it is the column asked for.", required=False) for name in COST_COLUMNS},
    "BillingCurrency": serializers.CharField(),
    "Previous": _amount("The same group in the period before, with compare=previous.", required=False),
    "Requests": _signed(),
    "Queries": _count(),
    "x_EstimatedQueries": _count("Queries whose tier is an estimate."),
    "x_Tokens": _signed(),
    "x_UnpricedTokens": _signed(
        "Tokens without a price: in no cost column. Negative where a correction takes some back."
    ),
    "x_UnpricedEstimate": _amount("What they would cost at a proxy price; in no total."),
    "x_Provenance": serializers.CharField(
        help_text="Where the figure comes from, comma separated where from several: billed, provider-reported, "
        "computed, allocated, estimated, projected."
    ),
}
_TOTALS = inline_serializer(
    "CostTotals",
    {
        **{name: _amount("Where it is the column asked for.", required=False) for name in COST_COLUMNS},
        "BillingCurrency": serializers.CharField(),
        "Previous": _amount(required=False),
        "unallocated": _amount("Part of the total that no rule gives to anybody."),
        "unpriced": inline_serializer("Unpriced", {"tokens": _signed(), "estimate": _amount("In no total.")}),
        "Requests": _signed(),
        "Queries": _count(),
        "x_Tokens": _signed(),
    },
)
COST_PAGE = inline_serializer(
    "CostPage",
    {
        "results": inline_serializer("CostRow", _ROW, many=True),
        "totals": _TOTALS,
        "next": serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page."),
        "as_of": serializers.DateTimeField(allow_null=True, help_text="End of the last import that the figures know."),
        "pending_days": serializers.IntegerField(help_text="Days with news that are not yet in the figures."),
        "period_state": serializers.ChoiceField(ORDER),
        "currencies": serializers.ListField(
            child=serializers.CharField(), help_text="Currencies with cost in the period; totals never mix them."
        ),
    },
)


def _text(name: str, text: str, *, pattern: str | None = None, enum: tuple[str, ...] | None = None) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, description=text, pattern=pattern, enum=enum)


PARAMETERS = [
    _text("month", "YYYY-MM. Instead of `start` and `end`.", pattern="^20[0-9]{2}-(0[1-9]|1[0-2])$"),
    OpenApiParameter("start", OpenApiTypes.DATE, description="First day."),
    OpenApiParameter("end", OpenApiTypes.DATE, description=f"First day after the period; at most {DAYS_MAX} days."),
    OpenApiParameter(
        "group_by",
        {
            "type": "array",
            "items": {"type": "string", "enum": list(FILTERS)},
            "maxItems": DIMENSIONS_MAX,
            "uniqueItems": True,
        },
        style="form",
        explode=False,
        description="Dimensions, comma separated. Without: one row for all.",
    ),
    _text("granularity", "One row per group, or per group and month or day.", enum=GRANULARITIES),
    _text("column", "Which cost.", enum=COST_COLUMNS),
    _text(
        "currency",
        "ISO 4217; the site's own when missing. Other currencies are not in the answer: see `currencies`.",
        pattern="^[A-Z]{3}$",
    ),
    _text(
        "compare",
        "`previous`: adds Previous, the same group in the month before (for whole months: as many months; else as many "
        "days just before). Groups that had cost only then appear with 0. Days are compared by their place in the "
        "period; those of a longer period before count on the last day.",
        enum=("previous",),
    ),
    _text(
        "view",
        "Of months that are closed: `as-was`, what was charged then (the default), or `as-is`, what they cost as far as is "
        "known now: with the corrections that later months bear, without those that they bear themselves. Calls are counted "
        "as they were.",
        enum=VIEWS,
    ),
    *(
        _text(
            f"filter[{name}]",
            "Values, comma separated; `*` and `?` as in file names; empty: those without one."
            + (" `(unallocated)`: what no rule gives to anybody." if name == "x_CostCentre" else ""),
            pattern=_PRINTABLE,
        )
        for name in FILTERS
    ),
    *LIMIT_AND_CURSOR,
]
