"""The pages of scenarios: the same figures as the API to the cent, a form that makes versions, files of the very view."""

import csv
import io
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from django.core.management import call_command
from django.test import Client

from finops.models import User
from forecasting import scenarios, scenarios_selectors
from forecasting.models import ScenarioRun, ScenarioVersion
from tests.forecasting.calc.scenario_world import fixed
from tests.forecasting.test_budgets import accepted
from tests.forecasting.test_scenarios import FEW, mine, world
from tests.web.ledger import person
from web import formats
from web.demo import scenarios as demo
from web.demo.window import Window
from web.management.base import RefusedHere, WrongUse

pytestmark = pytest.mark.usefixtures("ledger")
BASE = "/forecast/scenarios/"


@pytest.fixture(autouse=True)
def filled(ledger: None) -> None:
    world()
    for name, role, code in (("ann", "analyst", ""), ("aud", "auditor", ""), ("vera", "viewer", "CC-100")):
        person(name, role, code)


def client(name: str) -> Client:
    found = Client()
    found.force_login(User.objects.get(username=name))
    return found


def page(name: str, address: str = "", status: int = 200) -> str:
    answer = client(name).get(f"{BASE}{address}")
    assert answer.status_code == status, answer.content
    return answer.content.decode()


def post(who: str, address: str, status: int = 302, /, **typed: str) -> str:
    answer = client(who).post(f"{BASE}{address}", typed)
    assert answer.status_code == status, answer.content
    return answer["Location"] if status == 302 else answer.content.decode()


def ran(document: dict[str, Any] | None = None) -> ScenarioRun:
    return scenarios.run(scenarios.save(document or mine(), by="ann", shared=True), FEW, by="ann")


def test_the_page_and_its_files_have_the_figures_of_the_api_to_the_cent() -> None:
    accepted("CC-100 2026-10 1", "CC-100 2026-11 1000000")
    ran()
    told = client("aud").get("/api/v1/scenarios/ours/result").json()["result"]
    shown = page("aud", "ours/")
    for fan in told["fans"]:
        if fan["tier"] == "":
            assert formats.money(Decimal(fan["quantiles"][2]), "USD") in shown
    assert "$570.12" in shown
    assert re.search(r"Over budget</dt><dd class=\"figure\">100", shown), "October is above a budget of 1 in every draw"
    rows = list(csv.DictReader(io.StringIO(client("aud").get(f"{BASE}ours/months.csv").content.decode())))
    assert [(row["month"], row["x_QueryTier"], Decimal(row["p50"])) for row in rows] == [
        (fan["month"], fan["tier"], Decimal(fan["quantiles"][2])) for fan in told["fans"]
    ]
    assert {row["provenance"] for row in rows if row["month"] == "2026-09-01"} == {"actual"}
    assert json.loads(client("aud").get(f"{BASE}ours/run.json").content) == told
    book = openpyxl.load_workbook(io.BytesIO(client("aud").get(f"{BASE}ours/run.xlsx").content))
    assert book["Cost by month"].max_row == 1 + len(told["fans"])


def test_a_tier_is_chosen_in_the_address_and_the_cores_notes_are_shown() -> None:
    step = {"on": "2026-08-01", "price": "same_sku", "change": "0.5", "source": "announced"}
    ran(mine(steps=[step]))
    shown = page("aud", "ours/?tier=complex")
    assert "Cost a month: complex" in shown
    assert "The step of 2026-08-01 (same_sku) is in the run rate of 2026-09 already." in shown
    assert "Usage without a price is in no figure" in shown
    assert "Cost a month: all" in page("aud", "ours/?tier=nonsense")
    page("aud", "ours/?run=999", 404)
    page("aud", "nowhere/", 404)


def test_the_list_has_presets_and_shared_ones_and_runs_by_a_button() -> None:
    ran()
    shown = page("aud")
    assert shown.index("Ours") < shown.index("Shipped with the product") < shown.index("Inference squeeze")
    assert "not run yet" in shown
    assert post("ann", "base/run", back="list") == BASE
    run = scenarios_selectors.find("base", "aud").run
    assert run is not None
    total = scenarios_selectors.result(run)["fans"]
    assert formats.money_short(Decimal(total[2]["quantiles"][2]), "USD") in page("aud")


