"""/api/v1/calculators and claims: what is calculated, from which assumptions, and what comes of it."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import assumptions, selectors
from allocation.calc.assumptions import Register, said
from allocation.calc.claims import CALCULATORS, TIER_BY_DEFAULT, Figure, Filled, calculate, defaults
from allocation.calc.claims_calculators import Calculator
from allocation.calc.claims_checked import Claim
from allocation.calc.claims_formulas import CalculationError
from allocation.scope import Scope, scope_of
from allocation.value import claims
from allocation.value.unit_economics import Own, own
from finops.focus import TIERS
from finops.periods import Period, PeriodError
from web.api import calculators_docs as docs
from web.api import cursors
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

MONTH = OpenApiParameter(
    "month",
    OpenApiTypes.STR,
    pattern="^[0-9]{4}-[0-9]{2}$",
    description="Whose own figures; by default the newest with cost.",
)


class CalculatorsView(Resource):
    """The calculators."""

    @extend_schema(
        operation_id="calculators_list", tags=["calculators"], summary="Calculators",
        parameters=[
            MONTH, OpenApiParameter("tier", OpenApiTypes.STR, enum=list(TIERS), description="Whose defaults; complex, if none."),
        ],
        responses={200: docs.LIST, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Formulas, and inputs with units, defaults, where these are from, and what stands for them by one's own month."""
        cursors.known_only(request, ("month", "tier"))
        tier = request.query_params.get("tier", TIER_BY_DEFAULT)
        if tier not in TIERS:
            raise ValidationError({"tier": f"must be one of {', '.join(TIERS)}"})
        register, live = assumptions.in_force(), assumptions.version()
        mine = own_of(scope_of(request.user), request.query_params.get("month"))
        return Response(
            {
                "register_version": live and live.number, "own": mine and _own(mine),
                "calculators": [
                    _calculator(one, register, tier, mine.suggestions if mine else {}) for one in CALCULATORS.values()
                ],
            }
        )  # fmt: skip


class CalculatorView(Resource):
    """One calculator."""

    @extend_schema(
        operation_id="calculators_calculate", tags=["calculators"], summary="Calculate",
        parameters=[PARAMETER, OpenApiParameter("name", OpenApiTypes.STR, OpenApiParameter.PATH, enum=list(CALCULATORS))],
        request=docs.Inputs, examples=docs.EXAMPLES,
        responses={200: docs.RESULT, **answers(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request, name: str) -> Response:
        """Figures with their formulas, and the numbers put in. What is not given is the register's base."""
        cursors.known_only(request, ())
        if name not in CALCULATORS:
            raise NotFound(f"There is no such calculator; there are {', '.join(CALCULATORS)}.")
        given = inputs_of(request)
        live = assumptions.version()
        try:
            result = calculate(name, given, assumptions.in_force())
        except CalculationError as wrong:
            raise ValidationError({"inputs": str(wrong)}) from None
        return Response(
            {
                "calculator": name, "title": result.calculator.title, "register_version": live and live.number,
                "figures": [_figure(one) for one in result.figures], "inputs": [_filled(one) for one in result.inputs],
                "warnings": list(result.warnings),
            }
        )  # fmt: skip


class ClaimsView(Resource):
    """Claims of the field."""

    @extend_schema(
        operation_id="claims_list", tags=["calculators"], summary="Claims, checked",
        responses={200: docs.CLAIMS, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """What market notes claim, what comes of their own figures by the calculators, and whether that is the same."""
        cursors.known_only(request, ())
        return Response({"results": [_claim(one) for one in claims.checked()]})


def inputs_of(request: Request) -> dict[str, Any]:
    """The inputs of a body ``{"inputs": {...}}``. Raises ValidationError."""
    if not isinstance(request.data, dict) or not isinstance(given := request.data.get("inputs", {}), dict):
        raise ValidationError({"inputs": "the body is an object with the object `inputs`"})
    if unknown := sorted(set(request.data) - {"inputs"}):
        raise ValidationError({unknown[0][:60]: "is not known; the body has `inputs` alone"})
    return {str(name): value for name, value in given.items()}


def own_of(scope: Scope, text: str | None) -> Own | None:
    """One's own figures of a month, by default the newest that has cost. Raises ValidationError."""
    if text is None:
        months = selectors.months(scope)
        return own(scope, Period.month(months[0])) if months else None
    try:
        return own(scope, Period.month(text))
    except PeriodError as wrong:
        raise ValidationError({"month": str(wrong)}) from None


def _own(mine: Own) -> dict[str, Any]:
    spread = mine.spread
    money = {
        "cost": mine.cost, "fixed": mine.fixed, "variable": mine.variable, "query_mean": spread.mean,
        "query_median": spread.p50, "query_p95": spread.p95,
    }  # fmt: skip
    return {
        "month": str(mine.period), "currency": mine.currency, "queries": mine.queries, "priced_queries": spread.queries,
        **{name: None if amount is None else f"{amount:.12f}" for name, amount in money.items()},
    }  # fmt: skip


def _calculator(one: Calculator, register: Register, tier: str, suggested: Mapping[str, Any]) -> dict[str, Any]:
    inputs = []
    for each, found in zip(one.inputs, defaults(one, register, tier), strict=True):
        own_value = None if found is None else suggested.get(found.code)
        inputs.append(
            {
                "name": each.name, "title": each.title, "unit": each.unit, "positive": each.positive,
                "choices": list(each.choices), "default": tier if found is None else said(found.base),
                "low": None if found is None else said(found.low), "high": None if found is None else said(found.high),
                **_provenance(found), "own": None if own_value is None else said(own_value),
            }
        )  # fmt: skip
    formulas = [
        {"name": each.name, "title": each.title, "unit": each.unit, "formula": each.in_words} for each in one.outputs
    ]
    return {
        "name": one.name, "title": one.title, "group": one.group, "about": one.about, "inputs": inputs, "figures": formulas,
    }  # fmt: skip


def _provenance(found: Any) -> dict[str, Any]:
    names = ("source", "grade", "owner")
    return {
        "assumption": found and found.code, "as_of": found and found.as_of.isoformat(),
        **{name: found and getattr(found, name) for name in names},
    }  # fmt: skip


def _figure(one: Figure) -> dict[str, Any]:
    return {
        "name": one.output.name, "title": one.output.title, "unit": one.output.unit,
        "value": None if one.value is None else f"{one.value:f}", "formula": one.formula, "filled": one.filled, "note": one.note,
    }  # fmt: skip


def _filled(one: Filled) -> dict[str, Any]:
    return {
        "name": one.input.name, "title": one.input.title, "unit": one.input.unit, "value": said(one.value),
        "given": one.source is None and bool(one.input.assumption), **_provenance(one.source),
    }  # fmt: skip


def _claim(one: Claim) -> dict[str, Any]:
    runs = [
        {
            "what": run.what, "calculator": run.result.calculator.name, "figure": run.figure,
            "inputs": {each.input.name: said(each.value) for each in run.result.inputs if each.source is None},
            "stated": None if run.stated is None else said(run.stated), "ours": f"{run.ours:f}", "reproduces": run.reproduces,
        }
        for run in one.runs
    ]  # fmt: skip
    return {
        "id": one.number, "note": one.note, "claim": one.text, "verdict": one.verdict, "correction": one.correction,
        "values": list(one.values), "remark": one.remark, "runs": runs,
    }  # fmt: skip
