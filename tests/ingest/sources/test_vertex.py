"""Google: lines and credits of the billing export on Pacific days, and usageMetadata of responses."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.calc.google_meters import google_meter
from ingest.source import Context, NotThisKind
from ingest.sources.vertex import SOURCE
from tests.ingest.reading import read
from tests.ingest.sources.bills import read_bill, write_csv

SAMPLES = Path(__file__).parents[2] / "samples" / "vertex"


def rows_of(name):
    return [json.loads(line) for line in (SAMPLES / name).read_text().splitlines()]


def lines_of(changes):
    record = rows_of("bq_export_vertex.jsonl")[0]
    return SOURCE.row(record | changes, Context(tag_keys=frozenset({"team"})))


def test_a_real_row_has_numbers_and_epochs_as_texts_in_e_notation():
    (line,) = read_bill(SAMPLES / "bq_export_row_real_shape.json", "vertex").lines
    assert line["billed_cost"] == line["list_cost"] == Decimal("0.000528")
    assert line["period_start"].isoformat() == "2025-08-31T19:00:00+00:00"  # 1,756,666,800 s
    assert (line["consumed_quantity"], line["consumed_unit"]) == (23_584, "seconds")
    assert (line["charge_date"], line["billing_period"]) == (date(2025, 8, 31), date(2025, 8, 1))


def test_costs_and_credits_add_up_to_what_is_invoiced():
    rows = rows_of("bq_credits_and_taxes.jsonl")
    bill = read_bill(SAMPLES / "bq_credits_and_taxes.jsonl", "vertex")
    credits = sum((Decimal(credit["amount"]) for row in rows for credit in row["credits"]), Decimal(0))
    assert credits == Decimal("-0.35")
    assert bill.total(charge_category="Credit") == credits
    assert bill.total() == sum(Decimal(row["cost"]) for row in rows) + credits
    assert len(bill.lines) == len(rows) + 2, "each credit is a line of its own"
    assert (bill.total(charge_category="Tax"), bill.total(charge_category="Adjustment")) == (
        Decimal("0.59"), Decimal("-0.004") - Decimal("0.3"),
    )  # fmt: skip
    assert {line["description"] for line in bill.lines if line["charge_category"] == "Credit"} == {
        "Contract discount", "AI credit",
    }  # fmt: skip


def test_days_and_months_are_those_of_pacific_time():
    # 05:00 UTC on the first of September is still the last of August there; the invoice says September.
    (line,) = [
        line for line in read_bill(SAMPLES / "bq_credits_and_taxes.jsonl", "vertex").lines if line["mode"] == "batch"
    ]
    assert (line["charge_date"], line["billing_period"]) == (date(2026, 8, 31), date(2026, 9, 1))
    (winter,) = lines_of({"usage_start_time": "2026-01-02T07:59:00Z", "usage_end_time": "2026-01-02T08:00:00Z"})
    assert winter["charge_date"] == date(2026, 1, 1)  # eight hours behind in winter


def test_an_adjustment_of_an_earlier_month_is_a_correction():
    (line,) = [
        x
        for x in read_bill(SAMPLES / "bq_credits_and_taxes.jsonl", "vertex").lines
        if x["charge_class"] == "Correction"
    ]
    assert (line["charge_date"], line["billing_period"]) == (date(2026, 8, 20), date(2026, 9, 1))


def test_a_delivery_covers_its_months_hours_and_nothing_that_was_used_in_another():
    (span,) = read_bill(SAMPLES / "bq_credits_and_taxes.jsonl", "vertex").context.covered
    # The sample says 13:59:59; rows are of hours. Rows of August do not widen what is stated of September.
    assert (span.start.isoformat(), span.end.isoformat()) == ("2026-09-08T13:00:00+00:00", "2026-09-08T14:00:00+00:00")


def test_tokens_are_counted_one_by_one_and_storage_by_token_hours():
    bill = read_bill(SAMPLES / "bq_export_vertex.jsonl", "vertex")
    assert [(line["price_class"], int(line["consumed_quantity"])) for line in bill.lines] == [
        ("input_uncached", 1_000_000), ("output_reasoning", 200_000), ("output_visible", 40_000),
    ]  # fmt: skip
    assert bill.lines[0]["tags"] == '{"team":"search"}'
    (storage,) = [line for line in read_bill(SAMPLES / "bq_credits_and_taxes.jsonl", "vertex").lines
                  if line["price_class"] == "cache_storage_token_hour"]  # fmt: skip
    assert (storage["consumed_quantity"], storage["consumed_unit"]) == (500_000, "cache_storage_token_hour")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cost": None}, "bad_number"), ({"cost": "one"}, "bad_number"), ({"cost_type": "gift"}, "unknown_shape"),
        ({"usage_start_time": None}, "missing_time"), ({"usage_start_time": "2026-09-08 13:00:00"}, "bad_time"),
        ({"invoice": {"month": "2026-09"}}, "bad_time"), ({"credits": [{"name": "x"}]}, "bad_number"),
        ({"credits": "none"}, "unknown_shape"), ({"cost": "1e13"}, "too_large"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_read_is_rejected(changes, reason):
    with pytest.raises(Exception, match=reason):
        lines_of(changes)


def test_identity_knows_no_money_but_labels():
    (line,), (dearer,), (other,) = lines_of({}), lines_of({"cost": "7"}), lines_of({"labels": []})
    assert line["native_id"] == dearer["native_id"] != other["native_id"]


def test_other_services_can_be_left_out():
    bill = read_bill(SAMPLES / "bq_export_row_real_shape.json", "vertex", services="vertex ai, gemini api")
    assert (bill.lines, bill.skipped) == ([], {"other_service": 1})


def test_responses_count_thoughts_outside_of_candidates():
    found = read(SAMPLES / "usage_metadata.jsonl", "vertex")
    bodies = [row["body"] for row in rows_of("usage_metadata.jsonl")[:3]]
    thoughts = sum(body["usageMetadata"].get("thoughtsTokenCount", 0) for body in bodies)
    total = sum(body["usageMetadata"]["totalTokenCount"] for body in bodies)
    assert found.totals["output_reasoning"] == thoughts
    assert sum(found.totals.values()) == total + 7  # the logged response of 5 + 2
    assert found.reasons == [("line 6", "unexplained_total")]
    assert found.skipped == {"failed_without_model": 1}
    logged = found.rows[-1]
    assert (logged["model_served"], logged["service_tier_served"], logged["native_id"]) == (
        "gemini-2.5-flash",
        "provisioned",
        "77",
    )


def test_a_response_at_five_in_the_morning_utc_is_of_the_day_before():
    first = read(SAMPLES / "usage_metadata.jsonl", "vertex").rows[0]
    assert first["charge_date"] == date(2026, 9, 7)  # 2026-09-08T05:00Z is 22:00 the day before


counts = st.integers(0, 10**9)


@given(counts, counts, counts, counts, st.integers(-2, 2))
def test_classes_add_up_to_the_total_or_the_response_is_rejected(prompt, candidates, thoughts, tools, off):
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": candidates, "thoughtsTokenCount": thoughts,
             "toolUsePromptTokenCount": tools, "totalTokenCount": prompt + candidates + thoughts + tools + off}  # fmt: skip
    record = {
        "at": "2026-09-08T12:00:00Z",
        "body": {"modelVersion": "gemini-3-pro", "responseId": "r", "usageMetadata": usage},
    }
    if off:
        with pytest.raises(Exception, match=r"unexplained_total|negative"):
            SOURCE.row(record, Context())
    else:
        (row,) = SOURCE.row(record, Context())
        classes = ("input_uncached", "output_visible", "output_reasoning")
        assert sum(row.get(name, 0) for name in classes) == prompt + candidates + thoughts + tools


def test_another_table_is_refused(tmp_path):
    with pytest.raises(NotThisKind):
        read_bill(write_csv(tmp_path / "a.csv", [{"date": "1", "cost": "2"}]), "vertex")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Gemini 2.5 Flash GA Text Input - Predictions", ("gemini-2.5-flash", "input_uncached", "sync", None)),
        ("Gemini 2.5 Pro Thinking Text Output (Long & Standard) - Predictions",
         ("gemini-2.5-pro", "output_reasoning", "sync", None)),
        ("Gemini 2.5 Flash Text Output (Thinking On) - Batch Predictions", ("gemini-2.5-flash", "output_visible", "batch", None)),
        ("Gemini 3 Flash Text Input Priority - Predictions", ("gemini-3-flash", "input_uncached", "sync", "priority")),
        ("Gemini 3.0 Pro Text Input (Long) - Predictions", ("gemini-3-pro", "input_uncached", "sync", None)),
        ("Gemini 3 Flash Text Input Caching Storage", ("gemini-3-flash", "cache_storage_token_hour", "sync", None)),
        ("Generate content input token count gemini 3.1 flash lite preview text",
         ("gemini-3.1-flash-lite-preview", "input_uncached", "sync", None)),
        ("Generate content output token count gemini 2.5 flash short input text",
         ("gemini-2.5-flash", "output_visible", "sync", None)),
        ("Generate content input token count gemini 3.7 flash image flex caching",
         ("gemini-3.7-flash", "cache_read_image", "sync", "flex")),
        ("Generate content cached input token count gemini 2.5 flash input audio",
         ("gemini-2.5-flash", "cache_read_audio", "sync", None)),
        ("EmbedContent input token count for gemini-embedding-001", ("gemini-embedding-001", "input_uncached", "sync", None)),
        ("LLM Grounding with Google Search tool - Predictions", (None, "web_search", "sync", None)),
        ("Vertex AI: Provisioned Throughput 1 month", (None, "", "sync", None)),
        ("Active software symmetric key versions", (None, "", "sync", None)),
    ],
)  # fmt: skip
def test_descriptions_are_read_by_the_table_and_others_are_not_guessed(text, expected):
    assert google_meter(text)[:4] == expected
