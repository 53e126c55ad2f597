"""FOCUS of any issuer: totals as the csv module says them, strict and lenient reading, what a delivery states whole."""

import json
import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from ingest.calc.focus_lines_values import Reading
from ingest.calc.lines import line_table
from ingest.calc.reasons import Rejected
from ingest.models import BilledLine, BilledLineHistory
from ingest.services import Import, ingest_file
from ingest.source import Context, NotThisKind
from ingest.sources.focus import SOURCE
from tests.ingest.sources.bills import read_bill, read_csv, write_csv

SAMPLES = Path(__file__).parents[2] / "samples" / "focus"
ROW = {
    "BilledCost": "1.25", "BillingAccountId": "acct-1", "BillingAccountName": "Example", "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-09-01T00:00:00Z", "BillingPeriodEnd": "2026-10-01T00:00:00Z", "ChargeCategory": "Usage",
    "ChargeClass": "", "ChargeDescription": "Input Tokens", "ChargePeriodStart": "2026-09-08T00:00:00Z",
    "ChargePeriodEnd": "2026-09-09T00:00:00Z", "ContractedCost": "1.25", "EffectiveCost": "1.25",
    "InvoiceIssuerName": "ExampleAI", "ListCost": "1.25", "PricingQuantity": "1", "PricingUnit": "1000000 Tokens",
    "ServiceCategory": "AI and Machine Learning", "ServiceName": "ExampleAI API", "ProviderName": "ExampleAI",
    "SkuMeter": "Input Tokens",
}  # fmt: skip


def of(tmp_path, *rows, **options):
    return read_bill(write_csv(tmp_path / "focus.csv", list(rows)), "focus", **options)


