"""The API of outcomes: idempotent batches, refusals beside neighbours, benefits by three people, figures as SQL says them."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

from allocation.models import BenchmarkRun, Benefit, CostDaily, Outcome, OutcomeHistory
from finops.models import AuditEvent, User
from tests.web.ledger import Usage, bearer, centre, load, person

pytestmark = pytest.mark.django_db
DOCUMENT = Path(__file__).parents[2] / "web" / "api" / "openapi.yaml"
ROW: dict[str, Any] = {
    "source": "desk",
    "at": "2026-09-08T13:00:00Z",
    "success": True,
    "feature": "chat",
    "cost_centre": "CC-100",
}
BENEFIT: dict[str, Any] = {
    "effect": "handling", "month": "2026-09", "kind": "cash", "pnl_line": "6420", "unit": "USD", "cost_centre": "CC-100",
    "baseline": 500, "actual": "200.5", "realisation": "1",
}  # fmt: skip


@pytest.fixture
def analyst() -> dict[str, str]:
    centre("CC-100")
    return bearer(person("ann", "analyst"), "write")


def post(headers: dict[str, str], path: str, body: Any = None, **more: Any) -> Any:
    kind = more.pop("content_type", "application/json")
    return Client().post(f"/api/v1/{path}", "" if body is None else body, content_type=kind, **headers, **more)


def get(headers: dict[str, str], path: str) -> Any:
    answer = Client().get(f"/api/v1/{path}", **headers)
    assert answer.status_code == 200, answer.content
    return answer.json()


def rows(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [ROW | {"id": f"t-{n}"} | changes for n in range(count)]


@pytest.mark.parametrize("form", ["list", "object", "lines"])
def test_a_batch_may_be_sent_again_in_every_form(analyst: dict[str, str], form: str) -> None:
    batch = rows(3, observed_at="2026-09-09T00:00:00Z")
    body = {"list": batch, "object": {"outcomes": batch}, "lines": "\n".join(map(json.dumps, batch))}[form]
    kind = "application/x-ndjson" if form == "lines" else "application/json"
    first, again = (post(analyst, "outcomes", body, content_type=kind).json() for _ in range(2))
    assert (first["received"], first["stored"], again["stored"], again["duplicate"]) == (3, 3, 0, 3)
    assert Outcome.objects.count() == 3


def test_a_refused_row_is_told_beside_its_neighbours(analyst: dict[str, str]) -> None:
    lines = [
        json.dumps(ROW | {"id": "a"}),
        "{no json",
        json.dumps(ROW | {"id": "b", "comment": "Dear Ann"}),
        json.dumps(ROW | {"id": "c"}),
    ]
    found = post(analyst, "outcomes", "\n".join(lines), content_type="application/x-ndjson").json()
    assert found["stored"] == 2
    assert [(each["row"], each["reason"], each["field"]) for each in found["refused"]] == [
        (2, "not_json", ""), (3, "unknown_field", "comment"),
    ]  # fmt: skip
    assert "Ann" not in json.dumps(found)


def test_a_session_sends_batches_row_by_row_too_and_not_without_its_csrf_token(analyst: dict[str, str]) -> None:
    """The check of the CSRF token leaves the body to the view: one row with a NUL costs its neighbours nothing."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.get(username="ann"))
    browser.cookies["csrftoken"] = "a" * 32
    lines = [json.dumps(row) for row in [*rows(1), ROW | {"id": "bad\0id"}, ROW | {"id": "t-9"}]]
    for token, status in (("b" * 32, 403), ("a" * 32, 200)):
        answer = browser.post(
            "/api/v1/outcomes", "\n".join(lines), content_type="application/x-ndjson", headers={"X-CSRFToken": token}
        )
        assert answer.status_code == status, answer.content
    said = answer.json()
    assert (said["received"], said["stored"], [each["row"] for each in said["refused"]]) == (3, 2, [2])


