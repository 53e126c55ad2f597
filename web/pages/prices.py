"""The page Prices: what is in force, what waits for a person, what changed last, and the history of one model."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from allocation import selectors
from allocation.scope import EVERYTHING
from allocation.selectors import CostQuery
from finops.periods import Period
from ingest import price_approvals, price_selectors, price_versions
from ingest.calc.prices import ALWAYS, BOOKS, PRICE_CLASSES
from web import price_rows
from web.data_health import Unpriced, unpriced_models
from web.downloads import csv_file
from web.pages import charts
from web.pages.access import for_those_who_see_everything
from web.pages.approvals import asked_for, deciding
from web.price_rows import Asked

CHARTED = ("input_uncached", "cache_read", "output_visible", "output_reasoning")
CHANGES, FIRST_DAY = 40, timedelta(days=183)
_CSV = (
    "provider", "model", "price_class", "conditions", "rate", "per", "currency", "book", "valid_from", "valid_to", "source",
    "version", "in_force",
)  # fmt: skip
_MOST = 20_000  # rows of a CSV


@require_safe
@for_those_who_see_everything
def listing(request: HttpRequest) -> HttpResponse:
    """Prices in force by model; ?q=, provider=, class= and book= choose, ?after= is the next page."""
    asked, after, now = _asked(request), _after(request), timezone.now()
    lines, further = price_rows.lines(asked, at=now, after=after)
    models, providers = price_rows.counts(asked, now)
    chosen = {name: value for name, value in zip(("q", "provider", "class", "book"), asked, strict=True) if value}
    waiting = asked_for(request, {price_versions.KIND, price_approvals.ENTRIES})
    unpriced, period = _unpriced()
    changed = price_selectors.last_changes()
    context = {
        "lines": lines, "asked": asked, "chosen": chosen, "shown_classes": price_rows.SHOWN,
        "one_class": asked.price_class, "models": models, "of_providers": providers, "providers": price_rows.providers(),
        "classes": PRICE_CLASSES, "books": price_rows.books(), "book_names": BOOKS, "tab": "prices",
        "further": f"?{urlencode({**chosen, 'after': '/'.join(further)})}" if further else "",
        "first": f"?{urlencode(chosen)}" if after else "",
        "csv": f"/prices/prices.csv?{urlencode(chosen)}", "api": _api(asked), "waiting": waiting, **deciding(request),
        "unpriced": unpriced, "period": period, "currency": settings.REPORT_CURRENCY,
        "tokens": sum(row.tokens for row in unpriced),
        "estimate": sum((row.estimate for row in unpriced), Decimal(0)),
        "changed": [price_change(change) for change in changed[:CHANGES]], "more_changed": max(len(changed) - CHANGES, 0),
    }  # fmt: skip
    return render(request, "web/prices.html", context)


def price_change(change: Any) -> dict[str, Any]:
    """A change of the last load as the page shows it."""
    row = change.any_row
    named = {name: row[name] for name in ("book", "provider", "model", "price_class")}
    return named | {
        "kind": change.kind, "former": change.former, "row": change.row, "since": change.since, "verdict": change.verdict,
        "factor": change.verdict.factor and float(change.verdict.factor),
    }  # fmt: skip


@require_safe
@for_those_who_see_everything
def as_csv(request: HttpRequest) -> HttpResponse:
    """Every price in force of the very view, one row per class and conditions."""
    asked = _asked(request)
    rows = price_rows.rows(asked, at=timezone.now(), limit=_MOST)
    return csv_file("prices", _CSV, ([row[name] for name in _CSV] for row in rows))


@require_safe
@for_those_who_see_everything
def history(request: HttpRequest) -> HttpResponse:
    """All dated prices of one model, as steps and as a table: of every book, and which of them rules."""
    provider, model = request.GET.get("provider", ""), request.GET.get("model", "")
    if not model:
        raise Http404
    now = timezone.now()
    rows = price_selectors.price_history(provider, model, at=now)
    for row in rows:
        row["began"] = None if row["valid_from"] <= ALWAYS else row["valid_from"]
        row["future"] = row["valid_from"] > now
        row["unit"] = price_rows.per(row)
    live = [row for row in rows if row["live"]]
    plain = [row for row in live if not row["conditions"] and row["price_class"] in CHARTED]
    shown = request.GET.get("all") == "1"
    context = {
        "provider": provider, "model": model, "tab": "prices", "chart": _steps(plain, now.date()), "all": shown,
        "rows": rows if shown else [row for row in live if _tells(row, live)],
        "count": len(rows), "in_force": [row for row in plain if row["in_force"]], "found": bool(rows),
        "api": f"/api/v1/prices?{urlencode({'provider': provider, 'model': model, 'history': '1'})}",
        "same": f"?{urlencode({'provider': provider, 'model': model})}",
    }  # fmt: skip
    return render(request, "web/price_history.html", context)


def _tells(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether a row is shown at first: standard prices that others do not repeat, and input and output under conditions."""
    if row["conditions"]:
        return row["price_class"] in ("input_uncached", "output_visible")
    return row["price_class"] in price_rows.SHOWN or not _same(row, rows)


