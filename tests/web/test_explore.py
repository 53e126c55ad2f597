"""The page Explore: its figures are the API's under any view, its files hold every row, its bridge says why."""

import csv
import html
import io
import random
import re
from datetime import date
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from allocation.models import CostCentre
from tests.web.ledger import Usage, centre, load, realistic_month
from tests.web.money_pages import client_of, page, row, text
from web.pages.explore_state import NAMES, Explored, parse

pytestmark = pytest.mark.django_db
AUGUST = date(2026, 8, 3)


def two_months() -> None:
    load(
        Usage("10", "CC-100", day=AUGUST, queries=100, tokens=10_000), Usage("5", "CC-200", day=AUGUST, tier="complex"),
        Usage("15", "CC-100", queries=150, tokens=15_000), Usage("9", "CC-200", tier="complex", tokens=1_800),
        Usage("1", None, tier="simple", model="o5"),
    )  # fmt: skip


def addresses(markup: str) -> dict[str, str]:
    """The first links to the files and the API."""
    found = re.findall(r'<a href="([^"]+)">(CSV|XLSX|API)</a>', markup)
    return {name: address.replace("&amp;", "&") for address, name in reversed(found)}


def test_a_site_without_cost_says_what_to_do() -> None:
    markup = page(client_of("analyst"), "/explore/")
    assert "There is no cost to explore yet" in markup
    assert "manage.py ingest_file" in markup
    client = client_of("finance")
    assert client.get("/explore/explore.csv").status_code == 200
    assert client.get("/explore/explore.xlsx").status_code == 200
    assert client.get("/explore/bridge.csv").content.decode().startswith("x_QueryTier,before,after,delta,volume")


def test_the_bridge_says_why_and_sums() -> None:
    two_months()
    markup = page(client_of("analyst"), "/explore/?month=2026-09")
    words = re.sub(r"<[^>]+>", "", markup)
    assert "Spend rose 67\u202f% to $25.00, mostly because of" in words
    assert row(markup, "August 2026") == "August 2026 $15.00"
    assert row(markup, "Output tokens per call").endswith("+$4.00")
    assert "New use cases cost $1.00" in text(markup)
    amounts = re.findall(
        r'class="fall-change[^"]*">.*?<td class="figure"><span class="[a-z]*">([^<]+)</span>', markup, re.S
    )
    cents = sum(Decimal(amount.replace("$", "").replace("\u2212", "-").replace("+", "")) for amount in amounts)
    assert cents == Decimal("10.00")


def test_an_effect_is_drilled_into_by_any_dimension() -> None:
    two_months()
    client = client_of("analyst")
    markup = page(client, "/explore/?month=2026-09&effect=output_tokens&drill=cost_centre")
    assert "Output tokens per call by cost centre" in markup
    drill = markup[markup.index('id="drill"') :]
    assert row(drill, "CC-200") == "CC-200 +$4.00"
    assert row(drill, "Total") == "Total +$4.00"
    page_of_cents = page(client, "/explore/?month=2026-09&drill=model")
    assert row(page_of_cents[page_of_cents.index('id="drill"') :], ">Total<") == "Total +$10.00"
    for name in NAMES:
        assert f"by {NAMES[name].lower()}" in page(client, f"/explore/?month=2026-09&drill={name}")


