"""What stands of a budget: exact for what is owed, futures for what is to come, and no word too many."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.documents import read_yaml
from forecasting.calc.burnrate import Reading
from forecasting.calc.watch import (
    LIKELY,
    NONE,
    OK,
    OVER,
    WATCH,
    Array,
    Close,
    Spent,
    WatchError,
    at_close,
    reached,
    signals,
    standing,
)
from forecasting.calc.watch_policy import BUDGET, BurnRule, parse

D = Decimal
POLICY = parse(read_yaml((Path(__file__).parents[3] / "forecasting/watch_policy.yaml").read_bytes()))
THIN = "the history has 3 days"
FAST = Reading(BurnRule("fast", "page", (1, 6), 6.0, BUDGET), (float("inf"), 8.5), 51.0, 6.0)


def futures(*days: list[float]) -> Array:
    return np.array(days, dtype=float)


def of(spent: Spent, close: Close | None = None) -> str:
    return standing(spent, POLICY, close, THIN).state


def test_unpriced_usage_counts_at_its_proxy_price_and_stays_apart_from_the_cost() -> None:
    found = standing(Spent(D(100), D(70), D(20), D(5)), POLICY, None, THIN)
    assert (found.actual, found.unpriced, found.counted, found.left) == (70, 20, 70 + 20 + 5, 100 - 95)
    assert found.used == D("0.95")
    assert found.crossed == (D("0.5"), D("0.8"))


def test_the_probability_of_a_breach_is_the_share_of_futures_above_the_budget() -> None:
    """60 spent, 40 left: of four futures two cost more than 40, one just as much."""
    close = at_close(Spent(D(100), D(60)), futures([10, 20], [20, 20], [30, 20], [50, 50]))
    assert close.probability == D(2) / 4
    assert close.paths == 4
    assert close.low <= close.middle <= close.high
    assert close.middle == 60 + (40 + 50) / D(2)


def test_the_breach_is_dated_by_the_cell_in_which_the_budget_is_exceeded() -> None:
    paths = futures(*[[50, 0, 0]] * 2, *[[30, 30, 0]] * 5, *[[0, 0, 0]] * 3)
    close = at_close(Spent(D(100), D(60)), paths)
    assert close.probability == D(7) / 10
    assert close.breaches == (0, 1, None)  # earliest tenth: 2 of 10 at once; half: the 5th; nine tenths: never


def test_a_day_that_runs_is_not_counted_twice_and_costs_at_least_what_it_has() -> None:
    """The first cell is the whole day; 8 of it are spent. Futures of 5 and 20 make 10 + 8 and 10 + 20."""
    close = at_close(Spent(D(100), D(10), running=D(8)), futures([5.0], [20.0]))
    assert (close.low, close.high) == (D(18), D(30))  # of two futures the lower and the higher


def test_a_budget_that_is_exceeded_is_so_for_sure_and_at_once() -> None:
    """By an amount that a float of that size does not see."""
    spent = Spent(D(10) ** 11, D(10) ** 11 + D("0.000000000001"))
    close = at_close(spent, futures([0.0, 0.0]))
    assert (close.probability, close.breaches) == (1, (0, 0, 0))
    assert of(spent, close) == OVER
    exactly = Spent(D(10) ** 11, D(10) ** 11)
    assert at_close(exactly, futures([0.0])).probability == 0
    assert of(exactly) == WATCH


def test_a_period_that_is_over_comes_to_what_was_spent() -> None:
    close = at_close(Spent(D(100), D(90), D(5), D(1)), np.zeros((7, 0)))
    assert (close.low, close.middle, close.high) == (96, 96, 96)
    assert (close.probability, close.breaches) == (0, (None, None, None))
    assert at_close(Spent(D(100), D(101)), np.zeros((7, 0))).probability == 1


def test_without_a_budget_there_is_a_forecast_and_no_probability() -> None:
    close = at_close(Spent(None, D(60)), futures([10.0]))
    assert (close.middle, close.probability) == (70, None)
    found = standing(Spent(None, D(60)), POLICY, close)
    assert (found.state, found.left, found.used, found.crossed) == (NONE, None, None, ())


def test_a_budget_of_nothing_is_kept_by_spending_nothing() -> None:
    assert of(Spent(D(0), D(0))) == OK
    assert of(Spent(D(0), D("0.000000000001"))) == OVER
    assert standing(Spent(D(0), D(1)), POLICY, None, THIN).used is None
    assert reached(Spent(D(0), D(0)), POLICY.finance) == ()
    assert reached(Spent(D(0), D(1)), POLICY.finance) == POLICY.finance


def test_thresholds_are_reached_exactly() -> None:
    assert reached(Spent(D("0.3"), D("0.15")), (D("0.5"),)) == (D("0.5"),)  # 0.1 + 0.05 of floats would not
    assert reached(Spent(D("0.3"), D("0.149999999999")), (D("0.5"),)) == ()


def test_states_go_from_ok_to_over() -> None:
    half = at_close(Spent(D(100), D(40)), futures([50.0], [70.0]))
    assert of(Spent(D(100), D(40)), half) == LIKELY
    assert of(Spent(D(100), D(40)), half._replace(probability=D("0.49"))) == OK
    assert of(Spent(D(100), D(50))) == WATCH
    assert standing(Spent(D(100), D(1)), POLICY, None, THIN, [FAST])[:1] == (WATCH,)
    assert of(Spent(D(100), D("100.01"))) == OVER


def test_no_forecast_has_a_reason() -> None:
    assert standing(Spent(D(1), D(0)), POLICY, None, THIN).reason == THIN
    with pytest.raises(WatchError, match="says why"):
        standing(Spent(D(1), D(0)), POLICY, None)


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (np.zeros((0, 3)), "shape"),
        (np.zeros(3), "shape"),
        (futures([np.nan]), "no number"),
        (futures([np.inf]), "no number"),
    ],
)
def test_what_is_no_future_is_refused(paths: Array, said: str) -> None:
    with pytest.raises(WatchError, match=said):
        at_close(Spent(D(1), D(0)), paths)


_money = st.decimals(0, 1000, places=2)


@given(st.lists(st.lists(st.floats(0, 100), min_size=4, max_size=4), min_size=1, max_size=30), _money, _money, _money)
def test_more_budget_never_makes_a_breach_likelier_nor_more_spend_rarer(
    days: list[list[float]], budget: Decimal, actual: Decimal, more: Decimal
) -> None:
    paths = futures(*days)
    base = at_close(Spent(budget, actual), paths).probability
    richer = at_close(Spent(budget + more, actual), paths).probability
    dearer = at_close(Spent(budget, actual + more), paths).probability
    assert base is not None
    assert richer is not None
    assert dearer is not None
    assert richer <= base <= dearer
    assert richer >= 0
    assert dearer <= 1


@given(st.lists(st.lists(st.floats(0, 100), min_size=4, max_size=4), min_size=1, max_size=30), _money)
def test_a_breach_is_dated_where_half_of_the_futures_breach(days: list[list[float]], budget: Decimal) -> None:
    found = at_close(Spent(budget, D(0)), futures(*days))
    assert found.probability is not None
    assert (found.breaches[1] is not None) == (found.probability >= D("0.5"))
    known = [cell for cell in found.breaches if cell is not None]
    assert known == sorted(known)


def test_signals_name_the_money_the_threshold_and_the_forecast() -> None:
    spent = Spent(D(100), D(85))
    found = standing(spent, POLICY, at_close(spent, futures([5.0], [35.0], [40.0])), fired=[FAST])
    told = signals("budget:7", "2026-09", found, POLICY, [FAST])
    assert [(one.subject, one.rule, one.severity, one.once) for one in told] == [
        ("budget:7", "fast", "page", False),
        ("budget:7:2026-09:0.8", "threshold", "digest", True),
        ("budget:7:2026-09:breach", "breach", "ticket", False),
    ]
    assert told[0].why == "spent without limit in 1 h and 8.5 x in 6 h against the budget's rate: 51.00 instead of 6.00"
    assert told[0].money == 45
    assert told[1].why == "80 % of 100.00 is spent: 85.00 in 2026-09"
    assert told[2].why == "66.7 % likely to exceed 100.00 in 2026-09: 120.00 at close (90.00 to 125.00)"
    assert told[2].money == 20


@pytest.mark.parametrize(
    ("counted", "told"),
    [(49, []), (50, ["b:p:0.5"]), (D("50.4"), ["b:p:0.504"]), (99, ["b:p:0.504"]), (100, ["b:p:1"]), (900, ["b:p:1"])],
)
def test_of_the_thresholds_that_are_reached_the_highest_is_told(counted: Any, told: list[str]) -> None:
    policy = POLICY._replace(finance=(D("0.5"), D("0.504"), D("1.0")))
    found = standing(Spent(D(100), D(counted)), policy, None, THIN)
    signals_ = signals("b", "p", found, policy, [])
    assert [one.subject for one in signals_] == told
    assert all((one.severity == "ticket") == one.subject.endswith(":1") for one in signals_)
    assert all(one.money == max(D(counted) - 100, D(0)) for one in signals_)


def test_without_a_budget_only_what_was_expected_can_be_exceeded() -> None:
    found = standing(Spent(None, D(10)), POLICY, None, THIN)
    assert [one.rule for one in signals("b", "p", found, POLICY, [FAST])] == ["fast"]


def test_the_earliest_tenth_of_ten_futures_is_the_first_of_them() -> None:
    paths = futures([50, 0, 0], *[[30, 30, 0]] * 4, *[[30, 0, 30]] * 4, [0, 0, 0])
    assert at_close(Spent(D(100), D(60)), paths).breaches == (0, 1, 2)


@pytest.mark.parametrize(("over", "told"), [(99, ">99 %"), (98, "99 %"), (80, "80.8 %")])
def test_what_is_estimated_is_never_certain_in_words(over: int, told: str) -> None:
    """Of 99 futures so many exceed the budget of 100: 98 of them are 98.99 %, all of them more than 99 % and not 100 %."""
    found = standing(
        Spent(D(100), D(0)), POLICY, at_close(Spent(D(100), D(0)), futures(*[[101.0]] * over, *[[99.0]] * (99 - over)))
    )
    (signal,) = signals("budget:7", "2026-09", found, POLICY, [])
    assert signal.why.startswith(f"{told} likely to exceed 100.00 in 2026-09")