@pytest.mark.parametrize("nul", ["\\u0000", "\x00"])
@pytest.mark.parametrize("place", ["feature", "id", "trace", "value", "name"])
def test_a_row_with_nul_is_told_in_its_place_and_its_neighbours_are_kept(
    analyst: dict[str, str], place: str, nul: str
) -> None:
    bad = ROW | {"id": "b"} | ({"QQ": 1} if place == "name" else {place: "QQ"})
    body = json.dumps([ROW | {"id": "a"}, bad, ROW | {"id": "c"}]).replace("QQ", f"x{nul}y")
    for form in (body, f'{{"outcomes": {body}}}'):
        found = post(analyst, "outcomes", form).json()
        assert found["stored"] + found["duplicate"] == 2
        [refused] = found["refused"]
        assert (refused["row"], any("\x00" in str(told) for told in refused.values())) == (2, False)
    assert Outcome.objects.count() == 2


def test_numbers_are_exact(analyst: dict[str, str]) -> None:
    body = '[{"source": "s", "id": 7, "at": "2026-09-08T13:00:00Z", "success": true, '
    body += '"value": 0.100000000001, "currency": "USD"}]'
    assert post(analyst, "outcomes", body).json()["refused"] == []
    assert Outcome.objects.get(number="7").value == Decimal("0.100000000001")


