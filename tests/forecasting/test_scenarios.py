"""Scenarios on a real ledger: month 0 is the ledger's to the last digit, and what was run can be run again to the last byte."""

import hashlib
import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import Error, connection, transaction

from allocation import assumptions
from finops.models import AuditEvent
from finops.periods import Period
from forecasting import scenarios, scenarios_selectors
from forecasting.calc.scenario_origin import ScenarioError
from forecasting.calc.scenario_results import PERCENTS
from forecasting.calc.scenario_stored import of_origin, of_scenario, origin_of, scenario_of
from forecasting.models import ScenarioRun, ScenarioVersion
from forecasting.scenarios import Asked
from forecasting.scenarios_origin import NoMonth, month_0, whole_months
from tests.allocation.costing.agreed import agree, call, derive
from tests.allocation.stated import state
from tests.forecasting.calc.scenario_world import DAY, PRESETS, fixed, preset
from tests.forecasting.calc.scenario_world import origin as by_hand
from tests.forecasting.test_budgets import accepted
from tests.web.ledger import Usage, freeze, load

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
SEPTEMBER, OCTOBER = Period.month("2026-09"), Period.month("2026-10")
FEW = Asked(SEPTEMBER, seed=7, draws=64)
_SQL = """
SELECT tier, sum(effective_cost) FROM charge
WHERE (charge_date >= '2026-09-01' AND charge_date < '2026-10-01' AND correction_id IS NULL)
   OR (corrects_date >= '2026-09-01' AND corrects_date < '2026-10-01') GROUP BY 1
"""


def world() -> None:
    """September from its first to its last day, three tiers, seats that no query causes, and some days of October."""
    first, last = SEPTEMBER.start, SEPTEMBER.end - timedelta(days=1)
    load(
        Usage("100.123456789012", tier="simple", day=first, queries=1_000, price_class="input_uncached", tokens=9_000),
        Usage("0.000000000001", tier="simple", day=last, queries=7, price_class="cache_read", tokens=1_000),
        Usage("300.5", tier="complex", day=last, model="o5", queries=40, price_class="output_visible"),
        Usage("99.5", tier="complex", day=first, model="o5", queries=10, price_class="input_uncached"),
        Usage("70", tier="", day=first, provider="github", model="seats", queries=0),
        Usage(None, tier="research", day=first, model="unpriced", estimate="12.34"),
        Usage("5", tier="simple", day=OCTOBER.start, queries=50),
    )


def mine(**changes: Any) -> dict[str, Any]:
    return {"name": "ours", "title": "Ours", "over": "base", "months": 12, **changes}


def ran(document: dict[str, Any] | None = None, asked: Asked = FEW) -> ScenarioRun:
    return scenarios.run(scenarios.save(document or mine(), by="ann"), asked, by="ann")


# Month 0


def test_month_0_is_what_sql_says_the_month_cost_by_tier_and_the_rest_is_fixed() -> None:
    world()
    found = month_0(SEPTEMBER)
    with connection.cursor() as cursor:
        cursor.execute(_SQL)
        told = dict(cursor.fetchall())
    assert {name: found.origin.cost_of(name) for name in found.origin.names} == {
        "simple": told["simple"], "complex": told["complex"],
    }  # fmt: skip
    assert (told["simple"], told["complex"]) == (D("100.123456789013"), D("400"))
    assert found.origin.fixed == told[""] == D(70)
    assert found.origin.total == D("570.123456789013")
    assert found.notes[0] == "Usage without a price is in no figure; at proxy prices it is 12.34 USD."


def test_the_shape_of_a_query_is_that_of_the_ledger() -> None:
    world()
    simple, complex_ = month_0(SEPTEMBER).origin.tiers
    assert (simple.api_queries, simple.own_queries, simple.own_cost) == (1_007.0, 0.0, D(0))
    assert simple.input_share == 1
    assert simple.cached_share == 0.1  # 1,000 of 10,000 tokens of input
    assert complex_.input_share == 99.5 / 400
    assert (complex_.calls, complex_.agents, complex_.resolved) == (1, 1, 1)


def test_months_that_are_not_whole_are_refused_with_what_is_missing() -> None:
    with pytest.raises(NoMonth, match="no whole month is recorded in USD yet"):
        month_0()
    world()
    assert whole_months() == [SEPTEMBER]
    with pytest.raises(NoMonth, match=r"2026-10 is no whole month: .* whole are 2026-09"):
        month_0(OCTOBER)
    assert month_0(today=date(2026, 10, 1)).origin.month == SEPTEMBER.start
    with pytest.raises(NoMonth, match="no whole month is recorded"):
        month_0(today=date(2026, 9, 30))
    freeze(OCTOBER.start)
    assert month_0().origin.month == OCTOBER.start  # people say that it is whole
    assert (month_0().closed, month_0(SEPTEMBER).closed) == (True, False)


