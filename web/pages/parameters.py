"""What the pages may be asked: the parameters of each, which of them may be given several times, and their values.

What a page does not read, what is given twice and what cannot be would each show another view than the one that was asked for:
it is answered with a page that names it (web.pages.wrong). Without a value a parameter says nothing: forms send all their fields.
"""

import re
from collections.abc import Callable, Collection, Iterable
from datetime import date
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import get_resolver

from allocation.calc.bridge_effects import BUDGET, EFFECTS
from allocation.calc.claims import CALCULATORS
from allocation.calc.claims_calculators import TIER_COST
from allocation.calc.claims_checked import VERDICTS
from allocation.models import Statement
from allocation.value.agents import FILTERS as OF_AGENTS
from finops.currencies import check_currency
from finops.focus import COST_COLUMNS
from finops.money import MoneyError
from finops.periods import Period, PeriodError
from forecasting.advice import FIELDS, KINDS, PER
from forecasting.calc.watch_policy import SEVERITIES
from forecasting.models import Alert
from ingest.calc.prices import BOOKS, PRICE_CLASSES
from ingest.calc.reasons import REASONS
from ingest.models import IngestRun
from web.audit_log import FILTERS as OF_AUDIT
from web.dimensions import FILTERS
from web.pages.anomalies import IMPACTS
from web.pages.calculators import CALCULATOR
from web.pages.explore_state import GRANULARITIES, NAMES, SPANS
from web.pages.queries import PLACE
from web.pages.roi import BY
from web.pages.wrong import WrongParameter, shown, storable, wrong_page
from web.queried import bins_of
from web.reconciled import CAUSES, STATES, UNEXPLAINED

Check = Callable[[str], str]  # '' or what is wrong with a value
Takes = dict[str, Check]
MOST, LONGEST, VALUES = 200, 200, 50  # parameters of an address, characters of a value of a filter, values of one


def _any(_: str) -> str:
    return ""


def _value(text: str) -> str:
    return "" if len(text) <= LONGEST else f"at most {LONGEST} characters"


def _of_several(text: str) -> str:
    """Of a parameter that may be given several times."""
    return _value(text)


def _one_of(values: Iterable[object]) -> Check:
    known = [str(value) for value in values]
    return lambda text: "" if text in known else f"one of {', '.join(known)}"


def _names(most: int) -> Check:
    def check(text: str) -> str:
        names = text.split(",")
        fine = set(names) <= set(FILTERS) and len(set(names)) == len(names) <= most
        return "" if fine else f"at most {most} of {', '.join(FILTERS)}, each once, comma separated"

    return check


def _month(text: str) -> str:
    try:
        Period.month(text)
    except PeriodError as wrong:
        return str(wrong)
    return ""


def _day(text: str) -> str:
    try:
        found = date.fromisoformat(text) if re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", text, re.ASCII) else None
    except ValueError:
        found = None
    return "" if found else f"the day {text[:20]!r} is none; write YYYY-MM-DD"


def _currency(text: str) -> str:
    try:
        check_currency(text)
    except MoneyError as wrong:
        return str(wrong)
    return ""


def _bins(text: str) -> str:
    return (
        ""
        if text == "none" or bins_of(text)
        else "a bin as -60, bins from the lower to the higher as -60..-41, or none"
    )


def _number(text: str) -> str:
    return "" if re.fullmatch("[0-9]{1,18}", text, re.ASCII) else "a number"


def _model(text: str) -> str:
    return "" if "/" in text else "a provider and a model, as openai/gpt-5"


def _place(text: str) -> str:
    return "" if PLACE.fullmatch(text) else "the address of the next page says where it begins"


