"""GET and POST /api/v1/prices: the dated book as it stands and stood, and proposals that another person decides."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.test import Client

from finops.models import Approval
from ingest.models import HeldPrice, PriceBookVersion
from ingest.prices import load_prices
from tests.web.ledger import bearer, person

pytestmark = pytest.mark.django_db
PATH = "/api/v1/prices"
ENTRY = {"provider": "openai", "model": "gpt-5", "prices": {"input": "2"}, "valid_from": "2026-10-01"}


@pytest.fixture
def client() -> Client:
    found = Client()
    found.force_login(person("ann", "analyst"))
    return found


@pytest.fixture(autouse=True)
def catalogues(db: None) -> Iterator[None]:
    """Two catalogues of a model that the built-in book does not know."""
    for day, rate in ((date(2026, 1, 1), "1"), (date(2026, 3, 1), "1.5")):
        raw = f"model_key,provider,mode,input,batch_input\nm,selfhosted,chat,{rate},0.5\n".encode()
        load_prices(raw, f"{day}.csv", day=day, actor="loader")
    yield
    HeldPrice.objects.all().delete()
    PriceBookVersion.objects.exclude(book="builtin").delete()


def get(client: Client, **asked: str) -> list[dict[str, Any]]:
    answer = client.get(PATH, asked)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def post(client: Client, *entries: Any, key: str = "", **headers: Any) -> Any:
    more = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    return client.post(PATH, json.dumps({"entries": entries}), content_type="application/json", **more, **headers)


def test_prices_are_those_of_an_instant(client: Client) -> None:
    asked = {"provider": "selfhosted", "model": "m", "class": "input_uncached"}
    found = {row["mode"]: row["rate"] for row in get(client, **asked, at="2026-02-01")}
    assert found == {"sync": "1.000000000000", "batch": "0.500000000000"}
    (row,) = [row for row in get(client, **asked) if row["mode"] == "sync"]
    assert (row["rate"], row["per"], row["currency"], row["in_force"]) == ("1.500000000000", 1_000_000, "USD", True)
    assert (row["book"], row["source"], row["loaded_by"], row["live"]) == ("snapshot", "2026-03-01.csv", "loader", True)


def test_a_history_holds_all_times_and_versions(client: Client) -> None:
    found = get(client, model="m", history="1", **{"class": "input_uncached"})
    told = sorted((row["valid_from"][:10], row["rate"][:3], row["live"]) for row in found if row["mode"] == "sync")
    assert told == [("2026-01-01", "1.0", False), ("2026-01-01", "1.0", True), ("2026-03-01", "1.5", True)]


def test_names_may_be_patterns_and_gateways_names(client: Client) -> None:
    found = get(client, provider="open_router", model="deepseek/*", **{"class": "output_visible"}, limit="1000")
    assert found
    assert {row["provider"] for row in found} == {"openrouter"}
    assert all(row["model"].startswith("deepseek/") for row in found)
    assert get(client, model="m.") == []  # a dot is a dot


def test_pages_follow_each_other_without_gap_or_repetition(client: Client) -> None:
    asked = {"provider": "openai", "model": "gpt-5*", "class": "input_uncached"}
    whole = [row["id"] for row in get(client, **asked, limit="1000")]
    pages, path = [], f"{PATH}?provider=openai&model=gpt-5*&class=input_uncached&limit=7"
    while path:
        answer = client.get(path)
        pages += [row["id"] for row in answer.json()["results"]]
        path = answer.headers.get("Link", "").partition(">")[0].lstrip("<")
    assert len(whole) > 14
    assert pages == whole


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"class": "tokens"}, "class"), ({"at": "yesterday"}, "at"), ({"at": "2026-01-01T00:00:00"}, "at"),
        ({"at": "2026-02-30"}, "at"), ({"history": "yes"}, "history"), ({"colour": "red"}, "colour"), ({"limit": "0"}, "limit"),
    ],
)  # fmt: skip
def test_a_question_that_is_wrong_is_refused_by_name(client: Client, asked: dict[str, str], field: str) -> None:
    answer = client.get(PATH, asked)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(f"{field}: ")


def test_a_proposal_changes_nothing_until_another_person_of_finance_accepts_it(client: Client) -> None:
    answer = post(client, ENTRY)
    assert answer.status_code == 202, answer.content
    asked = answer.json()
    assert (asked["state"], asked["prepared_by"]) == ("proposed", "ann")
    (change,) = asked["details"]["prices"]
    assert (change["former"], change["rate"], change["factor"], change["from"][:10]) == (
        "1.25",
        "2",
        "1.6",
        "2026-10-01",
    )
    query = {"provider": "openai", "model": "gpt-5", "class": "input_uncached", "at": "2026-10-02"}
    assert {row["book"] for row in get(client, **query)} == {"builtin"}
    finance = Client()
    finance.force_login(person("bob", "finance"))
    decided = finance.post(
        f"/api/v1/approvals/{asked['id']}/decision", json.dumps({"accept": True}), content_type="application/json"
    )
    assert decided.status_code == 200, decided.content
    assert [(row["rate"], row["in_force"]) for row in get(client, **query) if row["book"] == "override"] == [
        ("2.000000000000", True)
    ]
    assert [row["in_force"] for row in get(client, **query) if row["book"] == "builtin" and row["mode"] == "sync"
            and not row["service_tier"]] == [False]  # fmt: skip


def test_finance_does_not_accept_its_own_proposal() -> None:
    finance = Client()
    finance.force_login(person("bob", "finance"))
    number = post(finance, ENTRY).json()["id"]
    answer = finance.post(
        f"/api/v1/approvals/{number}/decision", json.dumps({"accept": True}), content_type="application/json"
    )
    assert answer.status_code == 403
    assert Approval.objects.get(pk=number).state == "proposed"


def test_a_slip_of_units_is_named_in_the_proposal(client: Client) -> None:
    (change,) = post(client, ENTRY | {"prices": {"input": "1250"}}).json()["details"]["prices"]
    assert change["state"] == "held"
    assert "x1,000: per 1k for per 1M tokens" in change["reason"]


def test_the_same_key_proposes_once(client: Client) -> None:
    first, second = post(client, ENTRY, key="k1"), post(client, ENTRY, key="k1")
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert Approval.objects.count() == 1
    assert post(client, ENTRY | {"model": "gpt-4o"}, key="k1").status_code == 422


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (ENTRY | {"prices": {"input": 2.5}}, "entries: entry 1: prices.input is a float"),
        (ENTRY | {"colour": "red"}, "entries: entry 1: unknown field 'colour'"),
        ("text", "entries: entry 1: must be a mapping"),
    ],
)
def test_entries_that_mean_nothing_are_named(client: Client, entry: Any, message: str) -> None:
    answer = post(client, entry)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(message)
    assert client.post(PATH, "[]", content_type="application/json").status_code == 400
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    ("role", "reads", "proposes"), [("viewer", 403, 403), ("auditor", 200, 403), ("admin", 200, 403)]
)
def test_who_may_read_and_propose(role: str, reads: int, proposes: int) -> None:
    found = Client()
    found.force_login(person("cid", role, "CC-100" if role == "viewer" else ""))
    assert (found.get(PATH).status_code, post(found, ENTRY).status_code) == (reads, proposes)


def test_a_token_that_reads_does_not_propose() -> None:
    user = person("bob", "finance")
    assert post(Client(), ENTRY, **bearer(user, "read")).status_code == 403
    assert post(Client(), ENTRY, **bearer(user, "write")).status_code == 202