def test_a_month_in_which_no_query_costs_anything_has_no_run_rate() -> None:
    load(*(Usage("70", tier="", day=day, queries=1) for day in (SEPTEMBER.start, SEPTEMBER.end - timedelta(days=1))))
    with pytest.raises(NoMonth, match="in 2026-09 no query costs anything"):
        month_0()


def test_own_hardware_costs_what_its_fleet_costs_idle_hours_too_and_is_no_api_cost() -> None:
    own_hardware()
    assert whole_months() == [SEPTEMBER]  # the fleet costs in October too, but nobody recorded a query
    found = month_0(SEPTEMBER).origin
    (simple,) = (row for row in found.tiers if row.own_cost)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(effective_cost) FROM charge WHERE subject = 'fleet lab' AND charge_date < '2026-10-01'"
        )
        (fleet,) = cursor.fetchone()
        cursor.execute("SELECT sum(effective_cost) FROM charge WHERE charge_date < '2026-10-01'")
        (whole,) = cursor.fetchone()
    assert fleet == 30 * 24 * 2 * 2  # two GPUs at 2 an hour, used or not
    assert sum(row.own_cost for row in found.tiers) == fleet
    assert found.total == whole
    assert simple.own_queries == 30
    assert (found.gpus, found.contract_share, found.contract_end) == (2, 1, date(2027, 3, 1))
    assert found.headroom >= 1


_DAYS = range((SEPTEMBER.start - date(2026, 9, 8)).days, (SEPTEMBER.end - date(2026, 9, 8)).days)
FLEET = """
- code: lab
  gpu: NVIDIA A100
  count: 2
  valid_from: 2026-09-01
  valid_to: 2027-03-01
  rent: "2"
  basis: tokens
  serves: [{model: "llama-70b", throughput: "1000"}]
"""


def own_hardware() -> None:
    """A fleet of two GPUs that serves a call a day of September, beside a call of an API."""
    agree("capacity", FLEET)
    usage = [call(f"own{day}", 3_600_000, day, provider="selfhosted", model_served="llama-70b") for day in _DAYS]
    state("gate", [*usage, *(call(f"api{day}", 1_000_000, day) for day in _DAYS)])
    derive()


# Saved, and run again


@pytest.mark.parametrize("name", PRESETS)
def test_a_scenario_and_a_month_0_are_read_back_as_they_were_written(name: str) -> None:
    what, month = preset(name), by_hand(profile=DAY, contract_end=date(2027, 1, 1), energy_share=0.1)
    assert scenario_of(json.loads(json.dumps(of_scenario(what)))) == what
    back = origin_of(json.loads(json.dumps(of_origin(month))))
    assert (back, back.digest()) == (month, month.digest())


def test_a_saved_scenario_keeps_its_values_when_the_register_changes() -> None:
    version = scenarios.save(mine(), by="ann")
    before = version.parameters
    entry = next(dict(one) for one in assumptions.shipped_document() if one["code"] == "query_growth")
    assumptions.load([entry | {"base": entry["high"]}], actor="test")
    assert scenario_of(ScenarioVersion.objects.get().resolved).digest() == before
    assert not scenarios_selectors.find("ours", "ann").current
    assert scenarios.save(mine(), by="ann").number == 2


def test_the_same_document_is_one_version_and_another_one_the_next() -> None:
    assert scenarios.save(mine(), by="ann").number == scenarios.save(mine(), by="ann").number == 1
    assert scenarios.save(mine(months=18), by="ann").number == 2
    assert AuditEvent.objects.filter(action="scenario.save", actor="ann").count() == 2