_MONTH: Takes = {"month": _month}
_DAY: Takes = {"day": _day}
_RUN: Takes = {"run": _any}
_FILTERS: Takes = dict.fromkeys(FILTERS, _of_several)
_MONEY: Takes = {"cost": _one_of(COST_COLUMNS), "currency": _currency}
_CURRENCY: Takes = {"currency": _currency}
_COMPARED: Takes = {"compare": _month, "vs": _month}
_VIEW: Takes = _MONTH | _FILTERS | _MONEY
_EXPLORE: Takes = _VIEW | _COMPARED | {
    "by": _names(2), "granularity": _one_of(GRANULARITIES), "span": _one_of(SPANS), "against": _one_of(["budget"]),
    "effect": _one_of([*EFFECTS, BUDGET]), "drill": _one_of(NAMES),
}  # fmt: skip
_OVERVIEW: Takes = _VIEW | {"compare": _one_of(["none"]), "movers": _one_of(["model", "provider"])}
_TIERS: Takes = _VIEW | _COMPARED
_AGENTS: Takes = _MONTH | _CURRENCY | {name: _of_several for name, column in FILTERS.items() if column in OF_AGENTS}
_QUERIES: Takes = _MONTH | _DAY | _FILTERS | {"bin": _bins}
_FORECAST: Takes = _CURRENCY | dict.fromkeys(FILTERS, _value) | {"by": _names(len(FILTERS))}
_ADVICE: Takes = dict.fromkeys(FIELDS, _any) | _CURRENCY | {"kind": _one_of(KINDS), "per": _one_of(PER)}
_ANOMALIES: Takes = _MONTH | {"impact": _one_of(f"{each:f}" for each in IMPACTS), "of": _number}
_ALERTS: Takes = {"severity": _one_of(SEVERITIES), "kind": _one_of(Alert.Kind.values)}
_WATCH: Takes = {"verdict": _one_of(["stop", "warn", "allow"]), "cost_centre": _value}
_PREDICT: Takes = {
    **dict.fromkeys(("feature", "effort", "cost_centre"), _any), "prompt_tokens": _any, "attachments": _one_of(["yes", "no"]),
    "tools": _one_of(["yes", "no"]),
}  # fmt: skip
_ROI: Takes = _MONTH | {"by": _one_of(BY)}
_PRICES: Takes = {"q": _value, "provider": _value, "class": _one_of(PRICE_CLASSES), "book": _one_of(BOOKS)}
_MARGINS: Takes = dict.fromkeys(("price", "fixed", "by"), _any) | _MONTH
_LINES: Takes = _MONTH | {
    "provider": _value, "account": _value, "currency": _value, "before": _number, "state": _one_of(STATES),
    "cause": _one_of([*CAUSES, UNEXPLAINED]),
}  # fmt: skip
_OLDER: Takes = {"before": _number}
_SCENARIOS: Takes = {"scenario": _of_several}

