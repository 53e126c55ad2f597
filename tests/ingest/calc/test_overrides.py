"""Overrides as people write them: what they mean, and errors that name the entry and the field."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ingest.calc.overrides import overrides
from ingest.calc.prices import PRICE_SCHEMA, PriceError

ENTRY = {"provider": "openai", "model": "gpt-4o", "prices": {"input": "2.5"}}


def rows(*entries):
    return overrides(list(entries)).to_pylist()


def test_friendly_names_stand_for_our_classes():
    prices = {"input": "1", "output": "4", "cache_write": "2", "cached": "0.1", "web_search": "0.01"}
    found = {row["price_class"]: (row["rate"], row["per"]) for row in rows(ENTRY | {"prices": prices})}
    assert found == {
        "input_uncached": (1, 1_000_000), "output_visible": (4, 1_000_000), "output_reasoning": (4, 1_000_000),
        "cache_write_5m": (2, 1_000_000), "cache_write_1h": (2, 1_000_000), "cache_read": (Decimal("0.1"), 1_000_000),
        "web_search": (Decimal("0.01"), 1),
    }  # fmt: skip


def test_a_class_named_itself_beats_the_wider_name_in_any_order():
    for prices in ({"reasoning": "3", "output": "4"}, {"output": "4", "output_reasoning": "3"}):
        found = {row["price_class"]: row["rate"] for row in rows(ENTRY | {"prices": prices})}
        assert found == {"output_visible": 4, "output_reasoning": 3}


def test_every_field_arrives():
    (row,) = rows(ENTRY | {
        "provider": "vertex_ai", "mode": "batch", "service_tier": "flex", "region": "eu", "variant": "speed=fast",
        "context_over": 200_000, "window": ["16:30", "00:30"], "valid_from": date(2026, 1, 1),
        "valid_to": "2026-07-01T02:00:00+02:00", "currency": "EUR", "per": 1000, "book": "contract", "note": "4711",
    })  # fmt: skip
    assert (row["provider"], row["mode"], row["service_tier"], row["region"]) == ("google", "batch", "flex", "eu")
    assert (row["variant"], row["context_over"], row["per"]) == ("speed=fast", 200_000, 1000)
    assert (str(row["window_start"]), str(row["window_end"])) == ("16:30:00", "00:30:00")
    assert row["valid_from"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert row["valid_to"] == datetime(2026, 7, 1, tzinfo=UTC)
    assert (row["currency"], row["book"], row["note"], row["source"]) == ("EUR", "contract", "4711", "entry 1")


def test_no_entries_are_an_empty_table():
    assert overrides([]).schema.equals(PRICE_SCHEMA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prices": {"input": 2.5}}, r"entry 2: prices.input is a float; write it in quotes"),
        ({"prices": {"inputs": "1"}}, r"entry 2: prices.inputs is no token class"),
        ({"prices": {"input": "-1"}}, r"entry 2: prices.input must be between"),
        ({"prices": {"input": "abc"}}, r"entry 2: prices.input: 'abc'"),
        ({"prices": {"input": None}}, r"entry 2: prices.input must be"),
        ({"prices": {}}, r"entry 2: prices must map"),
        ({"model": ""}, r"entry 2: model must be a text"),
        ({"provider": None}, r"entry 2: provider must be a text"),
        ({"mode": "async"}, r"entry 2: mode is 'async', must be one of sync, batch"),
        ({"colour": "red"}, r"entry 2: unknown field 'colour'"),
        ({"context_over": -1}, r"entry 2: context_over must be a whole number"),
        ({"per": 0}, r"entry 2: per must be a whole number of at least 1"),
        ({"window": ["16:30"]}, r"entry 2: window must be two times"),
        ({"window": ["16:30", "16:30"]}, r"entry 2: window must be two times of the UTC day.* not the same twice"),
        (
            {"window": ["16:30+02:00", "20:00+02:00"]},
            r"entry 2: window must be two times of the UTC day.* without an offset",
        ),
        ({"valid_to": "9999-12-31T23:59:59-12:00"}, r"entry 2: valid_to lies outside 2000-01-01 to 2100-12-31"),
        ({"valid_from": date(1, 1, 1)}, r"entry 2: valid_from lies outside"),
        ({"context_over": 10**30}, r"entry 2: context_over must be a whole number of at least 0 and at most"),
        ({"currency": "XXQ"}, r"entry 2: currency: 'XXQ' is not an ISO 4217"),
        ({"valid_from": "soon"}, r"entry 2: valid_from is not a date"),
        ({"valid_from": "2026-01-01T00:00:00"}, r"entry 2: valid_from is an instant without a time zone"),
        ({"valid_from": "2026-01-02", "valid_to": "2026-01-02"}, r"entry 2: valid_to must be after valid_from"),
        ({"currency": "euro"}, r"entry 2: currency: 'euro'"),
        ({"valid_from": "2026-01-02"}, r"entry 2: input_uncached overlaps entry 1"),
    ],
)
def test_a_mistake_is_named_with_its_entry_and_field(change, message):
    with pytest.raises(PriceError, match=message):
        overrides([ENTRY, ENTRY | change])


def test_prices_that_follow_each_other_do_not_overlap():
    assert len(rows(ENTRY | {"valid_to": "2026-01-01"}, ENTRY | {"valid_from": "2026-01-01"})) == 2


@pytest.mark.parametrize("data", [None, {}, "text", [1]])
def test_what_is_not_a_list_of_entries_is_refused(data):
    with pytest.raises(PriceError):
        overrides(data)
