"""The watch over REST: what a gateway is answered and from what, alerts and silences, caps; within scope and roles."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from finops.models import AuditEvent
from forecasting import watch, watch_selectors, watch_states
from forecasting.models import Alert, Budget, QueryCap, Silence
from tests.forecasting.watched import NOW, budgeted, call, forecast, owned, taken
from tests.web.ledger import Usage, bearer, centre, load, person

pytestmark = pytest.mark.usefixtures("ledger")
JSON = {"content_type": "application/json"}


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The clock that the views read: every figure hangs on the day. Tokens know the real one."""
    for name in ("watch", "alerts", "watch_caps"):
        module = __import__(f"web.api.{name}", fromlist=["timezone"])
        monkeypatch.setattr(module, "timezone", type("Clock", (), {"now": staticmethod(lambda: NOW)}))
    return NOW


def get(path: str, headers: dict[str, str], **asked: str) -> Any:
    answer = Client().get(f"/api/v1/{path}", asked, **headers)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_gateway_is_told_what_is_left_and_the_strictest_verdict_without_a_look_at_events(tmp_path: Path) -> None:
    owned()
    number = budgeted(("CC-100", "225"), ("CC-200", "10"))
    forecast("CC-100", "11", spread="1", actual="95")
    spent = [call(NOW - timedelta(days=n), "5") for n in range(1, 20)]
    taken(tmp_path, [*spent, call(NOW, "2"), call(NOW, "12", "chat")])
    watch.run(NOW)
    gateway = bearer(person("gateway", "finance"), "read")
    with CaptureQueriesContext(connection) as caught:
        found = get(f"budgets/{number}/state", gateway, cost_centre="CC-100", model="gpt-5")
    assert len(caught) <= 25
    assert not [each["sql"] for each in caught.captured_queries if "usage_event" in each["sql"]]
    assert found["verdict"] == "allow"
    whole, one = sorted(found["results"], key=lambda row: row["x_CostCentre"] or "")
    assert whole["x_CostCentre"] is None
    assert (one["Budget"], one["Actual"], one["Left"]) == ("225.000000000000", "97.000000000000", "128.000000000000")
    assert one["close"]["median"] == "216.000000000000"
    assert one["close"]["probability"] == round(40 / 99, 6)
    assert one["state"] == "ok"
    every = get(f"budgets/{number}/state", gateway)
    assert {row["x_CostCentre"]: row["verdict"] for row in every["results"]} == {
        None: "allow", "CC-100": "allow", "CC-200": "stop",
    }  # fmt: skip
    assert every["verdict"] == "stop"


def test_what_a_gateway_is_told_is_what_the_service_says_to_the_cent(tmp_path: Path) -> None:
    centre("CC-100")
    number = budgeted(("CC-100", "100.10"))
    load(Usage("33.333333333333", "CC-100"), Usage(None, "CC-100", feature="x", estimate="1.000000000001"))
    (one,) = [
        each for each in watch_selectors.states(watch_states.EVERYTHING, NOW) if each.running.subject.code == "CC-100"
    ]
    found = get(f"budgets/{number}/state", bearer(person("f", "finance")), cost_centre="CC-100")["results"]
    row = next(each for each in found if each["x_CostCentre"] == "CC-100")
    assert row["Counted"] == f"{one.standing.counted:.12f}" == "34.333333333334"
    assert (row["Actual"], row["x_UnpricedEstimate"]) == ("33.333333333333", "1.000000000001")
    assert row["Left"] == "65.766666666666"


def test_an_owner_sees_the_own_budget_alone_and_an_unknown_one_is_not_found() -> None:
    for code in ("CC-100", "CC-200"):
        centre(code)
    number = budgeted(("CC-100", "10"), ("CC-200", "10"))
    load(Usage("5", "CC-100"), Usage("11", "CC-200"))
    owner = bearer(person("o", "owner", "CC-100"))
    assert [row["x_CostCentre"] for row in get(f"budgets/{number}/state", owner)["results"]] == ["CC-100"]
    assert [row["x_CostCentre"] for row in get("watch", owner)["results"]] == ["CC-100"]
    assert Client().get(f"/api/v1/budgets/{number + 1}/state", **owner).status_code == 404
    assert Client().get(f"/api/v1/budgets/{2**70}/state", **owner).status_code == 404


