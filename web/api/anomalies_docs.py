"""How /api/v1/anomalies is described in the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from forecasting.calc.anomaly_alerts import VERDICTS
from forecasting.models import Anomaly
from web import anomaly_rows
from web.api.inline import inline_serializer
from web.api.outcomes_docs import number, text
from web.api.page_docs import LIMIT_AND_CURSOR

PARAMETERS = [
    OpenApiParameter("state", OpenApiTypes.STR, enum=Anomaly.State.values),
    OpenApiParameter("told", OpenApiTypes.BOOL, description="Whether it passed the gate, at its highest node that you see."),
    OpenApiParameter("from", OpenApiTypes.DATE, description="Ended on this day or later."),
    OpenApiParameter("to", OpenApiTypes.DATE, description="Began on this day or before."),
    OpenApiParameter("min_impact", {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,12})?$"}, description="Either way."),
    OpenApiParameter("currency", OpenApiTypes.STR, pattern="^[A-Z]{3}$", description="Default: the site's."),
    *LIMIT_AND_CURSOR,
]  # fmt: skip
_FEEDBACK: dict[str, Any] = {
    "verdict": serializers.ChoiceField(list(VERDICTS)), "note": text(), "said_by": text(), "said_at": serializers.DateTimeField(),
}  # fmt: skip
_ROW: dict[str, Any] = {
    "id": serializers.IntegerField(), "BillingCurrency": text(),
    "level": serializers.ListField(child=text(), help_text="Columns that tell the node apart; none: the whole."),
    "key": serializers.DictField(child=serializers.CharField(allow_blank=True)),
    "kind": serializers.ChoiceField(list(anomaly_rows.KINDS)), "first_day": serializers.DateField(),
    "last_day": serializers.DateField(help_text="Included."),
    "expected": number("By the forecasts of each day from what was known before it."), "actual": number(),
    "impact": number("actual - expected."), "score": number("Usual errors off; null: nothing was usual.", null=True),
    "history": serializers.IntegerField(help_text="Days of the node's life before it."),
    "unknown": serializers.IntegerField(help_text="Days of its series of which the cost is not known: in no figure."),
    "usual": number("Mean of the same weekdays of up to four weeks before.", null=True),
    "effects": serializers.DictField(child=number(), help_text="Effects of the bridge that lead from usual to what was charged."),
    "cause": text("The effect that explains most; empty: none does."), "feature": text("In which at least half lies."),
    "changes": serializers.ListField(child=text()), "told": serializers.BooleanField(),
    "state": serializers.ChoiceField(Anomaly.State.choices), "why": text("Why it is closed, where nobody said."),
    "forecast": serializers.IntegerField(allow_null=True), "sentence": text(),
    "found_at": serializers.DateTimeField(), "changed_at": serializers.DateTimeField(),
    "feedback": inline_serializer("AnomalyWord", _FEEDBACK, many=True),
}  # fmt: skip
_GATE: dict[str, Any] = {
    "least_impact": number("From which on an anomaly is told: triage cost over precision.", null=True),
    "triage_cost": number(null=True),
    "precision": inline_serializer(
        "AnomalyPrecision",
        {
            "share": serializers.FloatField(allow_null=True, help_text="Of judged anomalies, those that were real."),
            "low": serializers.FloatField(help_text="95 % interval."), "high": serializers.FloatField(),
            "judged": serializers.IntegerField(),
            "used": serializers.FloatField(help_text="With what is assumed until enough are judged."),
        },
    ),
}  # fmt: skip
_DAY: dict[str, Any] = {
    "day": serializers.DateField(), "actual": number(), "expected": number(null=True), "low": number(null=True),
    "high": number("Beyond it a day is an anomaly by itself.", null=True), "inside": serializers.BooleanField(),
}  # fmt: skip
LIST = inline_serializer(
    "Anomalies",
    {
        "BillingCurrency": text(), **_GATE,
        "judged_from": serializers.DateField(allow_null=True, help_text="null: nothing was judged yet."),
        "judged_to": serializers.DateField(allow_null=True, help_text="The first day that is not judged yet."),
        "summary": inline_serializer(
            "AnomalySummary",
            {"open": serializers.IntegerField(), "dearer": number("Of those open and told."), "cheaper": number(),
             "below": serializers.IntegerField(help_text="Open and not told."), "closed": serializers.IntegerField()},
        ),
        "results": inline_serializer("AnomalyRow", dict(_ROW), many=True),
        "next": serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page."),
    },
)  # fmt: skip
ONE = inline_serializer(
    "AnomalyDetail",
    {
        **_ROW, "days": inline_serializer("AnomalyDay", _DAY, many=True),
        "below": inline_serializer("AnomalyBelow", dict(_ROW), many=True, help_text="What the nodes under it show in its days."),
    },
)  # fmt: skip
SAID = inline_serializer("AnomalyJudged", {**_ROW, **_GATE})