def _same(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether a class costs what another with a place of its own costs, under the same conditions and dates."""
    return any(
        other["price_class"] in price_rows.SHOWN
        and all(row[name] == other[name] for name in ("conditions", "book", "rate", "per", "valid_from", "valid_to"))
        for other in rows
    )


def _steps(rows: list[dict[str, Any]], today: date) -> charts.Lines | None:
    """Standard rates per million tokens over time, as the books rule; dates to come included."""
    rows = [row for row in rows if row["per"] == 1_000_000]
    if not rows:
        return None
    moments = sorted({moment for row in rows for moment in (row["valid_from"], row["valid_to"]) if moment})
    dated = [moment.date() for moment in moments if moment > ALWAYS]
    start = min([day - timedelta(days=30) for day in dated] + [today - FIRST_DAY])
    end = max([day + timedelta(days=30) for day in dated] + [today + timedelta(days=30)])
    series = []
    for name in CHARTED:
        own = [row for row in rows if row["price_class"] == name]
        points = [(max(moment.date(), start), _ruling(own, moment)) for moment in moments]
        if any(value is not None for _, value in points):
            series.append((name, points))
    if len(series) == 4 and series[2][1] == series[3][1]:
        series = [*series[:2], ("output", series[2][1])]
    return charts.stepped(series, start, end, log=True)


def _ruling(rows: list[dict[str, Any]], moment: datetime) -> Decimal | None:
    """The rate at an instant of the first book that has one."""
    for book in BOOKS:
        for row in rows:
            if (
                row["book"] == book
                and row["valid_from"] <= moment
                and (row["valid_to"] is None or moment < row["valid_to"])
            ):
                rate: Decimal = row["rate"]
                return rate
    return None


def _unpriced() -> tuple[list[Unpriced], Period | None]:
    """Models without a price in the newest month with cost, with the money at the dearest comparable price."""
    months = selectors.months(EVERYTHING)
    if not months:
        return [], None
    period = Period.month(months[0])
    query = CostQuery(period, ("ServiceProviderName", "x_Model"), currency=settings.REPORT_CURRENCY)
    return unpriced_models(selectors.costs(EVERYTHING, query)), period


def _asked(request: HttpRequest) -> Asked:
    return Asked(*(request.GET.get(name, "").strip() for name in ("q", "provider", "class", "book")))


def _after(request: HttpRequest) -> tuple[str, str] | None:
    text = request.GET.get("after", "")
    if not text:
        return None
    provider, _, model = text.partition("/")
    return provider, model


def _api(asked: Asked) -> str:
    given = {"provider": asked.provider, "model": f"*{asked.text}*" if asked.text else "", "class": asked.price_class}
    return f"/api/v1/prices?{urlencode({name: value for name, value in given.items() if value})}".removesuffix("?")
