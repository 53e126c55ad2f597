"""Bedrock: calls of its invocation log, and lines of the Cost and Usage Report with the meters they are counted by."""

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.tokens import TOKEN_CLASSES
from ingest.calc.aws_meters import aws_meter
from ingest.source import Context, NotThisKind
from ingest.sources.bedrock import SOURCE
from tests.ingest.reading import read, read_text
from tests.ingest.sources.bills import read_bill, read_csv, write_csv

SAMPLES = Path(__file__).parents[2] / "samples" / "bedrock"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456"


def log(number=1, **given):
    record = {
        "schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": "2026-09-08T12:00:00Z",
        "accountId": "123456789012", "region": "us-east-1", "requestId": f"r-{number}", "operation": "Converse",
        "modelId": "anthropic.claude-sonnet-4-6-v1:0", "input": {"inputTokenCount": 10}, "output": {"outputTokenCount": 5},
    }  # fmt: skip
    return record | given


def call(record, **options):
    (row,) = SOURCE.row(record, Context(tag_keys=frozenset({"team"}), options=options))
    return row


def test_the_log_counts_what_its_records_say():
    records = [json.loads(line) for line in (SAMPLES / "invocation_log.jsonl").read_text().splitlines()]
    found = read(SAMPLES / "invocation_log.jsonl", "bedrock")
    assert found.totals == {
        "input_uncached": sum(record["input"]["inputTokenCount"] for record in records),  # 1 + 1500 + 512 + 42
        "cache_read": 12_000, "cache_write_5m": 800,
        "output_visible": sum(record["output"].get("outputTokenCount", 0) for record in records),  # 8 + 500 + 256
    }  # fmt: skip
    assert found.ids == [record["requestId"] for record in records] == [row["request_id"] for row in found.rows]
    assert [row["operation"] for row in found.rows] == ["chat", "chat", "chat", "embedding"]
    assert found.rows[1]["tags"] == '{"team":"search"}'
    assert {row["billing_account"] for row in found.rows} == {"123456789012"}


def test_cache_counts_may_stand_beside_the_input_and_a_stream_tells_their_life():
    rows = {row["native_id"][-2:]: row for row in read(SAMPLES / "invocation_log_edges.jsonl", "bedrock").rows}
    assert (rows["02"]["input_uncached"], rows["02"]["cache_read"], rows["02"]["cache_write_5m"]) == (10, 100, 20)
    assert (rows["03"]["cache_write_5m"], rows["03"]["cache_write_1h"]) == (900 - 700, 700)


def test_a_failed_call_is_kept_as_failed_and_a_record_that_contradicts_itself_is_rejected():
    found = read(SAMPLES / "invocation_log_edges.jsonl", "bedrock")
    assert [(row["native_id"][-2:], row["failed"]) for row in found.rows if row["failed"]] == [("01", 1)]
    assert found.reasons == [
        ("line 5", "unexplained_total"), ("line 6", "unknown_shape"), ("line 7", "fractional"), ("line 8", "unknown_shape"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-opus-5",
            "global.anthropic.claude-opus-5",
        ),
        ("arn:aws:bedrock:us-east-1:1:provisioned-model/xyz", "provisioned-model/xyz"),
        (PROFILE, "application-inference-profile/abc123def456"),
    ],
)
def test_a_model_is_named_by_its_id_or_its_arn(model, name):
    assert call(log(modelId=model))["model_served"] == name


def test_an_applications_profile_is_a_project_and_a_map_says_which_model_it_serves():
    assert call(log(modelId=PROFILE))["project"] == "abc123def456"
    row = call(log(modelId=PROFILE), profiles="other=x, abc123def456=amazon.nova-pro-v1:0")
    assert (row["model_served"], row["project"]) == ("amazon.nova-pro-v1:0", "abc123def456")


@pytest.mark.parametrize(
    ("arn", "kept"),
    [
        (
            "arn:aws:sts::1:assumed-role/search-prod/jane@example.com",
            {"none": None, "roles": "search-prod", "all": "search-prod"},
        ),
        ("arn:aws:iam::1:role/service/search-prod", {"none": None, "roles": "search-prod", "all": "search-prod"}),
        ("arn:aws:iam::1:user/alice", {"none": None, "roles": None, "all": "alice"}),
    ],
)
def test_a_principal_is_kept_only_where_that_is_chosen_and_never_a_session(arn, kept):
    for choice, principal in kept.items():
        row = call(log(identity={"arn": arn}), principals=choice)
        assert row["principal"] == principal
        assert "jane" not in str(row)


def test_no_text_of_a_body_is_read():
    secret = "my secret question"
    body = {"messages": [{"role": "user", "content": secret}]}
    answer = {"output": {"message": {"content": [{"text": secret}]}}, "usage": {"totalTokens": 15}}
    record = log(
        input={"inputTokenCount": 10, "inputBodyJson": body}, output={"outputTokenCount": 5, "outputBodyJson": answer}
    )
    assert secret not in str(call(record))