# Pages that are not named here take no parameters.
TAKES: dict[str, Takes] = {
    **dict.fromkeys(("overview", "overview-cost-centres-csv"), _OVERVIEW),
    **dict.fromkeys(("explore", "explore-csv", "explore-xlsx", "explore-bridge-csv"), _EXPLORE),
    **dict.fromkeys(("tiers", "tiers-csv", "tiers-xlsx", "tiers-months-csv", "tiers-distribution-csv"), _TIERS),
    **dict.fromkeys(("tiers-agents", "tiers-agents-csv", "tiers-agents-xlsx", "tiers-agents-runaways-csv"), _AGENTS),
    **dict.fromkeys(("tiers-policy", "tiers-policy-csv", "tiers-policy-xlsx"), _MONTH),
    **dict.fromkeys(("tiers-predict", "tiers-predict-csv", "tiers-predict-xlsx"), _PREDICT),
    "queries": _QUERIES | {"trace": _any, "after": _place},
    **dict.fromkeys(("queries-csv", "queries-xlsx"), _QUERIES),
    **dict.fromkeys(("query", "query-calls-csv"), _DAY),
    **dict.fromkeys(("roi", "roi-csv", "roi-xlsx"), _ROI),
    **dict.fromkeys(("forecast", "forecast-csv", "forecast-xlsx", "forecast-days-csv", "forecast-series-csv"), _FORECAST),
    **dict.fromkeys(
        ("forecast-accuracy", "forecast-accuracy-csv", "forecast-closes-csv", "forecast-accuracy-xlsx"), _CURRENCY
    ),
    **dict.fromkeys(("forecast-commitments", "forecast-commitments-csv", "forecast-commitments-xlsx"), _ADVICE),
    **dict.fromkeys(
        ("forecast-scenarios-compare", "forecast-scenarios-compare-csv", "forecast-scenarios-compare-xlsx"), _SCENARIOS
    ),
    "forecast-scenario": _RUN | {"tier": _any},
    **dict.fromkeys(("forecast-scenario-csv", "forecast-scenario-xlsx", "forecast-scenario-json"), _RUN),
    **dict.fromkeys(("anomalies", "anomalies-csv", "anomalies-xlsx"), _ANOMALIES),
    **dict.fromkeys(("budgets", "budgets-csv"), _MONTH),
    **dict.fromkeys(("budgets-watch", "budgets-watch-csv", "budgets-watch-xlsx"), _WATCH),
    **dict.fromkeys(("budgets-alerts", "budgets-alerts-csv", "budgets-alerts-xlsx"), _ALERTS),
    **dict.fromkeys(("kpis", "kpis-csv", "kpis-xlsx"), _MONTH | _CURRENCY),
    **dict.fromkeys(("calculators-customers", "calculators-customers-csv"), _MARGINS),
    "calculators-claims": {"verdict": _one_of(VERDICTS)},
    "source-imported": {"kind": _any, "account": _any},
    "data-health": _MONTH,
    "quarantine": {"source": _value, "reason": _one_of(REASONS), "before": _number},
    "runs": {"state": _one_of(IngestRun.State.values), "connection": _value, "before": _number},
    "prices": _PRICES | {"after": _model},
    "prices-csv": _PRICES,
    "price-history": dict.fromkeys(("provider", "model"), _value) | {"all": _one_of(["1"])},
    **dict.fromkeys(("price-vendors", "commitments", "commitments-csv", "capacity"), _MONTH),
    **dict.fromkeys(("allocation", "allocation-csv", "allocation-splits", "allocation-splits-csv"), _MONTH),
    "reconciliation": _MONTH | _CURRENCY,
    "reconciliation-owed-csv": _MONTH,
    **dict.fromkeys(("reconciliation-lines", "reconciliation-csv"), _LINES),
    **dict.fromkeys(("approvals", "deliveries", "run"), _OLDER),
    "invoices": _MONTH,
    "invoice": {"after": _number},
    "statements": _MONTH | {"state": _one_of(Statement.State.values)},
    "statements-csv": _MONTH,
    "statement": {"version": _number, "currency": _currency},
    "people": {"q": _any},
    "audit": dict.fromkeys(OF_AUDIT, _any) | {"before": _number},
    "export-statement": {},
}  # fmt: skip


class KnownParametersMiddleware:
    """Answers a page's address that asks for something that cannot be, before its view is called and where the view says so."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        """None: it may be asked."""
        name = request.resolver_match.url_name if request.resolver_match else None
        if name is None or name not in _pages() or request.method not in ("GET", "HEAD"):
            return None
        try:
            check(name, request.GET)
        except WrongParameter as wrong:
            return wrong_page(request, wrong)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """None: it is no WrongParameter."""
        return wrong_page(request, error) if isinstance(error, WrongParameter) else None


def check(name: str, given: QueryDict) -> None:
    """Raise WrongParameter for the first parameter that the page of this name does not take so."""
    storable(given)
    takes = takes_of(name, given)
    if sum(len(values) for _, values in given.lists()) > MOST:
        raise WrongParameter("the address", f"has more than {MOST} parameters")
    for one, values in given.lists():
        if one not in takes:
            known = ", ".join(takes)
            raise WrongParameter(
                shown(one), f"no such parameter; possible: {known}" if known else "the page has no parameters"
            )
        said = [value for value in values if value]
        several = takes[one] is _of_several
        if len(said) > (VALUES if several else 1):
            raise WrongParameter(shown(one), f"at most {VALUES} times" if several else "given twice")
        for value in said:
            if told := takes[one](value):
                raise WrongParameter(shown(one), told)
    if given.get("compare") and given.get("vs"):
        raise WrongParameter("vs", "is another name of compare: give one of them")


def takes_of(name: str, given: QueryDict) -> Takes:
    """The parameters of a page: a calculator has its inputs."""
    if name != "calculators":
        return TAKES.get(name, {})
    found = CALCULATORS.get(given.get(CALCULATOR) or TIER_COST.name)
    return {
        CALCULATOR: _one_of(CALCULATORS),
        **dict.fromkeys((one.name for one in (found.inputs if found else ())), _any),
    }


@lru_cache(maxsize=1)
def _pages() -> Collection[str]:
    names = {str(getattr(each, "name", "")) for each in get_resolver("web.pages.urls").url_patterns}
    return frozenset({*names, *TAKES})
