"""The equations of drivers give the figures that they are known by, alone and through a whole scenario."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from allocation.calc.claims import calculate
from forecasting.calc import drivers
from forecasting.calc.scenario_results import quantiles
from tests.forecasting.calc.scenario_world import REGISTER, fixed, origin, ran, scenario, tier

MONTH_12 = 12


def own_cost(**values: str) -> float:
    """Cost of a query on own hardware after a year, over today's: ten times the efficiency, single pass of one agent today."""
    parameters = fixed(technique_silicon="10", technique_adoption="1", spill_premium="100", **values)
    paths = ran(scenario(parameters), origin(tier("complex", own="1000"), fixed=0 * origin().fixed))
    return float(paths.spend[MONTH_12, 0, 0]) / 1000


def api_cost(**values: str) -> float:
    """Cost of a query by API after a year, over today's, all of it moved to equal quality."""
    parameters = fixed(migration_share="1", **values)
    return float(ran(scenario(parameters), origin(tier("complex", "1000"))).spend[MONTH_12, 0, 0]) / 1000


FOUR_AT_1_5, FOUR_AT_2_5 = ("4", "0.166666666667"), ("4", "0.5")
SIXTEEN_AT_4 = ("16", "0.2")


@pytest.mark.parametrize(
    ("reasoning", "debate", "cost"),
    [
        ("1", ("1", "0"), 0.10),
        ("3", FOUR_AT_1_5, 3 * 1.5 / 10),
        ("5", FOUR_AT_1_5, 5 * 1.5 / 10),
        ("10", FOUR_AT_1_5, 10 * 1.5 / 10),
        ("50", FOUR_AT_2_5, 50 * 2.5 / 10),
        ("50", SIXTEEN_AT_4, 50 * 4 / 10),
        ("100", SIXTEEN_AT_4, 100 * 4 / 10),
    ],
)  # fmt: skip
def test_rows_of_the_tier_table_come_out_of_a_whole_scenario(
    reasoning: str, debate: tuple[str, str], cost: float
) -> None:
    found = own_cost(reasoning_per_task=reasoning, agents=debate[0], debate_share=debate[1])
    assert found == pytest.approx(cost, rel=1e-9)


@pytest.mark.parametrize(
    ("cheaper", "tokens", "cost"),
    [("1000", "100", 1 / 10), ("1000", "50", 1 / 20), ("40", "100", 2.5), ("200", "50", 1 / 4), ("50", "50", 1.0),
     ("50", "100", 2.0)],
)  # fmt: skip
def test_cheaper_tokens_and_more_of_them_come_out_of_a_whole_scenario(cheaper: str, tokens: str, cost: float) -> None:
    assert api_cost(price_fixed_quality=cheaper, reasoning_per_task=tokens) == pytest.approx(cost, rel=1e-9)


def test_calls_of_a_task_send_their_context_again() -> None:
    parameters = fixed(calls_per_task="4", context_resent="0.5")
    paths = ran(scenario(parameters), origin(tier("complex", "1000", input_share=1.0)))
    assert paths.spend[MONTH_12, 0, 0] == pytest.approx(1000 * 4 * (1 + 0.5 * 3 / 2), rel=1e-9)


def test_a_debate_takes_as_much_longer_as_it_works() -> None:
    four = np.array(4.0)
    assert 60 * drivers.debate(four, np.array(1 / 6)) == pytest.approx(90, rel=1e-12)
    assert 60 * drivers.debate(four, np.array(1 / 2)) == pytest.approx(150, rel=1e-12)
    assert drivers.debate(np.array(16.0), np.array(0.2)) == pytest.approx(4, rel=1e-12)


def test_the_overlap_that_gives_the_stack_its_known_result() -> None:
    low, high = [np.array(value) for value in (2.0, 3.0, 1.5)], [np.array(value) for value in (3.0, 4.0, 2.5)]
    assert (drivers.stacked(low, np.array(1.0)), drivers.stacked(high, np.array(1.0))) == (9, 30)
    assert round(np.log(5) / np.log(9), 2) == 0.73
    assert round(np.log(10) / np.log(30), 2) == 0.68
    assert round(float(drivers.stacked(low, np.array(0.73)))) == 5
    assert round(float(drivers.stacked(high, np.array(0.68)))) == 10


def test_value_of_a_dollar_and_margin_of_a_subscription() -> None:
    assert calculate("value_per_dollar", {"gain": "5", "cost": "10"}, REGISTER).value("value") == 0.5
    at_1000 = calculate("break_even_queries", {"price": "20", "query_cost": "0.10", "queries": "1000"}, REGISTER)
    assert (at_1000.value("break_even"), at_1000.value("margin"), at_1000.value("margin_share")) == (200, -80, -4)


@pytest.mark.parametrize(
    ("low", "high", "debate", "printed", "mean"),
    [
        (3, 5, (1.5, 1.5), (".46", ".58", ".73"), None),
        (10, 50, (1.5, 2.5), ("2.05", "4.42", "9.59"), "4.97"),  # 4.4249 by integration; 4.43 is quoted, from a sample
        (50, 100, (4, 4), ("20.7", "28.3", "38.6"), None),
    ],
)
def test_the_tier_table_as_distributions(
    low: float, high: float, debate: tuple[float, float], printed: tuple[str, ...], mean: str | None
) -> None:
    points = qmc.Sobol(2, rng=3).random_base2(16)
    cost = low * (high / low) ** points[:, 0] * (debate[0] + (debate[1] - debate[0]) * points[:, 1]) / 10
    for value, text in zip(quantiles(cost, (5, 50, 95)), printed, strict=True):
        assert f"{value:.{len(text.partition('.')[2])}f}".lstrip("0") == text
    assert mean is None or f"{cost.mean():.2f}" == mean


# Equations alone


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_quality_is_kept_at_its_target_or_at_what_all_of_it_loses(adoption: float, loss: float, target: float) -> None:
    found = float(drivers.allowed(np.array(adoption), np.array(loss), np.array(target)))
    assert found <= adoption
    assert found == adoption or 1 - found * loss == pytest.approx(target)


def test_a_response_of_elasticity_1_keeps_spend_and_is_capped() -> None:
    ratio, one = np.array([[[0.5, 2.0, 1e-9, 1e9]]]), np.ones((1, 1, 1))
    assert (ratio * drivers.response(ratio, one))[0, 0, :2] == pytest.approx([1, 1])
    assert drivers.response(ratio, one)[0, 0, 2:] == pytest.approx([1 / 0.02, 1 / 50])


@given(st.lists(st.floats(0.5, 1e6), min_size=4, max_size=4), st.lists(st.floats(0.2, 5), min_size=4, max_size=4))
def test_a_shift_of_the_mix_keeps_the_number_of_queries(weights: list[float], growths: list[float]) -> None:
    row = np.array(weights).reshape(1, 4, 1)
    found = drivers.mixed(row, np.array(growths).reshape(1, 4, 1))
    assert (row * found).sum() == pytest.approx(row.sum())


@given(st.floats(0.1, 5), st.floats(0.1, 5), st.floats(0, 1), st.floats(0, 1))
def test_an_index_lies_between_those_that_it_follows(base: float, other: float, one: float, two: float) -> None:
    shares = (one / 2, two / 2)
    found = drivers.blended(np.array(base), [(np.array(share), np.array(other)) for share in shares])
    assert min(base, other) - 1e-9 <= found <= max(base, other) + 1e-9
