"""What /api/v1/calculators and claims take and answer, for the OpenAPI document."""

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from allocation.calc.claims_checked import VERDICTS
from allocation.value.unit_economics import BY
from web.api.inline import inline_serializer

_TEXT = serializers.CharField
_MAY_BE: dict[str, Any] = {"allow_null": True}
_PROVENANCE: dict[str, Any] = {
    "assumption": _TEXT(**_MAY_BE, help_text="Code in the register; null: chosen or given."), "source": _TEXT(**_MAY_BE),
    "as_of": serializers.DateField(**_MAY_BE), "grade": _TEXT(**_MAY_BE), "owner": _TEXT(**_MAY_BE),
}  # fmt: skip
_NAMED: dict[str, Any] = {"name": _TEXT(), "title": _TEXT(), "unit": _TEXT()}
_VERSION = serializers.IntegerField(**_MAY_BE, help_text="Of the register; null: as shipped.")
_INPUT = inline_serializer(
    "CalculatorInput",
    {
        **_NAMED, "positive": serializers.BooleanField(help_text="Must be above 0."),
        "choices": serializers.ListField(child=_TEXT()), "default": _TEXT(), "low": _TEXT(**_MAY_BE),
        "high": _TEXT(**_MAY_BE), **_PROVENANCE, "own": _TEXT(**_MAY_BE, help_text="By one's own month; null: not known."),
    }, many=True,
)  # fmt: skip
_CALCULATOR = inline_serializer(
    "Calculator",
    {
        "name": _TEXT(), "title": _TEXT(), "group": _TEXT(), "about": _TEXT(), "inputs": _INPUT,
        "figures": inline_serializer("CalculatorFormula", {**_NAMED, "formula": _TEXT()}, many=True),
    }, many=True,
)  # fmt: skip
_OWN = inline_serializer(
    "OwnUnitEconomics",
    {
        "month": _TEXT(), "currency": _TEXT(), "queries": serializers.IntegerField(),
        "priced_queries": serializers.IntegerField(help_text="Of which mean, median and p95 are."),
        **{name: _TEXT(**_MAY_BE) for name in ("cost", "fixed", "variable", "query_mean", "query_median", "query_p95")},
    }, allow_null=True,
)  # fmt: skip

LIST = inline_serializer("Calculators", {"register_version": _VERSION, "own": _OWN, "calculators": _CALCULATOR})
RESULT = inline_serializer(
    "Calculation",
    {
        "calculator": _TEXT(), "title": _TEXT(), "register_version": _VERSION,
        "figures": inline_serializer(
            "CalculatedFigure",
            {
                **_NAMED, "value": _TEXT(**_MAY_BE, help_text="A decimal string; null: there is none, see note."),
                "formula": _TEXT(), "filled": _TEXT(help_text="The formula with the numbers put in."),
                "note": _TEXT(allow_blank=True),
            }, many=True,
        ),
        "inputs": inline_serializer(
            "CalculationInput",
            {**_NAMED, "value": _TEXT(), "given": serializers.BooleanField(), **_PROVENANCE}, many=True,
        ),
        "warnings": serializers.ListField(child=_TEXT()),
    },
)  # fmt: skip
_RUN = inline_serializer(
    "ClaimRun",
    {
        "what": _TEXT(), "calculator": _TEXT(), "figure": _TEXT(), "inputs": serializers.DictField(child=_TEXT()),
        "stated": _TEXT(**_MAY_BE), "ours": _TEXT(), "reproduces": serializers.BooleanField(),
    }, many=True,
)  # fmt: skip
CLAIMS = inline_serializer(
    "Claims",
    {
        "results": inline_serializer(
            "Claim",
            {
                "id": serializers.IntegerField(), "note": _TEXT(), "claim": _TEXT(),
                "verdict": serializers.ChoiceField(VERDICTS), "correction": _TEXT(allow_blank=True),
                "values": serializers.ListField(child=_TEXT(), help_text="Of an inconsistent claim."),
                "remark": _TEXT(allow_blank=True), "runs": _RUN,
            }, many=True,
        )
    },
)  # fmt: skip


class Inputs(serializers.Serializer[Any]):
    """Inputs by name: texts or whole numbers. What is left out is the register's base."""

    inputs = serializers.DictField(child=serializers.CharField(), required=False)


class OneCustomer(serializers.Serializer[Any]):
    """What a customer used in a month."""

    name = serializers.CharField(max_length=200)
    queries = serializers.IntegerField(min_value=0, max_value=10**15)
    cost = serializers.CharField(max_length=40, help_text="A decimal string.")


class CustomersIn(serializers.Serializer[Any]):
    """A price, and customers: given, or one's own of a month."""

    price = serializers.CharField(max_length=40, help_text="A decimal string: what each one pays a month.")
    fixed = serializers.CharField(max_length=40, required=False, help_text="Cost of a customer beside the queries.")
    month = serializers.CharField(max_length=7, required=False, help_text="2026-09; default: the newest with cost.")
    by = serializers.ChoiceField(
        list(BY), required=False, help_text="What stands for a customer; default: cost_centre."
    )
    customers = OneCustomer(many=True, required=False)


CUSTOMERS = inline_serializer(
    "CustomerMargins",
    {
        "month": _TEXT(**_MAY_BE), "by": _TEXT(**_MAY_BE), "currency": _TEXT(**_MAY_BE),
        **{name: _TEXT() for name in ("price", "revenue", "cost", "fixed", "margin", "unnamed")},
        "customers": serializers.IntegerField(), "loss_making": serializers.IntegerField(),
        "loss_share": _TEXT(**_MAY_BE),
        "break_even": inline_serializer(
            "BreakEvenQueries", {"at": _TEXT(), "query_cost": _TEXT(**_MAY_BE), "queries": _TEXT(**_MAY_BE)}, many=True
        ),
        "results": inline_serializer(
            "CustomerMargin",
            {
                "name": _TEXT(), "queries": serializers.IntegerField(), "cost": _TEXT(), "margin": _TEXT(),
                "margin_share": _TEXT(), "cost_share": _TEXT(**_MAY_BE),
            }, many=True,
        ),
    },
)  # fmt: skip


def _example(name: str, **inputs: str) -> OpenApiExample:
    return OpenApiExample(name, value={"inputs": inputs}, request_only=True)


# The name of each is that of its calculator; without inputs all are the register's.
EXAMPLES = [
    _example("tier_cost", tier="research", basis="calls"),
    _example("net_cost"),
    _example("break_even_queries"),
    _example("agent_tasks"),
    _example("technique_stack"),
    _example("own_capacity"),
]
