"""Dated conditions of the built-in book, and rule R21: usage has the price of its own time, whenever it is rated."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.calc.book import PriceBook
from ingest.calc.overrides import overrides
from ingest.calc.price_timelines import check_no_overlaps
from tests.ingest.calc.pricing import book, builtin, cost, rated, us

MILLION = 1_000_000
OPEN = {"provider": "selfhosted", "model_served": "m"}


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("use", "at", "dollars"),
    [
        ({"provider": "openai", "model_served": "o3"}, utc(2025, 6, 9, 23, 59), "10"),
        ({"provider": "openai", "model_served": "o3"}, utc(2025, 6, 10), "2"),
        ({"provider": "deepseek", "model_served": "deepseek-chat"}, utc(2025, 5, 1, 12), "0.27"),
        ({"provider": "deepseek", "model_served": "deepseek-chat"}, utc(2025, 5, 1, 20), "0.135"),  # off-peak
        ({"provider": "openai", "model_served": "gpt-5", "mode": "batch"}, utc(2026, 11, 1), "0.625"),  # 0.5 x 1.25
    ],
)
def test_a_dated_price_holds_from_its_instant(use, at, dollars):
    assert cost(book(), **use, at=at, input_uncached=MILLION) == {"input_uncached": Decimal(dollars)}


def test_a_scheduled_price_holds_from_its_day_on():
    # Announced in June 2026 and taken back since: the built-in book of today does not have it.
    model = {"provider": "anthropic", "model": "claude-sonnet-5"}
    prices = book(model | {"prices": {"input": "3", "output": "15"}, "valid_from": "2026-09-01"})
    use = {
        "provider": "anthropic",
        "model_served": "claude-sonnet-5",
        "input_uncached": MILLION,
        "output_visible": MILLION,
    }
    before, after = (cost(prices, **use, at=at) for at in (utc(2026, 8, 31, 23, 59, 59), utc(2026, 9, 1)))
    assert before == {"input_uncached": 2, "output_visible": 10}
    assert after == {"input_uncached": 3, "output_visible": 15}


def test_caches_that_live_longer_cost_more():
    use = {"provider": "anthropic", "model_served": "claude-sonnet-4-5", "at": utc(2026, 6, 1)}
    parts = cost(book(), **use, cache_write_5m=10_000, cache_write_1h=10_000, cache_read=10_000, input_uncached=10_000)
    base = parts["input_uncached"]
    assert parts == {
        "input_uncached": base, "cache_write_5m": base * Decimal("1.25"), "cache_write_1h": base * 2,
        "cache_read": base / 10,
    }  # fmt: skip


def test_a_long_context_costs_more_as_a_whole_or_only_above_the_threshold():
    use = {"provider": "google", "model_served": "gemini-2.5-pro", "at": utc(2026, 6, 1), "input_uncached": 300_000}
    assert cost(book(), **use) == {"input_uncached": 300_000 * Decimal("2.5") / MILLION}
    own = {"provider": "google", "model": "gemini-2.5-pro"}
    only_above = [
        own | {"prices": {"input": "1.25"}},
        own | {"context_over": 200_000, "excess": True, "prices": {"input": "2.5"}},
    ]
    expected = (200_000 * Decimal("1.25") + 100_000 * Decimal("2.5")) / MILLION
    assert cost(book(*only_above), **use) == {"input_uncached": expected}


def test_no_two_prices_of_the_builtin_book_hold_for_one_use():
    check_no_overlaps(builtin().rows.to_pylist())


START = utc(2026, 1, 1)
STEPS = st.lists(
    st.tuples(st.integers(1, 60 * 24 * 60), st.integers(0, 10**6)),
    min_size=1,
    max_size=6,
    unique_by=lambda step: step[0],
)
WINDOW = st.none() | st.tuples(st.integers(0, 1439), st.integers(0, 1439)).filter(lambda pair: pair[0] != pair[1])
USES = st.lists(st.tuples(st.integers(0, 70 * 24 * 60), st.integers(1, 10**7)), min_size=1, max_size=20)


def entries(steps, windowed):
    """Dated entries, and the price at a minute by looking them up one by one."""
    edges = [0, *sorted(minute for minute, _ in steps)]
    rates = [Decimal(rate).scaleb(-3) for _, rate in sorted(steps)]
    rates = [Decimal("1"), *rates]
    found = []
    for number, (edge, rate) in enumerate(zip(edges, rates, strict=True)):
        entry = {"provider": "selfhosted", "model": "m", "prices": {"input": str(rate)},
                 "valid_from": (START + timedelta(minutes=edge)).isoformat()}  # fmt: skip
        if number + 1 < len(edges):
            entry["valid_to"] = (START + timedelta(minutes=edges[number + 1])).isoformat()
        found.append(entry)
        if windowed:
            text = [f"{minute // 60:02}:{minute % 60:02}" for minute in windowed]
            found.append(entry | {"window": text, "prices": {"input": str(rate * 2)}})

    def price(minute):
        rate = next(rate for edge, rate in reversed(list(zip(edges, rates, strict=True))) if edge <= minute)
        if not windowed:
            return rate
        start, end = windowed
        of_day = minute % 1440
        inside = start <= of_day < end if start < end else of_day >= start or of_day < end
        return rate * 2 if inside else rate

    return found, price


@settings(deadline=None, max_examples=50)
@given(STEPS, WINDOW, USES, st.integers(0, 6))
def test_ar21_usage_has_the_price_of_its_own_time_and_a_later_list_changes_nothing(steps, windowed, uses, known):
    found, price = entries(steps, windowed)
    prices = PriceBook(overrides(found), [])
    requests = [OPEN | {"at": START + timedelta(minutes=minute), "input_uncached": tokens} for minute, tokens in uses]
    costs = rated(prices, requests)["list_cost"].to_pylist()
    assert costs == [price(minute) * tokens / MILLION for minute, tokens in uses]
    # The list as it was when only the first steps were known gives the same for what was used before the next one.
    steps = sorted(steps)
    later = steps[known][0] if known < len(steps) else 10**9
    early = [number for number, (minute, _) in enumerate(uses) if minute < later]
    then = PriceBook(overrides(entries(steps[:known], windowed)[0]), [])
    if early:
        again = rated(then, [requests[number] for number in early])["list_cost"].to_pylist()
        assert again == [costs[number] for number in early]


@settings(deadline=None, max_examples=40)
@given(STEPS, WINDOW, USES)
def test_the_cube_of_a_day_costs_what_its_events_cost_one_by_one(steps, windowed, uses):
    found, price = entries(steps, windowed)
    prices = PriceBook(overrides(found), [])
    at = np.array([us(START + timedelta(minutes=minute)) for minute, _ in uses], dtype=np.int64)
    names = {k: pa.array([v], pa.string()) for k, v in (OPEN | {"model_requested": None, "host": None}).items()}
    model = np.repeat(prices.resolve(pa.table(names)), len(uses))
    slots = prices.slots(model, at, np.zeros(len(uses), dtype=np.int64))
    cube = {}
    for (minute, tokens), slot in zip(uses, zip(*(values.tolist() for values in slots), strict=True), strict=True):
        place = (START + timedelta(minutes=minute)).date(), slot
        cube[place] = cube.get(place, 0) + tokens
    lines = [
        OPEN | dict(zip(slots._fields, slot, strict=True)) | {"charge_date": day, "input_uncached": tokens}
        for (day, slot), tokens in cube.items()
    ]  # fmt: skip
    total = sum(prices.rate(pa.Table.from_pylist(lines))["list_cost"].to_pylist())
    assert total == sum(price(minute) * tokens / MILLION for minute, tokens in uses)