@pytest.mark.parametrize("name", ["focus10_real_sample.csv", "focus_1_2_ai_full.csv", "focus_1_4_ai_full.csv"])
@pytest.mark.parametrize("column", ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"])
def test_the_costs_of_a_file_are_the_sums_of_its_columns(name, column):
    rows = read_csv(SAMPLES / name)
    ours = {"BilledCost": "billed_cost", "EffectiveCost": "effective_cost", "ListCost": "list_cost",
            "ContractedCost": "contracted_cost"}[column]  # fmt: skip
    # Real rows have up to 15 decimals; ours 12, rounded half-even row by row.
    expected = sum(round(Decimal(row[column]), 12) for row in rows if row[column] not in ("", "NULL"))
    bill = read_bill(SAMPLES / name, "focus")
    assert len(bill.lines) == len(rows)
    assert bill.total(ours) == expected


def test_versions_1_2_and_1_4_of_the_same_charges_become_the_same_lines():
    one, other = (read_bill(SAMPLES / f"focus_1_{minor}_ai_full.csv", "focus").lines for minor in (2, 4))
    left = {"native_id", "record"}
    for mine, theirs in zip(one, other, strict=True):
        assert {k: v for k, v in mine.items() if k not in left} == {k: v for k, v in theirs.items() if k not in left}


def test_a_commitment_is_billed_once_and_its_used_and_unused_parts_are_its_effective_cost():
    bill = read_bill(SAMPLES / "focus_1_4_ai_full.csv", "focus")
    commitment = {"commitment_id": "ptu-res-9"}
    assert bill.total("billed_cost", **commitment) == Decimal(2400)  # the purchase
    used = bill.total("effective_cost", commitment_status="Used")
    unused = bill.total("effective_cost", commitment_status="Unused")
    assert (used, unused) == (1900, 500)
    assert bill.total("effective_cost", **commitment) == used + unused
    assert bill.total("consumed_quantity", commitment_status="Used") == 1900
    assert {line["price_class"] for line in bill.lines if line["commitment_status"] == "Used"} == {"ptu_hour"}


def test_token_classes_and_counts_are_read_from_meter_and_unit():
    bill = read_bill(SAMPLES / "focus_1_4_ai_full.csv", "focus")
    found = {(line["model_served"], line["price_class"]): int(line["consumed_quantity"])
             for line in bill.lines if line["consumed_unit"] == "tokens" and not line["charge_class"]}  # fmt: skip
    assert found == {
        ("gpt-x", "input_uncached"): 12_500_000, ("gpt-x", "cache_read"): 40_000_000, ("gpt-x", "output_visible"): 3_100_007,
        ("claude-y", "cache_read"): 88_000_000, ("claude-y", "output_visible"): 5_000_001,
    }  # fmt: skip
    (correction,) = [line for line in bill.lines if line["charge_class"] == "Correction"]
    assert (correction["charge_date"].isoformat(), correction["billing_period"].isoformat()) == (
        "2026-09-20",
        "2026-10-01",
    )
    assert correction["consumed_quantity"] == -20_000


def test_what_real_files_write_against_the_specification_is_read_and_counted():
    bill = read_bill(SAMPLES / "focus10_real_sample.csv", "focus")
    rows = read_csv(SAMPLES / "focus10_real_sample.csv")
    assert bill.unknown["ChargeClass: the text NULL"] == len(rows)
    assert bill.unknown["ChargePeriodStart: no zone, read as UTC"] == len(rows)
    assert bill.unknown["ContractedCost: is missing"] == sum(row["ContractedCost"] == "NULL" for row in rows) == 4
    assert bill.unknown["Id"] == len(rows), "a column that FOCUS does not know"
    first = datetime.fromisoformat(rows[0]["ChargePeriodStart"]).replace(tzinfo=UTC)
    assert bill.lines[0]["period_start"] == first
    assert {line["provider"] for line in bill.lines} == {"aws", "azure", "oracle"}


def test_strict_reading_refuses_a_file_with_a_column_that_is_not_of_focus():
    with pytest.raises(NotThisKind, match="Id"):
        read_bill(SAMPLES / "focus10_real_sample.csv", "focus", reading="strict")


def test_a_file_within_the_specification_reads_alike_strictly_and_leniently():
    name = SAMPLES / "focus_1_2_ai_full.csv"
    strict, lenient = read_bill(name, "focus", reading="strict"), read_bill(name, "focus")
    assert strict.lines == lenient.lines
    assert strict.unknown == lenient.unknown == {}


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"ChargeClass": "NULL"}, "ChargeClass: the text NULL"),
        ({"ChargePeriodStart": "2026-09-08 00:00:00"}, "ChargePeriodStart: no zone, read as UTC"),
        ({"BilledCost": "$1.25 "}, "BilledCost: an amount written for people"),
        ({"ContractedCost": ""}, "ContractedCost: is missing"),
        ({"BillingCurrency": "usd"}, "BillingCurrency: in lower case"),
        ({"ProviderName": ""}, "ServiceProviderName: is missing"),
    ],
)
def test_a_deviation_is_rejected_strictly_and_counted_leniently(tmp_path, given, what):
    lenient, strict = of(tmp_path, ROW | given), of(tmp_path, ROW | given, reading="strict")
    assert lenient.unknown == {what: 1}
    assert lenient.total() == Decimal("1.25")
    assert (lenient.lines[0]["period_start"], lenient.lines[0]["billing_currency"]) == (
        datetime(2026, 9, 8, tzinfo=UTC), "USD",
    )  # fmt: skip
    assert [reason for _, reason in strict.reasons] in (["unknown_shape"], ["bad_time"])


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("$10,000.00 ", "10000"), ("-$1,015.63", "-1015.63"), ("($5.00)", "-5"), ("1,234,567.5", "1234567.5"),
        ("1.5E-7", "0.00000015"), ("-0.00138900000", "-0.001389"),
    ],
)  # fmt: skip
def test_amounts_are_exact_however_they_are_written(tmp_path, text, amount):
    assert of(tmp_path, ROW | {"BilledCost": text}).total() == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["1,5", "10,00.00", "€1.25", "1.2.3", "NaN", "1_000", "one", "(5.00", "-(5.00)", "1e400"]
)
def test_an_amount_that_is_none_or_could_be_another_is_rejected(tmp_path, text):
    bill = of(tmp_path, ROW | {"BilledCost": text})
    assert [reason for _, reason in bill.reasons] in (["bad_number"], ["too_large"])


