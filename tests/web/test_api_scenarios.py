"""The API of scenarios: saved, run, compared and downloaded; by role; what is wrong is told with its field."""

import hashlib
import io
import json
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from django.test import Client

from finops.models import User
from forecasting import scenarios_selectors
from forecasting.models import ScenarioRun, ScenarioVersion
from tests.forecasting.calc.scenario_world import fixed
from tests.forecasting.test_scenarios import mine, world
from tests.web.ledger import bearer, person

pytestmark = pytest.mark.usefixtures("ledger")
FEW = {"draws": 64}
BASE = "/api/v1/scenarios"


@pytest.fixture(autouse=True)
def filled(ledger: None) -> None:
    world()
    for name, role, code in (
        ("ann", "analyst", ""), ("fin", "finance", ""), ("aud", "auditor", ""), ("adm", "admin", ""),
        ("vera", "viewer", "CC-100"),
    ):  # fmt: skip
        person(name, role, code)


def client(name: str) -> Client:
    found = Client()
    found.force_login(User.objects.get(username=name))
    return found


def post(name: str, address: str, body: Any, status: int = 201) -> dict[str, Any]:
    answer = client(name).post(f"{BASE}{address}", json.dumps(body), content_type="application/json")
    assert answer.status_code == status, answer.content
    found: dict[str, Any] = answer.json()
    return found


def get(name: str, address: str, status: int = 200, **asked: Any) -> dict[str, Any]:
    answer = client(name).get(f"{BASE}{address}", asked)
    assert answer.status_code == status, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_a_scenario_is_saved_run_and_read_back_to_the_cent() -> None:
    saved = post("ann", "", {"document": mine(), "shared": True})
    assert (saved["name"], saved["version"], saved["owner"], saved["run"]) == ("ours", 1, "ann", None)
    ran = post("ann", "/ours/runs", FEW)
    row = ScenarioRun.objects.get(pk=ran["run"])
    assert ran["result"] == scenarios_selectors.result(row) == get("fin", "/ours/result")["result"]
    assert ran["result"]["fans"][2]["quantiles"] == ["570.12"] * 5  # month 0 of all tiers
    assert (ran["month"], ran["sha256"], ran["data"]) == ("2026-09", row.digest, row.data)
    assert get("fin", "")["results"][-1]["run"] == row.pk or "ours" in [
        one["name"] for one in get("fin", "")["results"]
    ]
    assert [one["run"] for one in get("aud", "/ours/runs")["results"]] == [row.pk]


def test_a_run_that_is_stored_is_answered_as_such_with_the_same_bytes_also_after_later_ones() -> None:
    first, later = (post("ann", "/base/runs", {**FEW, "seed": seed}) for seed in (1, 2))
    again = post("fin", "/base/runs", {**FEW, "seed": 1}, 200)
    assert again == first
    assert (again["run"], again["seed"]) != (later["run"], later["seed"])
    file = client("aud").get(f"{BASE}/base/result.json", {"run": again["run"]})
    assert hashlib.sha256(file.content).hexdigest() == again["sha256"]
    assert ScenarioRun.objects.count() == 2


def test_the_file_is_the_bytes_whose_hash_is_stored_and_the_workbook_has_the_same_figures() -> None:
    ran = post("ann", "/price_war/runs", FEW)
    file = client("aud").get(f"{BASE}/price_war/result.json")
    assert hashlib.sha256(file.content).hexdigest() == ran["sha256"]
    assert json.loads(file.content) == ran["result"]
    book = openpyxl.load_workbook(io.BytesIO(client("aud").get(f"{BASE}/price_war/result.xlsx").content))
    assert book.sheetnames == ["Scenario", "Cost by month", "Beside it", "Cost of a task", "Sensitivity", "Parameters"]
    rows = list(book["Cost by month"].values)[1:]
    assert [[row[0], row[1] or "", Decimal(str(row[4]))] for row in rows] == [
        [fan["month"], fan["tier"], Decimal(fan["quantiles"][2])] for fan in ran["result"]["fans"]
    ]
    assert book["Parameters"].max_row > 20


def test_yaml_is_taken_as_it_is_written() -> None:
    text = "name: of_yaml\nover: base\nparameters:\n  gpu_cap: {value: '64', source: contract}\n"
    text += "  relief_date: {value: 2027-10-01, source: us}\n"
    saved = post("ann", "", {"document": text})
    values = {one["parameter"]: one for one in get("ann", f"/{saved['name']}")["values"]}
    assert (values["gpu_cap"]["base"], values["relief_date"]["base"]) == ("64", "2027-10-01")
    wrong = post("ann", "", {"document": "name: [\n"}, 400)
    assert wrong["detail"].startswith("document: line ")


