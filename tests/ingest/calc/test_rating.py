"""Rating: which price holds for which request, and what happens where none does. Rates are USD per million tokens."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.money import require_money
from ingest.calc.book import PriceBook
from ingest.calc.overrides import overrides
from ingest.calc.rating import RATED_SCHEMA
from tests.ingest.calc.pricing import MIDSUMMER, book, builtin, cost, rated, us

MILLION = 1_000_000
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
GPT = {"provider": "openai", "model_served": "gpt-4o"}
OWN = {"provider": "selfhosted", "model_served": "llama-x"}


def own(**fields):
    return {"provider": "selfhosted", "model": "llama-x", "prices": {"input": "1"}} | fields


def only(rows):
    (row,) = rows.to_pylist()
    return row


def test_the_result_has_the_stated_schema():
    rows = rated(book(), [{**GPT, "input_uncached": 5, "output_visible": 5}])
    assert rows.schema.equals(RATED_SCHEMA)
    require_money(rows, ["list_cost", "proxy_cost"])


def test_2500_input_1500_cached_and_100_output_tokens_of_gpt_4o():
    parts = cost(book(), **GPT, input_uncached=2_500, cache_read=1_500, output_visible=100)
    assert parts["input_uncached"] == Decimal("0.00625")  # 2500 x 2.50 / 1e6
    assert parts["cache_read"] == Decimal("0.001875")  # 1500 x 1.25 / 1e6
    assert parts["output_visible"] == Decimal("0.001")  # 100 x 10 / 1e6


def test_a_price_cut_holds_from_utc_midnight_on():
    o3 = {"provider": "openai", "model_served": "o3", "input_uncached": MILLION}
    assert cost(book(), **o3, at=datetime(2025, 6, 9, 23, 59, 59, tzinfo=UTC)) == {"input_uncached": 10}
    assert cost(book(), **o3, at=datetime(2025, 6, 10, tzinfo=UTC)) == {"input_uncached": 2}


@pytest.mark.parametrize(
    ("hour", "minute", "dollars"), [(0, 29, "0.135"), (0, 30, "0.27"), (16, 29, "0.27"), (16, 30, "0.135")]
)
def test_deepseek_is_cheaper_outside_its_window(hour, minute, dollars):
    at = datetime(2025, 5, 1, hour, minute, 59, tzinfo=UTC)
    assert cost(book(), provider="deepseek", model_served="deepseek-chat", at=at, input_uncached=MILLION) == {
        "input_uncached": Decimal(dollars)
    }


@pytest.mark.parametrize(("tokens", "rate"), [(199_999, "1.25"), (200_000, "1.25"), (200_001, "2.5")])
def test_a_band_holds_above_its_threshold_for_the_whole_request(tokens, rate):
    gemini = {"provider": "google", "model_served": "gemini-2.5-pro"}
    assert cost(book(), **gemini, input_uncached=tokens) == {"input_uncached": tokens * Decimal(rate) / MILLION}


def test_cached_tokens_count_towards_the_band():
    gemini = {"provider": "google", "model_served": "gemini-2.5-pro"}
    parts = cost(book(), **gemini, input_uncached=1, cache_read=200_000, output_visible=MILLION)
    assert parts["output_visible"] == 15  # 10 in the base band
    assert cost(book(), **gemini, input_uncached=1, cache_read=199_999, output_visible=MILLION)["output_visible"] == 10


def test_a_bucket_of_many_requests_has_the_base_band():
    gemini = {"provider": "google", "model_served": "gemini-2.5-pro", "input_uncached": 50 * MILLION}
    assert cost(book(), **gemini, requests=4_000) == {"input_uncached": Decimal("62.5")}  # not 125
    assert cost(book(), **gemini, requests=1) == {"input_uncached": 125}


def test_batch_and_service_tiers_have_their_own_prices():
    model = {"provider": "openai", "model_served": "gpt-5", "input_uncached": MILLION, "at": NOVEMBER}
    assert cost(book(), **model) == {"input_uncached": Decimal("1.25")}
    assert cost(book(), **model, mode="batch") == {"input_uncached": Decimal("0.625")}
    assert cost(book(), **model, tier="batch") == {"input_uncached": Decimal("0.625")}
    assert cost(book(), **model, tier="flex") == {"input_uncached": Decimal("0.625")}
    assert cost(book(), **model, tier="priority") == {"input_uncached": Decimal("2.5")}
    assert cost(book(), **model, tier="default") == {"input_uncached": Decimal("1.25")}


def test_a_tier_price_that_the_book_knows_only_later_is_assumed_before():
    request = {"provider": "openai", "model_served": "gpt-5", "mode": "batch", "input_uncached": MILLION}
    row = only(rated(book(), [request]))  # in June; the book's batch price begins on 2026-10-12
    assert (row["list_cost"], row["assumed_standard"]) == (Decimal("1.25"), True)


def test_the_fast_tier_of_one_provider_is_the_fast_speed_of_another():
    model = {"provider": "anthropic", "model_served": "claude-opus-4-8", "input_uncached": MILLION}
    assert cost(book(), **model, tier="fast") == cost(book(), **model, tier="speed=fast") == {"input_uncached": 10}


def test_a_tier_without_a_price_takes_the_standard_one_and_says_so():
    row = only(rated(book(), [{**GPT, "tier": "scale", "input_uncached": MILLION}]))
    assert (row["list_cost"], row["assumed_standard"]) == (Decimal("2.5"), True)
    row = only(rated(book(), [{**GPT, "input_uncached": MILLION}]))
    assert (row["list_cost"], row["assumed_standard"]) == (Decimal("2.5"), False)


def test_a_resold_model_has_no_batch_price_of_the_reseller():
    row = only(rated(book(), [{**GPT, "provider": "azure", "mode": "batch", "input_uncached": MILLION}]))
    assert (row["list_cost"], row["assumed_standard"]) == (Decimal("2.5"), True)


def test_usage_without_a_price_costs_null_and_shows_an_estimate():
    row = only(rated(book(), [{"provider": "openai", "model_served": "not-a-model", "input_uncached": MILLION}]))
    assert (row["list_cost"], row["price_id"], row["book"], row["list_rate"]) == (None, None, None, None)
    prices = builtin().rows.to_pylist()
    live = [
        p["rate"] for p in prices
        if p["provider"] == "openai" and p["price_class"] == "input_uncached" and p["context_over"] == 0
        and (p["mode"], p["service_tier"], p["variant"]) == ("sync", "", "")
        and p["valid_from"] <= MIDSUMMER and (p["valid_to"] is None or p["valid_to"] > MIDSUMMER)
    ]  # fmt: skip
    assert row["proxy_cost"] == max(live)  # one million tokens at the dearest live price of the provider
    assert row["currency"] == "USD"


def test_an_unknown_provider_is_estimated_at_the_ninetieth_percentile_of_the_book():
    entries = [own(model=f"m{n}", prices={"input_video": str(n)}) for n in range(1, 11)]
    prices = PriceBook(overrides(entries), builtin().providers)
    row = only(rated(prices, [{"provider": "elsewhere", "model_served": "x", "input_video": MILLION}]))
    assert (row["list_cost"], row["proxy_cost"]) == (None, 9)  # nearest rank: the 9th of 1..10


def test_nothing_to_estimate_by_leaves_the_estimate_null():
    prices = PriceBook(overrides([own()]), [])
    row = only(rated(prices, [{"provider": "elsewhere", "model_served": "x", "output_visible": 1}]))
    assert (row["list_cost"], row["proxy_cost"], row["currency"]) == (None, None, None)


def test_a_free_model_costs_nothing_and_is_priced():
    row = only(rated(book(), [{"provider": "openrouter", "model_served": "qwen/qwq-32b:free", "input_uncached": 7}]))
    assert (row["list_cost"], row["proxy_cost"], row["book"]) == (0, None, "builtin")


def test_a_class_that_falls_back_on_a_wider_one_says_so():
    prices = book()
    row = only(rated(prices, [{**GPT, "output_reasoning": MILLION}]))
    assert (row["list_cost"], prices.price["note"][row["price_id"]]) == (10, "inherits output_visible")


def test_float_noise_is_rounded_to_nine_digits_and_noted():
    prices = book()
    model = {"provider": "huggingface_together", "model_served": "Qwen/Qwen3-VL-8B-Instruct", "input_uncached": MILLION}
    row = only(rated(prices, [model]))  # 0.18000000000000002 in the source
    assert row["list_cost"] == Decimal("0.18")
    assert prices.price["note"][row["price_id"]] == "rounded to 9 significant digits"


def test_an_override_wins_for_the_classes_that_it_names():
    prices = book({"provider": "openai", "model": "gpt-4o", "prices": {"input": "1"}})
    rows = rated(prices, [{**GPT, "input_uncached": MILLION, "output_visible": MILLION}]).to_pylist()
    assert [(row["price_class"], row["book"], row["list_cost"]) for row in rows] == [
        ("input_uncached", "override", 1),
        ("output_visible", "builtin", 10),
    ]


def test_override_beats_contract_beats_builtin():
    contract = {"provider": "openai", "model": "gpt-4o", "prices": {"input": "2"}, "book": "contract"}
    assert cost(book(contract), **GPT, input_uncached=MILLION) == {"input_uncached": 2}
    both = book(contract, {"provider": "openai", "model": "gpt-4o", "prices": {"input": "1"}})
    assert cost(both, **GPT, input_uncached=MILLION) == {"input_uncached": 1}


def test_a_pattern_overrides_many_models_and_an_exact_name_beats_it():
    prices = book(
        {"provider": "openai", "model": "gpt-*", "prices": {"input": "3"}},
        {"provider": "openai", "model": "gpt-5*", "prices": {"input": "4"}},
        {"provider": "openai", "model": "gpt-5-mini", "prices": {"input": "5"}},
    )
    found = [
        cost(prices, provider="openai", model_served=name, input_uncached=MILLION)["input_uncached"]
        for name in ("gpt-4o", "gpt-5", "GPT-5-mini", "o3")
    ]
    assert found == [3, 4, 5, 2]


def test_an_override_applies_under_a_gateways_name_for_the_provider():
    prices = book({"provider": "bedrock", "model": "*", "prices": {"input": "7"}})
    assert cost(prices, provider="aws", model_served="amazon.nova-lite-v1:0", input_uncached=MILLION) == {
        "input_uncached": 7
    }


def test_the_requested_model_is_tried_when_the_served_one_is_unknown():
    prices = book(own(model="alias"))
    request = {"provider": "selfhosted", "model_served": "checkpoint-17", "model_requested": "alias"}
    assert cost(prices, **request, input_uncached=MILLION) == {"input_uncached": 1}


def test_a_price_that_starts_at_noon_splits_the_day_into_two_segments():
    prices = book(own(valid_to="2026-06-15T12:00:00Z"), own(prices={"input": "9"}, valid_from="2026-06-15T12:00:00Z"))
    instants = [datetime(2026, 6, 15, 11, 59, 59, tzinfo=UTC), MIDSUMMER, datetime(2026, 6, 16, tzinfo=UTC)]
    assert [cost(prices, **OWN, input_uncached=MILLION, at=at)["input_uncached"] for at in instants] == [1, 9, 9]
    model = prices.resolve(pa.table({k: pa.array([v], pa.string()) for k, v in
                                     (OWN | {"model_requested": None, "host": None}).items()}))  # fmt: skip
    slots = prices.slots(np.repeat(model, 3), np.array([us(at) for at in instants]), np.zeros(3))
    assert slots.segment_from.tolist() == [0, us(MIDSUMMER), 0]  # the next day is wholly in one segment


def test_an_issuers_day_that_is_not_the_utc_day_keeps_the_price_of_the_instant():
    prices = book(own(valid_to="2026-06-16"), own(prices={"input": "9"}, valid_from="2026-06-16"))
    at = datetime(2026, 6, 16, 3, tzinfo=UTC)  # still the 15th in California
    names = {k: pa.array([v], pa.string()) for k, v in (OWN | {"model_requested": None, "host": None}).items()}
    day = (date(2026, 6, 15) - date(1970, 1, 1)).days
    slots = prices.slots(
        prices.resolve(pa.table(names)), np.array([us(at)]), np.array([5]), charge_date=np.array([day])
    )
    lines = names | slots._asdict() | {"charge_date": [date(2026, 6, 15)], "input_uncached": pa.array([MILLION])}
    assert only(prices.rate(pa.table(lines)))["list_cost"] == 9


def test_windows_of_two_books_that_overlap_cut_the_day_into_pieces():
    night = {
        "provider": "deepseek",
        "model": "deepseek-chat",
        "prices": {"output": "0.5"},
        "window": ["22:00", "02:00"],
    }
    expected = {
        23: ("0.135", "0.5"),
        0: ("0.135", "0.5"),
        1: ("0.27", "0.5"),
        2: ("0.27", "1.1"),
        17: ("0.135", "0.55"),
    }
    for hour, (read, written) in expected.items():
        at = datetime(2025, 5, 1, hour, tzinfo=UTC)
        parts = cost(book(night), provider="deepseek", model_served="deepseek-chat", at=at,
                     input_uncached=MILLION, output_visible=MILLION)  # fmt: skip
        assert parts == {"input_uncached": Decimal(read), "output_visible": Decimal(written)}, hour


def test_a_region_of_its_own_beats_any_region():
    prices = book(own(), own(region="eu", prices={"input": "1.1"}))
    assert cost(prices, **OWN, region="eu", input_uncached=MILLION) == {"input_uncached": Decimal("1.1")}
    assert cost(prices, **OWN, region="us", input_uncached=MILLION) == {"input_uncached": 1}


def test_a_price_per_request_is_charged_for_every_request():
    prices = book(own(prices={"request": "5"}, per=1000))
    lines = {"charge_date": [MIDSUMMER.date()] * 2, "provider": ["selfhosted", "openai"],
             "model_served": ["llama-x", "gpt-4o"], "requests": pa.array([3, 3])}  # fmt: skip
    row = only(prices.rate(pa.table(lines)))  # gpt-4o has no price per request: no row, nothing unpriced
    assert (row["line"], row["price_class"], row["quantity"], row["list_cost"]) == (0, "request", 3, Decimal("0.015"))


def test_other_units_are_rated_line_by_line():
    lines = pa.table({
        "charge_date": [MIDSUMMER.date()] * 3, "provider": ["openai"] * 3,
        "model_served": ["whisper-1", "whisper-1", "gpt-4o"], "unit": ["audio_second", "gpu_hour", "audio_second"],
        "quantity": pa.array([Decimal("90.5"), Decimal(1), Decimal(0)], pa.decimal128(20, 3)),
    })  # fmt: skip
    rows = book().rate_units(lines).to_pylist()
    # 0.36 per hour: 90.5 s x 0.36 / 3600
    assert [(r["line"], r["price_class"], r["list_cost"]) for r in rows] == [
        (0, "audio_second", Decimal("0.00905")),
        (1, "gpu_hour", None),
    ]


@settings(deadline=None)
@given(st.integers(1, 10**12), st.decimals("0.000000000001", "9000000", places=12), st.sampled_from([1, 1000, MILLION]))
def test_every_product_is_exact_and_rounded_half_even_once(quantity, rate, per):
    prices = PriceBook(overrides([own(prices={"input": format(rate, "f")}, per=per)]), [])
    steps, unit = quantity * int(rate.scaleb(12)), per
    floor, rest = divmod(steps, unit)
    rounded = floor + (2 * rest > unit or (2 * rest == unit and floor % 2))
    lines = {"charge_date": [MIDSUMMER.date()], "provider": ["selfhosted"], "model_served": ["llama-x"],
             "input_uncached": pa.array([quantity])}  # fmt: skip
    if rounded >= 10**30:
        with pytest.raises(ValueError, match="fit"):
            prices.rate(pa.table(lines))
    else:
        assert int(only(prices.rate(pa.table(lines)))["list_cost"].scaleb(12)) == rounded


def test_the_sum_of_a_slot_costs_what_its_requests_cost():
    requests = [{**GPT, "input_uncached": 17 + n, "output_visible": 5 * n} for n in range(50)]
    single = sum(rated(book(), requests)["list_cost"].to_pylist())
    both = {name: sum(r[name] for r in requests) for name in ("input_uncached", "output_visible")}
    assert sum(cost(book(), **GPT, **both, requests=50).values()) == single
