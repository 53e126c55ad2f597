"""POST /api/v1/commitments/advice and its page: the best size by hand on known paths, what runs comes first, the same figures."""

import csv
import io
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.test import Client

from allocation.costing import commitments, terms
from finops.models import User
from forecasting import advice
from forecasting.models import Forecast, ForecastMonth
from tests.conftest import empty_ledger
from tests.web.forecasted import made
from tests.web.ledger import Usage, bearer, load, person
from web import formats

PATH = "/api/v1/commitments/advice"
PAGE = "/forecast/commitments/"
COMMIT = {
    "code": "openai-commit", "kind": "enterprise_commit", "provider": "openai", "from": "2026-09-01", "to": "2026-10-01",
    "amount": "3000",
}  # fmt: skip


@pytest.fixture(scope="module")
def found(django_db_setup: None, django_db_blocker: Any) -> Iterator[Forecast]:
    with django_db_blocker.unblock():
        forecast = made()
        for name, role, code in (("ann", "analyst", ""), ("olga", "owner", "CC-200")):
            person(name, role, code)
        yield forecast
        empty_ledger()


@pytest.fixture
def live(found: Forecast, transactional: None) -> Forecast:
    return found


@pytest.fixture
def transactional(found: Forecast, django_db_blocker: Any) -> Iterator[None]:
    """What a test changes is undone."""
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


def ask(status: int = 200, who: str = "ann", **body: Any) -> Any:
    user = User.objects.get(username=who)
    answer = Client().post(PATH, body, "application/json", **bearer(user, "write"))
    assert answer.status_code == status, answer.content
    return answer.json()


def page(who: str = "ann", status: int = 200, path: str = PAGE, **query: str) -> str:
    client = Client()
    client.force_login(User.objects.get(username=who))
    answer = client.get(path, query)
    assert answer.status_code == status, answer.content
    return answer.content.decode()


def paths(found: Forecast, *key: str) -> np.ndarray[Any, Any]:
    """Of the provider, as the advisor draws them."""
    _, drawn, exact = advice._paths(found, ("ServiceProviderName",) if key else (), key)
    assert exact
    return drawn


def test_the_paths_are_those_whose_month_totals_the_forecast_has_stored(live: Forecast) -> None:
    october = ForecastMonth.objects.get(series__forecast=live, series__level=[], month=date(2026, 10, 1))
    totals = paths(live)[:, 11:].sum(axis=1)  # after eleven days of September
    assert np.percentile(totals, range(1, 100)) == pytest.approx([float(one) for one in october.percentiles])


def test_the_best_capacity_is_the_quantile_of_demand_at_the_ratio_of_prices(live: Forecast) -> None:
    said = ask(kind="gpu", ServiceProviderName="openai", price="6", on_demand="10", days=14)
    demand = np.sort(paths(live, "openai")[:, :14].ravel() / 10)
    ideal = demand[int(0.4 * len(demand))]  # worth it as long as demand exceeds it in 6 / 10 of the days
    assert abs(int(said["best"]["size"]) - ideal) <= 1
    cost = {row["size"]: Decimal(row["cost"]) for row in said["curve"]}
    assert min(cost.values()) == Decimal(said["best"]["cost"])
    assert Decimal(said["saving"]) == cost["0"] - Decimal(said["best"]["cost"]) > 0
    mean = float(paths(live, "openai")[:, :14].sum(axis=1).mean())
    assert float(cost["0"]) == pytest.approx(mean, abs=0.01)


def test_a_price_of_an_hour_or_a_month_is_that_of_its_days(live: Forecast) -> None:
    day = ask(kind="throughput", price="24", on_demand="48", days=7)
    hour = ask(kind="throughput", price="1", on_demand="2", per="hour", days=7)
    month = ask(kind="throughput", price="730", on_demand="1460", per="month", days=7)  # 24 x 365 / 12
    assert day["curve"] == hour["curve"] == month["curve"]


def test_a_spend_commit_is_paid_in_any_case_and_takes_its_discount(live: Forecast) -> None:
    totals = paths(live).sum(axis=1)
    amount = Decimal(repr(float(np.percentile(totals, 30)))).quantize(Decimal("1"))
    said = ask(kind="spend", discount="0.1", amounts=[f"{amount}", "999999999"])
    beyond = np.maximum(totals - float(amount) / 0.9, 0)
    row = said["curve"][1]
    assert row["size"] == f"{amount}"
    assert float(row["cost"]) == pytest.approx((float(amount) + beyond).mean(), abs=0.01)
    assert float(row["spill"]) == pytest.approx(beyond.mean(), abs=0.01), "at list price, as most contracts have it"
    assert float(row["waste"]) == pytest.approx(np.maximum(float(amount) - totals * 0.9, 0).mean(), abs=0.01)
    too = ask(kind="spend", discount="0.1", amounts=[f"{amount}"], overage="discounted")
    costs = np.maximum(float(amount), totals * 0.9)
    assert too["best"]["size"] == f"{amount}"
    assert float(too["best"]["cost"]) == pytest.approx(costs.mean(), abs=0.01)
    assert [row["size"] for row in said["curve"]] == ["0", f"{amount}", "999999999"]
    assert float(said["demand"]["50"]) == pytest.approx(np.percentile(totals, 50))


def test_where_no_amount_is_named_the_best_of_all_is_among_those_weighed(live: Forecast) -> None:
    """The tenth percentile of usage, less a tenth; a wrong discount in either direction is dearer."""
    said = ask(kind="spend", discount="0.1")
    best = 0.9 * float(np.sort(paths(live).sum(axis=1))[100])
    assert float(said["best"]["size"]) == pytest.approx(best, abs=1)
    assert (said["why"], Decimal(said["saving"]) > 0) == ("", True)
    assert len({row["regret"] for row in said["curve"]}) == len(said["curve"]), "no two sizes tie"