def test_an_idempotency_key_has_one_effect(analyst: dict[str, str]) -> None:
    answers = [post(analyst, "outcomes", rows(2), HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert [answer.json()["stored"] for answer in answers] == [2, 2]
    assert answers[1]["Idempotency-Replayed"] == "true"


def test_a_batch_that_is_too_large_is_refused_whole(analyst: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.value.outcomes.MAX_BATCH", 2)
    assert post(analyst, "outcomes", rows(3)).status_code == 413
    assert not Outcome.objects.exists()
    assert post(analyst, "outcomes", {"outcomes": 3}).status_code == 400


def test_outcomes_are_listed_page_by_page_within_the_scope(analyst: dict[str, str]) -> None:
    centre("CC-200")
    post(
        analyst,
        "outcomes",
        [*rows(5), *rows(2, source="b", cost_centre="CC-200"), ROW | {"id": "x", "cost_centre": ""}],
    )
    found, path = [], "outcomes?limit=3"
    while path:
        body = get(analyst, path)
        found += body["results"]
        path = f"outcomes?limit=3&cursor={body['next']}" if body["next"] else ""
    assert len(found) == 8
    assert (found[0]["id"], found[0]["spend_month"], found[0]["counts"], found[0]["value"]) == (
        "t-0",
        "2026-09",
        True,
        None,
    )
    own = get(bearer(person("o", "owner", "CC-200")), "outcomes")["results"]
    assert [(row["source"], row["cost_centre"]) for row in own] == [("b", "CC-200")] * 2
    assert get(analyst, "outcomes?month=2026-08")["results"] == []
    assert len(get(analyst, "outcomes?source=b&month=2026-09")["results"]) == 2
    assert Client().get("/api/v1/outcomes?month=x", **analyst).status_code == 400


@pytest.mark.parametrize("path", ["outcomes", "benchmark-runs", "benefits", "roi/comparisons"])
def test_owners_and_admins_write_no_outcomes(path: str) -> None:
    for role, code in (("owner", "CC-100"), ("admin", ""), ("auditor", "")):
        answer = post(bearer(person(role, role, code), "write"), path, [ROW | {"id": "1"}])
        assert (answer.status_code, answer.json()["detail"][:7]) == (403, "Writing")


def test_benchmark_runs_are_sent_and_listed(analyst: dict[str, str]) -> None:
    run = {
        "source": "b",
        "id": "1",
        "task_class": "coding",
        "model": "m",
        "tasks": 225,
        "score": 0.81,
        "run_on": "2026-08-08",
    }
    assert post(analyst, "benchmark-runs", [run, run | {"id": "2", "score": 81}]).json()["stored"] == 1
    [found] = get(analyst, "benchmark-runs")["results"]
    assert (found["tasks"], found["score"], found["cost"], found["evidence"]) == (225, "0.81", None, "declared")


def test_a_benefit_takes_three_people() -> None:
    load(Usage("100", feature="chat"))
    ann, bo = bearer(person("ann", "analyst"), "write"), bearer(person("bo", "finance"), "write")
    olga = bearer(person("olga", "owner", "CC-100"), "write")
    made = post(ann, "benefits", BENEFIT).json()
    assert (made["state"], made["amount"], made["month"]) == ("claimed", "299.5", "2026-09")
    path = f"benefits/{made['id']}"
    assert post(bo, f"{path}/decide", {"accept": True}).status_code == 409
    assert post(ann, f"{path}/attest").status_code == 403
    other = bearer(person("other", "owner", "CC-200"), "write")
    assert post(other, f"{path}/attest").status_code == 404, "of a cost centre that they do not see"
    assert post(olga, f"{path}/attest").json()["state"] == "attested"
    assert post(olga, f"{path}/attest").status_code == 409
    assert post(olga, f"{path}/decide", {"accept": True}).status_code == 403
    assert post(bo, f"{path}/decide", {"accept": True}).json()["decided_by"] == "bo"
    assert post(bo, f"{path}/decide", {"accept": True}).status_code == 409
    [row] = get(olga, "benefits")["results"]
    assert (row["state"], row["claimed_by"], row["attested_by"]) == ("accepted", "ann", "olga")
    found = get(bo, "roi?last=2026-09")["totals"]
    assert (found["roi"], found["cash"]) == ("1.995000", "299.500000000000")
    assert (found["blind_share"], found["named_share"]) == ("1.000000", "1.000000"), (
        "it names a cost centre and no feature"
    )
    assert post(bo, "benefits/999/attest").status_code == 404


def test_finance_that_attests_does_not_accept() -> None:
    centre("CC-100")
    bo, cy = (bearer(person(name, "finance"), "write") for name in ("bo", "cy"))
    path = f"benefits/{post(bearer(person('ann', 'analyst'), 'write'), 'benefits', BENEFIT).json()['id']}"
    post(bo, f"{path}/attest")
    assert "prepared this" in post(bo, f"{path}/decide", {"accept": True}).json()["detail"]
    assert Benefit.objects.get().state == "attested"
    assert post(cy, f"{path}/decide", {"accept": False, "reason": "no"}).json()["state"] == "refused"


def test_an_effect_that_is_claimed_already_is_a_conflict_that_says_by_whom(analyst: dict[str, str]) -> None:
    post(analyst, "benefits", BENEFIT | {"features": "chat"})
    answer = post(analyst, "benefits", BENEFIT | {"features": "mail"})
    assert answer.status_code == 409
    assert "is claimed by CC-100 chat already and counts once" in answer.json()["detail"]
    wrong = post(analyst, "benefits", BENEFIT | {"pnl_line": ""})
    assert (wrong.status_code, "line of profit and loss" in str(wrong.json())) == (400, True)


def test_returns_are_by_month_cost_centre_feature_and_team_as_sql_says(analyst: dict[str, str]) -> None:
    load(Usage("60", team="a", feature="chat"), Usage("40", "CC-200", feature="mail"), Usage("7", None))
    load(Usage("11", feature="chat", day=date(2026, 8, 9)))
    post(analyst, "outcomes", rows(40, value="5", currency="USD"))
    found = get(analyst, "roi?first=2026-08&last=2026-09&group_by=BillingPeriodStart,x_CostCentre,x_Team,x_Feature")
    by = {
        (row["BillingPeriodStart"], row["x_CostCentre"], row["x_Team"], row["x_Feature"]): row
        for row in found["results"]
    }
    for row in CostDaily.objects.select_related("cost_centre", "team"):
        key = (
            f"{row.charge_date:%Y-%m}-01",
            row.cost_centre and row.cost_centre.code,
            row.team and row.team.code,
            row.feature,
        )
        assert Decimal(by[key]["loaded"]) == row.effective_cost
    assert Decimal(found["totals"]["loaded"]) == 118
    assert (found["totals"]["value"], found["totals"]["cost_per_resolved"]) == ("200.000000000000", "1.500000000000")
    assert [(each["month"], each["mature"]) for each in found["cohorts"]] == [("2026-08", False), ("2026-09", False)]
    own = get(bearer(person("o", "owner", "CC-200")), "roi?group_by=x_CostCentre&last=2026-09")
    assert [row["x_CostCentre"] for row in own["results"]] == ["CC-200"]
    filtered = get(analyst, "roi?last=2026-09&filter[x_Feature]=chat,mail&filter[x_CostCentre]=CC-100")
    assert Decimal(filtered["totals"]["loaded"]) == 60


@pytest.mark.parametrize(
    "query",
    [
        "last=2026-13",
        "group_by=x_Model",
        "first=2026-09&last=2026-08",
        "currency=usd",
        "filter[x_Tier]=a",
        "first=2001-01",
        "x=1",
    ],
)
def test_what_cannot_be_asked_is_refused(analyst: dict[str, str], query: str) -> None:
    assert Client().get(f"/api/v1/roi?{query}", **analyst).status_code == 400


def test_a_comparison_is_asked_declared_and_found(analyst: dict[str, str]) -> None:
    for model, good, cost in (("small", 60, "0.01"), ("large", 80, "0.11")):
        batch = [ROW | {"id": f"{model}{n}", "task": f"c{n}",
        "model": model, "success": n < good, "cost": cost, "currency": "USD"}
                 for n in range(100)]  # fmt: skip
        assert post(analyst, "outcomes", batch).json()["refused"] == []
    [found] = get(analyst, "roi/comparisons?value=2")["results"]
    assert (found["base"], found["candidate"], found["verdict"], found["method"]) == (
        "small",
        "large",
        "better",
        "paired",
    )
    assert found["returned"]["estimate"] == pytest.approx(3)
    assert found["arms"]["base"]["rate"]["estimate"] == 0.6
    [other] = get(analyst, "roi/comparisons?dimension=model&base=large&candidate=huge")["results"]
    assert (other["verdict"], other["difference"]["estimate"], other["cost"]["low"]) == ("too_few", None, None)
    said = {"dimension": "model", "base": "small", "candidate": "large", "margin": "0.05"}
    assert post(analyst, "roi/comparisons", said).json()["margin"] == "0.05"
    assert get(analyst, "roi/comparisons")["results"][0]["margin"] == "0.05"
    assert post(analyst, "roi/comparisons", said | {"since": "2026-09-01"}).status_code == 400
    assert post(analyst, "roi/comparisons", said | {"dimension": "colour"}).status_code == 400
    assert Client().get("/api/v1/roi/comparisons?dimension=colour", **analyst).status_code == 400
    assert Client().get("/api/v1/roi/comparisons?value=x", **analyst).status_code == 400


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("dimension=model&base=small&candidate=small", "candidate: is the base"),
        ("dimension=model&candidate=b", "base: has to be"),
        ("base=a&candidate=b", "dimension: has to be"), ("setting=benchmark", "dimension: has to be"),
        ("dimension=model&base=a&candidate=b&setting=zzz", "setting: one of production, benchmark"),
        ("currency=XXX", "currency: 'XXX' is not an ISO 4217"),
    ],
)  # fmt: skip
def test_a_comparison_that_is_none_is_refused_by_name(analyst: dict[str, str], query: str, wrong: str) -> None:
    answer = Client().get(f"/api/v1/roi/comparisons?{query}", **analyst)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(wrong)


@pytest.mark.parametrize(
    ("said", "field", "reason"),
    [
        ({"success": "yes"}, "success", "bad_choice"), ({"success": 1}, "success", "bad_choice"),
        ({"success": "1"}, "success", "bad_choice"), ({"value": "-1", "currency": "USD"}, "value", "negative"),
        ({"value": 1e20, "currency": "USD"}, "value", "bad_number"), ({"value": True, "currency": "USD"}, "value", "bad_number"),
        ({"value": "5", "currency": "XXX"}, "currency", "bad_currency"), ({"x\ud800": "a"}, "x?", "unknown_field"),
        ({"feature": "a\ud800"}, "feature", "bad_text"),
    ],
)  # fmt: skip
def test_a_row_of_a_wrong_kind_is_refused_and_its_neighbours_are_kept(
    analyst: dict[str, str], said: dict[str, Any], field: str, reason: str
) -> None:
    good, bad = ROW | {"id": "a", "success": "TRUE", "value": 0.25, "currency": "USD"}, ROW | {"id": "b"} | said
    found = post(analyst, "outcomes", json.dumps([good, bad])).json()
    assert (found["stored"], [tuple(each[name] for name in ("row", "field", "reason")) for each in found["refused"]]) == (
        1, [(2, field, reason)],
    )  # fmt: skip
    assert Outcome.objects.get().value == Decimal("0.25")


def test_a_benefit_is_of_a_currency_that_there_is(analyst: dict[str, str]) -> None:
    answer = post(analyst, "benefits", BENEFIT | {"unit": "XXX"})
    assert (answer.status_code, "unit: is no ISO 4217" in answer.json()["detail"]) == (400, True)


def test_effort_is_advised(analyst: dict[str, str]) -> None:
    load(Usage("1", feature="completion", queries=90), Usage("1", feature="mail", queries=10))
    run = {"source": "b", "task_class": "coding", "features": ["completion"], "model": "m",
    "tasks": 225, "run_on": "2026-08-08",
           "currency": "USD"}  # fmt: skip
    post(analyst, "benchmark-runs", [run | {"id": 1, "effort": "low", "score": "0.7", "cost": 10}])
    post(analyst, "benchmark-runs", [run | {"id": 2, "effort": "high", "score": "0.72", "cost": 40}])
    found = get(analyst, "roi/efforts?month=2026-09")
    assert (found["queries"], found["unknown_queries"]) == (100, 10)
    [advice] = found["results"][0]["advice"]
    assert (advice["effort"]["effort"], advice["steps"][0]["shown"]) == ("low", False)


def test_the_examples_of_the_document_run() -> None:
    """Each once as it stands there, by who may."""
    centre("CC-100")
    document, writer = yaml.safe_load(DOCUMENT.read_text()), bearer(person("ann", "analyst"), "write")
    for path, stored in (("outcomes", Outcome), ("benchmark-runs", BenchmarkRun), ("benefits", Benefit)):
        body = document["paths"][f"/api/v1/{path}"]["post"]["requestBody"]["content"]["application/json"]
        [example] = body["examples"].values()
        answer = post(writer, path, example["value"])
        assert (answer.status_code, answer.json().get("refused", [])) == (200, []), path
        assert stored.objects.count() == 1


def test_who_sent_what_is_in_the_audit_trail_and_nothing_is_overwritten(analyst: dict[str, str]) -> None:
    post(analyst, "outcomes", rows(1, observed_at="2026-09-09T00:00:00Z"))
    post(analyst, "outcomes", rows(1, observed_at="2026-09-10T00:00:00Z", success=False))
    assert list(OutcomeHistory.objects.values_list("success", flat=True)) == [True]
    assert [event.details["changed"] for event in AuditEvent.objects.filter(action="outcomes.take").order_by("pk")] == [
        0,
        1,
    ]
