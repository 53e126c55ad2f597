"""A scenario starts at the ledger, moves by its drivers alone, and gives the same bytes whenever it is run again."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.money import money, round_to_minor
from forecasting.calc.scenario import notes, run
from forecasting.calc.scenario_draws import DRAWS, draw
from forecasting.calc.scenario_origin import Origin, ScenarioError
from forecasting.calc.scenario_results import TOTAL, compare, content, fans, outlook, tasks
from tests.forecasting.calc.scenario_world import PRESETS, fixed, origin, preset, ran, scenario, tier

D = Decimal
SLOW = settings(max_examples=40, deadline=None)
AMOUNTS = st.decimals("0.01", "99999999.999999", places=6)


def median(paths: object, month: int = 24) -> float:
    return float(np.median(paths.total[month]))  # type: ignore[attr-defined]


# Month 0, and reproduction


@pytest.mark.parametrize("name", PRESETS)
def test_month_0_of_every_preset_is_the_actual_to_the_cent(name: str) -> None:
    found = {fan.tier: fan for fan in fans(origin(), ran(preset(name), draws=256)) if fan.month == origin().month}
    assert found[TOTAL].quantiles == (D("1825.99"),) * 5  # 100.37 + 50.02 + 212.10 + ... + 12.34
    for one in origin().tiers:
        assert set(found[one.tier].quantiles) == {one.api_cost + one.own_cost}
        assert found[one.tier].mean == one.api_cost + one.own_cost


@SLOW
@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=4), AMOUNTS, st.sampled_from(list(PRESETS)))
def test_month_0_is_exact_for_any_run_rate(costs: list[tuple[Decimal, Decimal]], seats: Decimal, name: str) -> None:
    names = ("simple", "moderate", "complex", "research")
    month = origin(*(tier(one, str(api), str(own)) for one, (api, own) in zip(names, costs, strict=False)), fixed=seats)
    first = [fan for fan in fans(month, ran(preset(name), month)) if fan.month == month.month]
    actual = [*(month.cost_of(one) for one in month.names), month.total]
    assert [fan.quantiles[2] for fan in first] == [round_to_minor(money([cost]), "USD")[0].as_py() for cost in actual]
    assert all(len(set(fan.quantiles)) == 1 for fan in first)


@pytest.mark.parametrize(
    "parameters",
    [
        {"elasticity": "100"}, {"query_growth": "1000000"}, {"calls_per_task.complex": "1e12"}, {"context_growth": "1000000"},
        {"query_growth": "0.000000000001"},
    ],
)  # fmt: skip
def test_what_leaves_all_bounds_is_refused_with_its_month(parameters: dict[str, str]) -> None:
    what = scenario(
        {name: {"value": value, "source": "a test"} for name, value in parameters.items()}, over="base", months=60
    )
    try:
        paths = ran(what)
    except ScenarioError as wrong:
        assert "leave all bounds in month" in str(wrong)  # noqa: PT017  either is fine, nothing in between
    else:
        assert all(fan.mean.is_finite() for fan in fans(origin(), paths))
        content(origin(), what, paths, seed=7)


def test_a_scenario_that_moves_nothing_is_the_run_rate_every_month() -> None:
    paths = ran(scenario())
    assert (paths.spend == paths.spend[:1]).all()
    assert {fan.quantiles[4] for fan in fans(origin(), paths) if fan.tier == TOTAL} == {D("1825.99")}
    assert (paths.completed == paths.completed[:1]).all()


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_seed_gives_the_same_bytes_and_another_one_others(name: str) -> None:
    month, what = origin(), preset(name)
    first, again, other = (content(month, what, ran(what, draws=128, seed=seed), seed=seed) for seed in (7, 7, 8))
    assert first == again
    assert first.replace(b'"seed":7', b"") != other.replace(b'"seed":8', b"")


def test_doubling_draws_moves_the_median_by_less_than_a_hundredth() -> None:
    few, many = (ran(preset("base"), draws=draws) for draws in (DRAWS, 2 * DRAWS))  # the bench does so for every preset
    for month in (6, 12, 24):
        assert median(many, month) == pytest.approx(median(few, month), rel=0.01)


def test_draws_do_not_depend_on_how_they_are_cut() -> None:
    month, what = origin(), preset("base")
    drawn = draw(what, month.month, month.names, 2_048, 7)
    whole = run(month, what, drawn)
    parts = [run(month, what, drawn.part(start, start + 300)) for start in range(0, 2_048, 300)]
    assert np.concatenate([part.spend for part in parts], axis=-1).tobytes() == whole.spend.tobytes()


@pytest.mark.parametrize("draws", [0, 63, 100, 32, 2**21])
def test_draws_are_a_power_of_two(draws: int) -> None:
    with pytest.raises(ScenarioError, match="must be a power of two from 64"):
        ran(scenario(), draws=draws)


# Drivers


RISING = ("query_growth", "reasoning_per_task", "context_growth")


@SLOW
@given(st.sampled_from(RISING), st.decimals("0.5", "5", places=2), st.decimals("0.5", "5", places=2))
def test_more_queries_thinking_or_context_never_cost_less(name: str, one: Decimal, other: Decimal) -> None:
    low, high = (ran(scenario(fixed(**{name: str(value)}))) for value in sorted((one, other)))
    assert (low.spend <= high.spend * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("reasoning_share", "0.1", "0.9"), ("agents", "1", "9"), ("calls_per_task", "1", "3"), ("price_same_sku", "-0.5", "0.5"),
     ("energy_price", "-0.5", "0.5"), ("cached_share", "0.9", "0.1"), ("technique_adoption", "1", "0")],
)  # fmt: skip
def test_spend_rises_with_each_driver(name: str, low: str, high: str) -> None:
    more = fixed(debate_share="0.2", cached_price="0.1", technique_moe="2.5")
    month = replace(origin(), energy_share=0.2)
    cheap, dear = (ran(scenario(more | fixed(**{name: value})), month) for value in (low, high))
    assert (cheap.total[1:] < dear.total[1:]).all()


TECHNIQUES = fixed(
    technique_moe="2.5", technique_int4="3", technique_batching="4", technique_speculative="2", technique_silicon="10",
    technique_overlap="0.7", technique_adoption="0.8", technique_quality_loss="0.02",
)  # fmt: skip


@pytest.mark.parametrize("elasticity", ["0", "0.8"])
def test_techniques_never_change_what_api_calls_cost(elasticity: str) -> None:
    plain, stacked = (ran(scenario(fixed(elasticity=elasticity) | more)) for more in ({}, TECHNIQUES))
    assert plain.api.tobytes() == stacked.api.tobytes()
    assert (stacked.own[12:] < plain.own[12:]).all() or elasticity != "0"
    by_api = origin(tier("complex", "900"))
    one, other = (ran(scenario(more), by_api) for more in ({}, TECHNIQUES))
    assert one.spend.tobytes() == other.spend.tobytes()


def test_queries_answer_to_price_so_that_an_elasticity_of_1_keeps_spend() -> None:
    month = origin(tier("simple", "1000"))
    paths = ran(scenario(fixed(elasticity="1", price_same_sku="-0.5")), month)
    assert paths.spend[:, 0, 0] == pytest.approx(1000)
    assert paths.queries[12, 0] == pytest.approx(1000 * 2)
    assert paths.unasked[12, 0] == pytest.approx(-1000)  # a thousand more, each worth what it cost at first


def test_three_price_indices_move_their_own_share_of_cost() -> None:
    month = origin(tier("simple", "1000"))
    paths = ran(scenario(fixed(price_same_sku="0.2", price_frontier="-0.2", price_fixed_quality="10", frontier_share="0.5",
                               migration_share="0.3", migration_lag="0")), month)  # fmt: skip
    assert paths.spend[12, 0, 0] == pytest.approx(1000 * (0.2 * 1.2 + 0.5 * 0.8 + 0.3 / 10))


def test_what_moves_to_equal_quality_does_so_late() -> None:
    month = origin(tier("simple", "1000"))
    values = fixed(price_fixed_quality="4", migration_share="1", migration_lag="6")
    assert ran(scenario(values), month).spend[12, 0, 0] == pytest.approx(1000 / 2)


def test_shares_of_two_indices_are_no_more_than_all() -> None:
    with pytest.raises(ScenarioError, match="frontier_share and migration_share: together they are more than all"):
        ran(scenario(fixed(frontier_share="0.6", migration_share="0.5")))


def test_an_announced_price_counts_from_its_day() -> None:
    month = origin(tier("simple", "1000"))
    steps = [{"on": date(2027, 1, 16), "price": "same_sku", "change": "0.5", "source": "announced"}]
    spend = ran(scenario(steps=steps), month).spend[:, 0, 0]
    assert spend[2] == 1000
    assert spend[3] == pytest.approx(1000 * (1 + 0.5 * 16 / 31))  # 16 of the 31 days of January
    assert spend[4] == pytest.approx(1500)


def test_a_step_of_the_past_is_in_the_run_rate_and_said_so() -> None:
    what = scenario(steps=[{"on": date(2026, 9, 1), "price": "same_sku", "change": "0.5", "source": "announced"}])
    assert (ran(what).spend == ran(scenario()).spend).all()
    assert notes(origin(), what) == ["The step of 2026-09-01 (same_sku) is in the run rate of 2026-10 already."]


def test_the_mix_moves_towards_a_tier_without_more_queries() -> None:
    paths = ran(scenario(fixed(mix_growth__research="3")))
    assert paths.queries == pytest.approx(paths.queries[:1].repeat(25, axis=0))
    assert (paths.spend[24, 3] > paths.spend[0, 3]).all()
    assert (paths.spend[24, 0] < paths.spend[0, 0]).all()


def test_a_driver_of_one_tier_leaves_the_others() -> None:
    paths = ran(scenario(fixed(calls_per_task__complex="2", agents__research="8", debate_share="0.2")))
    assert (paths.spend[:, :2] == paths.spend[:1, :2]).all()
    assert (paths.spend[1:, 2:] > paths.spend[:1, 2:]).all()


def test_a_router_saves_its_part_and_goes_no_further_than_quality_allows() -> None:
    month = origin(tier("simple", "1000", resolved=0.9))
    values = {"routing_share": "0.8", "routing_saving": "0.25", "routing_quality_loss": "0.02"}
    free = ran(scenario(fixed(**values)), month)
    assert free.spend[12, 0, 0] == pytest.approx(1000 * (1 - 0.8 * 0.25))
    assert free.completed[12, 0, 0] == pytest.approx(1000 * 0.9 * (1 - 0.8 * 0.02))
    held = ran(scenario(fixed(**values, quality_target="0.99")), month)
    assert held.spend[12, 0, 0] == pytest.approx(1000 * (1 - 0.5 * 0.25))  # at a loss of 0.02, half of it keeps 0.99


def test_a_cap_is_refused_below_todays_gpus_and_where_their_number_is_not_known() -> None:
    with pytest.raises(ScenarioError, match="gpu_cap: 4 is below the 8 GPUs of month 0"):
        ran(scenario(fixed(gpu_cap="4")))
    with pytest.raises(ScenarioError, match="gpu_cap: month 0 does not say how many GPUs there are"):
        ran(scenario(fixed(gpu_cap="4")), origin(gpus=0.0))


# Results


def test_luck_is_common_to_scenarios_so_that_their_difference_is_their_parameters() -> None:
    month, draws = origin(), 1_024
    # without a response of demand, by which what gets cheaper may cost more
    base, routed, again = (
        ran(scenario(fixed(elasticity="0"), over=over), draws=draws) for over in ("base", "routing_adopted", "base")
    )
    differences = compare(month, base, routed)
    assert all(one.dearer == 0 and one.quantiles[4] <= 0 for one in differences)  # cheaper in every draw
    assert {one.mean for one in compare(month, base, again)} == {D(0)}
    spread = [fan.quantiles[4] - fan.quantiles[0] for fan in fans(month, base) if fan.tier == TOTAL]
    assert differences[12].quantiles[4] - differences[12].quantiles[0] < spread[12] / 5
    with pytest.raises(ScenarioError, match="over the same months and draws"):
        compare(month, base, ran(preset("base"), draws=64))


def test_odds_against_a_budget_by_month_and_to_date() -> None:
    paths = ran(scenario({"query_growth": {"low": "0.5", "base": "1", "high": "2", "source": "a test"}}), draws=1_024)
    found = outlook(origin(), paths, [D("1825.99"), D("1825.99"), None, D(10**6)])
    assert (found[0].over, found[0].over_to_date) == (0, None)  # it is spent, not above
    assert 0.45 < found[1].over < 0.55
    assert found[1].over_to_date == found[1].over
    assert [(one.over, one.over_to_date) for one in found[2:4]] == [(None, None), (0, None)]
    assert {(one.over, one.over_to_date) for one in found[4:]} == {(None, None)}
    assert found[12].gpus_needed[1] == 8
    with pytest.raises(ScenarioError, match="budgets: there are 26, and 25 months"):
        outlook(origin(), paths, [None] * 26)


def test_cost_of_a_completed_task_counts_those_that_fail() -> None:
    found = {one.tier: one.quantiles for one in tasks(origin(), ran(scenario())) if one.month == date(2027, 10, 1)}
    assert found["complex"][2] == pytest.approx((911.99 + 402.13) / (1500 * 0.8), rel=1e-5)
    none = tasks(
        origin(tier("simple", "10", resolved=0.0)), ran(scenario(), origin(tier("simple", "10", resolved=0.0)))
    )
    assert {one.quantiles for one in none} == {None}


def test_short_hours_are_hours_of_the_month() -> None:
    month = origin(tier("simple", own="1000"), profile=(1.0,))
    found = outlook(
        month, ran(scenario(fixed(query_growth="4", gpu_cap="8", spill_premium="2", availability="1")), month)
    )
    assert found[4].month == date(2027, 2, 1)
    assert found[4].short_hours == (28 * 24, 28 * 24)
    assert found[12].gpus_needed == (32, 32, 32)
    assert found[12].gpus_had == (8, 8, 8)


# Month 0 that is none


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"month": date(2026, 10, 2)}, "month 0 is named by its first day, not 2026-10-02"),
        ({"tiers": ()}, "month 0 needs one row for each of its tiers"),
        ({"tiers": (tier("simple", "1"), tier("simple", "2"))}, "month 0 needs one row for each of its tiers"),
        ({"tiers": (tier("simple", "-1"),)}, "tier simple: api_cost must be at least 0, not -1"),
        ({"tiers": (tier("simple", "1", api_queries=0.0),)}, "tier simple: api_cost is 1 without a query; what no query causes"),
        ({"tiers": (tier("simple", "NaN"),)}, "tier simple: api_cost must be at least 0, not NaN"),
        ({"tiers": (tier("simple", "1", cached_share=1.5),)}, "tier simple: cached_share must be from 0 to 1, not 1.5"),
        ({"tiers": (tier("simple", "1", agents=0.5),)}, "tier simple: agents must be at least 1, not 0.5"),
        ({"fixed": D("-5000")}, "there is no run rate to start from"),
        ({"fixed": D("Infinity")}, "month 0: fixed must be an amount"),
        ({"headroom": 0.5}, "month 0: headroom must be at least 1, not 0.5"),
        ({"profile": (0.0, 0.0)}, "month 0: profile: needs one amount"),
        ({"contract_share": float("nan")}, "month 0: contract_share must be from 0 to 1, not nan"),
    ],
)  # fmt: skip
def test_a_month_0_that_cannot_be_is_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        replace(origin(), **changes)
    assert told in str(refused.value)


def test_the_version_of_data_is_that_of_its_content() -> None:
    assert origin().digest() == origin().digest()
    assert isinstance(origin(), Origin)
    assert replace(origin(), headroom=1.1).digest() != origin().digest()
