"""What outcomes that name their trace tell of spend and of failed attempts, for returns and for agents alike."""

from decimal import Decimal
from pathlib import Path

import pytest

from allocation.scope import EVERYTHING
from allocation.selectors import CostQuery
from allocation.value import agent_tasks, agents, outcomes, roi
from allocation.value.roi import RoiQuery
from finops.periods import Period
from tests.allocation.value.agent_traces import Call, on, outcome, sent, trace, world

pytestmark = pytest.mark.usefixtures("ledger")
SEPTEMBER = Period.month("2026-09")
IN = Decimal("0.00000075")


def line(**filters: tuple[str, ...]) -> roi.roi.Line:
    return roi.report(EVERYTHING, RoiQuery(SEPTEMBER, SEPTEMBER, filters=filters)).total


def test_returns_and_agents_count_the_same_failed_attempts(tmp_path: Path) -> None:
    """No contract: what was charged is the list price, so that both pages show the same money."""
    world(tmp_path)
    told = agents.outcome_costs(EVERYTHING, CostQuery(SEPTEMBER))
    assert sum(each.untraced for each in told) == 0
    assert line().failed == sum(each.failed_cost for each in told) > 0
    assert line().covered == sum(each.cost for each in told)


def test_an_outcome_that_names_a_trace_covers_its_query_and_one_that_names_none_its_feature(tmp_path: Path) -> None:
    """Two queries of 1,000 and 3,000 tokens of input: a quarter of the spend is known."""
    sent(tmp_path / "a.jsonl", trace(1, on(8), Call("lead", 1_000, 0)), trace(2, on(8), Call("lead", 3_000, 0)))
    assert (line().loaded, line().blind_share) == (4_000 * IN, 1)
    assert outcomes.take([outcome(1, True)], by="ann").refused == []
    assert (line().blind, line().blind_share) == (3_000 * IN, Decimal("0.75"))
    assert outcomes.take([outcome(2, True, evidence="none")], by="ann").refused == []
    assert line().blind_share == Decimal("0.75"), "without evidence"
    assert outcomes.take([outcome("untraced", True, trace="")], by="ann").refused == []
    assert (line().blind, line().covered) == (0, 4_000 * IN)


def test_a_trace_that_nobody_knows_tells_of_its_feature_and_costs_what_is_stated(tmp_path: Path) -> None:
    sent(tmp_path / "a.jsonl", trace(1, on(8), Call("lead", 4_000, 0)))
    assert outcomes.take([outcome("elsewhere", False, cost="0.001")], by="ann").refused == []
    assert (line().blind, line().failed) == (0, Decimal("0.001"))


def test_a_query_of_which_some_outcome_says_success_has_not_failed(tmp_path: Path) -> None:
    """Two tasks by one query, one of them resolved: nothing of it is lost, on either page; what is stated is not added."""
    sent(tmp_path / "a.jsonl", trace(1, on(8), Call("lead", 4_000, 0)))
    first = {"observed_at": "2026-09-20T00:00:00Z"}
    rows = [outcome(1, True, id="a", task="one", **first), outcome(1, False, id="b", task="two", cost="0.001")]
    assert outcomes.take(rows, by="ann").refused == []
    agent_tasks.refresh()
    [found] = agents.outcome_costs(EVERYTHING, CostQuery(SEPTEMBER))
    assert (found.tasks, found.resolved, found.failed_cost, line().failed) == (2, 1, 0, 0)
    assert outcomes.take([outcome(1, False, id="a", task="one")], by="ann").changed == 1
    assert line().failed == 4_000 * IN
