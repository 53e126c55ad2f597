"""The linter of FOCUS files: sound files pass, and every break is reported with its row and column.

The breaks are those that reference/focus.md 2.2 found the official validator of 1.2 to miss, and those that it reports.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from allocation.calc.focus_columns import COST_AND_USAGE, INVOICE_DETAIL
from allocation.calc.focus_lint import ERROR, NOTE, Finding, LintError, dataset_of, lint

SAMPLES = Path(__file__).parents[2] / "samples" / "focus"
Rows = list[dict[str, str]]
# Rows of the samples, from 1: 1-5 tokens, 6 and 7 a split, 8 purchase, 9 used, 10 unused, 11 credit, 12 tax, 13 correction.


def read(name: str = "focus_1_2_ai_full.csv") -> tuple[list[str], Rows]:
    with (SAMPLES / name).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        return list(reader.fieldnames or ()), list(reader)


def linted(columns: list[str], rows: Rows) -> list[Finding]:
    return list(lint(columns, [[row[name] for name in columns] for row in rows]))


def set_to(row: int, **values: str) -> Callable[[list[str], Rows], None]:
    return lambda _, rows: rows[row - 1].update(values)


def renamed(old: str, new: str) -> Callable[[list[str], Rows], None]:
    def change(columns: list[str], rows: Rows) -> None:
        columns[columns.index(old)] = new
        for row in rows:
            row[new] = row.pop(old)

    return change


def moved_first(name: str) -> Callable[[list[str], Rows], None]:
    return lambda columns, _: (columns.remove(name), columns.insert(0, name))[1]


def without(name: str) -> Callable[[list[str], Rows], None]:
    return lambda columns, _: columns.remove(name)


@pytest.mark.parametrize("name", ["focus_1_2_ai_full.csv", "focus_1_4_ai_full.csv"])
def test_a_sound_file_has_no_findings(name: str) -> None:
    assert linted(*read(name)) == []


# What the official validator misses.
@pytest.mark.parametrize(
    ("change", "row", "column", "rule"),
    [
        (set_to(1, ListCost="16.625"), 1, "ListCost", "price_times_quantity"),
        (set_to(4, ContractedCost="23.77"), 4, "ContractedCost", "price_times_quantity"),
        (set_to(3, ContractedCost="31.000070000001"), 3, "ContractedCost", "price_times_quantity"),
        (set_to(1, ListUnitPrice=""), 1, "ListUnitPrice", "price_not_null"),
        (set_to(2, PricingCategory=""), 2, "PricingCategory", "price_not_null"),
        (set_to(1, ChargePeriodStart="2026-10-14"), 1, "ChargePeriodStart", "time_format"),
        (set_to(1, ChargePeriodStart="2026-10-14T00:00:00+00:00"), 1, "ChargePeriodStart", "time_format"),
        (set_to(1, ChargePeriodEnd="2026-10-15T00:00:00+02:00"), 1, "ChargePeriodEnd", "time_format"),
        (set_to(1, BillingPeriodStart="2026-10-01T00:00:00.5Z"), 1, "BillingPeriodStart", "time_format"),
        (set_to(1, BillingPeriodStart="2026-02-30T00:00:00Z"), 1, "BillingPeriodStart", "time_format"),
        (set_to(5, ChargePeriodEnd="2026-10-13T00:00:00Z"), 5, "ChargePeriodEnd", "end_after_start"),
        (set_to(10, EffectiveCost="499.0"), 10, "EffectiveCost", "commitment_is_amortised"),
        (renamed("x_QueryTier", "QueryTier"), 0, "QueryTier", "custom_column_prefix"),
        (moved_first("x_QueryTier"), 0, "x_QueryTier", "custom_columns_last"),
        (set_to(1, Tags='{"team":{"name":"search"}}'), 1, "Tags", "flat_json"),
        (set_to(1, Tags='{"a":1,"a":2}'), 1, "Tags", "json_format"),
        (lambda _, rows: rows.append(dict(rows[2])), 14, "", "duplicate_row"),
        (set_to(1, BillingAccountId="   "), 1, "BillingAccountId", "only_spaces"),
        (set_to(1, RegionId="N/A"), 1, "RegionId", "placeholder"),
        (set_to(1, ConsumedUnit="tokens"), 1, "ConsumedUnit", "unit_format"),
        (set_to(1, BilledCost="1.5625E+1"), 1, "BilledCost", "number_format"),
    ],
)
def test_a_break_that_the_official_validator_misses_is_reported(
    change: Callable[[list[str], Rows], None], row: int, column: str, rule: str
) -> None:
    columns, rows = read()
    change(columns, rows)
    found = linted(columns, rows)
    assert (row, column, rule) in [(one.row, one.column, one.rule) for one in found]
    assert {one.level for one in found} == {ERROR}


# What it reports, and rules of nullability that its conditions never reach.
@pytest.mark.parametrize(
    ("change", "row", "column", "rule"),
    [
        (set_to(1, ChargeCategory="usage"), 1, "ChargeCategory", "allowed_value"),
        (set_to(1, BillingCurrency="usd"), 1, "BillingCurrency", "currency_format"),
        (set_to(1, BilledCost=""), 1, "BilledCost", "not_null"),
        (set_to(1, BilledCost="$15.63"), 1, "BilledCost", "number_format"),
        (set_to(1, BilledCost="1,015.63"), 1, "BilledCost", "number_format"),
        (set_to(1, BilledCost="NaN"), 1, "BilledCost", "placeholder"),
        (set_to(1, BilledCost="1E999999999"), 1, "BilledCost", "number_format"),
        (set_to(1, ListUnitPrice="-1.25"), 1, "ListUnitPrice", "not_negative"),
        (set_to(1, PricingUnit="1M Tokens"), 1, "PricingUnit", "unit_format"),
        (set_to(1, Tags="team=search"), 1, "Tags", "json_format"),
        (set_to(1, ServiceSubcategory="Machine Learning"), 2, "ServiceSubcategory", "one_parent"),
        (set_to(1, ServiceCategory="Compute"), 1, "ServiceSubcategory", "parent_category"),
        (set_to(1, SkuId="another"), 1, "", ""),
        (set_to(8, EffectiveCost="2400.0"), 8, "EffectiveCost", "purchase_is_amortised"),
        (set_to(8, ChargeFrequency="Usage-Based"), 8, "ChargeFrequency", "purchase_frequency"),
        (set_to(8, CommitmentDiscountStatus="Used"), 8, "CommitmentDiscountStatus", "commitment_status"),
        (set_to(9, CommitmentDiscountStatus=""), 9, "CommitmentDiscountStatus", "commitment_status"),
        (set_to(10, ResourceId="another"), 10, "ResourceId", "commitment_resource"),
        (set_to(10, ConsumedQuantity="500.0", ConsumedUnit="PTU-Hours"), 10, "ConsumedQuantity", "consumed_by_usage"),
        (set_to(12, SkuId="vat"), 12, "SkuId", "null_on_tax"),
        (set_to(1, ConsumedUnit=""), 1, "ConsumedUnit", "null_together"),
        (set_to(1, ResourceType=""), 1, "ResourceType", "null_together"),
        (set_to(1, SkuPriceDetails='{"ModelId":"gpt-x"}'), 1, "SkuPriceDetails", "custom_key_prefix"),
        (set_to(1, InvoiceIssuerName="A reseller"), 1, "BilledCost", "third_party_billed"),
        (without("BilledCost"), 0, "BilledCost", ""),
        (without("ServiceName"), 0, "ServiceName", "mandatory_column"),
    ],
)
def test_a_break_of_the_rules_of_a_row_is_reported(
    change: Callable[[list[str], Rows], None], row: int, column: str, rule: str
) -> None:
    columns, rows = read()
    change(columns, rows)
    if "BilledCost" not in columns:
        with pytest.raises(LintError, match="no FOCUS file"):
            linted(columns, rows)
        return
    found = linted(columns, rows)
    if not rule:  # one SkuPriceId with another parent shows where both stand
        rows[1]["SkuPriceId"] = rows[0]["SkuPriceId"]
        (row, column, rule), found = (2, "SkuId", "one_parent"), linted(columns, rows)
    assert (row, column, rule) in [(one.row, one.column, one.rule) for one in found]


def test_a_tax_that_is_borne_otherwise_than_billed_breaks_1_4_only() -> None:
    for name, rules in (("focus_1_2_ai_full.csv", set()), ("focus_1_4_ai_full.csv", {"effective_is_billed"})):
        columns, rows = read(name)
        rows[11]["EffectiveCost"] = "8.0"
        assert {one.rule for one in linted(columns, rows)} == rules


def test_shares_of_a_charge_sum_to_it() -> None:
    columns, rows = read("focus_1_4_ai_full.csv")
    columns += [name for name in ("x_SplitOriginId", "x_SplitOriginCost") if name not in columns]
    for row in rows:
        row |= {"x_SplitOriginId": "", "x_SplitOriginCost": ""}
    for row in rows[5:7]:  # 49.56 + 21.24 = 70.80
        row |= {"x_SplitOriginId": "gpu", "x_SplitOriginCost": "70.8"}
    assert linted(columns, rows) == []
    rows[6]["AllocatedMethodDetails"] = '{"Elements":[{"AllocatedRatio":0.29}]}'
    for row in rows[5:7]:
        row["x_SplitOriginCost"] = "70.81"
    assert {(one.row, one.column) for one in linted(columns, rows)} == {
        (6, "AllocatedMethodDetails"),
        (6, "BilledCost"),
    }


def test_a_commitment_that_is_counted_in_money_is_its_effective_cost() -> None:
    columns, rows = read()
    rows[9] |= {"CommitmentDiscountUnit": "USD", "CommitmentDiscountQuantity": "500.0"}
    assert linted(columns, rows) == []
    rows[9]["CommitmentDiscountQuantity"] = "499.0"
    assert [(one.row, one.column) for one in linted(columns, rows)] == [(10, "EffectiveCost")]


def test_a_price_that_the_file_says_nobody_knows_is_a_note() -> None:
    columns, rows = read()
    columns.append("x_UnknownCosts")
    for row in rows:
        row["x_UnknownCosts"] = ""
    blank = dict.fromkeys(
        ("ListUnitPrice", "ContractedUnitPrice", "SkuPriceId", "SkuPriceDetails", "PricingCategory"), ""
    )
    rows[0] |= {**blank, "x_UnknownCosts": "ListCost,ContractedCost,EffectiveCost"}
    found = linted(columns, rows)
    assert {one.level for one in found} == {NOTE}
    assert {one.column for one in found} == {"ListUnitPrice", "ContractedUnitPrice", "SkuPriceId", "PricingCategory"}
    rows[0]["x_UnknownCosts"] = "BilledCost"
    assert {one.level for one in linted(columns, rows)} == {ERROR}


def test_a_row_with_other_fields_than_the_header_is_reported() -> None:
    columns, rows = read()
    texts = [[row[name] for name in columns] for row in rows]
    texts[3].append("more")
    assert [(one.row, one.rule) for one in lint(columns, texts)] == [(4, "field_count")]


def test_version_and_dataset_are_those_of_the_header() -> None:
    assert dataset_of(["BilledCost", "ProviderName"]) == ("1.2", COST_AND_USAGE)
    assert dataset_of(["BilledCost", "ServiceProviderName"]) == ("1.4", COST_AND_USAGE)
    assert dataset_of(["BilledCost", "InvoiceDetailCreated"]) == ("1.4", INVOICE_DETAIL)
    with pytest.raises(LintError, match=r"1\.2 has no dataset Invoice Detail"):
        dataset_of(["BilledCost", "InvoiceDetailCreated"], "1.2")


def test_a_finding_names_its_place() -> None:
    assert str(Finding(3, "ListCost", "x", "is wrong")) == "row 3, ListCost: is wrong [x]"
    assert str(Finding(0, "Id", "x", "is wrong")) == "header, Id: is wrong [x]"
