"""/api/v1/anomalies: what was found and kept, within a scope, its filters, and what people say of it."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from allocation.scope import EVERYTHING
from finops.models import User
from forecasting import anomalies
from forecasting.anomalies_selectors import Asked, listed
from forecasting.models import Anomaly
from tests.conftest import empty_ledger
from tests.forecasting.test_anomalies import BEFORE, SPIKED, spent
from tests.web.ledger import Usage, bearer, load, person

CHEAP = SPIKED - timedelta(days=20)


def world() -> None:
    """Two cost centres; CC-100 spikes by 330 on a day, and CC-200 by 50 on another."""
    spent(SPIKED)
    load(Usage("50", "CC-200", model="o5", day=CHEAP, feature="more"))
    anomalies.run(before=BEFORE)


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        world()
        for name, role, code in (
            ("ann", "analyst", ""), ("olga", "owner", "CC-100"), ("vera", "viewer", "CC-100"), ("otto", "owner", "CC-200"),
            ("aud", "auditor", ""),
        ):  # fmt: skip
            person(name, role, code)
        yield
        empty_ledger()


@pytest.fixture
def live(made: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def ask(who: str, path: str = "", **asked: str) -> Any:
    return Client().get(f"/api/v1/anomalies{path}", asked, **bearer(User.objects.get(username=who)))  # type: ignore[arg-type]


def results(who: str, **asked: str) -> list[dict[str, Any]]:
    answer = ask(who, **asked)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def say(who: str, number: int, body: dict[str, Any], **headers: str) -> Any:
    token = bearer(User.objects.get(username=who), "write")
    return Client().post(
        f"/api/v1/anomalies/{number}/feedback", json.dumps(body), "application/json", **token, **headers  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_answer_has_every_row_exactly_as_it_is_kept_with_gate_and_summary(live: None) -> None:
    answer = ask("ann").json()
    kept = {row.pk: row for row in Anomaly.objects.all()}
    assert [row["id"] for row in answer["results"]] == sorted(kept)
    for row in answer["results"]:
        held = kept[row["id"]]
        assert (Decimal(row["expected"]), Decimal(row["actual"]), Decimal(row["impact"])) == (
            held.expected,
            held.actual,
            held.impact,
        )
        assert row["key"] == dict(zip(held.level, held.key, strict=True))
    assert answer["least_impact"] == "60.980000000000"
    assert answer["precision"]["judged"] == 0
    assert answer["precision"]["share"] is None
    assert (answer["judged_from"], answer["judged_to"]) == ("2026-07-01", str(BEFORE))
    assert answer["summary"]["open"] == len([row for row in answer["results"] if row["told"]]) == 1
    assert Decimal(answer["summary"]["dearer"]) == Anomaly.objects.get(told=True).impact


def test_its_filters_are_by_state_gate_days_and_impact(live: None) -> None:
    every = results("ann")
    assert {row["first_day"] for row in every} == {str(SPIKED), str(CHEAP)}
    assert {row["first_day"] for row in results("ann", **{"from": str(CHEAP + timedelta(days=1))})} == {str(SPIKED)}
    assert {row["first_day"] for row in results("ann", to=str(SPIKED - timedelta(days=1)))} == {str(CHEAP)}
    assert {row["first_day"] for row in results("ann", min_impact="100")} == {str(SPIKED)}
    assert [row["key"] for row in results("ann", told="true")] == [{}]
    assert len(results("ann", told="false")) == len(every) - 1
    assert results("ann", state="closed") == []
    assert results("ann", currency="EUR") == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"state": "odd"}, "open, closed"), ({"told": "1"}, "true or false"), ({"from": "2026-13-01"}, "YYYY-MM-DD"),
        ({"to": "today"}, "YYYY-MM-DD"), ({"min_impact": "-1"}, "not negative"), ({"min_impact": "NaN"}, "not negative"),
        ({"currency": "usd"}, "ISO 4217"), ({"since": "2026-01-01"}, "no such parameter"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_named(live: None, asked: dict[str, str], told: str) -> None:
    answer = ask("ann", **asked)
    assert answer.status_code == 400
    assert told in answer.content.decode()


def test_those_who_see_a_cost_centre_see_its_nodes_alone_and_are_told_there(live: None) -> None:
    rows = results("olga")
    assert rows
    assert {row["key"].get("x_CostCentre") for row in rows} == {"CC-100"}
    assert [row["key"] for row in rows if row["told"]] == [{"x_CostCentre": "CC-100"}]
    whole = Anomaly.objects.get(key=[], first_day=SPIKED).pk
    assert ask("olga", f"/{whole}").status_code == 404
    assert ask("ann", f"/{whole}").status_code == 200
    assert ask("ann", "/999999").status_code == 404
    assert ask("otto", f"/{rows[0]['id']}").status_code == 404


def test_one_has_its_days_and_what_lies_below_it(live: None) -> None:
    whole = Anomaly.objects.get(key=[], first_day=SPIKED)
    found = ask("ann", f"/{whole.pk}").json()
    days = {row["day"]: row for row in found["days"]}
    assert Decimal(days[str(SPIKED)]["actual"]) == Decimal(found["actual"])
    assert Decimal(days[str(SPIKED)]["expected"]) == Decimal(found["expected"])
    assert [row["key"].get("x_CostCentre") for row in found["below"]] == ["CC-100"] * 3
    assert found["sentence"].startswith("Cost $550.00 on 15 Sep 2026, ")
    assert "mostly because of more queries (+$330.00)" in found["sentence"]
    assert sum(map(Decimal, found["effects"].values())) == Decimal(found["actual"]) - Decimal(found["usual"])


def test_it_is_read_page_by_page(live: None) -> None:
    first = ask("ann", limit="2")
    assert 'rel="next"' in first["Link"]
    second = ask("ann", limit="2", cursor=first.json()["next"])
    ids = [row["id"] for row in first.json()["results"] + second.json()["results"]]
    assert ids == [row["id"] for row in results("ann")][:4]


def test_feedback_closes_it_once_and_precision_is_in_the_answer(live: None) -> None:
    number = Anomaly.objects.get(key=[], first_day=SPIKED).pk
    body = {"verdict": "real", "note": "a loop"}
    answer = say("ann", number, body, HTTP_IDEMPOTENCY_KEY="k1")
    assert answer.status_code == 200, answer.content
    found = answer.json()
    assert (found["state"], found["precision"]["judged"], found["precision"]["share"]) == ("closed", 1, 1.0)
    assert [(word["verdict"], word["note"], word["said_by"]) for word in found["feedback"]] == [
        ("real", "a loop", "ann")
    ]
    again = say("ann", number, body, HTTP_IDEMPOTENCY_KEY="k1")
    assert again["Idempotency-Replayed"] == "true"
    assert Anomaly.objects.get(pk=number).feedback.count() == 1
    assert [row.pk for row in listed(EVERYTHING, Asked("USD", state="closed"))] == [number]


@pytest.mark.parametrize(
    ("who", "status"), [("olga", 200), ("vera", 403), ("otto", 404), ("aud", 403)]
)  # fmt: skip
def test_who_may_say_what_one_is(live: None, who: str, status: int) -> None:
    number = Anomaly.objects.get(key=["CC-100"]).pk
    answer = say(who, number, {"verdict": "expected"})
    assert answer.status_code == status, answer.content


def test_a_verdict_is_one_of_three_and_a_note_is_short(live: None) -> None:
    number = Anomaly.objects.get(key=["CC-100"]).pk
    for body in ({"verdict": "maybe"}, {}, {"verdict": "real", "note": "x" * 301}):
        assert say("ann", number, body).status_code == 400
    assert say("ann", 999_999, {"verdict": "real"}).status_code == 404


def test_before_anything_was_judged_the_answer_says_so(live: None) -> None:
    answer = ask("ann", currency="EUR").json()
    assert (answer["judged_from"], answer["judged_to"], answer["results"]) == (None, None, [])
    assert answer["least_impact"] is None, "there is no rate from USD to EUR"
    assert date.fromisoformat(ask("ann").json()["judged_to"]) == BEFORE
