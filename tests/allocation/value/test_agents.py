"""Tasks of agents from the wire to the report: by hand, against SQL on the facts, and after whatever changes."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from allocation import rulebook
from allocation.calc.agents import AgentsError
from allocation.derived import allocate_days, refresh
from allocation.models import AgentDay, AgentTask, Runaway
from allocation.scope import EVERYTHING
from allocation.value import agent_runaways, agent_tasks, outcomes
from ingest.models import PriceBookVersion
from ingest.prices import load_builtin, load_overrides
from tests.allocation.value.agent_traces import RULES, Call, on, outcome, query_of, sent, trace

pytestmark = pytest.mark.usefixtures("ledger")
IN, OUT, READ = Decimal("0.00000075"), Decimal("0.0000045"), Decimal("0.000000075")


def task(number: int | str) -> AgentTask:
    return AgentTask.objects.get(query_id=query_of(number))


def test_a_task_is_what_its_spans_say(tmp_path: Path) -> None:
    """lead calls one and two, two calls deep. lead's second call sends its first 1,000 again, 400 of them from a cache."""
    sent(
        tmp_path / "a.jsonl",
        trace(
            1, on(8),
            Call("lead", 1_000, 100), Call("one", 300, 20, ("lead",), after=1, failed=True),
            Call("one", 300, 20, ("lead",), after=2),
            Call("two", 500, 30, ("lead",), after=3), Call("deep", 50, 5, ("two", "lead"), after=4),
            Call("lead", 1_500, 200, cached=400, after=5),
        ),
        trace(2, on(8), Call("lead", 10, 1)),
    )  # fmt: skip
    found = task(1)
    assert (found.calls, found.agents, found.depth, found.fan_out) == (6, 4, 3, 2)
    assert (found.retries, found.failed, found.broken) == (1, 1, False)
    assert (found.resent_uncached, found.resent_cached, found.input) == (600 + 300, 400, 3_650)
    assert found.cost == (3_650 - 400) * IN + 375 * OUT + 400 * READ
    assert (found.unpriced, found.currency, found.feature, found.tier) == (0, "USD", "review", "complex")
    assert (task(2).calls, task(2).depth) == (1, 1), "one call of a named agent is a task"


def test_calls_after_midnight_belong_to_the_task_and_late_ones_join_it(tmp_path: Path) -> None:
    sent(tmp_path / "a.jsonl", trace(1, on(8, 23, 59), Call("lead", 100, 10), Call("lead", 200, 10, after=120)))
    assert (task(1).charge_date, task(1).calls) == (date(2026, 9, 8), 2)
    sent(tmp_path / "b.jsonl", trace(1, on(9, 1), Call("lead", 300, 10), first=90))
    assert (task(1).calls, task(1).input) == (3, 600)
    sent(tmp_path / "c.jsonl", trace(1, on(7, 23), Call("lead", 400, 10), first=95))
    assert (task(1).charge_date, task(1).calls, AgentTask.objects.count()) == (date(2026, 9, 7), 4, 1)


def test_a_day_is_derived_again_only_where_something_changed(tmp_path: Path) -> None:
    sent(
        tmp_path / "a.jsonl", *(trace(n, on(n), Call("lead", 100, 10), Call("lead", 200, 10, after=9)) for n in (1, 5))
    )
    assert agent_tasks.refresh() == 0
    sent_days = dict(AgentDay.objects.values_list("charge_date", "at"))
    sent(tmp_path / "b.jsonl", trace(7, on(5), Call("lead", 100, 10), Call("lead", 100, 10, after=1)))
    again = dict(AgentDay.objects.values_list("charge_date", "at"))
    assert [day.day for day in again if again[day] != sent_days.get(day)] == [5]
    assert AgentTask.objects.count() == 3


def test_queries_that_are_no_tasks_stay_out_and_an_outcome_makes_one(tmp_path: Path) -> None:
    """A single call without an agent is an answer, until somebody says what it was for."""
    sent(tmp_path / "a.jsonl", trace(1, on(8), Call("", 1_000, 100)), trace(2, on(8), Call("lead", 10, 1)))
    assert AgentTask.objects.count() == 1
    outcomes.take([outcome(1, True)], by="ann")
    assert agent_tasks.refresh() == 1
    assert task(1).cost == 1_000 * IN + 100 * OUT
    assert agent_tasks.refresh() == 0


def test_who_owns_a_task_follows_the_rules(tmp_path: Path) -> None:
    sent(tmp_path / "a.jsonl", trace(1, on(8), Call("lead", 100, 10)))
    assert task(1).cost_centre is None
    rulebook.load(RULES, actor="test")
    allocate_days([date(2026, 9, 8)])
    assert agent_tasks.refresh() == 1
    found = task(1)
    assert found.cost_centre is not None
    assert found.team is not None
    assert (found.cost_centre.code, found.team.code) == ("CC-100", "core")


def test_a_task_costs_what_its_calls_cost_at_the_price_in_force(tmp_path: Path) -> None:
    """A call without a price leaves the task's other calls their cost, and is counted."""
    sent(
        tmp_path / "a.jsonl",
        trace(1, on(8), Call("lead", 100, 10), Call("lead", 50, 10, model="nobody-knows-it", after=1)),
    )
    assert (task(1).cost, task(1).unpriced) == (100 * IN + 10 * OUT, 1)
    book = '- {provider: openai, model: nobody-knows-it, prices: {input: "2", output: "4"}}\n'
    (tmp_path / "prices.yaml").write_text(book)
    load_overrides(tmp_path / "prices.yaml", actor="test")
    try:
        refresh()
        agent_tasks.refresh()
        assert (task(1).unpriced, task(1).cost) == (0, 100 * IN + 10 * OUT + Decimal("0.00014"))
    finally:
        PriceBookVersion.objects.exclude(book="builtin").delete()
        load_builtin(actor="test")


def test_a_runaway_is_withdrawn_with_what_it_rested_on_unless_somebody_decided(tmp_path: Path) -> None:
    agent_tasks.load_limits({"calls": 2, "cost": "0.001"}, actor="test")
    calls = [Call("lead", 100, 10, after=n) for n in range(3)]
    sent(tmp_path / "a.jsonl", trace(1, on(8), *calls), trace(2, on(8), *calls))
    assert set(Runaway.objects.values_list("reason", "state")) == {("calls_cap", "open")}
    kept = agent_runaways.decide(
        EVERYTHING, Runaway.objects.get(query_id=query_of(2)).pk, "expected", by="ann", note="a batch"
    )
    agent_tasks.load_limits({"calls": 5}, actor="test")
    agent_tasks.refresh()
    assert Runaway.objects.get(query_id=query_of(1)).state == "withdrawn"
    kept.refresh_from_db()
    assert (kept.state, kept.decided_by, kept.note) == ("expected", "ann", "a batch")
    with pytest.raises(agent_runaways.RunawayError, match="withdrawn"):
        agent_runaways.decide(EVERYTHING, Runaway.objects.get(query_id=query_of(1)).pk, "confirmed", by="ann")
    agent_tasks.load_limits({"calls": 2}, actor="test")
    agent_tasks.refresh()
    assert Runaway.objects.get(query_id=query_of(1)).state == "open"


def test_limits_that_cannot_be_used_are_refused_by_name() -> None:
    with pytest.raises(AgentsError, match="rounds is 1, expected a number of at least 3"):
        agent_tasks.load_limits({"rounds": 1}, actor="test")