def test_a_gateway_that_sees_one_cost_centre_is_told_to_stop_where_the_whole_is_exceeded() -> None:
    for code in ("CC-100", "CC-200"):
        centre(code)
    number = budgeted(("CC-100", "1000"), ("CC-200", "1000"))
    owner = bearer(person("o", "owner", "CC-100"))
    load(Usage("2", "CC-100"), Usage("1", "CC-200"))
    assert get(f"budgets/{number}/state", owner)["verdict"] == "allow"
    load(Usage("1998", "CC-200", feature="more"))
    found = get(f"budgets/{number}/state", owner)
    assert found["verdict"] == "stop", "2,001 of 2,000 in all"
    assert [row["x_CostCentre"] for row in found["results"]] == ["CC-100"]
    assert found["results"][0]["verdict"] == "allow"


def test_a_gateway_that_names_a_foreign_or_misspelt_cost_centre_is_not_told_to_allow() -> None:
    for code in ("CC-100", "CC-200"):
        centre(code)
    budgeted(("CC-100", "10"), ("CC-200", "10"))
    load(Usage("11", "CC-200"))
    number = Budget.objects.get().pk
    owner, analyst = bearer(person("o", "owner", "CC-100")), bearer(person("a", "analyst"))
    asked = {"cost_centre": "CC-200"}
    assert Client().get(f"/api/v1/budgets/{number}/state", asked, **analyst).status_code == 200
    for path, headers in (("CC-200", owner), ("CC-999", analyst), ("", analyst)):
        answer = Client().get(f"/api/v1/budgets/{number}/state", {"cost_centre": path}, **headers)
        assert answer.status_code == 404, path


def test_alerts_are_listed_and_answered_within_scope_and_a_read_token_answers_none() -> None:
    for code in ("CC-100", "CC-200"):
        centre(code)
    budgeted(("CC-100", "10"), ("CC-200", "10"))
    load(Usage("6", "CC-100"), Usage("11", "CC-200"))
    watch.run(NOW)
    owner, write = bearer(person("o", "owner", "CC-100"), "write"), bearer(person("f", "finance"), "write")
    every, own = get("alerts", write, state="open")["results"], get("alerts", owner)["results"]
    assert {row["x_CostCentre"] for row in every} == {None, "CC-100", "CC-200"}
    assert {row["x_CostCentre"] for row in own} == {"CC-100"}
    assert [row["label"] for row in own] == ["CC-100, 2026-09"]
    assert own[0]["why"] == "50 % of 10.00 is spent: 6.00 in 2026-09"
    path = f"/api/v1/alerts/{own[0]['id']}/acknowledge"
    assert Client().post(path, {}, **JSON, **bearer(person("r", "finance"), "read")).status_code == 403
    assert Client().post(path, {}, **JSON, **bearer(person("v", "viewer", "CC-100"), "write")).status_code == 403
    other = next(row["id"] for row in every if row["x_CostCentre"] == "CC-200")
    assert Client().post(f"/api/v1/alerts/{other}/acknowledge", {}, **JSON, **owner).status_code == 404
    assert Client().post(path, {"nota": "x"}, **JSON, **owner).json()["detail"].startswith("nota: no such field")
    keyed = {**owner, "HTTP_IDEMPOTENCY_KEY": "once"}
    answer = Client().post(path, {"note": "more budget asked for"}, **JSON, **keyed)
    assert (answer.status_code, answer.json()["acknowledged_by"]) == (200, "o")
    assert Client().post(path, {"note": "more budget asked for"}, **JSON, **keyed)["Idempotency-Replayed"] == "true"
    assert AuditEvent.objects.filter(action="alert.acknowledge").count() == 1
    assert [row["note"] for row in get("alerts", owner, state="acknowledged")["results"]] == ["more budget asked for"]
    Alert.objects.filter(pk=own[0]["id"]).update(ended_at=NOW)
    assert Client().post(path, {}, **JSON, **owner).status_code == 409
    assert Client().get("/api/v1/alerts?state=gone", **owner).status_code == 400


