"""Generic files: the default mapping's inclusion rules, mappings, and identity without an id."""

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from ingest.calc.mapping import MappingError, load_mapping, parse_mapping
from ingest.source import NotThisKind
from tests.ingest.reading import read, read_text

SAMPLES = Path(__file__).parents[2] / "samples" / "generic"
BASE = {"time": "t", "model": "m", "input": "i"}
HEAD = "timestamp,model,input_tokens,output_tokens,cached_tokens\n"
ROW = "2026-09-08T13:00:00Z,gpt-5,10,5,2\n"


def test_a_csv_without_a_mapping_counts_its_cached_tokens_inside_the_input():
    lines = (SAMPLES / "events.csv").read_text().splitlines()
    rows = [row for row in csv.DictReader(lines) if row["timestamp"].endswith(("Z", "00"))]
    found = read(SAMPLES / "events.csv", "generic")
    cached = sum(int(row["cached_tokens"] or 0) for row in rows)
    assert found.totals == {
        "input_uncached": sum(int(row["input_tokens"]) for row in rows) - cached,
        "cache_read": cached,
        "output_visible": sum(int(row["output_tokens"]) for row in rows),
    }
    assert sum(row["reported_cost"] for row in found.rows) == sum(Decimal(row["cost_usd"]) for row in rows)
    assert found.ids == [row["request_id"] for row in rows]
    assert found.reasons == [("line 4", "bad_time")]
    assert found.rejects[0].offset == (SAMPLES / "events.csv").read_bytes().index(b"2026-09-08 13:00:01")


def test_the_same_csv_has_no_bad_time_once_a_zone_is_declared():
    mapping = {
        "time": "timestamp", "model": "model", "zone": "Europe/Berlin", "id": ["request_id"],
        "input": {"column": "input_tokens", "includes": ["cache_read"]}, "cache_read": "cached_tokens", "output": "output_tokens",
    }  # fmt: skip
    found = read(SAMPLES / "events.csv", "generic", mapping=mapping)
    assert [row["occurred_at"].hour for row in found.rows] == [13, 13, 11]


def test_anthropics_names_stand_beside_the_input(tmp_path):
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 7,
             "cache_creation": {"ephemeral_1h_input_tokens": 3}}  # fmt: skip
    found = read_text(tmp_path, json.dumps({"ts": 1_788_872_400, "model": "claude-x", "usage": usage}), "generic")
    assert found.totals == {
        "input_uncached": 10, "cache_read": 100, "cache_write_5m": 4, "cache_write_1h": 3, "output_visible": 5,
    }  # fmt: skip
    assert found.rows[0]["provider"] == "anthropic"


def test_parquet_keeps_its_types_and_a_map_is_an_object():
    found = read(SAMPLES / "events.parquet", "generic")
    assert found.totals == {"input_uncached": 600, "output_visible": 60}
    assert {row["tags"] for row in found.rows} == {'{"team":"search"}'}
    assert {row["reported_cost"] for row in found.rows} == {None}, "a cost without a currency is not guessed at"


@pytest.mark.parametrize(
    "record",
    [
        {"prompt_tokens": 10, "cache_read_input_tokens": 5},
        {"input_tokens": 10, "cache_write_tokens": 5},
        {"input_tokens": 10, "thoughts_token_count": 5},
        {"input_tokens": 10, "prompt_tokens": 11},
        {"tokens": 10},
        {"total_tokens": 10},
    ],
)
def test_a_count_that_is_not_known_or_not_clear_is_not_guessed_at(tmp_path, record):
    good = {"ts": 1_788_872_400, "model": "m"}
    found = read_text(
        tmp_path, "\n".join([json.dumps(good | record), json.dumps(good | {"input_tokens": 1})]), "generic"
    )
    assert found.reasons == [("line 1", "unknown_shape")]