def test_a_field_that_the_log_did_not_have_is_counted_by_name(tmp_path):
    assert read_text(tmp_path, json.dumps(log(latencyMs=12)), "bedrock").context.unknown_fields == {"latencyMs": 1}


counts = st.integers(0, 10**9)


@given(counts, counts, counts, counts, st.booleans(), st.integers(-3, 3))
def test_the_classes_add_up_to_the_total_that_converse_states_or_the_record_is_rejected(
    plain, read_, written, output, under, off
):
    cache = {"cacheReadInputTokenCount": read_, "cacheWriteInputTokenCount": written}
    total = plain + read_ + written + output
    record = log(
        input={"inputTokenCount": plain} | (cache if under else {}),
        output={"outputTokenCount": output, "outputBodyJson": {"usage": {"totalTokens": total + off}}},
        **({} if under else cache),
    )
    if off:
        with pytest.raises(Exception, match=r"unexplained_total|negative"):
            call(record)
    else:
        assert sum(value for name, value in call(record).items() if name in TOKEN_CLASSES) == total


def test_lines_of_the_report_sum_to_its_unblended_cost_and_count_tokens():
    rows = read_csv(SAMPLES / "cur2_bedrock.csv")
    bill = read_bill(SAMPLES / "cur2_bedrock.csv", "bedrock")
    assert bill.total() == sum(Decimal(row["line_item_unblended_cost"]) for row in rows)
    for row, line in zip(rows, bill.lines, strict=True):
        assert line["consumed_quantity"] == Decimal(row["line_item_usage_amount"]) * 1_000
        assert line["consumed_unit"] == "tokens"
        # What AWS published: 29.481 thousand tokens at 0.0033 a thousand are 0.0972873.
        rate = Decimal(row["line_item_unblended_rate"]) / 1_000
        assert abs(line["consumed_quantity"] * rate - line["billed_cost"]) < Decimal("0.0000001")


def test_each_kind_of_row_is_billed_once_and_its_effective_cost_is_amortised():
    bill = read_bill(SAMPLES / "cur2_line_types.csv", "bedrock")
    known = [row for row in read_csv(SAMPLES / "cur2_line_types.csv")
             if row["line_item_line_item_type"] != "Mystery" and row["line_item_product_code"] != "AmazonEC2"]  # fmt: skip
    assert bill.total() == sum(Decimal(row["line_item_unblended_cost"]) for row in known)
    # 1.375 + 1.5 + 0.0156 + 0.006 usage, 0.25 covered by the savings plan, less discount and credit, plus tax
    assert bill.total("effective_cost") == Decimal("1.375") + Decimal("1.5") + Decimal("0.0156") + Decimal(
        "0.006"
    ) + Decimal("0.25") - Decimal("0.00156") - Decimal("0.5") + Decimal("0.456")
    categories = {kind: bill.total(charge_category=kind) for kind in ("Tax", "Credit", "Adjustment")}
    assert categories == {"Tax": Decimal("0.456"), "Credit": Decimal("-0.5"), "Adjustment": Decimal("-0.33156")}
    assert bill.skipped == {"other_service": 1}
    assert bill.reasons == [("line 12", "unknown_shape")]
    assert bill.unknown == {"meter: USE1-Bedrock-Guardrails-ContentPolicyUnits": 1}


def test_lines_of_the_marketplace_name_the_model_in_their_product_and_count_millions():
    first, second, *_ = read_bill(SAMPLES / "cur2_line_types.csv", "bedrock").lines
    assert (first["model_served"], first["price_class"], first["consumed_quantity"]) == (
        "anthropic.claude-opus-4-7", "input_uncached", 250_000,
    )  # fmt: skip
    assert (second["model_served"], second["price_class"], second["mode"]) == (
        "global.anthropic.claude-sonnet-4-6", "cache_write_1h", "batch",
    )  # fmt: skip
    assert (first["project"], first["tags"]) == ("abc123def456", '{"team":"search"}'), (
        "the resource's tag, not its caller's"
    )


def test_a_redelivery_covers_the_hours_of_its_usage_and_its_ids_do_not_depend_on_awss(tmp_path):
    rows = read_csv(SAMPLES / "cur2_bedrock.csv")
    again = [row | {"identity_line_item_id": f"other{n}", "line_item_unblended_cost": "1", "bill_invoice_id": "I-1"}
             for n, row in enumerate(rows)]  # fmt: skip
    one = read_bill(SAMPLES / "cur2_bedrock.csv", "bedrock")
    other = read_bill(write_csv(tmp_path / "again.csv", again), "bedrock")
    assert [line["native_id"] for line in one.lines] == [line["native_id"] for line in other.lines]
    (span,) = one.context.covered
    assert (span.account, span.start.hour, span.end.hour) == ("123456789012", 13, 14)