def test_where_nothing_on_offer_is_better_than_on_demand_it_is_said_why_and_what_would_be(live: Forecast) -> None:
    for body, told in (
        ({"kind": "spend", "discount": "0.1", "amounts": ["999999999"]}, "the least amount on offer, 999,999,999, buys usage of"),
        ({"kind": "spend", "discount": "0"}, "a discount of 0 takes nothing off"),
        ({"kind": "gpu", "price": "3", "on_demand": "3"}, "a unit costs as much as its full use on demand"),
        ({"kind": "gpu", "price": "1", "on_demand": "2", "least": 10**6}, "not even 1,000,000, the least size, would be"),
    ):  # fmt: skip
        said = ask(**body)
        assert (said["best"]["size"], said["saving"]) == ("0", "0.00")
        assert told in said["why"]
        typed = {name: " ".join(value) if isinstance(value, list) else str(value) for name, value in body.items()}
        assert f"than paying on demand, since {said['why']}." in page(**typed)


def test_the_median_of_what_is_left_is_the_forecasts_own_of_the_same_days(live: Forecast) -> None:
    september = ForecastMonth.objects.get(series__forecast=live, series__level=[], month=date(2026, 9, 1))
    said = ask(kind="spend", discount="0.1", days=11)  # to the end of September
    assert Decimal(said["demand"]["50"]) == pytest.approx(september.point - september.actual, abs=Decimal("1e-6"))


def test_what_runs_already_comes_first(live: Forecast) -> None:
    before = ask(kind="spend", ServiceProviderName="openai", discount="0.1", days=11)
    terms.load("commitments", [COMMIT], commitments.parse, actor="ann", charged=False)
    said = ask(kind="spend", ServiceProviderName="openai", discount="0.1", days=11)
    (row,) = said["running"]
    assert (row["code"], row["ends"], Decimal(row["taken"])) == (
        "openai-commit",
        "2026-10-01",
        Decimal(1_100),
    )  # 100 a day
    left = np.maximum(paths(live, "openai")[:, :11] - 100, 0).sum(axis=1)
    assert float(said["demand"]["50"]) == pytest.approx(np.percentile(left, 50))
    assert float(said["demand"]["50"]) < float(before["demand"]["50"])
    assert ask(kind="spend", ServiceProviderName="anthropic", discount="0.1")["running"] == []
    assert (
        ask(kind="gpu", ServiceProviderName="openai", price="1", on_demand="2", days=11)["running"][0]["taken"]
        == "0.000000000000"
    )


def test_history_that_changed_since_is_said(live: Forecast) -> None:
    assert ask(kind="spend", discount="0.1")["exact"] is True
    load(Usage("5", "CC-100", day=date(2026, 9, 2), feature="late"))
    assert ask(kind="spend", discount="0.1")["exact"] is False
    assert "history has changed since" in page(kind="spend", discount="0.1")


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"kind": "seats"}, 400, "one of spend, throughput, gpu, not"), ({"overage": "free"}, 400, "one of list, discounted"),
        ({"amounts": ["0"], "discount": "0.1"}, 400, "to commit to nothing is weighed in any case"),
        ({"kind": "gpu", "price": "1", "on_demand": "2", "least": 4, "most": 3}, 400, "raise most, or lower least"),
        ({"x_Model": "brand-new"}, 404, "No series of brand-new is forecast: 1 of 1 series are not in it"),
        ({"days": 500}, 400, "reaches 42 days, not 500"),
        ({"price": "-1", "kind": "gpu", "on_demand": "1"}, 400, "must be at least 0"),
        ({"price": 1.5}, 400, "is a float"), ({"x_Model": "nobody"}, 404, "No series of nobody"),
        ({"kind": "gpu", "price": "1", "on_demand": "0"}, 400, "above 0"), ({"discount": "1"}, 400, "below 1"),
        ({"days": "soon"}, 400, "a whole number"), ({"nonsense": 1}, 400, "is not known"),
        ({"currency": "EUR"}, 404, "no forecast"),
    ],
)  # fmt: skip
def test_what_cannot_be_weighed_says_why(live: Forecast, body: dict[str, Any], status: int, told: str) -> None:
    assert told in str(ask(status, **body))


def test_an_offer_without_its_price_is_told_what_it_lacks_and_still_what_is_left(live: Forecast) -> None:
    said = ask(kind="gpu")
    assert (said["best"], said["curve"]) == (None, [])
    assert said["lacks"].startswith("price: of a unit")
    assert Decimal(said["demand"]["95"]) > Decimal(said["demand"]["5"]) > 0


def test_owners_of_a_cost_centre_do_not_see_commitments(live: Forecast) -> None:
    ask(403, who="olga", kind="spend")
    page("olga", 403)
    assert PAGE not in page("olga", path="/forecast/")


def test_page_csv_and_api_say_the_same(live: Forecast) -> None:
    query = {"kind": "gpu", "ServiceProviderName": "openai", "price": "6", "on_demand": "10", "days": "14"}
    said = ask(**query)
    text = page(**query)
    for name in ("cost", "waste", "spill", "regret"):
        assert formats.money(Decimal(said["best"][name]), "USD") in text, name
    rows = list(csv.DictReader(io.StringIO(page(path=f"{PAGE}advice.csv", **query))))
    assert [(row["size"], row["cost"]) for row in rows] == [(row["size"], row["cost"]) for row in said["curve"]]
    assert [row["size"] for row in rows if row["best"] == "yes"] == [said["best"]["size"]]
    assert "Nothing was weighed" in page(status=400, kind="gpu", price="x")
    page(status=400, path=f"{PAGE}advice.csv", kind="gpu", price="x")
