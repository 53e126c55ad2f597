"""How GET /api/v1/bridge and /api/v1/indices are described in the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from allocation.calc.bridge_effects import BUDGET, EFFECTS
from allocation.calc.indices import FACTORS, SPEND
from allocation.selectors import FILTERS
from allocation.value.bridge import DIMENSIONS
from finops.focus import COST_COLUMNS
from web import bridge_words
from web.api.bridge_request import GROUPS_MAX
from web.api.cost_docs import PARAMETERS
from web.api.inline import inline_serializer
from web.api.page_docs import A_MONTH, LIMIT_AND_CURSOR

_OF_COSTS = ("month", "start", "end", "column", "currency", *(f"filter[{name}]" for name in FILTERS))
_SAME = [each for each in PARAMETERS if each.name in _OF_COSTS]
_MONTH = "^20[0-9]{2}-(0[1-9]|1[0-2])$"
_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
NOTES = serializers.ListField(
    child=serializers.CharField(),
    help_text="Values of a filter that no usage in the period has, and a currency in which nothing is billed: why figures are 0.",
)

BRIDGE_PARAMETERS = [
    *_SAME,
    OpenApiParameter(
        "group_by",
        {"type": "array", "items": {"type": "string", "enum": list(DIMENSIONS)}, "maxItems": GROUPS_MAX, "uniqueItems": True},
        style="form", explode=False, description="Drill-down: the same bridge by these dimensions, in `results`.",
    ),
    OpenApiParameter(
        "compare_month", OpenApiTypes.STR, pattern=_MONTH,
        description="The month before. Without `compare_month` and `compare_start`: as many months, or days, just before.",
    ),
    OpenApiParameter("compare_start", OpenApiTypes.DATE, description="First day of the period before."),
    OpenApiParameter("compare_end", OpenApiTypes.DATE, description="First day after the period before."),
    OpenApiParameter(
        "against", OpenApiTypes.STR, enum=("budget",),
        description="`budget`: from the budget of the period to its cost. A budget has an amount and no drivers: by how much "
        "the period before lay above it is one effect, and the others explain the way from there.",
    ),
    *(
        OpenApiParameter(
            f"compare_filter[{name}]", OpenApiTypes.STR, pattern="^[ -~]{0,200}$",
            description="As `filter`, of the period before. If any is given, they are all its filters.",
        )
        for name in FILTERS
    ),
    *LIMIT_AND_CURSOR,
]  # fmt: skip
INDEX_PARAMETERS = [*_SAME, *LIMIT_AND_CURSOR]


def _amount(text: str = "") -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=30, decimal_places=12, help_text=text)


_SIDE: dict[str, Any] = {
    "start": serializers.DateField(), "end": serializers.DateField(help_text="First day after it."), "cost": _amount(),
}  # fmt: skip
_EFFECT: dict[str, Any] = {
    "effect": serializers.CharField(
        help_text="; ".join(f"{name}: {bridge_words.meaning(name)}" for name in (BUDGET, *EFFECTS))
    ),
    "label": serializers.CharField(), "meaning": serializers.CharField(), "amount": _amount("Exact."),
    "rounded": serializers.CharField(help_text="In the currency's minor unit, by largest remainder."),
}  # fmt: skip
_ROW: dict[str, Any] = {
    **{name: serializers.CharField(required=False, allow_null=True) for name in DIMENSIONS}, "before": _amount(),
    "after": _amount(), "delta": _amount(),
    "effects": serializers.DictField(child=_amount(), help_text="Effect -> amount; those of nothing are left out."),
}  # fmt: skip
_KEYS: dict[str, Any] = {
    "began": _amount("Cost after, of use cases without any before."),
    "stopped": _amount("The reverse."),
}
_ESTIMATED: dict[str, Any] = {
    name: serializers.DecimalField(
        max_digits=7, decimal_places=6, allow_null=True,
        help_text="Of the cost with a tier, the share whose tier is estimated (buckets); null: no cost has a tier.",
    )
    for name in ("before", "after")
}  # fmt: skip
BRIDGE = inline_serializer(
    "Bridge",
    {
        "column": serializers.ChoiceField(COST_COLUMNS), "BillingCurrency": serializers.CharField(),
        "sentence": serializers.CharField(help_text="What moved spend most, in words."),
        "before": inline_serializer("BridgeBefore", {**_SIDE, "is_budget": serializers.BooleanField()}),
        "after": inline_serializer("BridgeAfter", _SIDE), "delta": _amount("after - before; the sum of the effects."),
        "effects": inline_serializer("BridgeEffect", _EFFECT, many=True),
        "keys": inline_serializer("BridgeKeys", _KEYS),
        "estimated_tiers": inline_serializer("BridgeEstimatedTiers", _ESTIMATED), "notes": NOTES,
        "results": inline_serializer("BridgeRow", _ROW, many=True), "next": _NEXT,
    },
)  # fmt: skip
_RATIOS: dict[str, Any] = {name: serializers.CharField() for name in (*FACTORS, SPEND)}
_INDEX: dict[str, Any] = {
    "BillingPeriodStart": serializers.DateField(), "cost": _amount(), "Queries": serializers.CharField(),
    "Requests": serializers.CharField(), "x_Tokens": serializers.CharField(),
    "base": serializers.DateField(allow_null=True, help_text="The month in which the chained indices are 1."),
    "links": inline_serializer("IndexLinks", _RATIOS, allow_null=True),
    "chained": inline_serializer("IndexChained", _RATIOS, allow_null=True),
    "why": serializers.CharField(allow_blank=True, help_text="What a month lacks that has no index."),
}  # fmt: skip
INDICES = inline_serializer(
    "Indices",
    {
        "column": serializers.ChoiceField(COST_COLUMNS), "BillingCurrency": serializers.CharField(),
        "notes": NOTES, "results": inline_serializer("Index", _INDEX, many=True), "next": _NEXT,
    },
)  # fmt: skip
_ZERO, _TEN = "0.000000000000", "10.000000000000"
BRIDGE_EXAMPLES = [
    A_MONTH,
    OpenApiExample(
        "September against August, by tier",
        summary="GET /api/v1/bridge?month=2026-09&group_by=x_QueryTier",
        description="Half as many queries again, everything else as it was.",
        response_only=True, status_codes=["200"],
        value={
            "column": "EffectiveCost", "BillingCurrency": "USD",
            "sentence": "Spend rose 50\u202f% to $15.00, mostly because of 50\u202f% more queries (+$5.00).",
            "before": {"start": "2026-08-01", "end": "2026-09-01", "cost": _TEN, "is_budget": False},
            "after": {"start": "2026-09-01", "end": "2026-10-01", "cost": "15.000000000000"}, "delta": "5.000000000000",
            "effects": [
                {"effect": "volume", "label": bridge_words.label("volume"), "meaning": bridge_words.meaning("volume"),
                 "amount": "5.000000000000", "rounded": "5.00"}
            ],
            "keys": {"began": _ZERO, "stopped": _ZERO},
            "estimated_tiers": {"before": "0.000000", "after": "0.000000"}, "notes": [],
            "results": [
                {"x_QueryTier": "simple", "before": _TEN, "after": "15.000000000000", "delta": "5.000000000000",
                 "effects": {"volume": "5.000000000000"}}
            ],
            "next": None,
        },
    )
]  # fmt: skip
_LINK = {"tasks": "1.500000000000", "calls_per_task": "1.000000000000", "tokens_per_call": "1.000000000000",
         "price_per_token": "1.000000000000", "spend": "1.500000000000"}  # fmt: skip
INDEX_EXAMPLES = [
    A_MONTH,
    OpenApiExample(
        "August and September",
        summary="GET /api/v1/indices?start=2026-08-01&end=2026-10-01",
        description="Half as many queries again, everything else as it was.",
        response_only=True, status_codes=["200"],
        value={
            "column": "EffectiveCost", "BillingCurrency": "USD", "notes": [],
            "results": [
                {"BillingPeriodStart": "2026-08-01", "cost": _TEN, "Queries": "100", "Requests": "100", "x_Tokens": "10000",
                 "base": "2026-08-01", "links": None, "chained": dict.fromkeys(_LINK, "1.000000000000"), "why": ""},
                {"BillingPeriodStart": "2026-09-01", "cost": "15.000000000000", "Queries": "150", "Requests": "150",
                 "x_Tokens": "15000", "base": "2026-08-01", "links": _LINK, "chained": _LINK, "why": ""},
            ],
            "next": None,
        },
    )
]  # fmt: skip
