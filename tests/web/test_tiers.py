"""The page Tiers & agents and its API: one set of figures under any view, files that hold it, examples that run."""

import csv
import io
import random
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from django.test import Client

from allocation.models import Grant, QueryCostDaily
from finops.models import User
from tests.conftest import empty_ledger
from tests.web.ledger import Usage, bearer, load, person
from tests.web.money_pages import client_of, page, row, text
from tests.web.test_api_bridge import example
from tests.web.tier_traffic import taken
from web import formats, tier_words

AUGUST = date(2026, 8, 3)
PATHS = ("/api/v1/tiers", "/api/v1/tiers/months", "/api/v1/tiers/distribution")


def cheaper() -> None:
    """100 complex queries of $10 / 100 in August; in September 3.3 times the reasoning at a tenth of the price."""
    load(
        Usage("10", day=AUGUST, tier="complex", queries=100, tokens=10_000),
        Usage("2", tier="complex", queries=100, tokens=20_000),
        Usage("4.6", tier="complex", queries=0, tokens=46_000, price_class="output_reasoning"),
    )  # fmt: skip
    QueryCostDaily.objects.create(
        charge_date=date(2026, 9, 1),
        provider="openai",
        model="gpt-5",
        tier="complex",
        bin=-24,
        queries=100,
        cost=Decimal("6.6"),
    )


def get(client: Client, path: str, status: int = 200) -> Any:
    answer = client.get(path)
    assert answer.status_code == status, answer.content
    return answer.json()


def links(markup: str, title: str) -> dict[str, str]:
    """The links of a panel to its files and the API."""
    found = re.findall(
        r'<a href="([^"]+)">(CSV|XLSX|API)</a>', markup[markup.index(f'id="{title}"') :].split("</header>")[0]
    )
    return {name: address.replace("&amp;", "&") for address, name in found}


