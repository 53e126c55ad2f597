"""The page Commitments of Forecast: how much to commit to, by the forecast's sample paths; the offer stands in the address."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from allocation.calc.commitments import CAPACITY, KINDS
from allocation.costing import commitments_selectors
from allocation.scope import EVERYTHING
from allocation.statement_selectors import snapshot
from forecasting import advice, forecasts
from forecasting.advice import GPU, SPEND, Found
from forecasting.calc.commitment_advisor import OVERAGE, AdviceError, Choice
from forecasting.forecast_selectors import NoForecast, series
from web import formats
from web.downloads import csv_file, xlsx_file
from web.forecast_words import LEVEL_NAMES
from web.pages import forecast_charts
from web.pages.access import for_those_who_see_everything

CURVE = ("size", "cost", "waste", "spill", "regret", "share_of_paths_dearer_than_none", "best", "currency")
_LONGEST = 300
_LINES = ("cost", "waste", "spill", "regret")


class Asked(NamedTuple):
    """The form as it was sent, and what came of it; ``filled``: fields that stand there by themselves, and from where."""

    typed: dict[str, str]
    filled: dict[str, str]
    found: Found | None
    wrong: str
    none: str


@require_safe
@for_those_who_see_everything
def page(request: HttpRequest) -> HttpResponse:
    """The form, and the advice once there is an offer."""
    with snapshot():
        asked = _asked(request)
        found = asked.found
        context: dict[str, Any] = {
            "tab": "commitments", "asked": asked, "found": found, "kinds": advice.KINDS, "per": list(advice.PER),
            "overage": OVERAGE,
            "menus": _menus(asked.typed), "search": f"?{request.META.get('QUERY_STRING', '')}",
            "body": json.dumps(_body(asked.typed)), "api": request.build_absolute_uri(reverse("api-commitments-advice")),
            "files": [(name.upper(), reverse(f"forecast-commitments-{name}")) for name in ("csv", "xlsx")],
            "spend": asked.typed["kind"] == SPEND,
        }  # fmt: skip
        if found is not None:
            context |= _shown(asked.typed["kind"], found)
    return render(request, "web/forecast_advice.html", context, status=400 if asked.wrong else 200)


@require_safe
@for_those_who_see_everything
def as_csv(request: HttpRequest) -> HttpResponse:
    """The curve of the very view."""
    asked = _asked(request)
    if asked.wrong:
        return render(request, "400.html", {"wrong": asked.wrong, "back": "forecast-commitments"}, status=400)
    return csv_file("commitment_advice", CURVE, _rows(asked.found))


@require_safe
@for_those_who_see_everything
def as_xlsx(request: HttpRequest) -> HttpResponse:
    """The same as a workbook."""
    asked = _asked(request)
    if asked.wrong:
        return render(request, "400.html", {"wrong": asked.wrong, "back": "forecast-commitments"}, status=400)
    return xlsx_file("commitment_advice", {"Advice": (CURVE, _rows(asked.found))})


def _asked(request: HttpRequest) -> Asked:
    typed = {name: request.GET.get(name, "").strip()[:_LONGEST] for name in advice.FIELDS}
    typed["kind"] = typed["kind"] if typed["kind"] in advice.KINDS else SPEND
    filled = _filled(typed)
    typed |= {name: value for name, value in filled.items() if name in advice.FIELDS}
    try:
        return Asked(typed, filled, advice.advise(advice.asked(_body(typed))), "", "")
    except AdviceError as wrong:
        return Asked(typed, filled, None, str(wrong), "")
    except NoForecast as none:
        return Asked(typed, filled, None, "", str(none))


def _body(typed: Mapping[str, str]) -> dict[str, Any]:
    """The question as the API takes it: the fields of the kind alone."""
    others = ("price", "on_demand", "per", "least", "step", "most")
    left_out = others if typed["kind"] == SPEND else ("discount", "overage", "amounts")
    said: dict[str, Any] = {name: value for name, value in typed.items() if value and name not in left_out}
    if "amounts" in said:
        said["amounts"] = said["amounts"].replace(",", " ").split()
    return said


def _filled(typed: Mapping[str, str]) -> dict[str, str]:
    """What a commitment in force says of the price of a unit, where none was typed: of GPUs, by the hour."""
    if typed["kind"] != GPU or typed["price"]:
        return {}
    for one in commitments_selectors.in_force().of_kind("reserved_gpu"):
        hours = one.hours(one.first)
        paid = one.cost(one.first)
        if one.capacity and one.capacity.per_hour and hours and paid.cost:
            each = (paid.cost / hours / one.capacity.per_hour).quantize(Decimal("0.0001"))
            return {"price": f"{each:f}", "per": "hour", "from": one.code}
    return {}


def _menus(typed: Mapping[str, str]) -> list[tuple[str, str, list[str], str]]:
    """(field, what it is called, values, the chosen one) of the usage."""
    found = forecasts.in_force(typed["currency"])
    if found is None:
        return []
    values = {
        name: [row.key[0] for row in series(EVERYTHING, found, (name,)) if row.key[0]]
        for name in advice.TELLS
        if name in found.dimensions
    }
    return [(name, LEVEL_NAMES[name].capitalize(), known, typed[name]) for name, known in values.items()]


def _shown(kind: str, found: Found) -> dict[str, Any]:
    currency = found.forecast.currency
    context: dict[str, Any] = {
        "currency": currency, "unit": "" if kind == SPEND else "GPUs" if kind == GPU else "units",
        "running": [{"one": one, "order": KINDS.index(one.kind), "capacity": one.kind in CAPACITY} for one in found.running],
        "demand": list(found.demand.items()),
    }  # fmt: skip
    if found.advice is None:
        return context
    curve, best = found.advice.curve, found.advice.best
    lines = [(name, [getattr(one, name) for one in curve]) for name in _LINES]
    drawn = forecast_charts.curve(
        [one.size for one in curve], lines, best.size, currency, "money" if kind == SPEND else "units"
    )
    return context | {
        "best": _choice(best, currency, kind), "curve": drawn, "saving": found.advice.saving, "lines": _LINES,
        "choices": [_choice(one, currency, kind) | {"best": one.size == best.size} for one in _few(curve, best)],
    }  # fmt: skip


def _few(curve: tuple[Choice, ...], best: Choice, most: int = 13) -> list[Choice]:
    """So many of the curve that they can be read, the best among them."""
    every = max(1, -(-len(curve) // most))
    return [one for number, one in enumerate(curve) if number % every == 0 or one.size in (best.size, curve[-1].size)]


def _choice(one: Choice, currency: str, kind: str) -> dict[str, Any]:
    size = formats.money(one.size, currency) if kind == SPEND else formats.whole(int(one.size))
    return {
        "choice": one,
        "size": size if one.size else "none",
        "worse": formats.percent(Decimal(f"{one.worse:.4f}"), 0),
    }


def _rows(found: Found | None) -> list[list[Any]]:
    if found is None or found.advice is None:
        return []
    return [
        [one.size, one.cost, one.waste, one.spill, one.regret, one.worse,
         "yes" if one.size == found.advice.best.size else "no", found.forecast.currency]
        for one in found.advice.curve
    ]  # fmt: skip