def test_running_an_earlier_seed_again_shows_that_run_and_not_the_later_one() -> None:
    ann = client("ann")
    told = [ann.post(f"{BASE}base/run", {"seed": seed}, follow=True) for seed in ("7", "8", "7")]
    first, later, again = (each.content.decode() for each in told)
    assert [each.redirect_chain[-1][0] for each in told][:2] == [f"{BASE}base/"] * 2
    assert told[2].redirect_chain[-1][0] == f"{BASE}base/?run={ScenarioRun.objects.get(seed=7).pk}"
    assert "with seed 7 was run." in first
    assert "with seed 8 was run." in later
    assert "with seed 7 was run so already, on" in again
    assert "draws, seed 7;" in again
    assert "A later one is stored" in again
    for kind in ("csv", "xlsx", "json"):
        assert f"?run={ScenarioRun.objects.get(seed=7).pk}" in again.split(f">{kind.upper()}</a>")[0][-90:], kind
    assert "seed 8;" in page("aud", "base/"), "the newest where no run is named"
    wrong = ann.post(f"{BASE}base/run", {"seed": "x"}, follow=True).content.decode()
    assert "Nothing was run: seed: must be a whole number such as 7, not &#x27;x&#x27;." in wrong
    assert ScenarioRun.objects.count() == 2


def test_what_is_typed_makes_a_new_version_and_leaves_the_rest_as_the_register_says() -> None:
    ran()
    typed = {
        "query_growth:low": "1.5",
        "query_growth:base": "2",
        "query_growth:high": "3",
        "query_growth:source": "our plan",
    }
    typed |= {"new:parameter": "gpu_cap", "new:base": "64", "new:source": "contract"}
    typed |= {"name": "ours", "months": "12", "shared": "1"}
    assert post("ann", "ours/save", **typed) == f"{BASE}ours/"
    version = ScenarioVersion.objects.get(number=2)
    assert version.document["parameters"] == {
        "query_growth": {"low": "1.5", "base": "2", "high": "3", "source": "our plan"},
        "gpu_cap": {"value": "64", "source": "contract"},
    }
    assert version.resolved["specs"]["elasticity"]["assumption"] == "demand_elasticity"
    assert "our plan" in page("aud", "ours/")
    assert version.runs.count() == 0


def test_a_preset_becomes_a_scenario_of_ones_own_and_is_run_at_once() -> None:
    typed = {"name": "mine", "title": "Mine", "elasticity:off": "1", "run": "1"}
    assert post("ann", "base/save", **typed) == f"{BASE}mine/"
    (version,) = ScenarioVersion.objects.filter(scenario__name="mine")
    assert (version.document["over"], version.document["parameters"]) == ("base", {"elasticity": None})
    assert version.runs.count() == 1
    page("aud", "mine/", 404)  # it was not shared


def test_a_form_that_counts_thinking_twice_is_refused_with_the_cores_sentence_and_keeps_what_was_typed() -> None:
    ran(mine(parameters=fixed(reasoning_per_call="1", calls_per_task__complex="2"), over=None))
    typed = {"new:parameter": "reasoning_per_task.complex", "new:base": "2.25", "new:source": "us", "name": "ours"}
    shown = post("ann", "ours/save", 422, **typed)
    assert "which holds a task&#x27;s calls, and calls_per_task too: the same thinking would count twice" in shown
    assert 'value="2.25"' in shown
    assert ScenarioVersion.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"query_growth:base": "2.2"}, "query_growth: source is missing"),
        ({"query_growth:base": "2.2", "query_growth:source": "{source}"}, "needs its own source: who says so"),
        ({"query_growth:base": "x", "query_growth:source": "us"}, "query_growth: "),
        ({"query_growth:low": "9", "query_growth:source": "us"}, "query_growth: base must lie from low to high"),
        ({"months": "0"}, "months: must be a whole number"),
        ({"new:parameter": "speed", "new:base": "1", "new:source": "us"}, "is none"),
        ({"new:parameter": "gpu_cap", "new:base": "64"}, "gpu_cap: source is missing"),
    ],
)
def test_what_is_wrong_in_the_form_is_told_with_its_field(typed: dict[str, str], told: str) -> None:
    source = scenarios.save(mine(), by="ann").resolved["specs"]["query_growth"]["source"]
    typed = {name: value.replace("{source}", source) for name, value in typed.items()}
    shown = post("ann", "ours/save", 422, name="ours", **typed)
    assert "Nothing was saved." in shown
    assert told in shown
    assert ScenarioVersion.objects.count() == 1


def test_a_new_scenario_is_made_over_a_preset_or_from_a_document() -> None:
    assert post("ann", "new", name="squeeze_of_ours", over="inference_squeeze", shared="1") == f"{BASE}squeeze_of_ours/"
    assert "It was not run yet" in page("aud", "squeeze_of_ours/")
    assert post("ann", "new", document="name: of_yaml\nover: base\n") == f"{BASE}of_yaml/"
    for typed in ({"name": "base", "over": "base"}, {"document": "name: ["}, {"name": "", "over": "base"}):
        assert "Nothing was saved." in post("ann", "new", 422, **typed)


