"""The month a page about money shows: ?month=, by default the newest that has cost."""

from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from allocation import selectors
from allocation.scope import EVERYTHING
from finops.periods import Period, PeriodError

WrongMonth = PeriodError


class Chosen(NamedTuple):
    """The month, and those with cost, the newest first; None where there is no cost at all and none was asked for."""

    period: Period | None
    months: list[str]


def chosen_month(request: HttpRequest) -> Chosen:
    """What the address asks for. Raises WrongMonth."""
    months = selectors.months(EVERYTHING)
    text = request.GET.get("month", "") or (months[0] if months else "")
    return Chosen(Period.month(text) if text else None, months)


def wrong_month(request: HttpRequest, wrong: WrongMonth, back: str) -> HttpResponse:
    """The page that says so."""
    return render(request, "400.html", {"wrong": f"month: {wrong}", "back": back}, status=400)
