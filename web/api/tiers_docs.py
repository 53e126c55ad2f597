"""How GET /api/v1/tiers, its months and its distribution are described in the OpenAPI document."""

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from allocation.calc.bucket_errors import LEVELS
from allocation.calc.distribution import ONE_MODE, TOO_FEW, TWO_MODES
from allocation.calc.tier_table import (
    BROKEN,
    COMPARED,
    FEW,
    MARGINAL,
    NEGATIVE,
    NEW,
    NO_EVIDENCE,
    NONE,
    POSITIVE,
    STOPPED,
)
from allocation.calc.tier_table import FACTORS as NAMES
from allocation.selectors import FILTERS
from finops.focus import COST_COLUMNS
from web import tier_words
from web.api.bridge_docs import BRIDGE_PARAMETERS, NOTES
from web.api.cost_docs import PARAMETERS
from web.api.inline import inline_serializer
from web.api.page_docs import A_MONTH, LIMIT_AND_CURSOR
from web.api.tiers_examples import DISTRIBUTED, MONTHLY, TABLED

_FILTERS = [f"filter[{name}]" for name in FILTERS]
_OF_PERIOD = [each for each in PARAMETERS if each.name in ("month", "start", "end", *_FILTERS)]
_OF_COST = [each for each in PARAMETERS if each.name in ("column", "currency")]
_COMPARE = [each for each in BRIDGE_PARAMETERS if each.name in ("compare_month", "compare_start", "compare_end")]
TABLE_PARAMETERS = [*_OF_PERIOD, *_OF_COST, *_COMPARE]
MONTHS_PARAMETERS = [*_OF_PERIOD, *_OF_COST, *LIMIT_AND_CURSOR]
DISTRIBUTION_PARAMETERS = _OF_PERIOD


def _amount(text: str = "") -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=30, decimal_places=12, help_text=text)


def _ratio(text: str = "") -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=40, decimal_places=12, allow_null=True, help_text=text)


def _count(text: str = "") -> serializers.RegexField:
    return serializers.RegexField("^-?[0-9]+$", help_text=text)