def test_the_page_its_files_and_the_api_agree_for_random_views() -> None:
    load(*realistic_month())
    client, chance = client_of("analyst"), random.Random(7)
    for _ in range(12):
        by = chance.sample(list(NAMES), chance.randint(1, 2))
        filters = {"cost_centre": chance.choice(["CC-100", "(unallocated)"])} if chance.random() < 0.3 else {}
        filters |= {"tier": chance.choice(["simple", "research"])} if chance.random() < 0.3 else {}
        given = {"month": "2026-09", "by": ",".join(by), "granularity": chance.choice(["total", "month", "day"]),
                 "span": chance.choice(["1", "3"]), "cost": chance.choice(["EffectiveCost", "ListCost"])} | filters  # fmt: skip
        markup = client.get("/explore/", given).content.decode()
        links = addresses(markup[markup.index('id="pivot-title"') :])
        rows = list(csv.DictReader(client.get(links["CSV"]).content.decode().splitlines()))
        api, following = [], links["API"]
        while following:
            answer = client.get(following).json()
            api += answer["results"]
            following = f"{links['API']}&cursor={answer['next']}" if answer["next"] else ""
        column = given["cost"]
        assert sorted(Decimal(each[column]) for each in rows) == sorted(Decimal(each[column]) for each in api)
        total = Decimal(answer["totals"][column])
        sheet = openpyxl.load_workbook(io.BytesIO(client.get(links["XLSX"]).content)).active
        assert sheet is not None
        if rows:
            last = list(sheet.iter_rows(values_only=True))[-1]
            place = list(rows[0]).index(column)
            assert last[0] == "Total"
            assert abs(Decimal(str(last[place])) - total) < Decimal("0.000001")
            foot = text(markup[markup.index("<tfoot>", markup.index('id="pivot-title"')) :].split("</tfoot>")[0])
            assert f"${total:,.2f}" in foot, given
        bridge = addresses(markup[: markup.index('id="pivot-title"')])
        told = client.get(bridge["API"]).json()
        drilled = list(csv.DictReader(client.get(bridge["CSV"]).content.decode().splitlines()))
        assert sum(Decimal(each["delta"]) for each in drilled) == Decimal(told["delta"])
        sentence = re.search(r'<p class="sentence">(.*?)</p>', markup, re.S)
        assert sentence is not None
        assert html.unescape(re.sub("<[^>]+>", "", sentence[1])) == told["sentence"]


def test_a_long_list_keeps_nine_and_folds_the_rest_into_other() -> None:
    load(*(Usage(f"{n}", f"CC-{n:03}") for n in range(1, 15)))
    markup = page(client_of("analyst"), "/explore/?month=2026-09")
    pivot_part = markup[markup.index('id="pivot-title"') :]
    assert row(pivot_part, "5 others").startswith("5 others $15.00")
    assert row(pivot_part, ">Total<").startswith("Total $105.00")
    csv_rows = client_of("auditor").get("/explore/explore.csv?month=2026-09").content.decode().splitlines()
    assert len(csv_rows) == 15


def test_an_owner_explores_the_own_cost_centre_alone() -> None:
    load(Usage("10", "CC-100"), Usage("50", "CC-200"), Usage("3", None))
    client = client_of("owner")
    markup = page(client, "/explore/?month=2026-09&cost_centre=CC-200&cost_centre=CC-100")
    assert "$50.00" not in markup
    assert row(markup[markup.index('id="pivot-title"') :], ">Total<").startswith("Total $10.00")
    assert "not yours to see" in page(client, "/explore/?month=2026-09&against=budget")


def test_without_a_budget_the_page_says_so() -> None:
    two_months()
    client = client_of("finance")
    assert "There is no budget of the whole for 2026-09 in USD" in page(
        client, "/explore/?month=2026-09&against=budget"
    )
    assert "take the other filters out" in page(client, "/explore/?month=2026-09&against=budget&tier=simple")


def test_usage_without_a_price_stands_beside_the_totals() -> None:
    load(Usage("10"), Usage(None, estimate="3.5", tokens=700))
    markup = page(client_of("analyst"), "/explore/?month=2026-09")
    assert "In no total: 700 tokens without a price, $3.50 at a proxy price" in text(markup)


def test_indices_stand_by_month_from_the_first_with_usage() -> None:
    two_months()
    found = row(page(client_of("analyst"), "/explore/?month=2026-09"), '<small class="under muted">+67')
    assert found == "September 2026 1.67 +67 % 1.55 +55 % 1.00 \u00b10.0 % 1.05 +4.7 % 1.03 +3.0 %"


def test_names_from_outside_are_text_and_links_keep_the_view() -> None:
    evil = '<img src=x onerror=alert(1)>"&='
    load(Usage("10", model=evil, feature=evil), Usage("4", model="=1+1"))
    client = client_of("analyst")
    markup = page(client, "/explore/?month=2026-09&by=model,feature")
    assert "<img" not in markup
    assert "'=1+1" in client.get("/explore/explore.csv?month=2026-09&by=model").content.decode()


@pytest.mark.parametrize(
    ("search", "status"),
    [
        ("?by=,,", 400),
        ("?span=99", 400),
        ("?compare=2026-13", 400),
        ("?effect=nothing", 400),
        ("?month=", 200),
        ("?%00", 400),
    ],
)
def test_what_makes_no_sense_in_the_address_is_refused(search: str, status: int) -> None:
    two_months()
    assert client_of("analyst").get(f"/explore/{search}").status_code == status