def test_silences_are_made_listed_and_ended() -> None:
    centre("CC-100")
    budgeted(("CC-100", "10"))
    load(Usage("6", "CC-100"))
    watch.run(NOW)
    owner, finance = bearer(person("o", "owner", "CC-100"), "write"), bearer(person("f", "finance"), "write")
    subject = Alert.objects.get(cost_centre__code="CC-100").subject
    ends = (NOW + timedelta(hours=5)).isoformat()

    def post(headers: dict[str, str], **said: str) -> Any:
        return Client().post("/api/v1/silences", {"ends": ends, "reason": "a load test"} | said, **JSON, **headers)

    made = post(owner, subject=subject, severity="ticket")
    assert (made.status_code, made.json()["x_CostCentre"]) == (201, "CC-100")
    assert post(owner, subject="*").status_code == 400
    assert post(finance, subject="*").status_code == 201
    naive = post(finance, subject="*", ends=f"{NOW + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}")
    assert (naive.status_code, naive.json()["detail"]) == (400, "ends: needs its zone, as 2026-10-02T09:00:00Z")
    assert post(finance, subject="budget:none").json()["detail"].startswith("there is no alert")
    assert post(finance, subject="*", ends=(NOW + timedelta(days=91)).isoformat()).status_code == 400
    assert post(finance, subject="*", ends=(NOW - timedelta(hours=1)).isoformat()).status_code == 400
    assert [row["subject"] for row in get("silences", owner)["results"]] == [subject]
    assert [row["subject"] for row in get("silences", finance)["results"]] == ["*", subject]
    path = f"/api/v1/silences/{made.json()['id']}"
    assert Client().delete(path, **owner).json()["ended_by"] == "o"
    assert Client().delete(path, **owner).status_code == 409
    everything = Silence.objects.get(subject="*").pk
    assert Client().delete(f"/api/v1/silences/{everything}", **owner).status_code == 404
    assert list(AuditEvent.objects.filter(action__startswith="silence.").order_by("pk").values_list("action", flat=True)) == [
        "silence.create", "silence.create", "silence.end",
    ]  # fmt: skip


def test_caps_are_set_counted_and_ended(tmp_path: Path) -> None:
    owned()
    taken(tmp_path, [call(NOW - timedelta(hours=1), cost, number=n) for n, cost in enumerate(("0.05", "0.11", "0.3"))])
    analyst, owner = bearer(person("a", "analyst"), "write"), bearer(person("o", "owner", "CC-100"), "write")
    said = {"most": "0.1", "cost_centre": "CC-100"}
    assert Client().post("/api/v1/query-caps", said, **JSON, **owner).status_code == 403
    made = Client().post("/api/v1/query-caps", said, **JSON, **analyst)
    assert (made.status_code, made.json()["most"], made.json()["severity"]) == (201, "0.100000000000", "ticket")
    wrong = Client().post("/api/v1/query-caps", {"most": "-1"}, **JSON, **analyst)
    assert (wrong.status_code, wrong.json()["detail"].startswith("most: an amount above 0")) == (400, True)
    watch.run(NOW)
    (row,) = get("query-caps", owner)["results"]
    assert (row["queries"], row["breaches_low"], row["breaches_high"], row["exact"]) == (3, 2, 2, True)
    assert row["above_low"] == "0.210000000000"
    path = f"/api/v1/query-caps/{row['id']}"
    assert Client().delete(path, **analyst).status_code == 200
    assert Client().delete(path, **analyst).status_code == 409
    assert get("query-caps", analyst)["results"] == []
    assert QueryCap.objects.get().ended_by == "a"


def test_the_watch_answers_all_budgets_with_bands_in_pages(tmp_path: Path) -> None:
    owned()
    budgeted(("CC-100", "10"), ("CC-200", "10"))
    taken(tmp_path, [call(NOW - timedelta(hours=1), "0.05")])
    headers = bearer(person("f", "finance"))
    first = get("watch", headers, limit="2")
    assert len(first["results"]) == 2
    assert len(get("watch", headers, limit="2", cursor=first["next"])["results"]) == 1
    assert first["bands"][0]["bands"][1]["queries"] == 1
    assert first["policy"] == 0
    assert Client().get("/api/v1/watch?limt=1", **headers).status_code == 400