def test_versions_are_added_and_a_version_of_another_name_is_refused() -> None:
    post("ann", "", {"document": mine(), "shared": True})
    second = post("fin", "/ours/versions", {"document": {"over": "base", "months": 18}})
    assert (second["version"], second["months"], second["title"]) == (2, 18, "Base")
    assert [one["version"] for one in get("aud", "/ours/versions")["results"]] == [2, 1]
    assert [one["version"] for one in get("aud", "/ours/versions", limit=1)["results"]] == [2]
    wrong = post("ann", "/ours/versions", {"document": mine(name="theirs")}, 400)
    assert wrong["detail"] == "name: the document is of theirs, the address of ours"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"document": mine(parameters={"speed": {"value": "1", "source": "x"}})}, "parameters: 'speed' is none"),
        ({"document": mine(parameters=fixed(reasoning_per_task__complex="2", calls_per_task__complex="2"))},
         "the same thinking would count twice"),
        ({"document": mine(parameters={"gpu_cap": {"value": 64.5, "source": "x"}})}, "gpu_cap: value"),
        ({"document": mine(parameters={"gpu_cap": {"value": "64"}})}, "gpu_cap: source is missing"),
        ({"document": mine(name="base")}, "name: base ships with the product"),
        ({"document": mine(correlations=[
            {"one": one, "other": other, "rho": rho} for one, other, rho in (
                ("elasticity", "query_growth", "0.9"), ("query_growth", "context_growth", "0.9"),
                ("elasticity", "context_growth", "-0.9"))])}, "cannot hold together"),
        ({"document": mine(parameters={"gpu_cap": {"value": "6_4", "source": "x"}})}, "gpu_cap: value"),
        ({"document": [1]}, "a scenario is a mapping"),
        ({"shared": True}, "document: the body is an object with document"),
        ({"document": mine(), "shared": "yes"}, "shared: true or false"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_document_is_told_with_its_field(body: dict[str, Any], told: str) -> None:
    assert told in post("ann", "", body, 400)["detail"]
    assert not ScenarioVersion.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"draws": 100}, 400, "draws: must be a power of two"),
        ({"draws": 2**15}, 400, "draws: must be a power of two from 64 to 16,384"),
        ({"draws": "many"}, 400, "draws: a whole number"),
        ({"seed": True}, 400, "seed: a whole number"),
        ({"month": "2026-13"}, 400, "month: "),
        ({"month": "2026-10"}, 409, "2026-10 is no whole month"),
        ({"speed": 1}, 400, "some of month, seed, draws"),
    ],
)
def test_what_is_wrong_with_a_run_is_told_with_its_field(body: dict[str, Any], status: int, told: str) -> None:
    assert told in post("ann", "/base/runs", body, status)["detail"]
    assert not ScenarioRun.objects.exists()


def test_scenarios_are_compared_by_draws_in_common() -> None:
    found = get("aud", "/compare", scenario="base,price_war", draws=64)
    first, second = found["scenarios"]
    assert (first["over_all"], first["differences"]) == (None, [])
    assert first["total"][0]["quantiles"] == second["total"][0]["quantiles"] == ["570.12"] * 5
    assert second["differences"][0] == {"month": "2026-09-01", "quantiles": ["0.00"] * 5, "mean": "0.00", "dearer": 0.0}
    assert 0 <= second["over_all"]["dearer"] < 0.5
    assert found["data"] == post("ann", "/base/runs", FEW)["data"]
    assert "name 2 to 4" in get("aud", "/compare", 400, scenario="base")["detail"]
    assert "There is no scenario nowhere" in get("aud", "/compare", 404, scenario="base,nowhere")["detail"]


def test_who_sees_all_cost_reads_analyst_and_finance_write_and_drafts_are_ones_own() -> None:
    post("ann", "", {"document": mine()})
    for name in ("fin", "aud", "adm"):
        get(name, "/ours", 404)
        assert "ours" not in [one["name"] for one in get(name, "")["results"]]
    get("vera", "", 403)
    get("vera", "/base", 403)
    for name in ("aud", "adm", "vera"):
        post(name, "", {"document": mine()}, 403)
        post(name, "/base/runs", FEW, 403)
    assert not ScenarioRun.objects.exists()


def test_a_post_with_a_key_is_done_once() -> None:
    headers: Any = bearer(User.objects.get(username="ann"), "write") | {"HTTP_IDEMPOTENCY_KEY": "once"}
    said = [
        Client().post(f"{BASE}/base/runs", json.dumps(FEW), content_type="application/json", **headers)
        for _ in range(2)
    ]
    assert said[0].json() == said[1].json()
    assert said[1]["Idempotency-Replayed"] == "true"


def test_a_scenario_that_was_never_run_has_no_result() -> None:
    assert get("ann", "/base/result", 404)["detail"].startswith(
        "base has no such run; POST /api/v1/scenarios/base/runs"
    )
    get("ann", "/base/result", 404, run=7)
    assert get("ann", "/base")["version"] is None
