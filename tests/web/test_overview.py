"""The Overview over HTTP: who gets in, what the callback gives to whom, and that all figures of a view agree."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.test import Client

from allocation import reconciliation_invoices
from allocation.models import BillingPeriod, CostCentre, CostDaily, Grant
from finops.models import User
from tests.web import sample_ledger
from tests.web.sample_ledger import cost_row
from web.dashboards.state import UNALLOCATED, parse

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CALLBACK = "/dash/_dash-update-component"
GUARDED = ["/", "/overview/", "/overview/cost-centres.csv", "/dash/_dash-layout", "/dash/_dash-dependencies", CALLBACK,
           "/dash/_dash-component-suites/dash/deps/react@18.3.1.min.js", "/dash/_reload-hash"]  # fmt: skip


@pytest.fixture(autouse=True)
def _today() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def centres() -> list[CostCentre]:
    """Two cost centres with spend in both months, and some that nobody owns."""
    a, b = (CostCentre.objects.create(code=f"CC-{letter}", name=f"Centre {letter}") for letter in "AB")
    CostDaily.objects.bulk_create(
        [
            cost_row(date(2026, 11, 2), a, "100.25", model="model-of-a"),
            cost_row(date(2026, 11, 3), b, "777.75", model="model-of-b", tier="simple"),
            cost_row(date(2026, 11, 3), None, "22", model="model-of-none"),
            cost_row(date(2026, 10, 2), a, "50", model="model-of-a"),
            cost_row(date(2026, 10, 30), a, "1000", model="model-of-a"),  # after the like days
        ]
    )
    return [a, b]


def client_of(role: str, centre: CostCentre | None = None, **options: Any) -> Client:
    user = User.objects.create_user(f"{role}-{centre}")
    Grant.objects.create(user=user, role=role, cost_centre=centre)
    client = Client(**options)
    client.force_login(user)
    return client


def ask(client: Client, search: str = "", **headers: Any) -> Any:
    body = {
        "output": "page.children",
        "outputs": {"id": "page", "property": "children"},
        "inputs": [
            {"id": "address", "property": "pathname", "value": "/overview/"},
            {"id": "address", "property": "search", "value": search},
        ],
        "changedPropIds": ["address.search"],
    }
    return client.post(CALLBACK, json.dumps(body), content_type="application/json", **headers)


def shown(client: Client, search: str = "") -> str:
    response = ask(client, search)
    assert response.status_code == 200, response.content
    return json.dumps(response.json(), ensure_ascii=False)


@pytest.mark.parametrize("address", GUARDED)
def test_nobody_gets_in_without_a_log_in(client: Client, address: str) -> None:
    for response in (client.get(address), client.post(address, "{}", content_type="application/json")):
        assert response.status_code == 302
        assert response["Location"].startswith("/login/")


def test_a_callback_without_a_csrf_token_is_refused(centres: list[CostCentre]) -> None:
    client = client_of("finance", enforce_csrf_checks=True)

    assert ask(client).status_code == 403
    client.get("/overview/")
    token = client.cookies["csrftoken"].value
    assert ask(client, headers={"X-CSRFToken": token}).status_code == 200


def test_the_page_keeps_to_the_policy() -> None:
    response = client_of("finance").get("/overview/")

    page = response.content.decode()
    nonce = response["Content-Security-Policy"].split("'nonce-")[1].split("'")[0]
    assert f'<script nonce="{nonce}" id="_dash-renderer"' in page
    assert page.index("plotly-basic.min.js") < page.index("_dash-component-suites/dash/deps/react")
    assert "unsafe-eval" not in response["Content-Security-Policy"]
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_parts_of_dash_that_would_open_more_are_off() -> None:
    client = client_of("finance")

    assert b"serverInfo" not in client.post("/dash/_mcp", "{}", content_type="application/json").content
    assert b'"hot_reload"' not in client.get("/overview/").content
    assert client.get("/dash/_dash-layout").json()["props"]["children"][0]["type"] == "Location"


def test_a_viewer_sees_their_own_and_nothing_else(centres: list[CostCentre]) -> None:
    viewer = client_of("viewer", centres[0])

    for asked in ("", "cost_centre=CC-B", "cost_centre=*", f"cost_centre={UNALLOCATED}", "tier=simple", "model=*"):
        page = shown(viewer, f"?{asked}")
        for foreign in ("777.75", "Centre B", "model-of-b", "model-of-none", "900.00", "$22.00"):
            assert foreign not in page, (asked, foreign)
    assert "$100.25" in shown(viewer)
    assert "not part of your cost centres" in shown(viewer)
    assert "CC-B" not in shown(viewer)
    assert "777.75" in shown(client_of("finance"))


def test_a_right_taken_away_ends_with_the_next_callback(centres: list[CostCentre]) -> None:
    viewer = client_of("viewer", centres[0])
    assert "100.25" in shown(viewer)

    Grant.objects.all().delete()

    assert viewer.get("/overview/").status_code == 302  # the session went with the right
    viewer.force_login(User.objects.get())
    assert "Nothing to show for your cost centres" in shown(viewer)


def test_figures_of_one_view_agree(centres: list[CostCentre]) -> None:
    page = shown(client_of("finance"))

    assert "$900.00" in page  # card, total of the table, tiers, days
    assert page.count("$900.00") >= 4
    assert "Open · day 21" in page
    assert "first 21 days of October" in page
    assert "$50.00" in page
    assert "$1,050.00" not in page, "days after the like days were compared"


@pytest.mark.parametrize(
    ("state", "told"), [("preliminary", "Preliminary"), ("soft_closed", "Soft-closed"), ("closed", "Closed")]
)
def test_a_month_says_how_far_its_books_are(centres: list[CostCentre], state: str, told: str) -> None:
    BillingPeriod.objects.create(month=date(2026, 10, 1), state=state)
    page = shown(client_of("finance"), "?month=2026-10")
    assert f"{told} · complete" in page
    assert "Open" not in page


def test_a_month_that_is_over_is_compared_whole(centres: list[CostCentre]) -> None:
    page = shown(client_of("finance"), "?month=2026-10")

    assert "Open · complete" in page
    assert "$1,050.00" in page
    assert "to compare with." in page


@pytest.mark.parametrize(
    "search",
    ["?month=2020-01", "?month=nonsense", "?month=9999-12", "?currency=XXX", "?cost=DropTable", "?cost=ListCost&compare=none",
     "?tier=%00", "?tier=(((", "?model=<script>alert(1)</script>", "?" + "&".join("tier=a" for _ in range(300)),
     "?cost_centre=CC-A&cost_centre=CC-B&tier=simple&movers=provider"],
)  # fmt: skip
def test_no_address_breaks_the_page(centres: list[CostCentre], search: str) -> None:
    page = shown(client_of("finance"), search)

    assert "could not be computed" not in page


def test_without_comparison_nothing_is_compared(centres: list[CostCentre]) -> None:
    page = shown(client_of("finance"), "?compare=none")

    assert "Where it goes" in page
    assert 'vs Oct"' not in page
    assert "$50.00" not in page


def test_many_cost_centres_end_in_others_and_keep_the_total() -> None:
    made = CostCentre.objects.bulk_create([CostCentre(code=f"CC-{number:03}") for number in range(30)])
    CostDaily.objects.bulk_create(
        [cost_row(date(2026, 11, 2), centre, f"{10 + place}") for place, centre in enumerate(made)]
    )

    page = shown(client_of("finance"))

    assert "6 others" in page
    assert "$735.00" in page
    assert len(client_of("admin").get("/overview/cost-centres.csv").content.splitlines()) == 31


def test_an_empty_database_says_how_to_fill_it() -> None:
    page = shown(client_of("finance"))

    assert "No usage has been imported yet" in page
    assert "python3 manage.py ingest_file" in page


def test_a_failing_view_says_so_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("web.dashboards.overview_facts.read", broken)
    page = shown(client_of("finance"))

    assert "could not be computed" in page
    assert "secret detail" not in page
    assert "dashboard callback failed" in caplog.text


def test_csv_is_the_table_of_the_view_with_guarded_cells(centres: list[CostCentre]) -> None:
    CostCentre.objects.filter(code="CC-A").update(name="=cmd|' /C calc'!A0")

    answer = client_of("finance").get("/overview/cost-centres.csv?month=2026-11")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))

    assert [(row["x_CostCentre"], Decimal(row["EffectiveCost"]), Decimal(row["Previous"])) for row in rows] == [
        ("CC-B", Decimal("777.75"), Decimal(0)),
        ("CC-A", Decimal("100.25"), Decimal(50)),
        ("(unallocated)", Decimal(22), Decimal(0)),
    ]
    assert rows[1]["Name"].startswith("'=")
    assert "CC-B" not in client_of("viewer", centres[0]).get("/overview/cost-centres.csv").content.decode()


def test_the_api_link_is_the_same_question(centres: list[CostCentre]) -> None:
    state = parse("?tier=simple&tier=complex&cost=ListCost")

    address = urlsplit(state.api("2026-11", "USD", "x_CostCentre"))

    assert address.path == "/api/v1/costs"
    assert {name: value[0] for name, value in parse_qs(address.query).items()} == {
        "month": "2026-11", "group_by": "x_CostCentre", "column": "ListCost", "currency": "USD",
        "filter[x_QueryTier]": "simple,complex", "compare": "previous",
    }  # fmt: skip
    answer = client_of("finance").get(f"{address.path}?{address.query}").json()
    assert sum(Decimal(row["ListCost"]) for row in answer["results"]) == Decimal(900)


def test_who_answers_for_a_cost_centre_stands_beside_it_for_whoever_sees_the_cost_centre(
    centres: list[CostCentre],
) -> None:
    centres[0].owner = User.objects.create_user("ann.archer")
    centres[1].owner = User.objects.create_user("bo.berg")
    CostCentre.objects.bulk_update(centres, ["owner"])
    every, own = shown(client_of("finance")), shown(client_of("viewer", centres[0]))
    assert ("ann.archer answers for it" in every, "bo.berg answers for it" in every) == (True, True)
    assert ("ann.archer answers for it" in own, "bo.berg" in own) == (True, False)


def test_a_view_is_its_address_and_defaults_are_not_written() -> None:
    search = "?month=2026-10&cost_centre=CC-A&tier=simple&currency=EUR&cost=ListCost&compare=none&movers=provider"

    assert parse(search).search() == search
    assert parse("").search() == "?"
    assert parse(parse("").toggled("x_QueryTier", "simple")).toggled("x_QueryTier", "simple") == "?"


def test_queries_do_not_grow_with_the_data(django_assert_max_num_queries: Any) -> None:
    """Thirty of the ledger; what the cards add of budgets, forecast, invoices and the last reconciliation is bounded, too."""
    sample_ledger.write(NOW.date())
    for number in range(3):
        document = {"issuer": "openai", "number": f"O-{number}", "billing_period": "2026-11", "currency": "USD", "total": "7",
                    "lines": []}  # fmt: skip
        reconciliation_invoices.enter(document, by="ann")
    client = client_of("finance")

    with django_assert_max_num_queries(45):
        assert "$" in shown(client)


@pytest.mark.parametrize(("address", "status"), [("/nowhere/", 404), ("/login/", 200)])
def test_pages_without_figures_use_our_sheet(client: Client, address: str, status: int) -> None:
    client.force_login(User.objects.create_user("somebody")) if status == 404 else None
    answer = client.get(address)

    assert answer.status_code == status
    assert b"web/app.css" in answer.content
    assert "Content-Security-Policy" in answer.headers