@pytest.fixture(scope="module")
def traffic(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    with django_db_blocker.unblock():
        taken(tmp_path_factory.mktemp("traffic"), 100)
        client = Client()
        user = User.objects.create_user("reader", password="x")
        Grant.objects.create(user=user, role=Grant.Role.ANALYST)
        client.force_login(user)
        yield client
        empty_ledger()


def test_page_files_and_api_agree_for_random_views(traffic: Client) -> None:
    chance, nets = random.Random(2), set()
    choices = {"cost_centre": ["CC-100", "CC-200", "(unallocated)"], "tier": ["simple", "complex"], "model": ["gpt-5"],
               "environment": ["dev", "prod"]}  # fmt: skip
    for _ in range(8):
        given = {name: chance.choice(choices[name]) for name in chance.sample(list(choices), chance.randint(0, 2))}
        given |= {
            "month": "2026-09",
            "compare": chance.choice(["2026-07", "2026-08"]),
            "cost": chance.choice(["EffectiveCost", "ListCost"]),
        }
        markup = traffic.get("/tiers/", given).content.decode()
        here = links(markup, "table-title")
        told = get(traffic, here["API"])
        file = list(csv.DictReader(traffic.get(here["CSV"]).content.decode().splitlines()))
        assert [each["x_QueryTier"] for each in file] == [*(each["x_QueryTier"] for each in told["results"]), "Total"]
        for line, each in zip(file, [*told["results"], told["totals"]], strict=True):
            assert (line["chosen_cost"], line["base_Queries"]) == (each["chosen"]["cost"], each["base"]["Queries"])
            assert line["net"] == (each["net"] or "")
            shown = row(
                markup[markup.index('id="table-title"') :],
                {"Total": "All tiers"}.get(line["x_QueryTier"], f'{line["x_QueryTier"]}"></span>'),
            )
            assert formats.money(Decimal(each["chosen"]["cost"]), "USD") in shown
            assert formats.times(each["net"] and Decimal(each["net"])) in shown or each["status"] != "compared"
            nets.add(each["net"])
        costs = get(traffic, re.sub("&compare_[a-z]+=[0-9-]+", "", here["API"].replace("/tiers?", "/costs?")))
        assert told["chosen"]["cost"] == costs["totals"][told["column"]]
        sentence = re.search(r'<p class="sentence">(.*?)</p>', markup, re.S)
        assert sentence is None or text(sentence[1]).replace(" .", ".").replace(" ,", ",") == told["sentence"].replace(
            "\u202f", " "
        )
        spread = get(traffic, links(markup, "spread-title")["API"])["results"][0]
        assert (
            formats.whole(int(spread["Queries"])) in row(markup[markup.index('id="spread-title"') :], ">All<")
        ) or spread["Queries"] == "0"
    assert len(nets) > 5


def test_lines_and_distribution_are_in_their_files_and_in_the_workbook(traffic: Client) -> None:
    markup = page(traffic, "/tiers/?month=2026-09")
    months = links(markup, "lines-title")
    points = get(traffic, months["API"])["results"]
    file = list(csv.DictReader(traffic.get(months["CSV"]).content.decode().splitlines()))
    assert sorted((p["x_QueryTier"], p["BillingPeriodStart"], p["cost"]) for p in points) == sorted(
        (p["x_QueryTier"], p["BillingPeriodStart"], p["cost"]) for p in file
    )
    newest = {p["x_QueryTier"]: p for p in points if p["BillingPeriodStart"] == "2026-09-01"}
    assert formats.unit_cost(Decimal(newest["research"]["cost_per_query"]), "USD") in row(markup, "Sep 2026")
    assert "Jun 2026" not in text(markup), "the lines begin with the first query"
    spread = get(traffic, links(markup, "spread-title")["API"])["results"]
    bins = list(csv.DictReader(traffic.get(links(markup, "spread-title")["CSV"]).content.decode().splitlines()))
    assert sum(int(each["Queries"]) for each in bins) == int(spread[0]["Queries"])
    assert sum(Decimal(each["cost"]) for each in bins) == Decimal(spread[0]["cost"])
    book = openpyxl.load_workbook(io.BytesIO(traffic.get("/tiers/tiers.xlsx?month=2026-09").content))
    assert [(sheet.title, sheet.max_row) for sheet in book.worksheets] == [
        ("Tiers", 6), ("Months", 1 + len(points)), ("Distribution", 1 + len(bins)),
    ]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_the_examples_of_the_document_run(path: str) -> None:
    cheaper()
    address, answer = example(path)
    found = Client().get(address, **bearer(person("reader", "analyst"))).json()
    assert found == answer


@pytest.mark.django_db
def test_a_site_without_queries_says_what_to_do() -> None:
    client = client_of("analyst")
    words = text(page(client, "/tiers/"))
    assert "No query has a tier yet" in words
    assert "manage.py ingest_file" in words
    for name in ("tiers.csv", "months.csv", "distribution.csv", "tiers.xlsx"):
        assert client.get(f"/tiers/{name}").status_code == 200
    load(Usage("5", tier="", provenance="billed", queries=0))
    words = text(page(client, "/tiers/?month=2026-09"))
    assert "No usage of a tier matches these filters" in words
    assert "No query has both a cost and a price" in words


@pytest.mark.django_db
def test_what_is_estimated_new_or_has_no_price_is_said_beside_the_figures() -> None:
    cheaper()
    load(
        Usage("2.2", tier="complex", queries=50, estimated=True),
        Usage(None, tier="research", queries=40, tokens=900, estimate="7"),
        Usage("1", tier="simple", queries=10),
    )  # fmt: skip
    QueryCostDaily.objects.create(
        charge_date=date(2026, 9, 1), provider="openai", model="gpt-5", tier="research", bin=None, queries=40, cost=0
    )
    client = client_of("finance")
    markup = page(client, "/tiers/?month=2026-09")
    assert get(client, "/api/v1/tiers/distribution?month=2026-09")["results"][0]["without_cost"] == "40"
    words = text(markup).replace("\u202f", " ")
    assert "Estimated tiers estimated 22.4 % of cost, 50 queries" in words
    told = get(client, "/api/v1/tiers?month=2026-09")["results"][1]
    low, high = (Decimal(told[name]) for name in ("estimated_low", "estimated_high"))
    assert low <= Decimal(told["chosen"]["estimated_cost"]) == Decimal("2.2") <= high
    between = f"{formats.money_short(low, 'USD')} to {formats.money_short(high, 'USD')}"
    shown = row(markup, 'complex"></span>').replace("\u202f", " ")
    factors = " ".join(f"{value}\u00d7" for value in ("3.30", "1.00", "2.00", "0.10", "0.66"))
    assert shown.startswith(f"Complex 100 66.7 % $6.60 67.3 % +$2.20 {between} $0.10 $0.066 $0.044 {factors}")
    assert "No query in the base period new" in row(markup, 'simple"></span>')
    assert "900 tokens unpriced" in row(markup, 'research"></span>')
    assert "In no total: 900 tokens without a price, $7.00 ." in words
    assert "Not in both periods: simple, research" in row(markup, "All tiers")


@pytest.mark.django_db
def test_an_owner_sees_the_tiers_of_the_own_cost_centre_alone() -> None:
    load(Usage("10", "CC-100"), Usage("50", "CC-200", tier="complex"), Usage("5", None, tier="research"))
    client = client_of("owner")
    assert [each["x_QueryTier"] for each in get(client, "/api/v1/tiers?month=2026-09")["results"]] == ["simple"]
    markup = page(client, "/tiers/?month=2026-09&cost_centre=CC-200")
    assert "$50.00" not in markup


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/api/v1/tiers", "month"), ("/api/v1/tiers?month=2026-09&compare_month=x", "compare_month"),
        ("/api/v1/tiers?month=2026-09&group_by=x_Model", "no such parameter"), ("/api/v1/tiers/months?month=2026-9", "month"),
        ("/api/v1/tiers/distribution?month=2026-09&column=ListCost", "no such parameter"),
    ],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused_by_name(path: str, told: str) -> None:
    assert told in str(get(client_of("analyst"), path, 400))


def test_factors_are_written_with_three_digits() -> None:
    values = ("22", "4.4", "0.1", "1", "125.4", "0.0032", "0")
    assert [formats.times(Decimal(value)) for value in values] == [
        f"{text}{formats.TIMES}" for text in ("22.0", "4.40", "0.10", "1.00", "125", "0.00320", "0.00")
    ]
    assert formats.times(None) == formats.NONE
    assert tier_words.tone(None) == "flat"
