"""What the API says of scenarios: fields of its answers and parameters."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from forecasting import scenarios
from forecasting.calc.scenario_draws import LEAST_DRAWS
from forecasting.calc.scenario_results import PERCENTS
from web.api.inline import inline_serializer

_ENDS = ", ".join(map(str, PERCENTS))
_MONEY = serializers.CharField()
_DATE = "The first day of the month."


def _amounts(words: str = "") -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(), help_text=f"Quantiles {_ENDS} in percent. {words}".strip()
    )


def _numbers(words: str) -> serializers.ListField:
    return serializers.ListField(child=serializers.FloatField(), help_text=words)


LISTED: dict[str, Any] = {
    "name": serializers.CharField(), "title": serializers.CharField(), "about": serializers.CharField(allow_blank=True),
    "owner": serializers.CharField(allow_blank=True, help_text="Empty: ships with the product."),
    "shared": serializers.BooleanField(),
    "version": serializers.IntegerField(allow_null=True, help_text="null: a preset that nobody ran yet."),
    "months": serializers.IntegerField(),
    "parameters": serializers.CharField(help_text="SHA-256 of all that moves its figures."),
    "current": serializers.BooleanField(help_text="Its values are those of the assumption register in force."),
    "run": serializers.IntegerField(allow_null=True, help_text="The newest run of that version; null: none."),
}  # fmt: skip
SPEC = inline_serializer(
    "ScenarioValue",
    {
        "parameter": serializers.CharField(help_text="name or name.tier"), "title": serializers.CharField(),
        "unit": serializers.CharField(), "low": serializers.CharField(allow_null=True),
        "base": serializers.CharField(allow_null=True, help_text="The likeliest; null: not for that tier."),
        "high": serializers.CharField(allow_null=True), "source": serializers.CharField(),
        "assumption": serializers.CharField(allow_blank=True, help_text="Code in the assumption register."),
    },
)  # fmt: skip
DETAIL = inline_serializer(
    "ScenarioDetail",
    {
        **LISTED, "ramp_months": serializers.IntegerField(),
        "values": serializers.ListField(child=SPEC),
        "steps": serializers.ListField(child=serializers.DictField(), help_text="Announced prices: on, price, change, source."),
        "policy": serializers.DictField(child=serializers.FloatField(), help_text="Work above capacity: spill, delay, drop."),
        "correlations": serializers.ListField(child=serializers.DictField(), help_text="one, other, rho."),
        "document": serializers.DictField(help_text="As it was written."),
    },
)  # fmt: skip

VERSION = inline_serializer(
    "ScenarioVersion",
    {
        "version": serializers.IntegerField(), "parameters": serializers.CharField(),
        "register": serializers.IntegerField(allow_null=True, help_text="Of the assumption register; null: the shipped one."),
        "made_by": serializers.CharField(), "made_at": serializers.DateTimeField(), "document": serializers.DictField(),
    },
)  # fmt: skip
RUN: dict[str, Any] = {
    "run": serializers.IntegerField(), "scenario": serializers.CharField(), "version": serializers.IntegerField(),
    "month": serializers.CharField(help_text="Month 0, YYYY-MM."), "seed": serializers.IntegerField(),
    "draws": serializers.IntegerField(), "data": serializers.CharField(help_text="SHA-256 of month 0: the version of the data."),
    "sha256": serializers.CharField(help_text="Of the result as it is stored."), "made_by": serializers.CharField(),
    "made_at": serializers.DateTimeField(),
    "notes": serializers.ListField(child=serializers.CharField(), help_text="What month 0 guesses or leaves out."),
}  # fmt: skip
_FAN: dict[str, Any] = {
    "month": serializers.DateField(help_text=_DATE),
    "tier": serializers.CharField(allow_blank=True, help_text="Empty: all, with what is fixed."),
    "quantiles": _amounts("Month 0: the actual, whatever the draw."), "mean": serializers.CharField(),
}  # fmt: skip
_OUTLOOK = inline_serializer(
    "ScenarioOutlook",
    {
        "month": serializers.DateField(help_text=_DATE),
        "over": serializers.FloatField(allow_null=True, help_text="Probability that the month costs more than its budget."),
        "over_to_date": serializers.FloatField(allow_null=True, help_text="The same of months 1 to this one together."),
        "gpus_needed": serializers.ListField(child=serializers.IntegerField(), allow_null=True, help_text="Quantiles 5, 50, 95."),
        "gpus_had": serializers.ListField(child=serializers.IntegerField(), allow_null=True, help_text="Quantiles 5, 50, 95."),
        "short_hours": _numbers("Hours short of capacity: mean and 95th percentile."),
        "spilled": serializers.CharField(help_text="Mean."),
        "lost": serializers.CharField(help_text="Mean worth of queries turned away."),
        "unasked": serializers.CharField(help_text="Mean worth of queries not asked for their cost; negative: more were."),
        "uncontracted": serializers.FloatField(help_text="Mean share of cost under no contract."),
        "gpu_price": _numbers("Price of a GPU hour over today's: quantiles 5, 50, 95."),
    },
)  # fmt: skip
CONTENT = inline_serializer(
    "ScenarioContent",
    {
        "scenario": serializers.CharField(), "parameters": serializers.CharField(), "data": serializers.CharField(),
        "seed": serializers.IntegerField(), "draws": serializers.IntegerField(), "currency": serializers.CharField(),
        "notes": serializers.ListField(child=serializers.CharField(), help_text="What of the scenario has no effect."),
        "fans": inline_serializer("ScenarioFan", {**_FAN}, many=True), "outlook": serializers.ListField(child=_OUTLOOK),
        "tasks": serializers.ListField(
            child=inline_serializer(
                "ScenarioTask",
                {
                    "month": serializers.DateField(help_text=_DATE), "tier": serializers.CharField(),
                    "quantiles": serializers.ListField(
                        child=serializers.FloatField(), allow_null=True, help_text=f"Of the cost of a completed task: {_ENDS}."
                    ),
                },
            )
        ),
        "budgets": serializers.ListField(child=serializers.CharField(allow_null=True), help_text="By month from month 0."),
        "tornado": inline_serializer(
            "ScenarioTornado",
            {
                "median": serializers.CharField(help_text="Cost of months 1 to the last with all parameters at their median."),
                "swings": inline_serializer(
                    "ScenarioSwing",
                    {
                        "parameter": serializers.CharField(), "low": serializers.CharField(help_text="At its 10th percentile."),
                        "high": serializers.CharField(help_text="At its 90th percentile."),
                    },
                    many=True,
                ),
            },
        ),
        "effects": inline_serializer(
            "ScenarioEffect",
            {
                "parameter": serializers.CharField(), "first": serializers.FloatField(help_text="Part of the variance, alone."),
                "total": serializers.FloatField(help_text="Also together with others."),
                "error": serializers.FloatField(help_text="Standard error of total."),
            },
            many=True,
        ),
    },
)  # fmt: skip
RESULT = inline_serializer("ScenarioResult", {**RUN, "result": CONTENT})
_DIFFERENCE: dict[str, Any] = {
    "quantiles": _amounts("Of the difference to the first, draw by draw."), "mean": serializers.CharField(),
    "dearer": serializers.FloatField(help_text="Probability that it is dearer than the first."),
}  # fmt: skip
COMPARISON = inline_serializer(
    "ScenarioComparison",
    {
        "month": serializers.CharField(help_text="Month 0."), "data": serializers.CharField(), "seed": serializers.IntegerField(),
        "draws": serializers.IntegerField(), "BillingCurrency": serializers.CharField(),
        "notes": serializers.ListField(child=serializers.CharField()),
        "scenarios": inline_serializer(
            "ComparedScenario",
            {
                "name": serializers.CharField(), "title": serializers.CharField(), "parameters": serializers.CharField(),
                "total": inline_serializer("ComparedFan", {**_FAN}, many=True),
                "over_all": inline_serializer("ScenarioDifference", _DIFFERENCE, allow_null=True),
                "differences": inline_serializer(
                    "ScenarioMonthDifference", {"month": serializers.DateField(help_text=_DATE), **_DIFFERENCE}, many=True
                ),
            },
            many=True,
        ),
    },
)  # fmt: skip


class NewScenario(serializers.Serializer[Any]):
    """A document, as docs/scenarios.md says; numbers as text."""

    document = serializers.JSONField(help_text="An object, or the YAML text of one.")
    shared = serializers.BooleanField(
        required=False, help_text="Others who see all cost see it. Default: as it is; of a new one no."
    )


class NewRun(serializers.Serializer[Any]):
    """How to run it."""

    month = serializers.CharField(required=False, help_text="Month 0, YYYY-MM. Default: the newest whole one.")
    seed = serializers.IntegerField(required=False, min_value=0, help_text=f"Default: {scenarios.SEED}.")
    draws = serializers.IntegerField(
        required=False,
        min_value=LEAST_DRAWS,
        max_value=scenarios.MOST_DRAWS,
        help_text=f"A power of two. Default: {scenarios.DRAWS}.",
    )


EXAMPLE = OpenApiExample(
    "over a preset", request_only=True,
    value={
        "document": {
            "name": "our_squeeze", "title": "Squeeze, our own view", "over": "inference_squeeze", "months": 24,
            "parameters": {"calls_per_task.complex": {"low": "1.2", "base": "1.5", "high": "3", "source": "own agents"}},
        },
        "shared": True,
    },
)  # fmt: skip
RUN_NUMBER = OpenApiParameter("run", {"type": "integer", "minimum": 1}, description="Default: the newest.")
ASKED = [
    OpenApiParameter("month", OpenApiTypes.STR, description="Month 0, YYYY-MM. Default: the newest whole one."),
    OpenApiParameter("seed", {"type": "integer", "minimum": 0}, description=f"Default: {scenarios.SEED}."),
    OpenApiParameter(
        "draws", {"type": "integer", "minimum": LEAST_DRAWS, "maximum": scenarios.MOST_DRAWS},
        description=f"A power of two. Default: {scenarios.DRAWS}.",
    ),
]  # fmt: skip
