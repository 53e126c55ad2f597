"""The cards of the Overview: each is the figure of the page that it leads to, says its date, and what to do where it has none."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from allocation import reconciliation_invoices
from allocation.models import BillingPeriod, Reconciliation
from allocation.scope import EVERYTHING
from forecasting import at_close
from forecasting.models import Forecast, ForecastMonth
from tests.forecasting.watched import budgeted, forecast, owned
from tests.web.ledger import Usage, load
from tests.web.money_pages import client_of
from tests.web.test_overview import ask
from web.formats import MINUS

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    """CC-100 100 and nobody 20 in September, 60 in the like days of August."""
    with time_machine.travel(NOW, tick=False):
        owned()
        load(
            Usage("100", "CC-100", day=date(2026, 9, 19)), Usage("20", None, day=date(2026, 9, 19), provider="google"),
            Usage("60", "CC-100", day=date(2026, 8, 3)),
        )  # fmt: skip
        yield


def cards(client: Client, search: str = "") -> dict[str, dict[str, str]]:
    """Label -> figure, note, title of the figure and address of its rows."""
    answer = ask(client, search)
    assert answer.status_code == 200
    found = {}
    for one in _all(answer.json(), lambda each: each.get("className") == "card"):
        head, figure, note = (each["props"] for each in one["children"])
        inside = figure["children"]
        link = inside["props"] if isinstance(inside, dict) else {}
        label = _words(head["children"]).split("  ")[0].strip()
        found[label] = {
            "figure": _words(inside).strip(), "note": _words(note["children"]).strip(), "title": figure.get("title") or "",
            "rows": link.get("href", ""), "kpis": " ".join(each["data-kpi"] for each in _all(head, lambda e: "data-kpi" in e)),
        }  # fmt: skip
    return found


def _all(body: Any, wanted: Any) -> list[dict[str, Any]]:
    """Every dict of props in a tree of components that is wanted."""
    if isinstance(body, list):
        return [one for each in body for one in _all(each, wanted)]
    if not isinstance(body, dict):
        return []
    mine = [body] if wanted(body) else []
    return mine + [one for each in body.values() for one in _all(each, wanted)]


def _words(body: Any) -> str:
    if isinstance(body, list):
        return (" " if any(isinstance(each, dict) for each in body) else "").join(map(_words, body))
    return _words(body["props"].get("children", "")) if isinstance(body, dict) else str(body).replace("\u202f", " ")


def test_six_cards_say_what_it_costs_where_it_closes_and_what_is_missing() -> None:
    found = cards(client_of("finance"))
    assert [name.split(" computed")[0].split(" billed")[0] for name in found] == [
        "Actual to date", "At close", "Budget", "Billed", "Unexplained", "Unallocated",
    ]  # fmt: skip
    spend = found["Actual to date computed"]
    assert (spend["figure"], spend["title"]) == ("$120.00", "$120.00 USD")
    assert "19 of 30 days" in spend["note"] or "20 of 30 days" in spend["note"]
    assert "+100 %" in spend["note"], "120 against 60"
    assert spend["rows"].startswith("/explore/?month=2026-09")
    assert "no forecast yet" in found["At close"]["note"]
    assert "manage.py forecast" in found["At close"]["title"]
    assert found["Budget"]["note"] == "nothing is budgeted for it"
    assert "$120.00 not yet billed" in found["Billed billed"]["note"]
    assert found["Billed billed"]["rows"] == "/reconciliation/?month=2026-09#owed"
    assert found["Unexplained"]["note"] == "not reconciled yet"
    assert found["Unallocated"]["figure"] == "$20.00"
    assert "83.3 % allocated" in found["Unallocated"]["note"]
    assert found["Unallocated"]["rows"] == "/allocation/?month=2026-09"
    assert found["Unallocated"]["kpis"] == "allocation_coverage"


def test_every_address_of_a_card_is_there_for_who_sees_it() -> None:
    budgeted(("CC-100", "90"))
    forecast(None, "10", spread="1", actual="120")
    for role in ("finance", "viewer"):
        client = client_of(role)
        for name, card in cards(client).items():
            if card["rows"]:
                assert client.get(card["rows"].partition("#")[0]).status_code == 200, (role, name)


def test_the_forecast_is_the_stored_one_with_its_band_and_the_budget_says_the_gap_and_the_odds() -> None:
    """120 and 11 days at 10 are 230; percentiles lie 1 apart around it, so that 80 % is 190 to 270. The budget is 210."""
    budgeted(("", "210"))
    forecast(None, "10", spread="1", actual="120")
    found, stored = cards(client_of("finance")), ForecastMonth.objects.get()
    close = found["At close projected"]
    low, high = stored.percentiles[9], stored.percentiles[89]
    assert (close["figure"], close["title"].split(" ")[0]) == (f"${stored.point:.2f}", f"${stored.point:.2f}")
    assert f"80 %: ${low:.2f} \u2013 ${high:.2f}" in close["note"]
    assert "19 Sep" in close["note"]
    assert close["rows"] == "/forecast/?"
    said = at_close.of(EVERYTHING, stored.month, ((), ()), "USD")
    assert said is not None
    budget = found["Budget"]
    assert budget["figure"] == "$210.00"
    assert f"${stored.point - 210:.2f} over" in budget["note"]
    assert f"P(over) {said.over(Decimal(210)) * 100:.0f} %" in budget["note"]
    assert "100 %" not in budget["note"]
    assert budget["kpis"] == "budget_used"


def test_a_budget_that_every_future_exceeds_is_more_than_99_per_cent_likely_and_not_certain() -> None:
    budgeted(("", "121"))
    forecast(None, "10", spread="1", actual="120")
    assert "P(over) >99 %" in cards(client_of("finance"))["Budget"]["note"]


def test_a_budget_that_is_passed_is_called_so_and_no_probability_is_told() -> None:
    budgeted(("", "100"))
    forecast(None, "10", spread="1", actual="120")
    note = cards(client_of("finance"))["Budget"]["note"]
    assert ("$20.00 over already" in note, "P(over)" in note) == (True, False), "120 of 100"


def test_a_month_that_is_over_is_held_against_the_forecast_kept_before_it_and_the_budget() -> None:
    """August cost 60; at July's close 50 was forecast, 80 % 45 to 55: 20 % more came, outside. The budget was 70."""
    budgeted(("", "70"), month="2026-08")
    forecast(None, "10", actual="120")
    row = ForecastMonth.objects.get()
    row.month, row.point, row.percentiles = date(2026, 8, 1), Decimal(50), [Decimal(45)] * 50 + [Decimal(55)] * 49
    row.save(force_insert=True)
    Forecast.objects.update(closes=date(2026, 7, 1), starts_on=date(2026, 8, 1), dimensions=["x_CostCentre"])
    found = cards(client_of("finance"), "?month=2026-08")
    close = next(card for name, card in found.items() if name.startswith("At close"))
    assert close["figure"] == "$50.00"
    assert "+20 % was actual, outside 80 %" in close["note"].replace("  ", " ")
    assert "$10.00 under" in found["Budget"]["note"]
    assert "85.7 % used" in found["Budget"]["note"]


