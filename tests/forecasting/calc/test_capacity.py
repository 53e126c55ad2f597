"""Work above capacity: every hour adds up, what waits is served or given up, and more capacity never serves less."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.calc.capacity import CapacityError, Policy, hours, policy, profile, serve

PROFILES = st.lists(st.floats(0, 100), min_size=1, max_size=48).filter(lambda day: sum(day) > 1).map(profile)
CAPACITIES = st.lists(st.floats(0, 4), min_size=1, max_size=5).map(np.array)
SHARES = st.floats(0, 1)
POLICIES = st.tuples(SHARES, SHARES, SHARES).filter(lambda parts: sum(parts) > 0.01).map(
    lambda parts: Policy(*(part / sum(parts) for part in parts))
)  # fmt: skip


@given(PROFILES, CAPACITIES, POLICIES, SHARES)
def test_in_every_hour_demand_and_backlog_add_up(demand, capacity, how, abandonment) -> None:
    backlog = np.zeros_like(capacity)
    for hour in hours(demand, capacity, how, abandonment):
        assert hour.served + hour.spilled + hour.delayed + hour.dropped == pytest.approx(hour.new, abs=1e-9)
        assert hour.before == pytest.approx(backlog)
        after = hour.before + hour.delayed - hour.late - hour.abandoned
        assert hour.backlog == pytest.approx(after, abs=1e-9)
        assert (hour.served + hour.late <= capacity + 1e-9).all()
        assert all((part >= -1e-12).all() for part in hour[1:])
        backlog = hour.backlog
    assert backlog == pytest.approx(0)


@given(PROFILES, CAPACITIES, POLICIES, SHARES)
def test_a_cycle_is_the_sum_of_its_hours(demand, capacity, how, abandonment) -> None:
    found = serve(demand, capacity, how, abandonment)
    every = list(hours(demand, capacity, how, abandonment))
    assert found.on_time == pytest.approx(np.mean([hour.served for hour in every], axis=0), abs=1e-9)
    for name in ("late", "spilled", "dropped", "abandoned"):
        assert getattr(found, name) == pytest.approx(np.mean([getattr(hour, name) for hour in every], axis=0), abs=1e-9)
    assert found.short == pytest.approx(np.mean([hour.new > capacity for hour in every], axis=0), abs=1e-9)
    assert sum(found[:5]) == pytest.approx(np.ones_like(capacity))


@given(PROFILES, st.floats(0, 4), st.floats(0, 4), POLICIES, SHARES)
def test_more_capacity_spills_drops_and_loses_no_more(demand, one, other, how, abandonment) -> None:
    small, large = (serve(demand, np.array([size]), how, abandonment) for size in sorted((one, other)))
    assert large.spilled <= small.spilled + 1e-9
    assert large.dropped + large.abandoned <= small.dropped + small.abandoned + 1e-9
    assert large.on_time + large.late >= small.on_time + small.late - 1e-9


@given(PROFILES, POLICIES, SHARES)
def test_capacity_of_the_busiest_hour_serves_all_at_once_exactly(demand, how, abandonment) -> None:
    for each in (how, Policy(), Policy(0, 0, 1)):
        found = serve(demand, np.array([demand.max()]), each, abandonment)
        assert [float(part[0]) for part in found] == [1, 0, 0, 0, 0, 0]


def test_a_busy_hour_drains_in_the_quiet_one_after_it() -> None:
    demand = profile([1.0, 3.0])  # mean 1: half and three halves
    assert demand.tolist() == [1.5, 0.5]  # begins with the busy hour
    found = serve(demand, np.array([1.0]), Policy(0, 1, 0))
    # 1 of 1.5 at once, 0.5 waits; then 0.5 at once and the 0.5 that waited: of a mean of 1 an hour, 0.25 is late
    assert [float(part[0]) for part in found] == [0.75, 0.25, 0, 0, 0, 0.5]


def test_what_still_waits_when_the_cycle_ends_is_given_up() -> None:
    found = serve(profile([1.0, 3.0]), np.array([0.5]), Policy(0, 1, 0))
    assert [float(part[0]) for part in found] == [0.5, 0, 0, 0, 0.5, 0.5]


def test_a_quarter_an_hour_gives_up_before_it_is_served() -> None:
    found = serve(profile([1.0, 3.0]), np.array([1.0]), Policy(0, 1, 0), abandonment=0.25)
    assert (float(found.late[0]), float(found.abandoned[0])) == (0.375 / 2, 0.125 / 2)


@pytest.mark.parametrize("day", [[], [0, 0], [1, -1], [float("nan"), 1], [float("inf")]])
def test_a_profile_that_is_none_is_refused(day) -> None:
    with pytest.raises(CapacityError, match="needs one amount of at least 0"):
        profile(day)


@pytest.mark.parametrize("parts", [(0.5, 0.2, 0.2), (1.5, -0.5, 0), (0, 0, 0)])
def test_parts_of_a_policy_add_up_to_1(parts) -> None:
    with pytest.raises(CapacityError, match="add up to 1"):
        policy(*parts)