@pytest.mark.parametrize(
    "head", ["timestamp,model,tokens", "when,model,input_tokens", "timestamp,model,input_tokens,cache_write_tokens"]
)
def test_a_csv_without_the_columns_is_refused_with_a_word_on_mappings(tmp_path, head):
    with pytest.raises(NotThisKind, match="write a mapping"):
        read_text(tmp_path, f"{head}\n1,2,3\n", "generic", name="x.csv")


def test_equal_rows_without_an_id_are_told_apart_by_their_ordinal(tmp_path):
    found = read_text(tmp_path, HEAD + ROW + ROW + ROW.replace("10", "11"), "generic", name="x.csv")
    assert len(set(found.ids)) == 3
    again = read_text(tmp_path, HEAD + ROW.replace("10", "11") + ROW + ROW, "generic", name="x.csv")
    assert set(again.ids) == set(found.ids), "whatever their order"
    assert found.context.state["identity"] == "row"


def test_the_id_of_a_mapping_may_be_several_columns_and_must_be_whole(tmp_path):
    records = [{"t": "2026-09-08T13:00:00Z", "m": "x", "i": 1, "a": "1", "b": b} for b in ("2", None)]
    found = read_text(tmp_path, "\n".join(map(json.dumps, records)), "generic", mapping=BASE | {"id": ["a", "b"]})
    assert found.ids == ["1\x1f2"]
    assert found.reasons == [("line 2", "unknown_shape")]
    assert parse_mapping(BASE | {"id": ["a"]}).has_identity
    assert not parse_mapping(BASE).has_identity


def test_a_column_whose_name_has_a_dot_wins_over_the_path(tmp_path):
    record = {"t": "2026-09-08T13:00:00Z", "m": "x", "u.i": 7, "u": {"i": 1, "o": 2}}
    mapping = BASE | {"input": "u.i", "output": "u.o"}
    found = read_text(tmp_path, json.dumps(record), "generic", mapping=mapping)
    assert found.totals == {"input_uncached": 7, "output_visible": 2}


def test_numbers_with_a_decimal_comma_are_read_as_declared_and_never_otherwise():
    found = read(SAMPLES / "decimal_comma.csv", "generic", mapping=_mapping())
    assert found.totals == {"input_uncached": 210, "cache_read": 1000, "output_visible": 305}
    assert [row["reported_cost"] for row in found.rows] == [Decimal("0.0035"), None]
    assert found.rows[0]["reported_currency"] == "EUR"
    assert found.reasons == [("line 4", "bad_time"), ("line 5", "fractional")]


def _mapping():
    return yaml.safe_load((SAMPLES / "decimal_comma.csv.mapping.yaml").read_text())


@pytest.mark.parametrize(
    ("changes", "fields", "expected"),
    [
        ({"total": "n"}, {"n": 9}, "unexplained_total"),
        ({"input": {"column": "i", "includes": ["cache_read"]}, "cache_read": "c"}, {"c": 11}, "cached_exceeds_input"),
        (
            {"output": {"column": "o", "includes": ["output_reasoning"]}, "output_reasoning": "r"},
            {"o": 1, "r": 2},
            "unexplained_total",
        ),
        ({"failed": "f"}, {"f": "perhaps"}, "unknown_shape"),
        ({"mode": "f"}, {"f": "perhaps"}, "unknown_shape"),
        ({"reported_cost": {"column": "c", "currency": {"column": "k"}}}, {"c": "1"}, "unknown_shape"),
        ({"reported_cost": "c"}, {"c": "-1"}, "negative"),
        ({}, {"i": "1e3"}, "bad_number"),
        ({}, {"i": None}, "unknown_shape"),
    ],
)
def test_a_record_that_breaks_its_mapping_is_rejected(tmp_path, changes, fields, expected):
    if isinstance(changes.get("reported_cost"), str):
        changes = {"reported_cost": {"column": "c", "currency": "USD"}}
    record = {"t": "2026-09-08T13:00:00Z", "m": "x", "i": 10} | fields
    assert read_text(tmp_path, json.dumps(record), "generic", mapping=BASE | changes).reasons == [("line 1", expected)]