def test_forecast_and_budget_follow_the_filters_as_far_as_they_are_kept_so() -> None:
    budgeted(("CC-100", "90"), ("CC-200", "10"))
    forecast("CC-100", "5", actual="100")
    client = client_of("finance")
    one = cards(client, "?cost_centre=CC-100")
    assert one["Budget"]["figure"] == "$90.00"
    assert one["At close projected"]["rows"] == "/forecast/?cost_centre=CC-100"
    both = cards(client, "?cost_centre=CC-100&cost_centre=CC-200")
    assert both["Budget"]["figure"] == "$100.00"
    assert both["At close"]["note"] == "not kept for this choice of filters"
    assert cards(client, "?provider=openai")["Budget"]["note"] == "budgets are of cost centres"
    assert cards(client, "?provider=openai")["Billed billed"]["note"].endswith("$100.00 not yet billed")
    viewer = client_of("viewer")
    own = cards(viewer)
    assert own["Budget"]["figure"] == "$90.00"
    assert "At close projected" in own
    assert not {"Billed billed", "Unexplained"} & own.keys()
    assert cards(viewer, "?cost_centre=CC-200").get("Budget", {}).get("figure") != "$10.00"


def test_billed_and_unexplained_are_those_of_the_reconciliation() -> None:
    document = {"issuer": "openai", "number": "O-1", "billing_account": "a", "billing_period": "2026-09", "currency": "USD",
                "total": "104.00", "lines": []}  # fmt: skip
    reconciliation_invoices.enter(document, by="ann")
    total = {"currency": "USD", "computed": "120", "stated": "124", "causes": {}, "unexplained": "-1.25", "explained": "0.6",
             "states": {}}  # fmt: skip
    Reconciliation.objects.create(month=date(2026, 9, 1), number=1, made_by="ann", hash="0" * 64, totals=[total])
    client = client_of("auditor")
    found = cards(client)
    assert found["Billed billed"]["figure"] == "$104.00"
    assert found["Billed billed"]["note"] == "1 invoice \u00b7 $20.00 not yet billed"
    body = client.get("/api/v1/owed?month=2026-09").json()["totals"][0]
    assert (body["Invoiced"], body["ToBeInvoiced"]) == ("104.000000000000", "20.000000000000")
    assert found["Unexplained"]["figure"] == f"{MINUS}$1.25"
    assert "60.0 % of differences explained \u00b7 20 Sep" in found["Unexplained"]["note"]
    assert found["Unexplained"]["rows"] == "/reconciliation/lines/?month=2026-09&cause=unexplained&currency=USD"
    filtered = cards(client, "?tier=simple")
    for name in ("Billed billed", "Unexplained"):
        assert filtered[name]["note"].endswith(" \u00b7 not filtered")
        assert filtered[name]["figure"] == found[name]["figure"]


def test_a_closed_month_without_a_kept_forecast_says_so() -> None:
    BillingPeriod.objects.create(month=date(2026, 8, 1), state="closed")
    found = cards(client_of("finance"), "?month=2026-08")
    assert found["At close"]["note"] == "none was kept before the month began"
    assert "Actual computed" in found
