"""REST: how much to commit to, weighed on the forecast's sample paths."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from forecasting import advice
from forecasting.advice import Found
from forecasting.calc.commitment_advisor import OVERAGE, AdviceError, Choice
from forecasting.forecast_selectors import NoForecast
from web.api import cursors
from web.api.inline import inline_serializer
from web.api.permissions import SeesEverything
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

_QUESTION = inline_serializer(
    "AdviceQuestion",
    {
        "kind": serializers.CharField(help_text=f"What is on offer: {', '.join(advice.KINDS)}."),
        "ServiceProviderName": serializers.CharField(required=False, help_text="The usage: of a provider,"),
        "x_Model": serializers.CharField(required=False, help_text="of a model,"),
        "x_CostCentre": serializers.CharField(required=False, help_text="of a cost centre; none of them: of all."),
        "days": serializers.IntegerField(
            required=False, min_value=1, help_text="Default: as far as the forecast reaches."
        ),
        "price": serializers.CharField(required=False, help_text="Of a unit of capacity, used or not."),
        "on_demand": serializers.CharField(required=False, help_text="What the full use of a unit costs without it."),
        "per": serializers.ChoiceField(
            list(advice.PER), required=False, help_text="What both prices are for. Default: a day."
        ),
        "least": serializers.IntegerField(required=False, min_value=1, help_text="Units: at least, if any."),
        "step": serializers.IntegerField(required=False, min_value=1, help_text="Units: by which sizes grow."),
        "most": serializers.IntegerField(required=False, min_value=1, help_text="Units: at most."),
        "discount": serializers.CharField(required=False, help_text="Of a spend commit: 0 to below 1."),
        "overage": serializers.ChoiceField(
            list(OVERAGE),
            required=False,
            help_text="Of a spend commit: what usage beyond it costs, list price or the same discount. Default: list, as most "
            "contracts have it.",
        ),
        "amounts": serializers.ListField(
            child=serializers.CharField(),
            required=False,
            help_text="Of a spend commit, over all days; none: shares of demand.",
        ),
        "currency": serializers.CharField(required=False, help_text="Default: the site's."),
    },
)

_OF_CHOICE: dict[str, Any] = {
        "size": serializers.CharField(help_text="Units, or the amount of a commit; 0: none."),
        **{name: serializers.CharField() for name in ("cost", "waste", "spill", "regret")},
        "worse": serializers.FloatField(help_text="Share of paths on which it costs more than to commit to nothing."),
}  # fmt: skip
_CHOICE = inline_serializer("AdviceChoice", _OF_CHOICE)
_RUNNING = inline_serializer(
    "AdviceRunning",
    {
        "code": serializers.CharField(), "kind": serializers.CharField(), "ends": serializers.DateField(),
        "taken": serializers.CharField(help_text="What of demand it has already."), "currency": serializers.CharField(),
    },
)  # fmt: skip
_ANSWER = inline_serializer(
    "Advice",
    {
        "forecast": serializers.IntegerField(), "first": serializers.DateField(), "days": serializers.IntegerField(),
        "BillingCurrency": serializers.CharField(),
        "exact": serializers.BooleanField(help_text="The paths are the stored forecast's; else history changed since."),
        "demand": serializers.DictField(child=serializers.CharField(), help_text="Percentiles of what is left for the offer."),
        "running": serializers.ListField(child=_RUNNING),
        "lacks": serializers.CharField(allow_blank=True, help_text="What must be given for an advice."),
        "why": serializers.CharField(
            allow_blank=True, help_text="Why nothing on offer is better than on demand, and what would be; empty: something is."
        ),
        "best": inline_serializer("AdviceBest", {**_OF_CHOICE}, allow_null=True),
        "saving": serializers.CharField(allow_null=True, help_text="Of the best against nothing, on average."),
        "curve": serializers.ListField(child=_CHOICE),
    },
)  # fmt: skip
_EXAMPLE = OpenApiExample(
    "a spend commit of one provider", request_only=True,
    value={"kind": advice.SPEND, "ServiceProviderName": "openai", "discount": "0.15", "amounts": ["20000", "40000"]},
)  # fmt: skip


class AdviceView(Resource):
    """Advice on a commitment."""

    permission_classes = [SeesEverything]

    @extend_schema(
        operation_id="commitments_advise", tags=["forecasts"], summary="How much to commit to",
        parameters=[PARAMETER], request=_QUESTION, examples=[_EXAMPLE],
        responses={200: _ANSWER, **answers(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """The size of the least mean cost over the forecast's sample paths, with what is paid for nothing (waste), beside it
        (spill), and how much dearer than the best choice of each path (regret), by size. Commitments of that kind that run
        already come first. A spend commit buys usage at its discount; what is beyond costs `overage`. Nothing is stored.
        """
        cursors.known_only(request, ())
        if not isinstance(request.data, dict):
            raise ValidationError({"kind": "the body is an object"})
        try:
            found = advice.advise(advice.asked(request.data))
        except AdviceError as wrong:
            first, _, rest = str(wrong).partition(" ")
            name = first.strip(":")
            raise ValidationError({name: rest} if name in advice.FIELDS else {"kind": str(wrong)}) from None
        except NoForecast as none:
            raise NotFound(str(none)) from None
        return Response(_described(found))


def _described(found: Found) -> dict[str, Any]:
    best = found.advice and found.advice.best
    return {
        "forecast": found.forecast.pk, "first": found.first.isoformat(), "days": found.days, "exact": found.exact,
        "BillingCurrency": found.forecast.currency, "lacks": found.lacks, "why": found.why,
        "demand": {str(share): f"{amount:.12f}" for share, amount in found.demand.items()},
        "running": [
            {**one._asdict(), "ends": one.ends.isoformat(), "taken": f"{one.taken:.12f}"} for one in found.running
        ],
        "best": best and _choice(best), "saving": f"{found.advice.saving:f}" if found.advice else None,
        "curve": [_choice(one) for one in found.advice.curve] if found.advice else [],
    }  # fmt: skip


def _choice(one: Choice) -> dict[str, Any]:
    names = ("size", "cost", "waste", "spill", "regret")
    return {**{name: f"{getattr(one, name):f}" for name in names}, "worse": one.worse}