def test_words_units_and_constants_are_read_as_the_mapping_says(tmp_path):
    mapping = BASE | {
        "provider": "azure", "failed": {"column": "s", "values": {"ERR": "true", "OK": "false"}}, "mode": {"constant": "batch"},
        "units": {"image": "n"}, "e_notation": True, "requests": "r", "operation": {"column": "op", "values": {"img": "image"}},
    }  # fmt: skip
    record = {"t": "2026-09-08T13:00:00Z", "m": "x", "i": "1e3", "s": "ERR", "n": 2, "r": 3, "op": "img"}
    (row,) = read_text(tmp_path, json.dumps(record), "generic", mapping=mapping).rows
    assert (row["provider"], row["mode"], row["operation"]) == ("azure", "batch", "image")
    assert (row["failed"], row["input_uncached"]) == (1, 1_000)
    assert (row["requests"], row["units"][0]["quantity"]) == (3, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time: t", "input: is missing"),
        ("{time: t, input: i}", "model: is missing"),
        ("{time: t, input: i, model: m, modell: x}", "modell: no such field; did you mean model"),
        (
            "{time: t, model: m, input: {column: i, includes: [output]}, output: o}",
            "input.includes: 'output' cannot be a part",
        ),
        ("{time: t, model: m, input: {colum: i}}", "input.colum: no such field"),
        ("{time: t, model: m, input: 5}", "input: must be an object"),
        ("{time: {column: t, formats: [epoch]}, model: m, input: i}", "time.formats: 'epoch' is neither"),
        ("{time: t, model: m, input: i, zone: Mars}", "zone: 'Mars' is not a time zone"),
        ("{time: t, model: m, input: i, layer: gate}", "layer: 'gate' is not one of"),
        ("{time: t, model: m, input: i, csv: {decimal: x}}", "csv.decimal: 'x'"),
        ("{time: t, model: m, input: i, csv: {decimal: '.', thousands: '.'}}", "csv.thousands: is the same"),
        ("{time: t, model: m, input: i, units: {apples: a}}", "units.apples: no such field"),
        ("{time: t, model: m, input: i, reported_cost: {column: c, currency: dollars}}", "reported_cost.currency"),
        ("{time: t, model: m, input: i, cache_write: a, cache_write_5m: b}", "cache_write: means the same"),
        ("{time: t, model: m, input: i, e_notation: 1}", "e_notation: must be true or false"),
        ("[1, 2]", "mapping: must be an object"),
        ("{a: b: c}", "no YAML: line 1"),
    ],
)
def test_a_wrong_mapping_is_refused_by_the_name_of_its_field(text, message):
    with pytest.raises(MappingError, match=message.replace("[", r"\[")):
        load_mapping(text)


def test_the_mapping_of_the_contract_is_read():
    mapping = load_mapping("""
        layer: gateway
        provider: {by_model_prefix: {gpt-: openai, claude-: anthropic}}
        zone: Europe/Berlin
        id: [request_id]
        time: {column: timestamp, formats: [rfc3339, epoch_s]}
        model: model
        input: {column: usage.prompt_tokens, includes: [cache_read]}
        cache_read: usage.cached_tokens
        output: {column: usage.completion_tokens, includes: [output_reasoning]}
        reported_cost: {column: cost_usd, currency: USD}
        tags: {team: metadata.team}
        csv: {delimiter: ",", decimal: "."}
    """)
    assert mapping.counts["output_visible"].includes == (), "reasoning is not split: it stays in the output"
    assert mapping.counts["input_uncached"].includes == ("cache_read",)
    assert mapping.prefixes == (("claude-", "anthropic"), ("gpt-", "openai"))


def test_the_mappings_of_the_documentation_are_mappings():
    text = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text(encoding="utf-8")
    first, units = (load_mapping(part.split("```")[0]) for part in text.split("```yaml\n")[1:])
    assert set(first.counts) == {"input_uncached", "cache_read", "output_visible", "output_reasoning"}
    assert set(units.units) == {"image", "audio_second", "web_search"}