def test_dates_with_slashes_are_read_where_whole_months_prove_their_order(tmp_path):
    american = {"BillingPeriodStart": "4/1/25", "BillingPeriodEnd": "5/1/25", "ChargePeriodStart": "4/2/25",
                "ChargePeriodEnd": "4/3/2025"}  # fmt: skip
    (line,) = of(tmp_path, ROW | american).lines
    assert line["period_start"] == datetime(2025, 4, 2, tzinfo=UTC)
    british = {"BillingPeriodStart": "1/4/25", "BillingPeriodEnd": "1/5/25", "ChargePeriodStart": "2/4/25",
               "ChargePeriodEnd": "3/4/25"}  # fmt: skip
    assert [reason for _, reason in of(tmp_path, ROW | british).reasons] == ["bad_time"]
    assert [reason for _, reason in of(tmp_path, ROW | {"ChargePeriodStart": "9/8/26"}).reasons] == ["bad_time"]


def test_a_virtual_currency_is_neither_money_nor_tokens_of_a_model():
    purchase = read_bill(SAMPLES / "spec_virtual_currency_pricing_model_a1.csv", "focus")
    assert (purchase.total("billed_cost"), purchase.total("effective_cost")) == (200_000, 0)
    use = read_bill(SAMPLES / "spec_virtual_currency_pricing_model_a2.csv", "focus")
    assert (use.total("billed_cost"), use.total("effective_cost")) == (0, 490 + 20 + 720)
    for line in purchase.lines + use.lines:
        assert (line["billing_currency"], line["price_class"], line["consumed_unit"] == "tokens") == (
            "USD",
            None,
            False,
        )


def test_a_table_without_the_mandatory_columns_is_another_kind(tmp_path):
    for name in ("BilledCost", "ChargePeriodStart", "ProviderName"):
        with pytest.raises(NotThisKind, match="missing"):
            of(tmp_path, {key: value for key, value in ROW.items() if key != name})
    renamed = {key: value for key, value in ROW.items() if key != "ProviderName"}
    assert of(tmp_path, renamed | {"ServiceProviderName": "OpenAI"}).lines[0]["provider"] == "openai"


def test_our_own_columns_come_back(tmp_path):
    own = {"x_Model": "gpt-5", "x_PriceClass": "cache_write_1h", "x_Mode": "batch", "x_ServiceTier": "flex", "x_Team": "search",
           "x_QueryTier": "complex", "x_Feature": "answers", "x_Environment": "prod", "ConsumedQuantity": "7",
           "ConsumedUnit": "Tokens"}  # fmt: skip
    (line,) = of(tmp_path, ROW | own).lines
    assert (line["model_served"], line["price_class"], line["mode"], line["service_tier_served"]) == (
        "gpt-5", "cache_write_1h", "batch", "flex",
    )  # fmt: skip
    assert (line["scope"], line["feature"], line["environment"]) == ("tokens.batch", "answers", "prod")
    assert json.loads(line["tags"]) == {"team": "search", "tier": "complex"}