def test_thinking_is_not_counted_twice_and_the_refusal_is_the_cores() -> None:
    both = mine(parameters=fixed(reasoning_per_task__complex="2", calls_per_task__complex="2"))
    with pytest.raises(
        ScenarioError, match="tier complex has reasoning_per_task, which holds a task's calls, and calls_per_task"
    ):
        scenarios.save(both, by="ann")
    assert not ScenarioVersion.objects.exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [("base", "ships with the product"), ("a b", "letters, digits"), ("compare", "none of compare"), ("n" * 61, "at most 60")],
)  # fmt: skip
def test_a_name_must_be_free_and_fit_an_address(name: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        scenarios.save({"name": name}, by="ann")


def test_a_run_again_gives_the_same_bytes_even_when_the_ledger_has_moved_on() -> None:
    world()
    first = ran()
    assert ran().pk == first.pk  # calculated again, found to be the same, stored once
    assert hashlib.sha256(bytes(first.content)).hexdigest() == first.digest
    load(Usage("11", tier="simple", day=SEPTEMBER.start, model="late", queries=3))
    second = ran()
    assert second.pk != first.pk
    assert second.data != first.data
    kept = ScenarioRun.objects.select_related("version").get(pk=first.pk)
    assert scenarios.again(kept) == bytes(first.content)
    assert scenarios.again(second) == bytes(second.content) != bytes(first.content)


def test_a_product_that_calculates_otherwise_keeps_the_old_run_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    world()
    first = ran()
    monkeypatch.setattr(scenarios, "content", lambda *_, **__: b"{}")  # what a newer product would say
    second = ran()
    assert (second.pk != first.pk, bytes(ScenarioRun.objects.get(pk=first.pk).content)) == (True, bytes(first.content))
    assert second.notes[-1].startswith(f"Run {first.pk} gave other figures for the same data, parameters and seed")


def test_a_run_says_its_month_seed_parameters_and_starts_at_the_actual_to_the_cent() -> None:
    world()
    row = ran()
    told = scenarios_selectors.result(row)
    assert (told["seed"], told["draws"], told["data"], told["parameters"]) == (7, 64, row.data, row.version.parameters)
    start = {fan["tier"]: fan["quantiles"] for fan in told["fans"] if fan["month"] == "2026-09-01"}
    assert start == {
        name: [value] * len(PERCENTS) for name, value in (("", "570.12"), ("simple", "100.12"), ("complex", "400"))
    }
    assert len(told["outlook"]) == 13
    assert {one["parameter"] for one in told["tornado"]["swings"]} == {one["parameter"] for one in told["effects"]}


@pytest.mark.parametrize("asked", [Asked(SEPTEMBER, -1), Asked(SEPTEMBER, 7, 100), Asked(SEPTEMBER, 7, 2**17)])
def test_seed_and_draws_have_bounds(asked: Asked) -> None:
    world()
    with pytest.raises(ScenarioError, match=r"^(seed|draws): "):
        ran(asked=asked)


@pytest.mark.parametrize("statement", ["UPDATE {} SET made_by = 'eve'", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["forecasting_scenarioversion", "forecasting_scenariorun"])
def test_versions_and_runs_are_never_changed_in_the_database(table: str, statement: str) -> None:
    world()
    ran()
    refused = pytest.raises(Error, match="versions and runs of scenarios stay as they are")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table))


# Read


def test_others_see_what_is_shared_and_presets_but_no_drafts() -> None:
    scenarios.save(mine(), by="ann")
    with pytest.raises(scenarios_selectors.NoScenario, match="There is no scenario ours; there are base, optimistic"):
        scenarios_selectors.find("ours", "bo")
    with pytest.raises(ScenarioError, match="name: ours is taken"):
        scenarios.save(mine(), by="bo")
    scenarios.save(mine(), by="ann", shared=True)
    assert scenarios_selectors.find("ours", "bo").owner == "ann"
    assert [one.name for one in scenarios_selectors.listed("bo")] == [*PRESETS, "ours"]


def test_a_preset_is_stored_when_it_is_first_run_and_follows_the_register() -> None:
    world()
    found = scenarios_selectors.find("price_war", "ann")
    assert (found.version, found.run, found.current) == (None, None, True)
    scenarios.run(scenarios_selectors.to_run("price_war", "ann", by="ann"), FEW, by="ann")
    again = scenarios_selectors.find("price_war", "bo")
    assert again.run is not None
    assert (again.version and again.version.number, again.preset) == (1, True)


def test_scenarios_are_compared_with_the_same_luck() -> None:
    world()
    scenarios.save(mine(name="twin"), by="ann")
    routed = {**fixed(routing_share="0.5", routing_saving="0.2", elasticity="0")}
    scenarios.save(mine(name="plain", parameters=fixed(elasticity="0")), by="ann")
    scenarios.save(mine(name="routed", parameters=routed), by="ann")
    scenarios.save(mine(), by="ann")
    same = scenarios_selectors.compared(["ours", "twin"], "ann", FEW)
    assert {(one.mean, one.dearer) for one in same.rows[1].differences} == {(D(0), 0.0)}
    cheaper = scenarios_selectors.compared(["plain", "routed"], "ann", FEW).rows[1]
    assert cheaper.over_all is not None
    assert (cheaper.over_all.dearer, cheaper.over_all.quantiles[-1] < 0) == (
        0,
        True,
    )  # in every draw, not only on average
    assert same.rows[0].total[0].quantiles == (D("570.12"),) * 5
    for names, told in (
        (["ours"], "name 2 to 4"),
        (["ours", "ours"], "each once"),
        (["ours", "base"], r"as many months, .* ours 12, base 24"),
    ):
        with pytest.raises(ScenarioError, match=told):
            scenarios_selectors.compared(names, "ann", FEW)


def test_budgets_of_the_months_ahead_are_in_the_odds() -> None:
    world()
    accepted("CC-100 2026-10 1", "CC-100 2026-11 1000000", "CC-100 2026-12 1")
    told = scenarios_selectors.result(ran())
    assert told["budgets"][:5] == [None, "1", "1000000", "1", None]
    assert [month["over"] for month in told["outlook"][:5]] == [None, 1, 0, 1, None]
    assert [month["over_to_date"] for month in told["outlook"][:5]] == [None, 1, 0, 0, None]
