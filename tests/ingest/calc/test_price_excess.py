"""Bands that price only the excess: the input tokens above a threshold, exactly, request by request and on the cube."""

import itertools
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.calc.book import PriceBook
from ingest.calc.overrides import overrides
from ingest.calc.price_excess import FILL_ORDER, crossings
from ingest.calc.prices import PriceError
from tests.ingest.calc.pricing import MIDSUMMER, book, cost, rated

MILLION = 1_000_000
MODEL = {"provider": "selfhosted", "model": "m"}
USE = {"provider": "selfhosted", "model_served": "m"}
BASE = MODEL | {"prices": {"input": "1", "cached": "0.1", "cache_write": "2", "output": "4"}}
OVER = MODEL | {"context_over": 200_000, "excess": True, "prices": {"input": "3", "cached": "0.3", "cache_write": "5"}}
WHOLE = OVER | {"excess": False}


def mtok(rate, tokens):
    return Decimal(rate) * tokens / MILLION


def test_only_the_tokens_above_the_threshold_cost_more():
    parts = cost(book(BASE, OVER), **USE, input_uncached=300_000, output_visible=1_000)
    assert parts["input_uncached"] == mtok("1", 200_000) + mtok("3", 100_000)
    assert parts["output_visible"] == mtok("4", 1_000)  # output is not above anything
    whole = cost(book(BASE, WHOLE), **USE, input_uncached=300_000)
    assert whole["input_uncached"] == mtok("3", 300_000)


@pytest.mark.parametrize("tokens", [199_999, 200_000])
def test_up_to_the_threshold_the_base_price_holds(tokens):
    assert cost(book(BASE, OVER), **USE, input_uncached=tokens) == {"input_uncached": mtok("1", tokens)}


def test_what_was_read_from_a_cache_is_the_beginning_of_the_prompt():
    parts = cost(book(BASE, OVER), **USE, cache_read=150_000, cache_write_5m=100_000, input_uncached=20_000)
    assert parts == {
        "cache_read": mtok("0.1", 150_000),  # wholly below
        "cache_write_5m": mtok("2", 50_000) + mtok("5", 50_000),  # 200,000 is crossed here
        "input_uncached": mtok("3", 20_000),  # wholly above
    }


def test_a_second_band_prices_what_lies_above_it():
    higher = OVER | {"context_over": 500_000, "prices": {"input": "7"}}
    parts = cost(book(BASE, OVER, higher), **USE, input_uncached=600_000)
    assert parts["input_uncached"] == mtok("1", 200_000) + mtok("3", 300_000) + mtok("7", 100_000)


def test_a_band_over_a_whole_request_band_has_that_one_below_it():
    whole = WHOLE | {"context_over": 100_000, "prices": {"input": "2"}}
    parts = cost(book(BASE, whole, OVER), **USE, input_uncached=300_000)
    assert parts["input_uncached"] == mtok("2", 200_000) + mtok("3", 100_000)


def test_the_rate_is_named_where_one_holds_and_left_open_where_several_do():
    rows = rated(book(BASE, OVER), [USE | {"cache_read": 150_000, "cache_write_5m": 100_000, "input_uncached": 20_000}])
    assert dict(zip(rows["price_class"].to_pylist(), rows["list_rate"].to_pylist(), strict=True)) == {
        "cache_read": Decimal("0.1"), "cache_write_5m": None, "input_uncached": 3,
    }  # fmt: skip


def test_a_band_without_a_price_below_it_leaves_the_usage_unpriced():
    prices = PriceBook(overrides([OVER]), [])
    assert cost(prices, **USE, input_uncached=300_000) == {"input_uncached": None}


def test_a_bucket_whose_band_its_provider_does_not_state_has_the_base_price():
    assert cost(book(BASE, OVER), **USE, input_uncached=900_000, requests=3) == {"input_uncached": mtok("1", 900_000)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"context_over": 0}, "entry 1: excess is true or false, and true needs a context_over"),
        ({"excess": "yes"}, "entry 1: excess is true or false"),
        (
            {"prices": {"output": "1"}},
            "entry 1: excess prices input tokens above context_over; prices.output_reasoning",
        ),
    ],
)
def test_an_excess_that_means_nothing_is_refused(change, message):
    with pytest.raises(PriceError, match=message):
        overrides([OVER | change])


