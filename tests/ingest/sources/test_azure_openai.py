"""Azure: lines of FOCUS and cost exports with the meters they are counted by, and metrics per deployment."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.calc.azure_meters import azure_meter
from ingest.source import NotThisKind
from tests.ingest.reading import read, read_text
from tests.ingest.sources.bills import read_bill, read_csv, write_csv

SAMPLES = Path(__file__).parents[2] / "samples" / "azure_openai"


def test_tokens_of_a_focus_export_are_its_blocks_times_their_size():
    rows = read_csv(SAMPLES / "focus_azure_openai.csv")
    bill = read_bill(SAMPLES / "focus_azure_openai.csv", "azure_openai")
    assert bill.total() == sum(Decimal(row["BilledCost"]) for row in rows)
    tokens = [Decimal(row["PricingQuantity"]) * Decimal(row["x_PricingBlockSize"]) for row in rows]
    assert [line["consumed_quantity"] for line in bill.lines] == tokens == [864_000, 217_000, 500_000, 3_000_000]
    assert [(line["model_served"], line["price_class"]) for line in bill.lines] == [
        ("gpt-4o", "input_uncached"), ("gpt-4o", "output_visible"), ("gpt-4.1", "cache_read"), ("gpt-5.4", "input_uncached"),
    ]  # fmt: skip
    assert {line["project"] for line in bill.lines} == {"/subscriptions/00000000-0000-0000-0000-000000000001"}


def test_a_cost_export_counts_thousands_millions_and_hours_as_its_unit_says():
    bill = read_bill(SAMPLES / "cost_export_actual.csv", "azure_openai")
    found = {line["sku_id"]: line for line in bill.lines}
    assert (found["m1"]["consumed_quantity"], found["m1"]["price_class"]) == (2_500_000, "cache_read")  # 2.5 of 1M
    assert (found["m1"]["model_served"], found["m1"]["service_tier_served"]) == (
        "gpt-5.4",
        "priority",
    )
    assert (found["m2"]["consumed_quantity"], found["m2"]["mode"]) == (1_500_250, "batch")  # 1500.25 of 1K
    assert (found["m3"]["consumed_quantity"], found["m3"]["consumed_unit"], found["m3"]["scope"]) == (
        1_200,
        "ptu_hour",
        "ptu_hour",
    )
    assert found["m4"]["model_served"] == "grok-4.3"
    assert found["m1"]["tags"] == '{"team":"search"}', "members of an object, without its braces"
    assert bill.unknown == {"meter: o4-mini-ft model grader output Tokens": 1}
    assert found["m5"]["price_class"] is None


def test_the_actual_cost_is_billed_other_services_are_counted_and_amortised_rows_are_refused():
    rows = {row["MeterId"]: Decimal(row["Cost"]) for row in read_csv(SAMPLES / "cost_export_actual.csv")}
    bill = read_bill(SAMPLES / "cost_export_actual.csv", "azure_openai")
    assert bill.total() == sum(rows.values()) - rows["m6"] - rows["m7"]
    assert bill.skipped == {"other_service": 1}
    assert bill.reasons == [("line 8", "unknown_shape")]
    assert bill.total(charge_category="Adjustment") == Decimal("-0.2")
    assert {line["billing_currency"] for line in bill.lines} == {"EUR"}


def test_the_amortised_export_is_an_effective_cost_and_shows_what_is_unused():
    bill = read_bill(SAMPLES / "cost_export_actual.csv", "azure_openai", dataset="amortized")
    assert bill.total("billed_cost") == 0
    assert bill.total("effective_cost", commitment_status="Unused") == 28
    with pytest.raises(NotThisKind, match="dataset"):
        read_bill(SAMPLES / "cost_export_actual.csv", "azure_openai", dataset="both")


def test_an_export_covers_the_days_it_has_charges_of():
    (span,) = read_bill(SAMPLES / "cost_export_actual.csv", "azure_openai").context.covered
    assert (span.account, span.start.isoformat()[:10], span.end.isoformat()[:10]) == (
        "8611537",
        "2026-09-08",
        "2026-09-09",
    )


def test_metrics_of_a_deployment_and_hour_are_one_row():
    found = read(SAMPLES / "metrics_two_deployments.json", "azure_openai")
    answer = json.loads((SAMPLES / "metrics_two_deployments.json").read_text())
    sums = {
        metric["name"]["value"]: sum(datum["total"] or 0 for series in metric["timeseries"] for datum in series["data"])
        for metric in answer["value"]
    }
    assert found.totals == {"input_uncached": sums["ProcessedPromptTokens"], "output_visible": sums["GeneratedTokens"]}
    share = [(row["model_requested"], row["input_uncached"], row["output_visible"]) for row in found.rows]
    assert share == [("ptu-a", 600_000, 90_000), ("ptu-a", 0, 10), ("ptu-b", 200_000, 30_000)]
    assert found.skipped == {"no_value": 1}, "an hour without a value says nothing; one of zero does"
    assert found.context.unknown_fields == {"metric provisionedmanagedutilizationv2": 1}
    assert {(row["host"], row["region"]) for row in found.rows} == {("aoai-prod", "swedencentral")}
    assert found.context.covered == [], "else it would retire the lines of bills"


def test_a_total_that_is_not_input_and_output_is_rejected(tmp_path):
    answer = json.loads((SAMPLES / "metrics_response.json").read_text())
    total = json.loads(json.dumps(answer["value"][0]))
    total["name"]["value"] = "TotalTokens"
    total["timeseries"][0]["data"][0]["total"] = 864_001
    answer["value"].append(total)
    assert [reason for _, reason in read_text(tmp_path, json.dumps(answer), "azure_openai", name="m.json").reasons] == [
        "unexplained_total"
    ]


@pytest.mark.parametrize(
    "document", [{"error": {"code": "Unauthorized"}}, {"value": ["x"]}, {"value": [{"timeseries": 5}]}]
)
def test_an_error_or_another_document_is_refused(tmp_path, document):
    with pytest.raises(NotThisKind):
        read_text(tmp_path, json.dumps(document, indent=1), "azure_openai", name="m.json")
    with pytest.raises(NotThisKind):
        read_bill(write_csv(tmp_path / "a.csv", [{"Date": "1", "Amount": "2"}]), "azure_openai")


@pytest.mark.parametrize(
    ("name", "product", "expected"),
    [
        ("gpt-4o-mini-0718-Outp-glbl Tokens", None, ("gpt-4o-mini", "output_visible", "sync", None, 1_000)),
        ("5.4 pp opt Gl 1M Tokens", "Azure OpenAI GPT5", ("gpt-5.4", "output_visible", "sync", "priority", 10**6)),
        ("5.1 pp cd inp Dz 1M Tokens", "Azure OpenAI GPT5", ("gpt-5.1", "cache_read", "sync", "priority", 10**6)),
        ("5.6 sol ShortCo Cd Inp Std Gl 1M Tokens", "Azure OpenAI", ("gpt-5.6-sol", "cache_read", "sync", None, 10**6)),
        ("GPT 5 Mini cchd Inpt Glbl 1M Tokens", None, ("gpt-5-mini", "cache_read", "sync", None, 10**6)),
        ("gpt-5-codex-ccchd-inp-glbl Tokens", None, ("gpt-5-codex", "cache_read", "sync", None, 1_000)),
        ("V4 Pro cached DZ Tokens", "Azure Deepseek Models", ("deepseek-v4-pro", "cache_read", "sync", None, 1_000)),
        ("4.3 Inp Glbl Tokens", "Azure Grok Models", ("grok-4.3", "input_uncached", "sync", None, 1_000)),
        ("4.3 Inp Glbl Tokens", None, ("4.3", "input_uncached", "sync", None, 1_000)),
        ("MM3.5 Inp glbl Tokens", "Azure Mistral Models", ("mm3.5", "input_uncached", "sync", None, 1_000)),
        ("gpt 4.1 Inp Data Zone Tokens", None, ("gpt-4.1", "input_uncached", "sync", None, 1_000)),
        ("gpt 4o 0513 Batch Inp glbl Tokens", None, ("gpt-4o", "input_uncached", "batch", None, 1_000)),
        ("gpt aud 0828 txt Inp glbl Tokens", None, ("gpt-audio", "input_uncached", "sync", None, 1_000)),
        ("gpt aud 0828 Outp glbl Tokens", None, ("gpt-audio", "output_audio", "sync", None, 1_000)),
        (
            "text-embedding-3-large-regional Tokens",
            None,
            ("text-embedding-3-large", "input_uncached", "sync", None, 1_000),
        ),
        ("Provisioned Managed Data Zone Unit", None, (None, "ptu_hour", "sync", None, None)),
        ("o4-mini-ft model grader output Tokens", None, (None, "", "sync", None, None)),
        ("Sora 2 pro glbl Second", None, (None, "", "sync", None, None)),
        ("gpt 4.1 Inp Outp glbl Tokens", None, (None, "", "sync", None, None)),
    ],
)
def test_meters_are_read_by_the_table_and_others_are_not_guessed(name, product, expected):
    assert azure_meter(name, product) == expected