def test_the_older_report_and_parquet_with_its_map_of_tags_read_alike(tmp_path):
    (row,) = read_csv(SAMPLES / "cur2_bedrock.csv")[:1]
    new = read_bill(
        write_csv(tmp_path / "new.csv", [row | {"tags": '{"resourceTags/user:team":"search"}'}]), "bedrock"
    ).lines[0]
    tags = pa.array([[("resourceTags/user:team", "search")]], pa.map_(pa.string(), pa.string()))
    table = pa.Table.from_pylist([{name: value for name, value in row.items() if name != "tags"}]).append_column(
        "tags", tags
    )
    pq.write_table(table, tmp_path / "cur.parquet")
    headings = {
        "line_item": "lineItem",
        "bill": "bill",
        "pricing": "pricing",
        "product": "product",
        "identity": "identity",
    }
    old = {}
    for name, value in row.items():
        group = next((prefix for prefix in headings if name.startswith(prefix + "_")), "")
        words = name.removeprefix(group + "_").split("_")
        old[f"{headings[group]}/{words[0].title()}{''.join(map(str.title, words[1:]))}" if group else name] = value
    old["resourceTags/user:team"] = "search"
    del old["tags"]
    for path in (tmp_path / "cur.parquet", write_csv(tmp_path / "old.csv", [old])):
        (line,) = read_bill(path, "bedrock").lines
        assert line | {"record": 0} == new | {"record": 0}


def test_a_table_that_is_no_report_is_refused(tmp_path):
    with pytest.raises(NotThisKind, match="line_item_usage_type"):
        read_bill(write_csv(tmp_path / "a.csv", [{"date": "2026-09-08", "cost": "1"}]), "bedrock")


@pytest.mark.parametrize(
    ("usage_type", "product", "expected"),
    [
        ("USE1-Claude4.6Sonnet-cache-read-input-token-count", None, ("anthropic.claude-sonnet-4-6", "cache_read", "sync", None)),
        ("USE1-Claude4.6Sonnet-cache-write-1h", None, ("anthropic.claude-sonnet-4-6", "cache_write_1h", "sync", None)),
        ("USE1-gpt-oss-120b-output-tokens-priority", None, ("gpt-oss-120b", "output_visible", "sync", "priority")),
        ("EU-Qwen3-32B-output-tokens-batch", None, ("qwen3-32b", "output_visible", "batch", None)),
        ("USE1-Nova2.0Pro-text-input-tokens-priority-cross-region-global", None,
         ("global.amazon.nova-2-pro", "input_uncached", "sync", "priority")),
        ("USW2-Nova2.0Omni-input-audio-token-count", None, ("amazon.nova-2-omni", "input_audio", "sync", None)),
        ("USW2-anthropic.claude-opus-4-8-mantle-input-tokens-global-standard", None,
         ("global.anthropic.claude-opus-4-8", "input_uncached", "sync", None)),
        ("APN1-MP:APN1_MillionBatchInputTokens-Units", "Claude 3.5 Sonnet (Amazon Bedrock Edition)",
         ("anthropic.claude-3-5-sonnet", "input_uncached", "batch", None)),
        ("USE1-MP:USE1_InputTokenCount_LCtx_Global-Units", "Claude Sonnet 4.6 (Amazon Bedrock Edition)",
         ("global.anthropic.claude-sonnet-4-6", "input_uncached", "sync", None)),
        ("APS7-MP:APS7_Reserved_1Month_InputTPM_Geo-Units", "Claude Sonnet 4.6", (None, "", "sync", None)),
        ("USE1-reserved-3-month-output-tokens-per-minute-cross-region-geo", None, (None, "", "sync", None)),
        ("USW2-Ray-V2-Medfps-HDRes", None, (None, "", "sync", None)),
        ("USE1-Claude4.6Sonnet-input-tokens-some-new-tier", None, (None, "", "sync", None)),
    ],
)  # fmt: skip
def test_usage_types_are_read_by_the_table_and_others_are_not_guessed(usage_type, product, expected):
    assert aws_meter(usage_type, product, "1K tokens")[:4] == expected


@pytest.mark.parametrize(
    ("usage_type", "unit", "block"),
    [
        ("USE1-Claude4.6Sonnet-input-tokens", "1K tokens", 1_000), ("USE1-Claude4.6Sonnet-input-tokens", "1M tokens", 10**6),
        ("USE1-Claude4.6Sonnet-input-tokens", None, None), ("USE1-MP:USE1_InputTokenCount-Units", "Units", 10**6),
        ("USE1-MP:USE1_InputTokenCount-Units", "1K tokens", 1_000),
    ],
)  # fmt: skip
def test_what_a_unit_holds_is_read_from_it_and_millions_are_the_marketplaces_units(usage_type, unit, block):
    assert aws_meter(usage_type, "Claude Haiku 4.5 (Amazon Bedrock Edition)", unit).block == block
