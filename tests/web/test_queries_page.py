"""The pages Queries and Query through HTTP: figures as the API and SQL have them, filters, files, links down to them, scope."""

import csv
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from html import unescape
from typing import Any
from urllib.parse import urljoin

import openpyxl
import pytest
from django.db import connection
from django.test import Client

from allocation.models import QueryCostDaily
from allocation.value import query_rows
from finops.models import User
from tests.allocation.value.agent_traces import query_of, trace_id, world
from tests.conftest import empty_ledger
from tests.web.ledger import bearer, person

LONG = query_of("long")


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        world(tmp_path_factory.mktemp("queries"))
        for name, role, code in (("ann", "analyst", ""), ("olga", "owner", "CC-200"), ("vera", "viewer", "CC-100")):
            person(name, role, code)
        yield
        empty_ledger()


@pytest.fixture
def live(made: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def client(name: str) -> Client:
    found = Client()
    found.force_login(User.objects.get(username=name))
    return found


def api(name: str, path: str, **given: str) -> dict[str, Any]:
    answer = client(name).get(f"/api/v1/{path}", given)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def page(name: str, address: str) -> str:
    answer = client(name).get(address)
    assert answer.status_code == 200, address
    return unescape(answer.content.decode())


def links(text: str, start: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'href="([^"]+)"', text) if unescape(link).startswith(start)]


def test_the_list_is_the_distribution_of_its_day_and_the_same_in_page_files_and_api(live: None) -> None:
    day = "2026-09-12"
    told = api("ann", "queries", day=day)
    kept = QueryCostDaily.objects.filter(charge_date=day)
    assert int(told["totals"]["Queries"]) == sum(row.queries for row in kept) == 1
    assert Decimal(told["totals"]["ListCost"]) == sum(row.cost for row in kept)
    (row,) = told["results"]
    assert (row["id"], row["calls"], row["x_QueryTier"], row["begins_at"][:10]) == (str(LONG), 60, "research", day)
    shown = page("ann", f"/queries/?day={day}")
    assert f'href="/queries/{LONG}/?day={day}"' in shown
    assert 'href="/api/v1/queries?day=2026-09-12"' in shown
    rows = list(csv.DictReader(io.StringIO(page("ann", f"/queries/queries.csv?day={day}"))))
    assert [(each["id"].lstrip("'"), Decimal(each["ListCost"])) for each in rows] == [
        (str(LONG), Decimal(row["ListCost"]))
    ]
    book = openpyxl.load_workbook(io.BytesIO(client("ann").get(f"/queries/queries.xlsx?day={day}").content))
    assert book.sheetnames == ["Queries", "Days"]
    assert book["Days"].max_row == 1 + len(set(QueryCostDaily.objects.values_list("charge_date", flat=True)))


def test_without_a_day_it_is_the_dearest_day_under_the_filters(live: None) -> None:
    assert "The dearest queries of 12 Sep 2026" in page("ann", "/queries/")
    assert "The dearest queries of 13 Sep 2026" in page("ann", "/queries/?tier=complex&feature=review&day=2026-09-13")
    only = page("ann", "/queries/?cost_centre=CC-200")
    assert "The dearest queries of" in only
    assert "CC-100" not in only[only.index("<tbody>") : only.index("</tbody>")]


