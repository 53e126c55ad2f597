"""Price files of others: what each field becomes, under which conditions and dates, and what is named as not expressed."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow.parquet as pq
import pytest

from ingest.calc.price_fields import ROUNDED
from ingest.calc.price_files import detect, read_prices
from ingest.calc.prices import ALWAYS, PriceError, price_table
from tests.ingest.calc.pricing import ROOT

SAMPLES = ROOT / "tests" / "samples" / "prices"
DAY = date(2026, 5, 4)


def read(name, **options):
    return read_prices((SAMPLES / name).read_bytes(), day=DAY, origin=name, **options)


@pytest.fixture(scope="module")
def litellm():
    return read("litellm_excerpt.json")


def of(found, model):
    """{(class, conditions): (rate, per)} of one model."""
    names = ("mode", "service_tier", "region", "context_over")
    return {
        (row["price_class"], *(row[name] for name in names if row[name] not in ("", "sync", 0))): (row["rate"], row["per"])
        for row in found.all_rows if row["model"] == model
    }  # fmt: skip


def test_every_condition_of_litellms_fields_becomes_one_of_ours(litellm):
    million = 1_000_000
    assert of(litellm, "gpt-x") == {
        ("input_uncached",): (Decimal("0.18"), million), ("output_visible",): (Decimal("0.72"), million),
        ("output_reasoning",): (Decimal("0.72"), million), ("cache_read",): (Decimal("0.045"), million),
        ("input_uncached", "batch"): (Decimal("0.09"), million), ("output_visible", "batch"): (Decimal("0.36"), million),
        ("output_reasoning", "batch"): (Decimal("0.36"), million),
        ("input_uncached", "flex"): (Decimal("0.09"), million), ("input_uncached", "priority"): (Decimal("0.36"), million),
        ("input_audio",): (10, million), ("output_audio",): (20, million),
    }  # fmt: skip
    assert of(litellm, "claude-x") == {
        ("input_uncached",): (3, million), ("output_visible",): (15, million), ("output_reasoning",): (15, million),
        ("cache_write_5m",): (Decimal("3.75"), million), ("cache_write_1h",): (6, million),
        ("cache_read",): (Decimal("0.3"), million), ("input_uncached", 200_000): (6, million),
        ("output_visible", 200_000): (Decimal("22.5"), million), ("output_reasoning", 200_000): (Decimal("22.5"), million),
        ("cache_write_1h", 200_000): (12, million), ("web_search",): (Decimal("0.01"), 1),
    }  # fmt: skip
    assert of(litellm, "qwen-x")[("output_visible", 256_000)] == (8, million)
    assert of(litellm, "vertex_ai/gemini-x")[("output_reasoning",)] == (12, million)


def test_units_that_are_no_tokens_are_priced_per_unit(litellm):
    found = {row["price_class"]: (row["rate"], row["per"]) for row in litellm.all_rows if row["per"] != 1_000_000}
    assert found == {
        "audio_second": (Decimal("0.0001"), 1), "video_second": (Decimal("0.1"), 1), "image": (Decimal("0.04"), 1),
        "request": (Decimal("0.002"), 1), "page": (Decimal("0.001"), 1), "session": (Decimal("0.03"), 1),
        "storage_search": (Decimal("2.5"), 1_000), "web_search": (Decimal("0.01"), 1),
    }  # fmt: skip
    assert of(litellm, "tts-x") == {("character",): (15, 1_000_000)}


def test_a_catalogue_is_of_one_date_and_names_its_source(litellm):
    assert list(litellm.catalogues) == [datetime(2026, 5, 4, tzinfo=UTC)]
    assert {(row["source"], row["book"], row["currency"]) for row in litellm.all_rows} == {
        ("litellm_excerpt.json", "snapshot", "USD")
    }
    assert {row["provider"] for row in litellm.all_rows if "gemini" in row["model"]} == {"google"}
    assert of(litellm, "anthropic.claude-x")[("input_uncached", "us-east-1")] == (8, 1_000_000)
    price_table(litellm.all_rows)  # every row can be rated


def test_float_noise_and_free_models_are_noted(litellm):
    plain = [row for row in litellm.all_rows if (row["mode"], row["service_tier"]) == ("sync", "")]
    notes = {(row["model"], row["price_class"]): row["note"] for row in plain}
    assert notes["gpt-x", "input_uncached"] == ROUNDED
    assert notes["free-x", "input_uncached"] == "free"
    assert notes["gpt-x", "output_reasoning"] == "inherits output_visible"
    assert litellm.counts() == {"prices": len(litellm.all_rows), "rounded": 1, "left_out": len(litellm.left_out)}


def test_what_price_rows_cannot_say_is_listed(litellm):
    assert {(name, field) for name, field, _ in litellm.left_out} == {
        ("openai gpt-x", "search_context_cost_per_query"), ("openai gpt-x", "regional_processing_uplift_multiplier_eu"),
        ("google vertex_ai/gemini-x", "input_cost_per_video_per_second_above_8s_interval"),
        ("aws bedrock/us-east-1/1-month-commitment/anthropic.claude-x", "every price"),
        ("mistral ocr-x", "annotation_cost_per_page"), ("azure tools-x", "file_search_cost_per_gb_per_day"),
        ("openrouter odd-x", "input_cost_per_token"), ("openrouter odd-x", "output_cost_per_token"),
    }  # fmt: skip
    assert all(why for _, _, why in litellm.left_out)


def test_each_of_14_dated_catalogues_is_read_whole():
    found = read("llm_price_snapshots.parquet")
    table = pq.read_table(SAMPLES / "llm_price_snapshots.parquet").to_pylist()
    priced = {}
    for row in table:
        priced.setdefault(row["snapshot_date"], set())
        if row["input"] is not None and row["provider"] and "-month-commitment" not in row["model_key"]:
            priced[row["snapshot_date"]].add((row["model_key"].rsplit("/", 1)[-1], Decimal(repr(row["input"]))))
    assert len(priced) == len(found.catalogues) == 14
    for day, rows in found.catalogues.items():
        mine = {
            (row["model"].rsplit("/", 1)[-1], row["rate"]) for row in rows
            if row["price_class"] == "input_uncached"
            and (row["mode"], row["service_tier"], row["context_over"]) == ("sync", "", 0)
        }  # fmt: skip
        assert mine == priced[f"{day:%Y-%m-%d}"]


def test_a_snapshot_may_be_csv_or_json_and_then_has_the_date_it_is_given():
    row = {"model_key": "gpt-x", "provider": "openai", "mode": "chat", "input": "1.5", "batch_input": "0.75"}
    text = "\n".join([",".join(row), ",".join(row.values())])
    for raw in (text.encode(), json.dumps([row]).encode()):
        found = read_prices(raw, day=DAY, origin="x")
        assert found.format == "snapshots"
        assert list(found.catalogues) == [datetime(2026, 5, 4, tzinfo=UTC)]
        assert of(found, "gpt-x") == {
            ("input_uncached",): (Decimal("1.5"), 1_000_000), ("input_uncached", "batch"): (Decimal("0.75"), 1_000_000)
        }  # fmt: skip


def test_a_history_holds_each_price_until_the_next():
    found = read("llm_prices_excerpt.csv")
    spans = [
        (row["model"], row["rate"], row["valid_from"], row["valid_to"])
        for row in found.rows if row["price_class"] == "input_uncached"
    ]  # fmt: skip
    march, april = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC)
    assert spans == [
        ("old-model", 10, ALWAYS, march), ("old-model", 5, march, None),
        ("dated-model", 3, datetime(2025, 2, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)),
        ("twice-model", 1, ALWAYS, april), ("twice-model", Decimal("1.5"), april, None),
    ]  # fmt: skip
    assert {row["note"] for row in found.rows if row["model"] == "dated-model"} >= {"first seen 2025-01-20"}


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"a": {"litellm_provider": "openai"}}', "litellm"),
        (b"vendor,model,input,output,input_cached\n", "llm-prices"),
        (b"snapshot_date,model_key,provider,input\n", "snapshots"),
        (b'[{"model_key": "a"}]', "snapshots"),
        (b"- {provider: openai, model: a, prices: {input: '1'}}", "overrides"),
        (b"# our prices\n- {provider: a}", "overrides"),
        (b'[{"provider": "openai", "model": "a", "prices": {"input": "1"}}]', "overrides"),
        (b"\x1f\x8b\x08", "genai-prices"),
    ],
)
def test_the_format_is_found_out_by_content(raw, kind):
    assert detect(raw) == kind


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"hello", "none of the price files"),
        (b"{", "not JSON"),
        (b'{"a": {"b": 1}}', "names a litellm_provider"),
        (b"PAR1 and no more", "not a Parquet file"),
        (b"model_key,provider,input\n,openai,1\n", "a row names no model_key"),
        (
            b"snapshot_date,model_key,provider,input\n1.1.26,a,openai,1\n",
            "openai a: snapshot_date: '1.1.26' is not a date",
        ),
        (b"vendor,model,input,output\n", "this is not the history of llm-prices"),
        (b"model_key,provider,input\na,,1\n", "there is no price in this file"),
        (b"model_key,provider,input\na,openai,1\na,openai,2\n", "openai a input_uncached overlaps another price"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(raw, message):
    with pytest.raises(PriceError, match=message):
        read_prices(raw, day=DAY, origin="x")
