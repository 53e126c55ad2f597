"""How /api/v1/queries and /api/v1/usage are described in the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from allocation.calc.closing import ORDER
from allocation.selectors import FILTERS
from allocation.value.query_rows import FILTERS as OF_QUERIES
from allocation.value.usage import BY_CLASS
from finops.focus import TIERS
from web.api import cost_docs
from web.api.bridge_docs import NOTES
from web.api.cost_request import DIMENSIONS_MAX
from web.api.inline import inline_serializer
from web.api.outcomes_docs import NEXT, number, text
from web.api.page_docs import A_MONTH, LIMIT_AND_CURSOR

_COSTS = {each.name: each for each in cost_docs.PARAMETERS}
_TRACE = [
    OpenApiParameter(
        "trace",
        OpenApiTypes.STR,
        description="Instead of `day`, never beside it: the trace id as its caller knows it, as "
        "4bf92f3577b34da6a3ce929d0e0e4736. Queries with it, whatever their day.",
    ),
    OpenApiParameter(
        "source", OpenApiTypes.STR, description="With `trace`: the kind of source that told of it (litellm)."
    ),
    OpenApiParameter("account", OpenApiTypes.STR, description="With `trace`: the account it was told under."),
]
BIN = "^(none|-?[0-9]{1,4}([.][.]-?[0-9]{1,4})?)$"
LIST_PARAMETERS = [
    OpenApiParameter(
        "day", OpenApiTypes.DATE, description="The day on which the queries begin; by default the last of which any are kept."
    ),
    *_TRACE,
    OpenApiParameter(
        "bin", OpenApiTypes.STR, pattern=BIN,
        description="Bins of cost, floor(20 log10(ListCost)): one (`-60`), from the first to the last (`-60..-41`), or `none`: "
        "queries that cost nothing or that have a call without a price.",
    ),
    *(_COSTS[f"filter[{name}]"] for name in OF_QUERIES), *LIMIT_AND_CURSOR,
]  # fmt: skip
ONE_PARAMETERS = [
    OpenApiParameter(
        "number", OpenApiTypes.STR, OpenApiParameter.PATH,
        description="The `id` of the list: the hash of its trace, a 64-bit number with its sign.",
    ),
    OpenApiParameter(
        "day", OpenApiTypes.DATE, description="On which it begins, of a trace that was used again later; the last without."
    ),
    *LIMIT_AND_CURSOR,
]  # fmt: skip
USAGE_PARAMETERS = [
    *(_COSTS[name] for name in ("month", "start", "end")),
    OpenApiParameter(
        "group_by",
        {
            "type": "array",
            "items": {"type": "string", "enum": [*FILTERS, BY_CLASS]},
            "maxItems": DIMENSIONS_MAX + 1,
            "uniqueItems": True,
        },
        style="form",
        explode=False,
        description=f"Dimensions, comma separated; `{BY_CLASS}`: one row per token class. Without: one row for all.",
    ),
    _COSTS["granularity"], *(_COSTS[f"filter[{name}]"] for name in FILTERS), *LIMIT_AND_CURSOR,
]  # fmt: skip


def _count(help_text: str = "", *, null: bool = False) -> serializers.RegexField:
    return serializers.RegexField("^-?[0-9]+$", help_text=help_text, allow_null=null)


def _tokens(help_text: str = "By token class, those that are not zero.") -> serializers.DictField:
    return serializers.DictField(child=serializers.RegexField("^-?[0-9]+$"), help_text=help_text)


def _whole(help_text: str = "", *, null: bool = False) -> serializers.IntegerField:
    return serializers.IntegerField(help_text=help_text, allow_null=null)


_BIN: dict[str, Any] = {
    "bin": _whole("Of the distribution: floor(20 log10(ListCost)); null: free, or not priced whole.", null=True),
    "from": number("The least cost of its bin.", null=True), "below": number("The least of the next.", null=True),
}  # fmt: skip
_TIER: dict[str, Any] = {
    "x_QueryTier": serializers.ChoiceField(TIERS), "rule": text("Of the tier policy."), "condition": text("That fired."),
    "policy": _whole("Version of the tier policy."),
}  # fmt: skip
_OWNER: dict[str, Any] = {
    "x_CostCentre": text("Who bears most of its first call; null: nobody.", null=True), "x_Team": text(null=True),
}  # fmt: skip
_COST: dict[str, Any] = {
    "ListCost": number("Of all of its calls, at the prices of their days, exact."), "BillingCurrency": text("Of the prices."),
    "priced": serializers.BooleanField(help_text="Every call has a price; what has none counts as nothing."),
}  # fmt: skip
_ROW: dict[str, Any] = {
    "id": text("null: a single call without a trace, which cannot be asked for.", null=True), "day": serializers.DateField(),
    "begins_at": serializers.DateTimeField(allow_null=True), **_COST, **_BIN, "calls": _whole(), "x_Tokens": _count(),
    "tokens": _tokens(), **_TIER, **_OWNER, "ServiceProviderName": text("Of its first call, as what follows."), "x_Model": text(),
    "x_Environment": text(), "x_Feature": text(),
}  # fmt: skip
PAGE = inline_serializer(
    "Queries",
    {
        "results": inline_serializer("QueryRow", dict(_ROW), many=True),
        "totals": inline_serializer(
            "QueryTotals",
            {
                "Queries": _count("That are asked for, on all pages."), "ListCost": number("Of them."),
                "in_buckets": _count("Queries of the day in providers' buckets: nobody knows single ones of them."),
            },
        ),
        "stale": serializers.BooleanField(help_text="Facts or prices of the day changed; figures follow within minutes."),
        "notes": NOTES, "next": NEXT,
    },
)  # fmt: skip
_PRICE: dict[str, Any] = {
    "id": _whole(), "book": text(), "provider": text(), "model": text("As the book has it, perhaps a pattern."),
    "valid_from": serializers.DateTimeField(), "valid_to": serializers.DateTimeField(allow_null=True), "currency": text(),
    "version": text("Of the book."), "source": text(),
}  # fmt: skip
_LINE: dict[str, Any] = {
    "x_TokenClass": text(), "tokens": _count(), "ListCost": number("tokens x rate / per; null: no price.", null=True),
    "rate": number("null: no price, or `average`.", null=True), "per": _whole("Tokens that the rate is for.", null=True),
    "average": serializers.BooleanField(help_text="Usage at several rates (an excess band) costs their average."),
    "standard_assumed": serializers.BooleanField(help_text="The book has no price of its service tier."),
    "price": inline_serializer("QueryPrice", _PRICE, allow_null=True),
}  # fmt: skip
_CHARGED: dict[str, Any] = {
    "BillingCurrency": text(), "ListCost": number("Of all usage of its key and tier that day."), "ContractedCost": number(),
    "EffectiveCost": number(), "contracted_factor": number("ContractedCost / ListCost.", null=True),
    "effective_factor": number("EffectiveCost / ListCost.", null=True), "fx_rate": number("Of list prices to BillingCurrency."),
    "of_this": number("EffectiveCost of this part at that factor: allocated, as nobody charges single calls.", null=True),
}  # fmt: skip
_BORNE: dict[str, Any] = {
    **_OWNER, "share": number(), "yours": serializers.BooleanField(help_text="false: of somebody whom you may not see."),
    "EffectiveCost": number(null=True),
}  # fmt: skip
_TEXTS = (
    "layer", "source", "ServiceProviderName", "x_Model", "model_requested", "region", "mode", "service_tier",
    "service_tier_requested", "effort", "operation", "x_Environment", "x_Feature", "project", "api_key",
)  # fmt: skip
_PART: dict[str, Any] = {
    "day": serializers.DateField(), "calls": _whole(), **{name: text() for name in _TEXTS},
    "tags": serializers.DictField(child=serializers.CharField()), "prices": inline_serializer("QueryLine", _LINE, many=True),
    "ListCost": number(), "BillingCurrency": text(),
    "charged_elsewhere": serializers.BooleanField(help_text="Another layer knows the same calls, and is charged for them."),
    "charged": inline_serializer("QueryCharged", _CHARGED, allow_null=True),
    "rule": text("That allocates it; null: none does, or it is not yours.", null=True), "rules_version": _whole(),
    "borne_by": inline_serializer("QueryBearer", _BORNE, many=True),
}  # fmt: skip
_CALL: dict[str, Any] = {
    "id": serializers.UUIDField(), "day": serializers.DateField(), "at": serializers.DateTimeField(),
    "ServiceProviderName": text(), "x_Model": text(), "failed": serializers.BooleanField(), "tool_calls": _whole(),
    "tokens": _tokens(), "units": serializers.DictField(child=number(), help_text="Charged apart, not in ListCost."),
    "ListCost": number(), "priced": serializers.BooleanField(), "reported_cost": number("As its source says.", null=True),
    "run": inline_serializer(
        "QueryRun", {"id": _whole(), "source": text(), "input": text()}, allow_null=True,
        help_text="The import it came with; null for who sees no imports.",
    ),
}  # fmt: skip
_PREDICTION: dict[str, Any] = {
    "asked_at": serializers.DateTimeField(), "late": serializers.BooleanField(help_text="Asked after its first call."),
    "x_QueryTier": text("Of the model that came; null: not compared yet.", null=True), "low": number(null=True),
    "high": number(null=True), "candidates": serializers.DictField(help_text="By model; `*`: any."),
}  # fmt: skip
_OUTCOME: dict[str, Any] = {
    "source": text(), "id": text(), "task": text(), "at": serializers.DateTimeField(), "success": serializers.BooleanField(),
    "quality": number(null=True), "value": number(null=True), "currency": text(), "evidence": text(),
    "counts": serializers.BooleanField(help_text="Of the attempts at its task, the one that it counts by."),
}  # fmt: skip
ONE = inline_serializer(
    "QueryWhole",
    {
        "id": text(), "day": serializers.DateField(help_text="On which it begins and counts."),
        "begins_at": serializers.DateTimeField(), "ends_at": serializers.DateTimeField(help_text="Its last call."), **_COST,
        **_BIN, "calls": _whole(), "tokens": _tokens(), **_TIER,
        "evidence": serializers.DictField(child=serializers.IntegerField(), help_text="What the tier's rules look at."),
        **_OWNER, "period": text("The month it counts in."), "period_state": serializers.ChoiceField(ORDER),
        "pending": serializers.BooleanField(help_text="Facts of its days changed; figures follow within minutes."),
        "parts": inline_serializer("QueryPart", _PART, many=True),
        "results": inline_serializer("QueryCall", _CALL, many=True, help_text="Its calls by time, by pages."),
        "prediction": inline_serializer("PredictionOfQuery", _PREDICTION, allow_null=True),
        "outcomes": inline_serializer("QueryOutcome", _OUTCOME, many=True), "next": NEXT,
    },
)  # fmt: skip
_COUNTS: dict[str, Any] = {
    "Requests": _count("null of a row of one token class.", null=True), "Queries": _count("As Requests.", null=True),
    "x_Tokens": _count("Of all classes; negative where bills or corrections take some back."),
    "x_UnpricedTokens": _count("Of them without a price."),
    "tokens": _tokens("By token class; `other`: of bills that do not say."),
}  # fmt: skip
USAGE = inline_serializer(
    "UsagePage",
    {
        "results": inline_serializer(
            "UsageRow",
            {
                "ChargeDate": serializers.DateField(required=False, help_text="With granularity=day."),
                "BillingPeriodStart": serializers.DateField(required=False, help_text="With granularity=month."),
                **{name: serializers.CharField(required=False, allow_null=True) for name in FILTERS},
                BY_CLASS: serializers.CharField(required=False), **_COUNTS,
            },
            many=True,
        ),
        "totals": inline_serializer("UsageTotals", dict(_COUNTS)), "next": NEXT,
        "as_of": serializers.DateTimeField(allow_null=True, help_text="End of the last import that the figures know."),
        "pending_days": _whole("Days with news that are not yet in the figures."),
        "period_state": serializers.ChoiceField(ORDER), "notes": NOTES,
    },
)  # fmt: skip
LIST_EXAMPLES = [OpenApiExample("The dearest of a day", parameter_only=("day", "query"), value="2026-09-12")]
USAGE_EXAMPLES = [A_MONTH]