def test_scenarios_are_compared_as_the_api_does() -> None:
    asked = "?scenario=base&scenario=price_war"
    told = client("aud").get("/api/v1/scenarios/compare", {"scenario": "base,price_war"}).json()
    shown = page("aud", f"compare/{asked}")
    for one in told["scenarios"]:
        assert formats.money(Decimal(one["total"][-1]["quantiles"][2]), "USD") in shown
    assert formats.percent(Decimal(repr(told["scenarios"][1]["over_all"]["dearer"])), 0) in shown
    rows = list(csv.DictReader(io.StringIO(client("aud").get(f"{BASE}compare.csv{asked}").content.decode())))
    assert Decimal(rows[-1]["dearer_by_p50"]) == Decimal(told["scenarios"][1]["differences"][-1]["quantiles"][2])
    assert client("aud").get(f"{BASE}compare.xlsx{asked}").status_code == 200
    assert "Choose two to 4 scenarios" in page("aud", "compare/")
    assert "name 2 to 4 of them" in page("aud", "compare/?scenario=base", 422)
    assert "There is no scenario nowhere; there are base" in page("aud", "compare/?scenario=base&scenario=nowhere", 422)
    for kind in ("csv", "xlsx"):
        assert "name 2 to 4 of them, each once" in page("aud", f"compare.{kind}?scenario=base", 400)


def test_who_sees_all_cost_reads_and_only_analyst_and_finance_change() -> None:
    ran()
    for address in ("", "ours/", "compare/", "ours/months.csv", "ours/run.xlsx", "ours/run.json"):
        assert client("vera").get(f"{BASE}{address}").status_code == 403, address
        assert Client().get(f"{BASE}{address}").status_code == 302, address
    assert BASE not in client("vera").get("/forecast/").content.decode(), "no tab leads where the reader may not go"
    assert BASE in client("aud").get("/forecast/").content.decode()
    for address in ("new", "ours/save", "ours/run"):
        post("aud", address, 403)
    assert "Save and run" not in page("aud", "ours/")
    assert ScenarioRun.objects.count() == ScenarioVersion.objects.count() == 1


def test_an_empty_ledger_says_what_a_scenario_starts_from() -> None:
    from tests.conftest import empty_ledger

    empty_ledger()
    person("ann", "analyst")
    assert "There is no whole month to start from yet" in page("ann")
    assert "There is no whole month to start from" in page("ann", "base/")


def test_the_demos_scenarios_are_saved_and_run_once() -> None:
    window = Window.ending(date(2026, 10, 5), datetime(2026, 10, 5, tzinfo=UTC))
    for _ in range(2):
        demo.load(window)
    assert [run.version.scenario.name for run in ScenarioRun.objects.order_by("pk")] == [
        *demo.PRESETS,
        demo.OWN["name"],
    ]
    assert demo.OWN["title"] in page("aud")


def command(*given: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("scenario", *given, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return found


def test_the_command_lists_loads_runs_compares_and_exports(tmp_path: Any) -> None:
    (tmp_path / "ours.yaml").write_text("name: ours\nover: base\nparameters: {elasticity: {value: '0', source: us}}\n")
    assert command("load", str(tmp_path / "ours.yaml"), "--as", "ann")["version"] == 1
    told = command("run", "ours", "--draws", "64", "--as", "ann")
    assert (told["scenario"], told["version"], told["month"]) == ("ours", 1, "2026-09")
    assert told["months"][0]["quantiles"] == ["570.12"] * 5
    assert told["sha256"] == client("aud").get("/api/v1/scenarios/ours/result").json()["sha256"]
    assert {one["name"]: one["run"] for one in command("list")["scenarios"]}["ours"] == told["run"]
    assert command("compare", "ours", "price_war", "--draws", "64")["scenarios"][0]["dearer"] is None
    made = command("export", "ours", "--out", str(tmp_path))
    assert [one["path"].rpartition(".")[2] for one in made["files"]] == ["xlsx", "json"]
    assert made["files"][1]["sha256"] == told["sha256"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("run", "nowhere"), 2), (("run", "base", "--draws", "65"), 2), (("run", "base", "--month", "2026-10"), 3),
        (("run", "base", "--month", "soon"), 2), (("compare", "base"), 2), (("export", "base", "--out", "x"), 3),
        (("export", "base", "--out", "x", "--format", "pdf"), 2), (("load", "nowhere.yaml"), 2),
    ],
)  # fmt: skip
def test_the_command_says_wrong_use_and_refusals_by_its_exit_code(given: tuple[str, ...], code: int) -> None:
    with pytest.raises((WrongUse, RefusedHere)) as told:
        command(*given)
    assert told.value.returncode == code
