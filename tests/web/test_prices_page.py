"""The pages of prices: what is in force and why, what a model cost when, what the guard holds, what answers cost."""

import csv
import io
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from allocation.models import QueryCostDaily
from finops.models import Approval
from ingest.models import HeldPrice, PriceBookVersion
from ingest.prices import load_prices
from tests.web.connected import PAYLOAD
from tests.web.ledger import Usage, load
from tests.web.money_pages import BLIND, READERS, client_of, page, row, text
from web.pages import charts

pytestmark = pytest.mark.django_db
PATHS = (
    "/prices/",
    "/prices/prices.csv?provider=selfhosted",
    "/prices/model/?provider=selfhosted&model=m",
    "/prices/answers/",
)


@pytest.fixture(autouse=True)
def catalogues(db: None) -> Iterator[None]:
    """Two dated catalogues of a model that the built-in book does not know, and an override of its output."""
    for day, rates in ((date(2026, 1, 1), "1,4"), (date(2026, 3, 1), "1.5,6")):
        raw = f"model_key,provider,mode,input,output\nm,selfhosted,chat,{rates}\n".encode()
        load_prices(raw, f"{day}.csv", day=day, actor="loader")
    override("5")
    yield
    HeldPrice.objects.all().delete()
    PriceBookVersion.objects.exclude(book="builtin").delete()


def override(output: str) -> None:
    text = f'[{{provider: selfhosted, model: m, prices: {{output: "{output}"}}, valid_from: 2026-05-01}}]'
    load_prices(text.encode(), "ours.yaml", actor="fin")


@pytest.fixture
def client() -> Client:
    return client_of("finance", "fin")


@pytest.mark.parametrize("role", [*READERS, *BLIND])
def test_who_sees_everything_sees_prices(role: str) -> None:
    client = client_of(role)
    for path in PATHS:
        assert client.get(path).status_code == (200 if role in READERS else 403), path
        assert client.post(path).status_code == 405, "no price is changed here"
    assert ("/prices/" in client.get("/overview/").content.decode()) == (role in READERS)


def test_a_model_is_a_line_of_the_rates_in_force_with_their_book_and_date(client: Client) -> None:
    found = row(page(client, "/prices/?q=m&provider=selfhosted"), "selfhosted")
    # Input of the catalogue of March, output of the override of May: the newest of them dates the line.
    assert found.startswith("m selfhosted")
    assert "$1.50" in found
    assert "$5.00" in found
    assert "1 May 2026" in found
    assert "override snapshot" in found


def test_filters_choose_and_stay_in_the_address(client: Client) -> None:
    markup = page(client, "/prices/?provider=selfhosted&class=output_visible")
    assert "$5.00 per 1M tokens" in text(markup)
    assert "<option selected>selfhosted</option>" in markup
    assert "/prices/prices.csv?provider=selfhosted&amp;class=output_visible" in markup
    assert "/api/v1/prices?provider=selfhosted&amp;class=output_visible" in markup
    assert "$6.00" in text(page(client, "/prices/?provider=selfhosted&book=snapshot")), (
        "what a book says, overridden or not"
    )
    assert "No price in force matches" in page(client, "/prices/?q=nothing-like-it")
    for wrong in ("?class=x", "?book=x", "?q=%00", "?after=x"):
        assert client.get(f"/prices/{wrong}").status_code == 400, wrong


def test_pages_hold_every_model_once(client: Client) -> None:
    seen, address = [], "/prices/?provider=openai"
    while address:
        answer = client.get(address)
        seen += [line.model for line in answer.context["lines"] if not line.conditions]
        address = f"/prices/{answer.context['further']}" if answer.context["further"] else ""
    assert len(seen) == len(set(seen)) > 25
    assert seen == sorted(seen)
    assert answer.context["models"] >= len(seen)


def test_the_csv_is_the_very_view(client: Client) -> None:
    content = client.get("/prices/prices.csv?provider=selfhosted&q=m").content.decode()
    rows = list(csv.DictReader(io.StringIO(content)))
    rates = {line["price_class"]: (line["rate"], line["book"]) for line in rows}
    assert rates["input_uncached"] == ("1.500000000000", "snapshot")
    assert rates["output_visible"] == ("5.000000000000", "override")


