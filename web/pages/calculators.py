"""The page Calculators: formulas with inputs to edit, what comes of them, and where each default is from."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from allocation import assumptions, selectors
from allocation.calc.assumptions import Assumption, Register, said
from allocation.calc.claims import CALCULATORS, TIER_BY_DEFAULT, Result, calculate, defaults
from allocation.calc.claims_calculators import TIER, TIER_COST, Calculator, Input
from allocation.calc.claims_formulas import CalculationError
from allocation.scope import Scope, scope_of
from allocation.value.unit_economics import Own, own
from finops.focus import TIERS
from finops.periods import Period
from web.pages import charts

CALCULATOR = "calculator"
_CASES = ("optimistic", "base", "squeeze")


class Field(NamedTuple):
    """One input of the form: as it was typed, what stands where nothing is typed, and one's own figure for it."""

    input: Input
    typed: str
    default: Assumption | None
    chosen: str
    own: str | None
    own_link: str
    wrong: str


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """One calculator, by the address; a wrong input is told beside it, and all that was typed stays."""
    register = assumptions.in_force()
    name = request.GET.get(CALCULATOR, "") or TIER_COST.name
    if name not in CALCULATORS:
        return render(
            request,
            "400.html",
            {"wrong": f"{CALCULATOR}: there is no {name[:60]!r}", "back": "calculators"},
            status=400,
        )
    calculator = CALCULATORS[name]
    given = {one.name: request.GET.get(one.name, "").strip() for one in calculator.inputs}
    result, wrong = _result(name, given, register)
    mine = own_of(scope_of(request.user))
    context: dict[str, Any] = {
        "tab": "calculators", "calculator": calculator, "groups": _groups(), "result": result, "wrong": wrong,
        "fields": _fields(calculator, given, register, mine, wrong), "mine": mine, "version": assumptions.version(),
        "body": {"inputs": {key: value for key, value in given.items() if value}},
    }  # fmt: skip
    if calculator is TIER_COST and result is not None:
        context["tiers"] = tier_rows(register)
    return render(request, "web/calculators.html", context, status=200 if result else 400)


def own_of(scope: Scope) -> Own | None:
    """One's own newest month."""
    months = selectors.months(scope)
    return own(scope, Period.month(months[0])) if months else None


def tier_rows(register: Register) -> list[dict[str, Any]]:
    """What a query of each tier costs against before: at the register's easy end, base, and squeeze."""
    rows = []
    for tier in TIERS:
        found = [one for one in zip(TIER_COST.inputs, defaults(TIER_COST, register, tier), strict=True) if one[1]]
        row: dict[str, Any] = {"tier": tier}
        for case in _CASES:
            given = {one.name: getattr(source, case) for one, source in found}
            result = calculate(TIER_COST.name, {TIER: tier, **given}, register)
            row[case] = result.value("net")
        rows.append(row)
    places = _on_a_log_axis([row[case] for row in rows for case in _CASES])
    for row in rows:
        row |= {f"{case}_at": places[row[case]] for case in _CASES}
        row["span"] = row["squeeze_at"] - row["optimistic_at"]
        row["one_at"] = places[Decimal(1)]
    return rows


def _on_a_log_axis(values: Sequence[Decimal]) -> dict[Decimal, int]:
    """Where values, and 1, lie in a box 1000 wide."""
    logs = {value: math.log10(value) for value in {*values, Decimal(1)} if value > 0}
    least, span = min(logs.values()), (max(logs.values()) - min(logs.values())) or 1
    return {value: round((at - least) / span * charts.BOX) for value, at in logs.items()}


def _result(name: str, given: Mapping[str, str], register: Register) -> tuple[Result | None, str]:
    try:
        return calculate(name, given, register), ""
    except CalculationError as wrong:
        return None, str(wrong)


def _groups() -> list[tuple[str, list[Calculator]]]:
    ordered = sorted(CALCULATORS.values(), key=lambda one: _order().index(one.group))
    return [(group, list(found)) for group, found in groupby(ordered, key=lambda one: one.group)]


def _order() -> list[str]:
    return list(dict.fromkeys(one.group for one in CALCULATORS.values()))


def _fields(
    calculator: Calculator, given: Mapping[str, str], register: Register, mine: Own | None, wrong: str
) -> list[Field]:
    tier = given.get(TIER) if given.get(TIER) in TIERS else TIER_BY_DEFAULT
    suggested = mine.suggestions if mine else {}
    found = []
    for one, source in zip(calculator.inputs, defaults(calculator, register, str(tier)), strict=True):
        mean = None if source is None else suggested.get(source.code)
        query = {CALCULATOR: calculator.name, **{key: value for key, value in given.items() if value}}
        default = str(tier) if source is None else said(source.base)
        told = wrong.partition(":")[0].partition(" ")[0] == one.name
        found.append(
            Field(
                one, given[one.name], source, given[one.name] or default, None if mean is None else said(mean),
                "" if mean is None else f"?{urlencode({**query, one.name: said(mean)})}", wrong if told else "",
            )
        )  # fmt: skip
    return found