PAGES = (
    "/roi/", "/roi/roi.csv", "/explore/", "/explore/explore.xlsx", "/explore/bridge.csv", "/tiers/", "/tiers/tiers.csv",
    "/tiers/agents/", "/tiers/agents/agents.csv", "/tiers/policy/",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("month", ["2031-01", "2026-07", "2150-01", "1999-12", "2026-13", "x"])
def test_a_month_without_cost_is_said_to_be_none_and_no_other_is_shown(path: str, month: str) -> None:
    two_months()
    answer = client_of("analyst").get(path, {"month": month})
    assert answer.status_code == 400
    said = text(answer.content.decode())
    if month in ("2031-01", "2026-07"):
        assert f"month: there is no cost in {month}; there is in 2026-09, 2026-08" in said
    else:
        assert "a month is written YYYY-MM" in said


def test_before_there_is_any_cost_a_month_shows_the_empty_page() -> None:
    client = client_of("analyst")
    assert {client.get(path, {"month": "2026-09"}).status_code for path in PAGES} == {200}


def test_what_a_filter_names_and_nothing_has_is_told_beside_the_zero() -> None:
    two_months()
    centre("CC-1")
    CostCentre.objects.filter(code__in=["CC-100", "CC-200"]).update(parent=CostCentre.objects.get(code="CC-1"))
    client = client_of("analyst")
    search = "month=2026-09&model=gpt-9&cost_centre=CC-1&tier=simple&currency=NOK"
    asked = (
        "month=2026-09&filter[x_Model]=gpt-9,gpt-5*&filter[x_CostCentre]=CC-1&filter[x_QueryTier]=simple&currency=NOK"
    )
    notes = [
        "no usage has x_Model 'gpt-9' in 2026-09",
        "no usage has x_CostCentre 'CC-1' in 2026-09 itself; a filter takes no cost centres below it, which are "
        "CC-100, CC-200: name those",
        "nothing is billed in NOK in 2026-09; there is cost in USD",
    ]
    for path in ("bridge", "tiers", "tiers/ledger", "agents/workflows", "indices", "tiers/months"):
        told = [each for each in asked.split("&") if path != "agents/workflows" or "x_Model" not in each]
        found = client.get(f"/api/v1/{path}?{'&'.join(told)}").json()["notes"]
        assert sorted(found) == sorted(notes if len(told) == len(asked.split("&")) else notes[1:]), path
    for path in ("/explore/", "/tiers/"):
        words = text(page(client, f"{path}?{search}"))
        assert all(note[1:] in words for note in notes), (path, words)
    roi = client.get(
        "/api/v1/roi?last=2026-09&filter[x_CostCentre]=CC-1&filter[x_Feature]=x&filter[BillingPeriodStart]=2026-08"
    )
    assert roi.json()["notes"] == [
        "'2026-08' is no month of 2026-09 to 2026-09", notes[1], "no usage has x_Feature 'x' in 2026-09",
    ]  # fmt: skip
    known = client.get("/api/v1/bridge?month=2026-09&filter[x_CostCentre]=CC-?00,(unallocated)&filter[x_Feature]=")
    assert known.json()["notes"] == []
    own = client_of("owner").get("/api/v1/bridge?month=2026-09&filter[x_CostCentre]=CC-1,CC-200").json()["notes"]
    assert own == [
        notes[1].replace("CC-100, CC-200", "CC-100"), "no usage has x_CostCentre 'CC-200' in 2026-09",
    ], "what is not theirs is not told"  # fmt: skip


def test_the_state_is_the_address() -> None:
    state = Explored(
        "2026-09",
        ("model", "tier"),
        "day",
        3,
        "ListCost",
        "EUR",
        {"x_Model": ("gpt-5", "o5")},
        "2026-01",
        False,
        "calls",
        "team",
    )
    assert parse(state.search()) == state
    assert parse("") == Explored()


def test_questions_to_the_database_are_bounded(django_assert_max_num_queries: Any) -> None:
    load(*realistic_month())
    client = client_of("analyst")
    with django_assert_max_num_queries(45):
        client.get("/explore/?month=2026-09&by=model,tier&granularity=day")
