"""Supply in a scenario: ample capacity makes quantities matter nothing, relief never costs, contracts hold their price."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.calc.scenario import Paths
from tests.forecasting.calc.scenario_world import DAY, fixed, origin, ran, scenario, tier

SLOW = settings(max_examples=40, deadline=None)
SHARES = st.decimals("0", "1", places=2)
GROWTHS = st.decimals("0.5", "6", places=2)
POLICIES = st.tuples(SHARES, SHARES).filter(lambda parts: sum(parts) <= 1).map(
    lambda parts: {"spill": str(parts[0]), "delay": str(parts[1]), "drop": str(1 - sum(parts))}
)  # fmt: skip
WORLDS = st.fixed_dictionaries(
    {
        "query_growth": GROWTHS, "accelerator_demand": GROWTHS, "accelerator_supply": GROWTHS,
        "accelerator_shortage": st.decimals("1", "2", places=2), "gpu_price_after_relief": st.decimals("-0.5", "0.5", places=2),
        "lead_time": st.integers(0, 30), "on_demand_premium": st.decimals("1", "3", places=2),
        "spill_premium": st.decimals("0.5", "6", places=2), "abandonment": SHARES, "context_growth": GROWTHS,
        "technique_moe": st.decimals("1", "4", places=1), "technique_adoption": SHARES, "energy_price": st.just(Decimal("0.1")),
        "price_same_sku": st.decimals("-0.5", "0.5", places=2),
        "gpu_price_volatility": st.sampled_from([Decimal(0), Decimal("0.1")]),
    },
    optional={
        "availability": SHARES, "gpu_cap": st.decimals("8", "40", places=0), "scarcity_premium": st.decimals("0", "1", places=2),
        "gpu_price_until_relief": st.decimals("-0.5", "1", places=2),
    },
)  # fmt: skip
MONTHS_0 = st.builds(
    lambda share, end, headroom: origin(contract_share=share, contract_end=end, headroom=headroom, energy_share=0.1),
    st.floats(0, 1), st.none() | st.dates(date(2026, 11, 1), date(2028, 10, 1)), st.floats(1, 2),
)  # fmt: skip
RELIEFS = st.dates(date(2026, 10, 1), date(2029, 6, 1))


def with_relief(world: dict[str, Any], relief: date, month: Any, policy: dict[str, str], **more: str) -> Paths:
    values = fixed(**{name: str(value) for name, value in world.items()}, relief_date=relief.isoformat(), **more)
    return ran(scenario(values, policy=policy), month)


@SLOW
@given(WORLDS, RELIEFS, RELIEFS, MONTHS_0)
def test_with_no_response_and_full_spill_an_earlier_relief_never_raises_spend(world, one, other, month) -> None:
    early, late = (
        with_relief(world, relief, month, {"spill": "1", "delay": "0", "drop": "0"}) for relief in sorted((one, other))
    )
    assert (early.total <= late.total * (1 + 1e-9)).all()


@SLOW
@given(WORLDS, RELIEFS, RELIEFS, MONTHS_0, POLICIES, st.decimals("0", "1.5", places=2))
def test_otherwise_an_earlier_relief_never_raises_spend_and_the_worth_of_lost_demand(
    world, one, other, month, policy, elasticity
) -> None:
    early, late = (
        with_relief(world, relief, month, policy, elasticity=str(elasticity), query_value="200")
        for relief in sorted((one, other))
    )
    both = [paths.total + paths.lost + paths.unasked for paths in (early, late)]
    scale = np.abs(late.total) + np.abs(late.lost) + np.abs(late.unasked)
    assert (both[0] <= both[1] + 1e-9 * scale).all()


@SLOW
@given(WORLDS, MONTHS_0, POLICIES, SHARES, st.integers(0, 40))
def test_with_ample_capacity_the_quantities_of_supply_change_nothing(world, month, policy, part, lead_time) -> None:
    ample = {name: value for name, value in world.items() if name != "gpu_cap"}
    # there is no shortage any more, and no price at which somebody would do without GPUs
    ample |= {"relief_date": month.month, "spill_premium": 10**6, "query_value": 10**6}
    moved = ample | {
        "gpu_cap": 10**9, "availability": part, "lead_time": lead_time, "abandonment": part, "accelerator_demand": 5,
        "accelerator_supply": "0.7", "accelerator_shortage": "1.9", "scarcity_exponent": 2,
    }  # fmt: skip
    plain, other = (
        ran(scenario(fixed(**{name: str(value) for name, value in values.items()}), policy=how), month)
        for values, how in ((ample, {}), (moved, policy))
    )
    for name in ("spend", "completed", "api", "own", "gpus_needed", "gpus_had", "gpu_price", "lost", "short"):
        assert getattr(plain, name).tobytes() == getattr(other, name).tobytes(), name
    assert not plain.short.any()


OWN = {"own_queries": 1_000.0, "api_queries": 0.0}


def test_growth_above_a_cap_is_spilled_at_the_price_of_an_api() -> None:
    month = origin(tier("simple", own="1000", **OWN), fixed=Decimal(0), profile=(1.0,))
    paths = ran(scenario(fixed(query_growth="4", gpu_cap="8", spill_premium="3", availability="1")), month)
    # a flat day: today's 8 GPUs serve today's 1000, the other 3000 of month 12 are spilled at 3 times their own cost
    assert paths.own[12, 0] == pytest.approx(1000)
    assert paths.spilled[12, 0] == pytest.approx(3 * 3000)
    assert (paths.gpus_needed[12, 0], paths.gpus_had[12, 0], paths.short[12, 0]) == pytest.approx((4, 1, 1))


def test_no_gpu_is_taken_on_that_is_dearer_than_what_happens_without_it() -> None:
    month = origin(tier("simple", own="1000", **OWN), fixed=Decimal(0), profile=(1.0,))
    values = {"query_growth": "4", "availability": "1", "scarcity_premium": "1", "relief_date": "2030-01-01"}
    paths = ran(scenario(fixed(**values, spill_premium="1.2")), month)
    # after a year a GPU costs twice as much; the API stays at 1.2: what grows goes there, today's GPUs stay
    assert paths.gpus_had[12, 0] == pytest.approx(1)
    assert paths.spilled[12, 0] == pytest.approx(3000 * 1.2)


def test_a_contract_holds_its_price_until_it_ends_and_is_paid_though_unused() -> None:
    month = origin(
        tier("simple", own="1000", **OWN),
        fixed=Decimal(0),
        contract_share=1.0,
        contract_end=date(2027, 10, 1),
        profile=(1.0,),
    )
    dearer = fixed(scarcity_premium="1", relief_date="2030-01-01", spill_premium="100")
    paths = ran(scenario(dearer), month)
    assert paths.own[11, 0] == pytest.approx(1000)
    assert paths.own[12, 0] == pytest.approx(
        1000 * 2
    )  # a year later a GPU costs twice as much, and so does the new contract
    fewer = ran(scenario(fixed(query_growth="0.5")), month)
    assert fewer.own[11, 0] == pytest.approx(1000)
    assert fewer.own[12, 0] == pytest.approx(500)


def test_growth_beyond_a_contract_is_paid_at_the_price_on_demand() -> None:
    month = origin(tier("simple", own="1000", **OWN), fixed=Decimal(0), contract_share=1.0, profile=(1.0,))
    paths = ran(scenario(fixed(query_growth="3", on_demand_premium="1.5", availability="1", spill_premium="9")), month)
    assert paths.own[12, 0] == pytest.approx(1000 + 2000 * 1.5)
    assert paths.uncontracted[12, 0] == pytest.approx(2 / 3)  # of GPUs, those on demand


def test_uncontracted_counts_api_cost_beyond_its_commitment() -> None:
    month = origin(
        tier("simple", "1000"), api_committed=Decimal(400), api_commitment_end=date(2027, 4, 1), fixed=Decimal(0)
    )
    paths = ran(scenario(), month)
    assert (paths.uncontracted[5, 0], paths.uncontracted[6, 0]) == (0.6, 1.0)


def test_overflow_is_what_lies_above_capacity_in_the_hours_of_the_day() -> None:
    month = origin(tier("simple", own="1000", **OWN), fixed=Decimal(0))
    paths = ran(scenario(fixed(query_growth="2", gpu_cap="8", spill_premium="1", availability="1")), month)
    demand = 2 * np.array(DAY)
    over = np.maximum(demand - max(DAY), 0).sum() / demand.sum()
    assert paths.spilled[12, 0] == pytest.approx(2000 * over)
    assert paths.short[12, 0] == pytest.approx(np.mean(demand > max(DAY)))