_LEVEL: dict[str, Any] = {
    "cost": _amount("Of usage whose tier is known."), "Queries": _count("Whose tier is known."), "Requests": _count(),
    "cost_per_query": _ratio("cost / Queries; null without a query, or where nothing has a price."),
    "estimated_cost": _amount("Of usage whose tier is estimated: in no other figure of the tier but its share."),
    "estimated_queries": _count(), "estimated_cost_per_query": _ratio(),
    "unpriced_tokens": _count("Without a price: in no cost."),
    "untold": _ratio("Share of the output, in tokens, whose source says nothing of reasoning: its reasoning factor lacks it."),
}  # fmt: skip
_ROI: dict[str, Any] = {
    "signal": serializers.ChoiceField(
        (POSITIVE, MARGINAL, NEGATIVE, NO_EVIDENCE), help_text="Of this tier over the next cheaper one."
    ),
    "over": serializers.CharField(allow_null=True, help_text="The next cheaper tier with outcomes."),
    "low": _ratio("Bounds at 95 %: of the return, or of the net value in the site's currency (`relative`)."),
    "high": _ratio(),
    "tasks": serializers.IntegerField(help_text="It rests on; 0: nothing is claimed."),
    "relative": serializers.BooleanField(
        allow_null=True, help_text="true: return per cost; false: net value per task, where it costs no more."
    ),
}  # fmt: skip
_FACTORS: dict[str, Any] = {name: _ratio(tier_words.FACTORS[name][1]) for name in NAMES}
_ROW: dict[str, Any] = {
    "x_QueryTier": serializers.CharField(), "status": serializers.ChoiceField((COMPARED, NEW, STOPPED, FEW, NONE, BROKEN)),
    "why": serializers.CharField(allow_blank=True, help_text="Why it has no factors."),
    "base": inline_serializer("TierBase", dict(_LEVEL)), "chosen": inline_serializer("TierChosen", dict(_LEVEL)),
    "factors": inline_serializer("TierFactors", _FACTORS, allow_null=True),
    "net": _ratio("The product of the factors: cost per query against the base's."),
    "cost_share": _ratio("Of all cost of tiers, estimated ones included, in the chosen period."),
    "estimated_share": _ratio("Likewise, of what is estimated to be this tier's."),
    "estimated_low": _ratio(f"The tier's estimated cost lies between these at {LEVELS[0]:.0%}; null: no error was measured."),
    "estimated_high": _ratio(), "query_share": _ratio("Of the queries whose tier is known."),
    "roi": inline_serializer("TierReturn", _ROI),
}  # fmt: skip
_WHOLE: dict[str, Any] = {
    "start": serializers.DateField(), "end": serializers.DateField(help_text="First day after it."),
    "cost": _amount("As `/costs` says of the same question."),
    "beside": _amount("The part of no tier: idle, shared, corrections, charges and bills beyond usage."),
    "unpriced_tokens": _count(), "unpriced_estimate": _amount("In no total."),
}  # fmt: skip
_TOTALS: dict[str, Any] = {
    "base": inline_serializer("TierBaseTotal", dict(_LEVEL)), "chosen": inline_serializer("TierChosenTotal", dict(_LEVEL)),
    "net": _ratio("mix x within."), "mix": _ratio("By another share of queries of each tier."), "within": _ratio("Within tiers."),
    "why": serializers.CharField(allow_blank=True), "estimated_share": _ratio("Of the cost of all tiers."),
}  # fmt: skip
_HEAD: dict[str, Any] = {"column": serializers.ChoiceField(COST_COLUMNS), "BillingCurrency": serializers.CharField()}
TABLE = inline_serializer(
    "TierTable",
    {
        **_HEAD, "minimum_queries": serializers.IntegerField(), "sentence": serializers.CharField(),
        "base": inline_serializer("TierTableBase", dict(_WHOLE)), "chosen": inline_serializer("TierTableChosen", dict(_WHOLE)),
        "results": inline_serializer("TierRow", _ROW, many=True), "totals": inline_serializer("TierTotals", _TOTALS),
        "notes": NOTES,
    },
)  # fmt: skip
_MONTH: dict[str, Any] = {
    "x_QueryTier": serializers.CharField(), "BillingPeriodStart": serializers.DateField(), "cost": _amount(),
    "Queries": _count(), "cost_per_query": _ratio(), "estimated_cost": _amount(), "estimated_queries": _count(),
}  # fmt: skip
MONTHS = inline_serializer(
    "TierMonths",
    {
        **_HEAD, "notes": NOTES, "results": inline_serializer("TierMonth", _MONTH, many=True),
        "next": serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page."),
    },
)  # fmt: skip
_QUANTILE: dict[str, Any] = {"value": _amount(), "low": _amount("It lies between these."), "high": _amount()}
_MODE: dict[str, Any] = {
    "from": _ratio("null: without bound."), "below": _ratio("null: without bound."), "Queries": _count(), "cost": _amount(),
    "query_share": _ratio(), "cost_share": _ratio(), "median": inline_serializer("ModeMedian", dict(_QUANTILE)), "mean": _ratio(),
}  # fmt: skip
_TOP: dict[str, Any] = {
    "Queries": _count("The dearest hundredth, rounded up."), "cost": _amount(), "share": _ratio("Of all cost, at least."),
    "low": _ratio("It lies between these."), "high": _ratio(),
}  # fmt: skip
_BIN: dict[str, Any] = {"from": _ratio(), "below": _ratio(), "Queries": _count(), "cost": _amount()}
_DISTRIBUTION: dict[str, Any] = {
    "x_QueryTier": serializers.CharField(allow_null=True, help_text="null: all queries."),
    "Queries": _count("That cost something, with a price for every call."), "cost": _amount(),
    "without_cost": _count("Queries that cost nothing or have no price: in no other figure."), "mean": _ratio(),
    **{name: inline_serializer(f"Quantile{name}", dict(_QUANTILE), allow_null=True) for name in ("p50", "p95", "p99")},
    "top": inline_serializer("DearestHundredth", _TOP, allow_null=True),
    "verdict": serializers.ChoiceField((ONE_MODE, TWO_MODES, TOO_FEW)), "modes": inline_serializer("Mode", _MODE, many=True),
    "gap": serializers.FloatField(
        allow_null=True, help_text="Share of queries that would have to move to make one mode of two."
    ),
    "needed": serializers.FloatField(allow_null=True, help_text="What chance may make of it."),
    "bins": inline_serializer("CostBin", _BIN, many=True),
}  # fmt: skip
DISTRIBUTION = inline_serializer(
    "TierDistribution",
    {
        "column": serializers.CharField(help_text="ListCost."),
        "BillingCurrencies": serializers.ListField(
            child=serializers.CharField(), help_text="Of the list prices; where there are several, the figures mix them."
        ),
        "estimated_queries": _count("Of buckets: they stand at the average of their tier."),
        "not_filtered": serializers.ListField(child=serializers.CharField()), "sentence": serializers.CharField(),
        "notes": NOTES, "results": inline_serializer("CostDistribution", _DISTRIBUTION, many=True),
    },
)  # fmt: skip


def _example(name: str, address: str, value: dict[str, Any]) -> list[OpenApiExample]:
    about = "Complex queries think 3.3 times as much at a tenth of the price."
    return [
        A_MONTH,
        OpenApiExample(
            name,
            summary=f"GET /api/v1/{address}",
            description=about,
            response_only=True,
            status_codes=["200"],
            value=value,
        ),
    ]


TABLE_EXAMPLES = _example("September against August", "tiers?month=2026-09", TABLED)
MONTHS_EXAMPLES = _example("September", "tiers/months?month=2026-09", MONTHLY)
DISTRIBUTION_EXAMPLES = _example("September", "tiers/distribution?month=2026-09", DISTRIBUTED)