def test_slots_say_when_they_miss_the_classes():
    prices = book(BASE, OVER)
    names = pa.table(
        {k: pa.array([v], pa.string()) for k, v in (USE | {"model_requested": None, "host": None}).items()}
    )
    model = prices.resolve(names)
    assert prices.slots(model, np.array([0]), np.array([200_000])).crossing.tolist() == [0]  # not asked
    with pytest.raises(PriceError, match="needs the input classes"):
        prices.slots(model, np.array([0]), np.array([200_001]))


REQUESTS = st.lists(
    st.dictionaries(st.sampled_from(FILL_ORDER), st.integers(0, 400_000), min_size=1), min_size=1, max_size=30
)
RATES = st.integers(0, 10**7).map(lambda n: str(Decimal(n).scaleb(-4)))


def by_hand(request, thresholds, prices):
    """Cost of one request token by token span: ``prices``: threshold -> class -> rate."""
    begin, whole = 0, Decimal(0)
    for name in FILL_ORDER:
        end = begin + request.get(name, 0)
        edges = [0, *thresholds, 10**12]
        for low, high in itertools.pairwise(edges):
            tokens = max(0, min(end, high) - max(begin, low))
            whole += mtok(prices[low][name], tokens) if tokens else 0
        begin = end
    return whole


@settings(deadline=None, max_examples=60)
@given(
    REQUESTS,
    st.lists(st.integers(1, 1_500_000), unique=True, min_size=1, max_size=3),
    st.lists(st.fixed_dictionaries(dict.fromkeys(FILL_ORDER, RATES)), min_size=4, max_size=4),
)
def test_the_cube_costs_what_the_requests_cost_one_by_one(requests, thresholds, rates):
    thresholds = sorted(thresholds)
    entries = [MODEL | {"prices": rates[0]}]
    entries += [
        MODEL | {"context_over": over, "excess": True, "prices": rate}
        for over, rate in zip(thresholds, rates[1:], strict=False)
    ]
    prices = PriceBook(overrides(entries), [])
    table = dict(zip([0, *thresholds], rates, strict=False))
    expected = sum(by_hand(request, thresholds, table) for request in requests)
    single = rated(prices, [USE | request for request in requests])
    assert sum(single["list_cost"].to_pylist()) == expected
    # Summed by slot, as the cube holds them.
    sums = np.array([[request.get(name, 0) for name in FILL_ORDER] for request in requests], dtype=np.int64)
    names = {k: pa.array([v], pa.string()) for k, v in (USE | {"model_requested": None, "host": None}).items()}
    model = np.repeat(prices.resolve(pa.table(names)), len(requests))
    ones = np.ones(len(requests), dtype=np.int64)
    slots = prices.slots(model, ones, sums.sum(axis=1), inputs=lambda rows: (sums[rows], ones[rows]))
    cube = {}
    for row, slot in enumerate(zip(*(values.tolist() for values in slots), strict=True)):
        cube.setdefault(slot, []).append(row)
    lines = [
        USE | dict(zip(slots._fields, slot, strict=True)) | {"charge_date": MIDSUMMER.date(), "requests": len(rows)}
        | dict(zip(FILL_ORDER, sums[rows].sum(axis=0).tolist(), strict=True))
        for slot, rows in cube.items()
    ]  # fmt: skip
    assert sum(prices.rate(pa.Table.from_pylist(lines))["list_cost"].to_pylist()) == expected


def test_a_bucket_crosses_where_its_average_call_does():
    sums = np.array([[0, 0, 0, 0, 0, 0, 0, 0, 900_000]], dtype=np.int64)
    assert crossings(np.array([200_000]), sums, np.array([3])).tolist() == [9]  # 300,000 a call: in the last class
    assert crossings(np.array([200_000]), sums, np.array([9])).tolist() == [0]  # 100,000 a call
