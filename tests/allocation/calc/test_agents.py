"""What tasks of agents do and cost, with every figure countable by hand; runaways found, and seldom where there are none."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.agents import CALLS, AgentsError, Quantiles, Tasks, tasks, workflows
from allocation.calc.agents_runaway import Bound, Limits, bounds, found_loops, loops, parse_limits, runaways

LEAD, ONE, TWO, DEEP = 11, 12, 13, 14


def call(task: int, at: int, **more: Any) -> dict[str, Any]:
    return {
        "workflow": "review/prod/core", "task": task, "occurred_at": at, "call": at, "agent": 0, "parent": None, "failed": 0,
        "input_uncached": 100, "input_cached": 0, "input_written": 0, "output": 10, "cost": Decimal("0.5"),
    } | more  # fmt: skip


def table(*calls: dict[str, Any]) -> pa.Table:
    return pa.table({name: pa.array([each[name] for each in calls], kind) for name, kind in CALLS.items()})


def one(found: Tasks) -> dict[str, Any]:
    assert len(found.task) == 1
    return {name: values[0] for name, values in found._asdict().items()}


def test_what_was_sent_again_is_at_most_the_input_of_the_agent_s_call_before() -> None:
    """100 new; then 250 of which 60 cached: 100 again, 60 of them cached; then 80: all of it again."""
    found = one(tasks(table(
        call(1, 1), call(1, 2, input_uncached=180, input_cached=60, input_written=10), call(1, 3, input_uncached=80),
        call(1, 4, agent=ONE, input_uncached=500),
    )))  # fmt: skip
    assert (found["resent_uncached"], found["resent_cached"]) == (40 + 80, 60)
    assert found["input"] == 100 + 250 + 80 + 500


def test_a_retry_is_the_call_after_a_failed_one_of_the_same_agent() -> None:
    calls = [call(1, 1, failed=1), call(1, 2, agent=ONE), call(1, 3), call(1, 4, failed=1)]
    found = one(tasks(table(*calls)))
    assert (found["calls"], found["failed"], found["retries"], found["broken"]) == (4, 2, 1, True)


def test_depth_and_fan_out_come_of_who_called_whom_and_are_unknown_without() -> None:
    """LEAD calls ONE and TWO, TWO calls DEEP: three levels, at most two called by one."""
    calls = [call(1, 1, agent=LEAD, parent=0), call(1, 2, agent=ONE, parent=LEAD), call(1, 3, agent=TWO, parent=LEAD)]
    found = one(tasks(table(*calls, call(1, 4, agent=DEEP, parent=TWO), call(1, 5, agent=LEAD, parent=0))))
    assert (found["agents"], found["depth"], found["fan_out"]) == (4, 3, 2)
    circle = one(tasks(table(call(1, 1, agent=ONE, parent=TWO), call(1, 2, agent=TWO, parent=ONE))))
    assert circle["depth"] == 1
    alone = one(tasks(table(call(1, 1, agent=LEAD), call(1, 2, agent=ONE))))
    assert (alone["agents"], alone["depth"], alone["fan_out"]) == (2, -1, -1)


def test_a_workflow_says_calls_cost_quantiles_and_what_an_outcome_costs_with_its_failures() -> None:
    """100 tasks of n = 1 to 100 calls at 0.5 each: 2,525 in all; every fifth failed, the failed ones cost 525."""
    calls = [call(37 * n % 101, k, output=k) for n in range(1, 101) for k in range(n)]
    found = workflows(tasks(table(*calls)), {37 * n % 101: n % 5 != 0 for n in range(1, 101)})
    (own,) = found
    assert (own.tasks, own.calls, own.mean_calls) == (100, 5_050, 50.5)
    assert own.calls_per_task == Quantiles(50, 95, 99)
    assert own.cost_per_task == Quantiles(Decimal("25.0"), Decimal("47.5"), Decimal("49.5"))
    assert (own.cost, own.tried, own.resolved) == (Decimal(2_525), 100, 80)
    assert own.failed_cost == Decimal(sum(range(5, 101, 5))) / 2 == Decimal(525)
    assert own.cost_per_outcome is not None
    assert float(own.cost_per_outcome.estimate) == pytest.approx(2_525 / 80)
    assert own.cost_per_outcome.low < 2_525 / 80 < own.cost_per_outcome.high


def test_each_task_has_its_own_cost_whatever_its_number_and_however_many_there_are() -> None:
    """5,000 tasks of large numbers of both signs, each of two calls that cost its place in a thousandth."""
    numbers = [(-1) ** n * (n * 0x9E3779B97F4A7C15 % 2**63) for n in range(1, 5_001)]
    calls = [call(number, k, cost=Decimal(n) / 1_000) for n, number in enumerate(numbers) for k in range(2)]
    found = tasks(table(*calls))
    assert dict(zip(found.task.tolist(), found.cost.tolist(), strict=True)) == {
        number: Decimal(n) / 500 for n, number in enumerate(numbers)
    }


def test_below_the_minimum_nothing_is_claimed_and_the_sums_still_stand() -> None:
    few = workflows(tasks(table(*(call(n, 0) for n in range(29)))), dict.fromkeys(range(29), True))[0]
    assert few.calls_per_task == few.cost_per_task == Quantiles(None, None, None)
    assert few.cost_per_outcome is None
    assert (few.tasks, few.cost, few.resolved) == (29, Decimal("14.5"), 29)
    enough = workflows(tasks(table(*(call(n, 0) for n in range(30)))), dict.fromkeys(range(30), True))[0]
    assert enough.cost_per_outcome is not None
    assert enough.calls_per_task == Quantiles(1, 1, 1)


def test_a_task_without_an_outcome_is_no_success_and_no_failure_but_may_have_broken_off() -> None:
    own = workflows(tasks(table(call(1, 1), call(2, 1, failed=1), call(3, 1, failed=1))), {3: False})[0]
    assert (own.tried, own.resolved, own.tried_cost, own.failed_cost) == (1, 0, Decimal("0.5"), Decimal("0.5"))
    assert (own.broken, own.broken_cost) == (1, Decimal("0.5"))


def test_a_task_with_an_unpriced_call_is_in_no_quantile_of_cost_and_is_counted() -> None:
    calls = [call(n, 0) for n in range(30)]
    own = workflows(tasks(table(*calls, call(99, 0, cost=None), call(99, 1, cost=Decimal(7)))), {})[0]
    assert own.cost_per_task.p99 == Decimal("0.5")
    assert (own.unpriced, own.cost) == (1, Decimal(22))


def test_an_outcome_s_interval_covers_what_it_costs() -> None:
    """Cost lognormal with mean exp(0.18) = 1.197, 70 % succeed: 1.71 per success."""
    random, hit, told = np.random.default_rng(1), 0, 300
    for _ in range(told):
        cost = np.exp(random.normal(0, 0.6, 120))
        calls = table(*(call(n, 0, cost=Decimal(f"{value:.6f}")) for n, value in enumerate(cost)))
        said = workflows(tasks(calls), dict(enumerate((random.random(120) < 0.7).tolist())))[0].cost_per_outcome
        assert said is not None
        hit += bool(said.low <= np.exp(0.18) / 0.7 <= said.high)
    assert 100 * hit / told == pytest.approx(95, abs=4)


CALL = st.builds(
    call, st.integers(1, 5), st.integers(0, 9), agent=st.sampled_from([0, LEAD, ONE, TWO]),
    parent=st.sampled_from([None, 0, LEAD, ONE]), failed=st.integers(0, 1), input_uncached=st.integers(0, 900),
    input_cached=st.integers(0, 900), workflow=st.sampled_from(["a", "b"]),
    cost=st.none() | st.decimals(0, 9, places=12),
)  # fmt: skip


@given(st.lists(CALL, min_size=1, max_size=40), st.randoms())
def test_no_call_and_no_cost_is_lost_whatever_the_order(calls: list[dict[str, Any]], random: Any) -> None:
    calls = [each | {"call": n} for n, each in enumerate(calls)]
    found = workflows(tasks(table(*calls)), {}, minimum=2)
    assert sum(each.calls for each in found) == len(calls)
    assert sum(each.cost for each in found) == sum(each["cost"] or 0 for each in calls)
    assert all(each.resent_uncached + each.resent_cached <= each.input for each in found)
    assert all(each.retries <= each.failed_calls <= each.calls for each in found)
    assert all(each.fan_out is None or each.fan_out <= each.tasks * 3 for each in found)
    random.shuffle(calls)
    assert workflows(tasks(table(*calls)), {}, minimum=2) == found


def test_no_calls_are_no_workflows() -> None:
    assert workflows(tasks(table()), {}) == []


def history(random: Any, count: int, *, mean: float = 29, spread: float = 0.8, first: int = 0) -> Tasks:
    """Tasks with lognormal calls, as measured of coding agents (median 29, 5th to 95th percentile 7-108)."""
    calls = np.maximum(1, np.rint(mean * np.exp(spread * random.standard_normal(count)))).astype(np.int64)
    zero = np.zeros(count, dtype=np.int64)
    cost = np.array([Decimal(int(n)) / 100 for n in calls], dtype=object)
    return Tasks(
        workflow=np.full(count, "fix/prod/core", dtype=object), task=np.arange(first, first + count), begins=zero, calls=calls,
        agents=zero, depth=zero, fan_out=zero, retries=zero, failed=zero, resent_uncached=zero, resent_cached=zero, input=zero,
        cost=cost, unpriced=zero, broken=zero.astype(bool),
    )  # fmt: skip


@pytest.mark.parametrize("past", [30, 100, 1_000])
def test_false_alarms_are_fewer_than_one_task_in_five_hundred_and_planted_runaways_are_found(past: int) -> None:
    """200 seeds: a past and 500 tasks of the same kind; then tasks of 100 times the median (e^4.6, 5.8 deviations)."""
    alarms, caught = 0, 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        allowed = bounds(history(random, past), Limits())
        alarms += len({row.task for row in runaways(history(random, 500, first=10**6), allowed, Limits())})
        away = history(random, 5, mean=2_900, spread=0.1)
        caught += len({row.task for row in runaways(away, allowed, Limits())})
    said = f"a past of {past} tasks: false alarms {alarms} of 100000 tasks, planted runaways found {caught} of 1000"
    print(f"\n{said}")  # noqa: T201  the rate is wanted
    assert alarms / 100_000 < 1 / 500
    assert caught / 1_000 > 0.9


def test_runaways_of_the_past_hardly_move_the_bound_and_constant_work_has_a_floor() -> None:
    random = np.random.default_rng(3)
    clean = history(random, 200)
    calls = clean.calls.copy()
    calls[:10] = 5_000
    one_bound, other = (bounds(each, Limits())["fix/prod/core"].calls for each in (clean, clean._replace(calls=calls)))
    assert one_bound is not None
    assert other is not None
    assert other / one_bound < 1.6
    still = clean._replace(calls=np.full(200, 10))
    assert bounds(still, Limits())["fix/prod/core"].calls == pytest.approx(10 * np.e)  # exp(ln 10 + 4 x 0.25)


def test_a_workflow_without_a_past_is_held_by_the_caps_alone_and_every_reason_is_a_row() -> None:
    found = history(np.random.default_rng(1), 1)._replace(
        calls=np.array([300]), cost=np.array([Decimal(9)], dtype=object)
    )
    assert runaways(found, bounds(history(np.random.default_rng(1), 29), Limits()), Limits()) == []
    capped = runaways(found, {}, Limits(calls=250, cost=Decimal(8)))
    assert [(row.reason, row.value, row.limit) for row in capped] == [
        ("calls_cap", 300, 250),
        ("cost_cap", Decimal(9), Decimal(8)),
    ]
    allowed = {"fix/prod/core": Bound(50, 100.0, Decimal("8.5"))}
    assert [row.reason for row in runaways(found, allowed, Limits())] == ["calls", "cost"]


def sizes(task: int, *pairs: tuple[int, int], agent: int = 0) -> list[dict[str, Any]]:
    return [call(task, n, input_uncached=size, output=out, agent=agent) for n, (size, out) in enumerate(pairs)]


@pytest.mark.parametrize(
    ("pairs", "rounds"),
    [
        ([(100, 10)] * 6, 6),
        ([(100, 10)] * 5, 0),
        ([(100 + 30 * n, 10) for n in range(8)], 8),  # the context grows by the same each time
        ([(100 + n * n, 10) for n in range(8)], 0),
        ([(100, 10), (200, 20)] * 6, 6),
        ([(100, 10), (200, 20), (300, 5)] * 7, 7),
        ([(100 + 40 * n, 10 + n % 3) for n in range(18)], 6),  # rounds of three calls, each growing
        ([(100 + 30 * n, 10) if k else (900 + 5 * n, 20) for n in range(6) for k in (0, 1)], 6),  # each by its own
        ([(100 + n * n, 10 + n % 2) for n in range(14)], 0),
        ([(50, 7), *[(100, 10)] * 6, (50, 7)], 6),
    ],
)
def test_same_sized_calls_one_after_another_are_a_loop(pairs: list[tuple[int, int]], rounds: int) -> None:
    assert loops(table(*sizes(1, *pairs)), Limits()) == ({1: rounds} if rounds else {})


def test_calls_of_other_tasks_and_agents_are_no_loop_together() -> None:
    three = [(100, 10)] * 3
    assert loops(table(*sizes(1, *three), *sizes(2, *three)), Limits()) == {}
    assert loops(table(*sizes(1, *three), *sizes(1, *three, agent=ONE)), Limits()) == {}
    calls = table(*sizes(7, *[(100, 10)] * 6))
    (row,) = found_loops(tasks(calls), loops(calls, Limits()), Limits())
    assert (row.task, row.reason, row.value, row.limit, row.cost) == (7, "loop", 6, 6, Decimal(3))


def test_random_work_is_seldom_called_a_loop() -> None:
    """500 tasks of 40 calls whose outputs are of 20 sizes only and whose inputs grow by what was put out."""
    random, calls = np.random.default_rng(4), []
    for task in range(500):
        outputs = random.integers(1, 21, 40)
        calls += sizes(task, *zip((1_000 + np.cumsum(outputs)).tolist(), outputs.tolist(), strict=True))
    assert len(loops(table(*calls), Limits())) <= 1


def test_limits_are_read_from_data() -> None:
    data = {"width": 3.5, "calls": 250, "cost": "2.50", "rounds": 8}
    assert parse_limits(data) == Limits(width=3.5, calls=250, cost=Decimal("2.50"), rounds=8)
    assert parse_limits({"calls": None}) == Limits()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: parse_limits([]), "not a mapping"),
        (lambda: parse_limits({"with": 3}), "with; there are: width"),
        (lambda: parse_limits({"width": "wide"}), "width is 'wide', expected a number of at least 1"),
        (lambda: parse_limits({"cost": "NaN"}), "cost is 'NaN'"),
        (lambda: parse_limits({"rounds": None}), "rounds is None"),
        (lambda: tasks(table().drop_columns("agent")), "column agent is missing"),
        (lambda: tasks(table(call(1, 1, agent=None))), "column agent holds NULL"),
        (lambda: tasks(table(call(1, 1, output=-1))), "column output holds -1"),
        (lambda: tasks(table(call(1, 1, cost=Decimal(-1)))), "column cost holds -1"),
        (lambda: tasks(table().set_column(1, "task", pa.array([], pa.int32()))), "column task is int32, expected int64"),
        (lambda: workflows(tasks(table()), {}, minimum=1), "the minimum of tasks is 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_name(wrong: Callable[[], Any], says: str) -> None:
    with pytest.raises(AgentsError, match=says):
        wrong()
