"""What the answers of the watch look like: budgets as they stand, caps, bands, alerts, silences."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from forecasting.calc.watch import STATES, VERDICTS
from forecasting.calc.watch_policy import SEVERITIES
from forecasting.models import Alert
from web.api.inline import inline_serializer

NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_AMOUNT = serializers.CharField(help_text="A decimal string.")
_NONE = serializers.CharField(allow_null=True)
_RATE = serializers.FloatField(
    allow_null=True, help_text="Times the budget's flat rate; null: not known, or without limit."
)
_CENTRE = serializers.CharField(allow_null=True, help_text="null: the whole, or all.")
_SEVERITY = serializers.ChoiceField(SEVERITIES)
_VERDICT = serializers.ChoiceField(
    sorted(set(VERDICTS.values())), help_text="For a gateway; the ledger blocks nothing."
)

_CLOSE: dict[str, Any] = {
    "low_80": _AMOUNT, "median": _AMOUNT, "high_80": _AMOUNT,
    "probability": serializers.FloatField(allow_null=True, help_text="Share of futures above the budget."),
    "breach_on": serializers.DateField(allow_null=True, help_text="By then half of all futures have exceeded it."),
    "futures": serializers.IntegerField(), "left_out": serializers.CharField(allow_blank=True),
}  # fmt: skip
_STATE: dict[str, Any] = {
    "subject": serializers.CharField(help_text="By which its alerts know it."), "x_CostCentre": _CENTRE,
    "ServiceProviderName": serializers.CharField(allow_blank=True), "x_Model": serializers.CharField(allow_blank=True),
    "BillingCurrency": serializers.CharField(), "period_start": serializers.DateField(),
    "period_end": serializers.DateField(help_text="Not included."), "Budget": _AMOUNT, "Actual": _AMOUNT,
    "x_UnpricedEstimate": serializers.CharField(help_text="Usage without a price, at its proxy price: counted, never in Actual."),
    "Counted": serializers.CharField(help_text="Actual and x_UnpricedEstimate."), "Left": _AMOUNT,
    "used": serializers.FloatField(allow_null=True), "state": serializers.ChoiceField(STATES), "verdict": _VERDICT,
    "thresholds": serializers.ListField(child=serializers.CharField(), help_text="Of finance, that are reached."),
    "close": inline_serializer("BudgetAtClose", _CLOSE, allow_null=True),
    "reason": serializers.CharField(allow_blank=True, help_text="Why there is no forecast."),
    "burn": inline_serializer("BurnRates", {"1h": _RATE, "6h": _RATE, "24h": _RATE, "72h": _RATE}),
    "firing": serializers.ListField(child=serializers.CharField(), help_text="Rules of the watch policy that fire now."),
    "hours_left": serializers.FloatField(allow_null=True, help_text="At the rate of the last day."),
    "known_until": serializers.DateTimeField(allow_null=True, help_text="Up to where its hours are known."),
}  # fmt: skip
_BAND: dict[str, Any] = {"from": _NONE, "to": _NONE, "queries": serializers.IntegerField(), "cost": _AMOUNT}
_MOVE: dict[str, Any] = {
    "day": serializers.DateField(), "from_band": serializers.IntegerField(), "to_band": serializers.IntegerField(),
    "mean": _AMOUNT, "queries": serializers.IntegerField(), "cost": _AMOUNT,
}  # fmt: skip
_BANDS: dict[str, Any] = {
    "kind": serializers.CharField(help_text="tier or feature."), "name": serializers.CharField(),
    "reason": serializers.CharField(allow_blank=True, help_text="Why there are no bands."),
    "bands": serializers.ListField(child=inline_serializer("CostBand", _BAND), allow_null=True),
    "moves": serializers.ListField(child=inline_serializer("BandMove", _MOVE), help_text="Days on which the mean left its band."),
}  # fmt: skip
STATES_ANSWER = inline_serializer(
    "BudgetStates",
    {"as_of": serializers.DateTimeField(), "verdict": _VERDICT, "results": inline_serializer("BudgetState", _STATE, many=True),
     "next": NEXT},
)  # fmt: skip
WATCH_ANSWER = inline_serializer(
    "Watch",
    {"as_of": serializers.DateTimeField(), "policy": serializers.IntegerField(help_text="Version; 0: the one that ships."),
     "results": inline_serializer("WatchedBudget", {**_STATE}, many=True),
     "bands_from": serializers.DateField(), "bands": inline_serializer("WatchedBand", _BANDS, many=True), "next": NEXT},
)  # fmt: skip
CAP: dict[str, Any] = {
    "id": serializers.IntegerField(), "subject": serializers.CharField(), "x_CostCentre": _CENTRE,
    **{name: serializers.CharField(allow_blank=True) for name in ("x_QueryTier", "x_Feature", "ServiceProviderName", "x_Model")},
    "most": _AMOUNT, "severity": _SEVERITY, "note": serializers.CharField(allow_blank=True),
    "created_by": serializers.CharField(), "created_at": serializers.DateTimeField(),
    "ended_at": serializers.DateTimeField(allow_null=True),
}  # fmt: skip
HELD: dict[str, Any] = {
    **CAP, "queries": serializers.IntegerField(help_text="That cost something."), "without_price": serializers.IntegerField(),
    "exact": serializers.BooleanField(), "breaches_low": serializers.IntegerField(), "breaches_high": serializers.IntegerField(),
    "above_low": _AMOUNT, "above_high": _AMOUNT, "newest_day": serializers.DateField(allow_null=True),
}  # fmt: skip
ALERT: dict[str, Any] = {
    "id": serializers.IntegerField(), "kind": serializers.ChoiceField(Alert.Kind.values), "subject": serializers.CharField(),
    "label": serializers.CharField(), "x_CostCentre": _CENTRE, "severity": _SEVERITY,
    "money": serializers.CharField(help_text="At stake."), "BillingCurrency": serializers.CharField(),
    "why": serializers.CharField(), "rules": serializers.ListField(child=serializers.CharField()),
    "opened_at": serializers.DateTimeField(), "fired_at": serializers.DateTimeField(help_text="When it was so last."),
    "told_at": serializers.DateTimeField(allow_null=True, help_text="null: nobody yet."),
    "level": serializers.IntegerField(help_text="Of people that were told."),
    "acknowledged_by": serializers.CharField(allow_blank=True), "acknowledged_at": serializers.DateTimeField(allow_null=True),
    "note": serializers.CharField(allow_blank=True, help_text="Of the last answer."),
    "ended_at": serializers.DateTimeField(allow_null=True),
    "acknowledgements": serializers.ListField(
        child=serializers.DictField(child=serializers.CharField(allow_blank=True)),
        help_text="All answers, the newest first: by, at, note.",
    ),
}  # fmt: skip
SILENCE: dict[str, Any] = {
    "id": serializers.IntegerField(), "subject": serializers.CharField(help_text="`*`: everything."), "severity": _SEVERITY,
    "x_CostCentre": _CENTRE, "begins": serializers.DateTimeField(), "ends": serializers.DateTimeField(),
    "reason": serializers.CharField(), "created_by": serializers.CharField(), "ended_by": serializers.CharField(allow_blank=True),
}  # fmt: skip
OF_A_CALL = (
    OpenApiParameter(
        "cost_centre", OpenApiTypes.STR, description="Only what a call of this cost centre counts against."
    ),
    OpenApiParameter("provider", OpenApiTypes.STR, description="The same of a provider."),
    OpenApiParameter("model", OpenApiTypes.STR, description="The same of a model."),
)


def page_of(name: str, row: str, fields: dict[str, Any]) -> Any:
    """An answer with rows and a cursor."""
    return inline_serializer(name, {"results": inline_serializer(row, {**fields}, many=True), "next": NEXT})