def test_the_history_of_a_model_tells_every_book_and_which_rules(client: Client) -> None:
    markup = page(client, "/prices/model/?provider=selfhosted&model=m")
    found = text(markup)
    assert "1 Jan 2026" in found
    assert "$6.00" in found
    assert "override rules" in found
    assert "snapshot not in force" in found
    assert 'class="series-1"' in markup
    assert "No book knows this model" in page(client, "/prices/model/?provider=x&model=unheard-of")
    assert client.get("/prices/model/").status_code == 404


def test_steps_keep_a_rate_until_the_next_one() -> None:
    day = date(2026, 1, 1)
    points: list[tuple[date, Decimal | None]] = [
        (day, Decimal(10)),
        (date(2026, 1, 11), Decimal(1)),
        (date(2026, 1, 21), None),
    ]
    ((_, path),) = charts.stepped([("input", points)], day, date(2026, 1, 21), log=True).paths
    first, second = (float(part) for part in (path.split(" ")[1].split("H")[0], path.split("V")[1].split("H")[0]))
    assert path.startswith("M0.0 ")
    assert f"H500.0V{second:.2f}H1000.0" in path
    assert first < second, "a tenth of the rate lies lower"


def test_a_slip_is_held_named_and_decided_by_another_person(client: Client) -> None:
    override("50")
    markup = page(client, "/prices/")
    assert "1 price change waits" in text(markup)
    held = Approval.objects.get()
    assert "5 → 50 USD" in text(markup)
    assert "a decimal place" in text(markup)
    assert "You prepared this" in markup, "fin loaded it"
    client.post(f"/approvals/{held.pk}/decide", {"decision": "accept"})
    assert "$5.00" in row(page(client, "/prices/?q=m&provider=selfhosted"), "selfhosted")
    client_of("finance", "other").post(f"/approvals/{held.pk}/decide", {"decision": "accept"})
    assert "$50.00" in row(page(client, "/prices/?q=m&provider=selfhosted"), "selfhosted")


def test_what_has_no_price_is_told_as_money(client: Client) -> None:
    load(Usage("10"), Usage(None, model="house", estimate="1.25", tokens=3_000_000))
    assert row(page(client, "/prices/"), "house") == "house openai 3.0M $1.25"
    assert "Every token has a price" not in page(client, "/prices/")


def test_the_last_load_is_told_as_a_difference(client: Client) -> None:
    override("5.5")
    found = row(page(client, "/prices/"), "$5.50")
    assert found == "m output reasoning $5.00 $5.50 1 May 2026 passed"


def test_a_median_answer_is_told_by_tier() -> None:
    place = {"charge_date": date(2026, 9, 1), "provider": "openai", "model": "gpt-5", "environment": "prod"}
    QueryCostDaily.objects.create(**place, tier="simple", bin=-60, queries=100, cost=Decimal("0.1"))
    QueryCostDaily.objects.create(**place, tier="complex", bin=-20, queries=2, cost=Decimal("0.5"))
    load(Usage("10"))
    found = row(page(client_of("analyst"), "/prices/answers/?month=2026-09"), "gpt-5")
    # 0.1 / 100 of a simple one, 0.5 / 2 of a complex one.
    assert "$0.0010" in found
    assert "$0.25" in found
    assert "No source of this month tells reasoning apart" in page(
        client_of("auditor"), "/prices/answers/?month=2026-09"
    )


def test_an_empty_month_and_a_wrong_one_say_what_to_do(client: Client) -> None:
    assert "No query has a cost yet" in page(client, "/prices/answers/")
    assert client.get("/prices/answers/?month=2026-13").status_code == 400


def test_no_name_becomes_markup(client: Client) -> None:
    load_prices(f"[{{provider: a, model: '{PAYLOAD}', prices: {{output: '1'}}}}]".encode(), PAYLOAD, actor=PAYLOAD)
    for path in ("/prices/?provider=a", f"/prices/?q={PAYLOAD}", f"/prices/model/?model={PAYLOAD}&provider={PAYLOAD}"):
        assert "<img" not in page(client, path)


@pytest.mark.parametrize(("path", "most"), [("/prices/", 30), ("/prices/model/?provider=openai&model=gpt-5", 14)])
def test_queries_are_bounded(client: Client, path: str, most: int, django_assert_max_num_queries: Any) -> None:
    load(Usage("10"), *(Usage(None, model=f"house-{number}", estimate="1") for number in range(30)))
    client.get(path)
    with django_assert_max_num_queries(most):
        client.get(path)
