"""The month a page about money shows: ?month=, by default the newest that has cost.

A month that is none, or on pages of cost alone has none, is said to be so, with those that have; no other is shown in its place.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from allocation import selectors
from allocation.scope import EVERYTHING
from finops.periods import Period, PeriodError

View = Callable[..., HttpResponse]
_NAMED = 12  # months that a message names


class Chosen(NamedTuple):
    """The month, and those with cost, the newest first; None where there is no cost at all and none was asked for."""

    period: Period | None
    months: list[str]


def of_month(back: str, *, costed: bool = False) -> Callable[[View], View]:
    """Call the view with the month (Chosen) that the address asks for; ``back``: name of the page to go back to if it is none.

    ``costed``: a month without cost is none, too.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def shown(request: HttpRequest, *given: Any, **named: Any) -> HttpResponse:
            months = selectors.months(EVERYTHING)
            text = request.GET.get("month", "") or (months[0] if months else "")
            try:
                period = month_of_cost(text, months) if costed and months else Period.month(text) if text else None
                chosen = Chosen(period, months)
            except PeriodError as wrong:
                return wrong_month(request, wrong, back)
            return view(request, chosen, *given, **named)

        return shown

    return decorate


def month_of_cost(text: str, months: list[str]) -> Period:
    """The month written so, by default the newest of these, which have cost. Raises PeriodError, also for one without cost."""
    period = Period.month(text or months[0])
    if f"{period}" not in months:
        more = f" and {len(months) - _NAMED} more" if len(months) > _NAMED else ""
        raise PeriodError(f"there is no cost in {period}; there is in {', '.join(months[:_NAMED])}{more}")
    return period


def told_month(back: str) -> Callable[[View], View]:
    """Answer a PeriodError of the view with the page that says so."""

    def decorate(view: View) -> View:
        @wraps(view)
        def shown(request: HttpRequest, *given: Any, **named: Any) -> HttpResponse:
            try:
                return view(request, *given, **named)
            except PeriodError as wrong:
                return wrong_month(request, wrong, back)

        return shown

    return decorate


def wrong_month(request: HttpRequest, wrong: PeriodError, back: str) -> HttpResponse:
    """The page that says so."""
    return render(request, "400.html", {"wrong": f"month: {wrong}", "back": back}, status=400)
