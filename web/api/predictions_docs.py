"""What /api/v1/tiers/predict and /api/v1/tiers/predictions take and answer, for the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from allocation.calc.predict_calibration import UNKNOWN
from allocation.calc.predict_tracking import AS_STATED, TOO_FEW, TOO_NARROW, TOO_WIDE
from allocation.value.predictions import ASKED, HELD_OUT
from finops.focus import TIERS
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR

MOST_MODELS, MOST_TOKENS = 20, 10**9
_TEXT = serializers.CharField
_MAY_BE: dict[str, Any] = {"allow_null": True}
_TIER = serializers.ChoiceField([*TIERS, UNKNOWN])


class Name(serializers.CharField):
    """A name that can be kept: half a character cannot."""

    def to_internal_value(self, data: Any) -> str:
        """The text. Raises ValidationError."""
        found: str = super().to_internal_value(data)
        if any("\ud800" <= char <= "\udfff" for char in found):
            raise serializers.ValidationError("holds half of a surrogate pair")
        return found


class Asked(serializers.Serializer[Any]):
    """Features of a query before its first call; there is no field for its text."""

    feature = Name(max_length=512, allow_blank=True, help_text="Use case, as usage names it (x_Feature).")
    prompt_tokens = serializers.IntegerField(
        min_value=0, max_value=MOST_TOKENS, help_text="Of the first call, cached ones too."
    )
    models = serializers.ListField(
        child=Name(max_length=512),
        max_length=MOST_MODELS,
        required=False,
        help_text="Candidates, as they are asked for.",
    )
    effort = Name(max_length=512, allow_blank=True, required=False, help_text="Reasoning effort; default: not stated.")
    attachments = serializers.BooleanField(
        required=False, help_text="Image, audio or video in the prompt; default: no."
    )
    tools = serializers.BooleanField(
        required=False, allow_null=True, help_text="Whether it will call tools; default: not known."
    )
    cost_centre = Name(max_length=100, required=False, help_text="Who bears it; needed where several are yours.")
    trace = Name(
        max_length=300, required=False, help_text="Its trace: the prediction is kept and compared with what comes."
    )
    trace_source = Name(max_length=40, required=False, help_text="Kind of source that will state it; default: generic.")
    trace_account = Name(max_length=200, required=False, help_text="Account of that import; default: default.")


def _span(name: str, what: str) -> Any:
    return inline_serializer(
        name,
        {
            "expected": _TEXT(help_text=f"Mean {what} of a whole query."),
            **{bound: _TEXT(**_MAY_BE, help_text="80 % of queries lie between both; null: see interval_why.")
               for bound in ("low", "high")},
            "expected_lies": serializers.ChoiceField(
                ("within", "above", "below"), **_MAY_BE,
                help_text="Where the mean lies. above: a few far dearer queries, beyond the 80 %, pull it up; low and high hold "
                "all the same. null: without interval.",
            ),
        }, allow_null=True,
    )  # fmt: skip


def _candidate(name: str, **more: Any) -> Any:
    return inline_serializer(
        name,
        {
            "x_Model": _TEXT(**_MAY_BE, help_text="Null: whichever model the use case is served by."),
            "served_as": _TEXT(**_MAY_BE, help_text="Under which name history has it, where that is another."),
            "tier": _TIER, "why": _TEXT(allow_blank=True, help_text="Why it is unknown."),
            "queries": serializers.IntegerField(help_text="Of use case, effort and model in the history."),
            "probabilities": serializers.DictField(child=_TEXT(), **_MAY_BE), "calls": _TEXT(**_MAY_BE),
            "output_tokens": _span(f"{name}Tokens", "output tokens, with reasoning,"),
            "cost": _span(f"{name}Cost", "cost, at the prices that are paid,"), "interval_why": _TEXT(allow_blank=True),
        }, **more,
    )  # fmt: skip


ANSWER = inline_serializer(
    "QueryPrediction",
    {
        "learnt_through": serializers.DateField(**_MAY_BE, help_text="Last day of the history; null: nothing is learnt."),
        "BillingCurrency": _TEXT(), "tier": _TIER,
        "kept": serializers.BooleanField(
            **_MAY_BE, help_text="Whether it will be compared; false: the trace has one already, or the day has enough; "
            "null: no trace was named.",
        ),
        "any_model": _candidate("QueryCandidate"), "candidates": _candidate("QueryCandidateOfModel", many=True),
    },
)  # fmt: skip
EXAMPLE = OpenApiExample(
    "Two candidates", request_only=True,
    value={
        "feature": "assistant", "prompt_tokens": 1200, "models": ["gpt-5", "gpt-5-mini"], "effort": "", "tools": True,
    },
)  # fmt: skip
PARAMETERS = [
    OpenApiParameter("slice", OpenApiTypes.STR, enum=[HELD_OUT, ASKED], description="Default: both."),
    *LIMIT_AND_CURSOR,
]
_COUNT = serializers.IntegerField
TRACKING = inline_serializer(
    "PredictionTracking",
    {
        "learnt_through": serializers.DateField(**_MAY_BE), "queries": _COUNT(**_MAY_BE, help_text="It was learnt from."),
        "checked_since": serializers.DateField(
            **_MAY_BE, help_text=f"First day of `{HELD_OUT}`, predicted from the days before alone."
        ),
        "waiting": _COUNT(help_text="Asked for, and no query has come."), "late": _COUNT(help_text="Asked for too late."),
        "results": inline_serializer(
            "PredictionTrackingRow",
            {
                "slice": serializers.ChoiceField([HELD_OUT, ASKED]),
                "x_Feature": _TEXT(**_MAY_BE, allow_blank=True, help_text="Null: all use cases together."),
                "unknown": _COUNT(help_text="Refused."), "bounded": _COUNT(help_text="With interval and cost."),
                **{name: _COUNT() for name in ("covered", "below", "above")},
                "judged": _COUNT(help_text="With a tier."), "hits": _COUNT(help_text="Whose tier came."),
                "coverage": _TEXT(**_MAY_BE, help_text="covered / bounded; it should be 0.77 to 0.86."),
                **{name: _TEXT(**_MAY_BE, help_text="Bound of coverage at 95 %.") for name in ("low", "high")},
                "hit_rate": _TEXT(**_MAY_BE), "majority_tier": _TEXT(allow_blank=True),
                "majority": _TEXT(**_MAY_BE, help_text="Hit rate of always saying the majority tier."),
                "verdict": serializers.ChoiceField(
                    [AS_STATED, TOO_NARROW, TOO_WIDE, TOO_FEW],
                    help_text="as_stated: low to high meets 0.77 to 0.86; too_narrow: it lies below; too_wide: above.",
                ),
            }, many=True,
        ),
        "next": _TEXT(**_MAY_BE),
    },
)  # fmt: skip
