"""A day as hours, and futures of stored percentiles: nothing is lost, and totals have the quantiles that were stored."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.calc.watch_futures import PARTS, Month, futures
from forecasting.calc.watch_hours import Amount, Part, Used, Whose, by_hour

D = Decimal
NOON = datetime(2026, 9, 18, 12, tzinfo=UTC)
SEARCH, CHAT = (Whose(centre, "openai", "gpt-5", "simple", "USD") for centre in (1, None))
_money = st.decimals(D("-5"), 90, places=12)
_part = st.tuples(st.integers(1, 3), st.sampled_from([SEARCH, CHAT]), _money, _money)
_used = st.tuples(
    st.integers(1, 4), st.sampled_from(["simple", "complex"]), st.integers(0, 23), st.decimals(0, 9, places=6)
)


@given(st.lists(_part, max_size=12), st.lists(_used, max_size=12), _money)
def test_the_hours_of_a_day_add_up_to_it_whatever_was_used_when(
    parts: list[tuple[int, Whose, D, D]], used: list[tuple[int, str, int, D]], more: D
) -> None:
    day: dict[Whose, Amount] = {SEARCH: Amount(more, D(0))}
    for _, whose, cost, unpriced in parts:
        held = day.get(whose, Amount(D(0), D(0)))
        day[whose] = Amount(held.cost + cost, held.unpriced + unpriced)
    at = [Used(key, tier, NOON + timedelta(hours=hour), weight) for key, tier, hour, weight in used]
    found = by_hour(day, [Part(key, whose, Amount(*both)) for key, whose, *both in parts], at)
    sums: dict[Whose, list[D]] = defaultdict(lambda: [D(0), D(0)])
    for (_, whose), amount in found.items():
        for place, value in enumerate(amount):
            sums[whose][place] += value
    assert {whose: tuple(both) for whose, both in sums.items() if any(both)} == {
        whose: tuple(amount) for whose, amount in day.items() if any(amount)
    }


def test_a_key_is_shared_by_its_own_hours_of_its_tier_and_a_spread_one_by_all_of_them() -> None:
    used = [
        Used(1, "simple", NOON, D(1)),
        Used(1, "simple", NOON + timedelta(hours=1), D(3)),
        Used(1, "complex", NOON, D(9)),
    ]
    dear = SEARCH._replace(tier="research")  # no call of the key is of it: buckets were spread over tiers
    day = {SEARCH: Amount(D(8), D(0)), dear: Amount(D(13), D(0)), CHAT: Amount(D(5), D(2))}
    parts = [Part(1, SEARCH, day[SEARCH]), Part(1, dear, day[dear]), Part(2, CHAT, day[CHAT])]
    assert by_hour(day, parts, used) == {
        (NOON, SEARCH): Amount(D(2), D(0)), (NOON + timedelta(hours=1), SEARCH): Amount(D(6), D(0)),
        (NOON, dear): Amount(D(10), D(0)), (NOON + timedelta(hours=1), dear): Amount(D(3), D(0)),
        (None, CHAT): Amount(D(5), D(2)),  # nothing says when key 2 was used
    }  # fmt: skip


@given(st.integers(1, 40), st.lists(st.decimals(0, 50, places=2), min_size=40, max_size=40))
def test_totals_of_a_month_have_its_own_percentiles_whatever_its_days(count: int, given_: list[D]) -> None:
    first = date(2026, 9, 1)
    points = {first + timedelta(days=n): value for n, value in enumerate(given_[:count])}
    months = {}
    for start in sorted({day.replace(day=1) for day in points}):
        mine = sum((value for day, value in points.items() if day.replace(day=1) == start), D(0))
        months[start] = Month(D(7), D(7) + mine, [D(7) + mine * n / 50 for n in range(1, 100)])
    found = futures(points, months)
    assert found.shape == (PARTS, count)
    for start, month in months.items():
        at = [n for n, day in enumerate(sorted(points)) if day.replace(day=1) == start]
        assert np.allclose(found[:, at].sum(axis=1), [float(one - month.actual) for one in month.percentiles])


def test_where_nothing_was_meant_what_may_come_is_spread_evenly_and_a_missing_month_is_no_zero() -> None:
    days = {date(2026, 9, 29): D(0), date(2026, 9, 30): D(0)}
    month = Month(D(4), D(4), [D(4) + D(n) / 10 for n in range(1, 100)])
    found = futures(days, {date(2026, 9, 1): month})
    assert found[-1].tolist() == pytest.approx([4.95, 4.95])
    with pytest.raises(KeyError):
        futures({**days, date(2026, 10, 1): D(1)}, {date(2026, 9, 1): month})
