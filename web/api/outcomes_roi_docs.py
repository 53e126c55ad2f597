"""How returns, comparisons and efforts are described in the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from web.api.bridge_docs import NOTES
from web.api.inline import inline_serializer
from web.api.outcomes_docs import LINE, number, text

COLUMNS = {"BillingPeriodStart": "month", "x_CostCentre": "cost_centre", "x_Team": "team", "x_Feature": "feature"}
MONTH: dict[str, Any] = {"pattern": "^[0-9]{4}-[0-9]{2}$", "type": OpenApiTypes.STR}
PERIOD = [
    OpenApiParameter("first", description="First cohort of spend. Default: `last`.", **MONTH),
    OpenApiParameter("last", description="Last cohort. Default: the newest month with cost.", **MONTH),
    OpenApiParameter("currency", OpenApiTypes.STR, pattern="^[A-Z]{3}$", description="Default: the site's."),
]  # fmt: skip
FILTERS = [
    OpenApiParameter(f"filter[{name}]", OpenApiTypes.STR, description="Values, comma separated.") for name in COLUMNS
]
_COHORT: dict[str, Any] = {
    "month": text(), "matures_on": serializers.DateField(), "mature": serializers.BooleanField(),
    "period_state": text("Of the books, which no late outcome changes."), **LINE,
}  # fmt: skip
_ROW: dict[str, Any] = {
    **{name: serializers.CharField(required=False, allow_null=True, allow_blank=True) for name in COLUMNS}, **LINE,
}  # fmt: skip
ROI = inline_serializer(
    "Returns",
    {
        "first": text(), "last": text(), "currency": text(), "minimum_resolved": serializers.IntegerField(),
        "results": inline_serializer("ReturnRow", _ROW, many=True), "totals": inline_serializer("ReturnTotals", dict(LINE)),
        "cohorts": inline_serializer("ReturnCohort", _COHORT, many=True),
        "cash_in_other_currencies": serializers.DictField(child=number()), "notes": NOTES,
    },
)  # fmt: skip

_INTERVAL: dict[str, Any] = {
    name: serializers.FloatField(allow_null=True, help_text="null: nothing is claimed.")
    for name in ("estimate", "low", "high")
}
_AMOUNTS: dict[str, Any] = {
    name: number("null: nothing is claimed.", null=True) for name in ("estimate", "low", "high")
}
OF_RATES, OF_MONEY = ("difference", "crude", "returned"), ("cost", "extra", "net")
_ARM: dict[str, Any] = {
    "tried": serializers.IntegerField(), "resolved": serializers.IntegerField(), "costed": serializers.IntegerField(),
    "rate": inline_serializer("Rate", dict(_INTERVAL)), "cost_per_task": number("null: no cost is known.", null=True),
    "cost_per_resolved": inline_serializer("CostPerResolved", dict(_AMOUNTS)),
}  # fmt: skip
_OVERLAP: dict[str, Any] = {
    "shared": serializers.IntegerField(help_text="Kinds of tasks (tier, use case, model) that both sides have; 0: by pairs."),
    "kinds": serializers.IntegerField(help_text="Kinds that either side has."),
    **{
        f"{side}_{part}": serializers.FloatField(allow_null=True, help_text=f"Part of the {part} of the {side} that is compared.")
        for part in ("tasks", "cost") for side in ("base", "candidate")
    },
}  # fmt: skip
_FOUND: dict[str, Any] = {
    **{name: text() for name in ("dimension", "base", "candidate", "feature", "setting", "currency", "verdict", "method")},
    "since": serializers.DateField(allow_null=True), "margin": number("Declared before its evidence.", null=True),
    "value": number("Of a resolved task.", null=True), "used": serializers.IntegerField(), "simpson": serializers.BooleanField(),
    "overlap": inline_serializer("ComparedPart", _OVERLAP),
    "no_worse": serializers.BooleanField(allow_null=True), "p": serializers.FloatField(allow_null=True),
    "arms": inline_serializer(
        "Arms", {"base": inline_serializer("BaseArm", dict(_ARM)), "candidate": inline_serializer("CandidateArm", dict(_ARM))}
    ),
    **{name: inline_serializer(f"Interval{name.capitalize()}", dict(_INTERVAL)) for name in OF_RATES},
    **{name: inline_serializer(f"Interval{name.capitalize()}", dict(_AMOUNTS)) for name in OF_MONEY},
}  # fmt: skip
COMPARISONS = inline_serializer("Comparisons", {"results": inline_serializer("ComparisonFound", _FOUND, many=True)})
DECLARED = inline_serializer(
    "DeclaredComparison",
    {
        **{name: text() for name in ("dimension", "base", "candidate", "feature")}, "margin": number(),
        "since": serializers.DateField(), "declared_by": text(), "declared_at": serializers.DateTimeField(),
    },
)  # fmt: skip
DECLARE: dict[Any, Any] = {
    "application/json": {
        "type": "object", "required": ["dimension", "base", "candidate", "margin"], "additionalProperties": False,
        "properties": {each: {} for each in ("dimension", "base", "candidate", "feature", "margin", "since")},
    }
}  # fmt: skip
EFFORT: dict[str, Any] = {
    "effort": text(), "tasks": serializers.IntegerField(), "score": serializers.FloatField(), "cost": number("Of a task."),
}  # fmt: skip
STEP: dict[str, Any] = {
    "base": text(), "candidate": text(), **{name: serializers.FloatField() for name in ("gain", "low", "high")},
    "more": number("Cost of a task, candidate - base."), "shown": serializers.BooleanField(),
    "worth_from": number("Value of a resolved task; null: it gains nothing at any.", null=True),
    "pays": serializers.BooleanField(allow_null=True),
}  # fmt: skip
_ADVICE: dict[str, Any] = {
    "model": text(), "effort": inline_serializer("AdvisedEffort", dict(EFFORT)), "reason": text(),
    "steps": inline_serializer("EffortStep", dict(STEP), many=True),
}  # fmt: skip
_CLASS: dict[str, Any] = {
    "task_class": text(), "features": serializers.ListField(child=text()), "queries": serializers.IntegerField(),
    "value": number(null=True), "advice": inline_serializer("EffortAdvice", _ADVICE, many=True),
}  # fmt: skip
EFFORTS = inline_serializer(
    "Efforts",
    {
        "month": text(), "currency": text(), "queries": serializers.IntegerField(),
        "unknown_queries": serializers.IntegerField(help_text="Without a benchmark of their kind."),
        "results": inline_serializer("EffortClass", _CLASS, many=True),
    },
)  # fmt: skip
