"""GET /api/v1/data-health says what the page says, exactly."""

from typing import Any

import pytest
from django.test import Client

from allocation.verification import Check
from tests.web.connected import connected, ran
from tests.web.ledger import Usage, bearer, load, person
from web import verified

pytestmark = pytest.mark.django_db
URL = "/api/v1/data-health"


@pytest.fixture
def headers() -> dict[str, str]:
    return bearer(person("a", "auditor"))


def test_an_empty_ledger_has_an_answer(headers: dict[str, str]) -> None:
    body = Client().get(URL, **headers).json()
    assert (body["sources"], body["verified_at"], body["unallocated"]) == ([], None, "0.000000000000")
    assert body["recomputing"] == {"slices": 0, "days": 0, "oldest": None, "failed": []}


def test_what_the_page_shows(headers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    load(
        Usage("10", "CC-100"), Usage("2.50", None), Usage(None, "CC-100", model="house", estimate="1.25", tokens=2**53 + 1),
        Usage("7", None, currency="EUR"),
    )  # fmt: skip
    connected("conn", failures=2, last_error="answered 500")
    run = ran(None, kind="litellm", notes={"unknown_fields": {"new": 4}})
    run.quarantine.create(reason="negative", place="line 1", sha256=b"x" * 32)
    monkeypatch.setattr(verified, "verify", lambda: [Check("no_nan", 9, checked=3)])
    verified.check()

    body: dict[str, Any] = Client().get(URL, {"month": "2026-09"}, **headers).json()

    assert (body["EffectiveCost"], body["unallocated"]) == ("12.500000000000", "2.500000000000")
    assert body["unpriced"] == [
        {"ServiceProviderName": "openai", "x_Model": "house", "x_UnpricedTokens": "9007199254740993",
         "x_UnpricedEstimate": "1.250000000000"}
    ]  # fmt: skip
    assert [(row["name"], row["kind"], row["state"]) for row in body["sources"]] == [
        ("conn", "openai", "failing"), ("litellm", "litellm", "ok"),
    ]  # fmt: skip
    assert [(row["source"], row["reason"], row["count"]) for row in body["quarantine"]] == [("litellm", "negative", 1)]
    assert [(row["name"], row["count"]) for row in body["unknown_fields"]] == [("new", 4)]
    assert [(row["id"], row["ok"]) for row in body["checks"]] == [("no_nan", True)]
    assert [row["states"] for row in body["runs"]] == [{"done": 1}]
    euro = Client().get(URL, {"month": "2026-09", "currency": "EUR"}, **headers).json()
    assert euro["unallocated"] == "7.000000000000"


@pytest.mark.parametrize(
    "query", ["month=x", "month=2026-13", "month=", "currency=usd", "currency=", "a=1", "month=1999-01"]
)
def test_wrong_parameters_say_so(headers: dict[str, str], query: str) -> None:
    assert Client().get(f"{URL}?{query}", **headers).status_code == 400