@pytest.mark.parametrize(
    ("provider", "columns", "model", "price_class", "tokens"),
    [
        ("AWS", {"x_UsageType": "USE1-Claude4.6Sonnet-output-tokens", "PricingUnit": "1K tokens", "ConsumedUnit": "1K tokens"},
         "anthropic.claude-sonnet-4-6", "output_visible", 2_000),
        ("Microsoft", {"x_SkuMeterName": "gpt 4.1 cached Inp glbl Tokens", "x_PricingBlockSize": "1000", "ConsumedUnit": "Units",
                       "ConsumedQuantity": "2000", "PricingQuantity": "2"}, "gpt-4.1", "cache_read", 2_000),
        ("Google Cloud", {"ChargeDescription": "Gemini 2.5 Pro Input Text Caching (Long)", "ConsumedUnit": "count",
                          "PricingUnit": "count"}, "gemini-2.5-pro", "cache_read", 2),
    ],
)  # fmt: skip
def test_the_meters_of_clouds_are_read_in_their_focus_exports(tmp_path, provider, columns, model, price_class, tokens):
    (line,) = of(tmp_path, ROW | {"SkuMeter": "", "ProviderName": provider, "ConsumedQuantity": "2", **columns}).lines
    assert (line["model_served"], line["price_class"], line["consumed_quantity"]) == (model, price_class, tokens)


def test_blocks_of_azure_that_do_not_fit_the_consumed_quantity_are_not_converted(tmp_path):
    # Older exports divided twice: 864 of 1,000 tokens, of which PricingQuantity is 0.864.
    columns = {"x_SkuMeterName": "gpt 4.1 Inp glbl Tokens", "x_PricingBlockSize": "1000", "ConsumedUnit": "Units",
               "ConsumedQuantity": "864", "PricingQuantity": "0.864000", "ProviderName": "Microsoft", "SkuMeter": ""}  # fmt: skip
    assert of(tmp_path, ROW | columns).lines[0]["consumed_unit"] == "tokens"
    (line,) = of(tmp_path, ROW | columns | {"PricingQuantity": "0.5"}).lines
    assert (line["consumed_quantity"], line["consumed_unit"]) == (864, "Units")


def test_a_delivery_states_the_time_between_its_first_and_last_charge_of_a_period(tmp_path):
    bill = of(
        tmp_path,
        ROW,
        ROW | {"ChargePeriodStart": "2026-09-11T00:00:00Z", "ChargePeriodEnd": "2026-09-12T00:00:00Z"},
        ROW | {"ChargeCategory": "Tax", "ChargePeriodStart": "2026-09-01T00:00:00Z", "ChargePeriodEnd": "2026-10-01T00:00:00Z"},
        ROW | {"ChargeClass": "Correction", "ChargePeriodStart": "2026-08-02T00:00:00Z",
               "ChargePeriodEnd": "2026-08-03T00:00:00Z"},
        ROW | {"BillingAccountId": "acct-2", "ChargePeriodEnd": "2027-09-08T00:00:00Z"},
    )  # fmt: skip
    spans = {
        span.account: (span.stream, span.start.isoformat()[:10], span.end.isoformat()[:10])
        for span in bill.context.covered
    }
    assert spans == {"acct-1": ("lines", "2026-09-08", "2026-09-12"), "acct-2": ("lines", "2026-09-08", "2026-10-01")}


def test_a_charge_keeps_its_identity_when_its_money_names_and_invoice_change(tmp_path):
    (first,) = of(tmp_path, ROW).lines
    later = {
        "BilledCost": "9",
        "EffectiveCost": "8",
        "InvoiceId": "INV-1",
        "BillingAccountName": "Other",
        "ListCost": "9",
    }
    assert of(tmp_path, ROW | later).lines[0]["native_id"] == first["native_id"]
    assert of(tmp_path, ROW | {"Tags": '{"team":"search"}'}).lines[0]["native_id"] != first["native_id"]
    twice = of(tmp_path, ROW, ROW | {"BilledCost": "2"})
    assert len({line["native_id"] for line in twice.lines}) == 2, "two charges that differ by money alone are two"


def test_the_order_of_rows_and_columns_and_the_form_of_the_file_do_not_matter(tmp_path):
    rows = read_csv(SAMPLES / "focus_1_4_ai_full.csv")
    shuffled = [dict(sorted(row.items(), reverse=True)) for row in random.Random(7).sample(rows, len(rows))]
    pq.write_table(pa.Table.from_pylist(shuffled), tmp_path / "focus.parquet")
    one, other = read_bill(SAMPLES / "focus_1_4_ai_full.csv", "focus"), read_bill(tmp_path / "focus.parquet", "focus")
    by_id = [{line["native_id"]: line | {"record": 0} for line in bill.lines} for bill in (one, other)]
    assert by_id[0] == by_id[1]