def test_one_query_is_the_sum_of_its_steps_in_page_and_api(live: None) -> None:
    told = api("ann", f"queries/{LONG}", limit="1000")
    cost = Decimal(told["ListCost"])
    assert sum(Decimal(call["ListCost"]) for call in told["results"]) == cost
    assert sum(Decimal(part["ListCost"]) for part in told["parts"]) == cost
    lines = [line for part in told["parts"] for line in part["prices"]]
    assert sum(Decimal(line["tokens"]) * Decimal(line["rate"]) / line["per"] for line in lines) == cost
    assert sum(int(line["tokens"]) for line in lines) == sum(map(int, told["tokens"].values()))
    assert Decimal(told["from"]) <= cost < Decimal(told["below"])
    (part,) = told["parts"]
    assert (part["rule"], [each["x_CostCentre"] for each in part["borne_by"]]) == ("r1", ["CC-100"])
    assert Decimal(part["charged"]["of_this"]) == Decimal(part["borne_by"][0]["EffectiveCost"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), sum(input_uncached) FROM usage_event WHERE query_id = %s", [LONG])
        assert cursor.fetchone() == (told["calls"], int(told["tokens"]["input_uncached"]))
    shown = page("ann", f"/queries/{LONG}/")
    for word in (
        "60 calls",
        "Recorded",
        "Facts",
        "Price of the day",
        "$0.75",
        "per 1M",
        "calls>=20",
        "Who bears it",
        "CC-100",
    ):
        assert word in shown, word
    rows = list(csv.DictReader(io.StringIO(page("ann", f"/queries/{LONG}/calls.csv"))))
    assert sum(Decimal(row["ListCost"]) for row in rows) == cost
    assert len(rows) == 60


def test_every_link_of_its_steps_leads_somewhere(live: None) -> None:
    reader, start = client("ann"), f"/queries/{LONG}/?day=2026-09-12"
    for link in links(page("ann", start), "/"):
        answer = reader.get(urljoin(start, link).split("#")[0])
        assert answer.status_code in (200, 302), link


def test_calls_come_by_pages(live: None) -> None:
    found, cursor = [], None
    for _ in range(9):
        told = api("ann", f"queries/{LONG}", limit="25", **({"cursor": cursor} if cursor else {}))
        found += [call["id"] for call in told["results"]]
        if (cursor := told["next"]) is None:
            break
    assert len(found) == len(set(found)) == 60


def test_an_owner_finds_the_own_queries_alone(live: None) -> None:
    assert [row["x_CostCentre"] for row in api("olga", "queries", day="2026-09-01")["results"]] == ["CC-200"]
    assert {row["x_CostCentre"] for row in api("ann", "queries", day="2026-09-01")["results"]} == {"CC-100", "CC-200"}
    for path in (
        f"/api/v1/queries/{LONG}",
        f"/queries/{LONG}/",
        f"/queries/{LONG}/calls.csv",
        f"/queries/?trace={trace_id('long')}",
    ):
        assert client("olga").get(path).status_code == 404, path
        assert client("vera").get(path, follow=True).status_code == 200, path
    assert api("olga", "queries", trace=trace_id("long"))["results"] == []
    assert api("vera", f"queries/{LONG}")["results"][0]["run"] is None, "imports are not a viewer's"
    shown = page("vera", f"/queries/{LONG}/")
    assert links(shown, "/runs/") == links(shown, "/prices/") == links(shown, "/allocation/") == []
    for link in links(shown, "/"):
        assert client("vera").get(link.split("#")[0]).status_code in (200, 302), link


def test_a_trace_leads_to_its_query(live: None) -> None:
    for text in (trace_id("long"), str(LONG)):
        answer = client("ann").get("/queries/", {"trace": text})
        assert (answer.status_code, answer["Location"]) == (302, f"/queries/{LONG}/?day=2026-09-12")
    (row,) = api("ann", "queries", trace=trace_id("long"), source="otlp", account="default")["results"]
    assert (row["id"], row["calls"]) == (str(LONG), 60)
    assert "No query of yours" in client("ann").get("/queries/?trace=<b>x</b>").content.decode()


@pytest.mark.parametrize("number", ["0", "01", "x", "-0", str(1 << 63), "9" * 40, "1.5", "%00"])
def test_what_is_no_query_is_not_found(live: None, number: str) -> None:
    for path in (f"/api/v1/queries/{number}", f"/queries/{number}/"):
        assert client("ann").get(path).status_code == 404, path


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"day": "2026-9-1"}, "day"), ({"day": "2026-02-30"}, "day"), ({"day": "2026-09-12", "bin": "x"}, "bin"),
        ({"day": "2026-09-12", "source": "otlp"}, "source"), ({"trace": "x", "day": "2026-09-12"}, "day"),
        ({"trace": ""}, "trace"),
        ({"day": "2026-09-12", "cursor": "abc"}, "cursor"), ({"day": "2026-09-12", "filter[x_Basis]": "idle"}, "filter[x_Basis]"),
    ],
)  # fmt: skip
def test_a_wrong_question_says_which_part(live: None, given: dict[str, str], wrong: str) -> None:
    answer = client("ann").get("/api/v1/queries", given)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(f"{wrong}: ")


def test_a_day_that_is_none_and_a_month_without_cost_are_said(live: None) -> None:
    for address in ("/queries/?day=2026-13-01", "/queries/?month=2020-01", "/queries/queries.csv?day=yesterday"):
        assert client("ann").get(address).status_code == 400, address
    assert client("ann").get("/queries/?after=x").status_code == 400


def test_tiers_explore_and_agents_lead_down_to_queries(live: None) -> None:
    for start in (
        "/tiers/?month=2026-09", "/explore/?month=2026-09&by=tier", "/explore/?month=2026-09&granularity=day",
        "/tiers/agents/?month=2026-09",
    ):  # fmt: skip
        found = links(page("ann", start), "/queries/")
        assert found, start
        for link in found:
            assert client("ann").get(link).status_code == 200, link
    assert f"/queries/{LONG}/?day=2026-09-12" in links(page("ann", "/tiers/agents/?month=2026-09"), "/queries/")
    assert links(page("ann", "/explore/?month=2026-09"), "/queries/") == []


def test_a_token_reads_queries_and_usage(live: None) -> None:
    headers = bearer(User.objects.get(username="vera"))
    assert Client().get(f"/api/v1/queries/{LONG}", **headers).status_code == 200
    assert Client().get("/api/v1/usage?month=2026-09", **headers).status_code == 200


def test_the_newest_day_with_queries_is_meant_where_none_is_named(live: None) -> None:
    named, unnamed = api("ann", "queries", day=f"{query_rows.newest():%Y-%m-%d}"), api("ann", "queries")
    assert unnamed["results"] == named["results"] != []