def test_typed_parquet_reads_as_text_does(tmp_path):
    typed = ROW | {name: datetime.fromisoformat(ROW[name]).replace(tzinfo=None) for name in ROW if "Period" in name}
    typed |= {name: Decimal(ROW[name]) for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")}
    table = pa.Table.from_pylist([typed | {"Tags": None}])
    tags = pa.array([[("team", "search")]], pa.map_(pa.string(), pa.string()))
    pq.write_table(table.set_column(table.column_names.index("Tags"), "Tags", tags), tmp_path / "focus.parquet")
    bill = read_bill(tmp_path / "focus.parquet", "focus", reading="strict")
    text = of(tmp_path, ROW | {"Tags": '{"team": "search"}'}, reading="strict")
    assert [line | {"record": 0} for line in bill.lines] == [line | {"record": 0} for line in text.lines]


def test_litellms_export_tells_requests_and_no_tokens():
    (line,) = read_bill(SAMPLES / "litellm_focus_export.csv", "focus").lines
    assert (line["model_served"], line["api_key"], line["project"]) == ("gpt-5", "search-prod", "search")
    assert (line["consumed_quantity"], line["consumed_unit"], line["price_class"]) == (420, "Requests", None)
    assert line["billing_period"].isoformat() == "2026-09-01", "its billing period is a day; the month counts"


def test_services_that_are_not_asked_for_are_counted(tmp_path):
    bill = of(tmp_path, ROW, ROW | {"ServiceName": "Amazon EC2"}, services="exampleai*")
    assert (len(bill.lines), bill.skipped) == (1, {"other_service": 1})


@given(st.decimals(min_value=-(10**11), max_value=10**11, places=12), st.sampled_from(["f", "E", "$"]))
def test_every_amount_that_can_be_stored_is_read_exactly(amount, form):
    sign = "-" if amount < 0 else ""
    text = {"f": f"{amount:f}", "E": f"{amount:E}", "$": f"{sign}${abs(amount):,.12f}"}[form]
    assert Reading({} if form != "$" else _Counter()).amount({"BilledCost": text}, "BilledCost", "USD") == amount


class _Counter(dict):
    def __missing__(self, key):
        return 0


@given(st.dictionaries(st.sampled_from([*ROW, "Tags", "x_Y", "Odd"]), st.text(max_size=12) | st.none() | st.integers()))
def test_a_hostile_row_is_a_line_or_a_reject_and_never_an_error(changed):
    try:
        lines = SOURCE.row(ROW | changed, Context())
    except Rejected:
        return
    assert len(line_table(lines)) == 1


@pytest.mark.usefixtures("ledger")
def test_a_redelivery_replaces_what_the_former_stated_and_a_repetition_changes_nothing(tmp_path):
    def deliver(*rows):
        run = ingest_file(Import(write_csv(tmp_path / "focus.csv", list(rows)), "focus"))
        return run, BilledLine.objects.aggregate(total=Sum("billed_cost"))["total"]

    output = ROW | {"SkuMeter": "Output Tokens", "BilledCost": "10"}
    gone = ROW | {"SkuMeter": "Cached Input Tokens", "BilledCost": "0.5"}
    assert deliver(ROW, output, gone)[1] == Decimal("11.75")  # 1.25 + 10 + 0.5
    assert deliver(ROW, output, gone)[1] == Decimal("11.75")
    assert deliver(output | {"BilledCost": "9"}, ROW)[1] == Decimal("10.25"), "one restated, one withdrawn"
    other = ROW | {"BillingAccountId": "acct-2", "BilledCost": "3"}
    assert deliver(other)[1] == Decimal("13.25"), "another account's delivery takes nothing away"
    assert BilledLineHistory.objects.count() == 2
