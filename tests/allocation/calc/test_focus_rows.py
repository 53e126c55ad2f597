"""What a row of the ledger is for FOCUS: prices, unknown costs, corrections, commitments, splits, purchases."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.focus_columns import COST_AND_USAGE, FOCUS, written
from allocation.calc.focus_datasets import billing_periods, contract_commitments
from allocation.calc.focus_ledger import LEDGER, Around, Terms
from allocation.calc.focus_lint import ERROR, lint
from allocation.calc.focus_rows import cost_and_usage
from allocation.calc.focus_text import instant, number, unit_of
from finops.periods import Period

D = Decimal
DAY, MONTH = date(2026, 10, 14), date(2026, 10, 1)
COSTS = {"ListCost": "list_cost", "ContractedCost": "contracted_cost", "EffectiveCost": "effective_cost",
         "BilledCost": "billed_cost"}  # fmt: skip
PTU = Terms(
    "ptu", "r-4711", "provisioned_throughput", "Usage", "openai", "USD", datetime(2026, 10, 1, tzinfo=UTC),
    datetime(2027, 10, 1, tzinfo=UTC), None, False, True, True, False, D(310), D(1000), "Tokens/Hour", False, True,
    datetime(2026, 9, 1, tzinfo=UTC),
)  # fmt: skip
AROUND = Around(
    MONTH, "DRAFT", {"commitment ptu": PTU}, {("openai", "org", "USD", "Usage"): "INV-1"}, {"openai": "org"}
)
USAGE = {
    "charge_id": "c1", "provider": "openai", "billing_account": "org", "model": "gpt-5", "mode": "sync", "tier": "simple",
    "category": "Usage", "sku_id": "openai/gpt-5/output_visible", "price_class": "output_visible", "unit": "tokens",
    "sku_price_id": '["builtin","openai","gpt-5","output_visible","USD","10.000000000000","1000000"]', "currency": "USD",
    "provenance": "computed", "day": DAY, "billing_period": MONTH, "tier_estimated": False, "cost_centre": "CC-1",
    "list_unit_price": D(10), "pricing_unit": 1_000_000, "quantity": D(2_500), "origin_quantity": D(2_500),
    "list_cost": D("0.025"), "contracted_cost": D("0.0225"), "effective_cost": D("0.0225"), "billed_cost": D("0.0225"),
    "tags": '{"team":"search"}',
}  # fmt: skip


def rows(*given: dict[str, Any], version: str = "1.4") -> list[dict[str, Any]]:
    empty = {field.name: "" if pa.types.is_string(field.type) else None for field in LEDGER}
    ledger = pa.Table.from_pylist([empty | USAGE | row for row in given], schema=LEDGER)
    table = cost_and_usage(ledger, AROUND, version)
    found: list[dict[str, Any]] = table.to_pylist()
    texts = [["" if value is None else _text(value) for value in row.values()] for row in found]
    assert [str(breach) for breach in lint(table.column_names, texts, version) if breach.level == ERROR] == []
    return found


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return number(value)
    return instant(value) if isinstance(value, datetime) else str(value)


def test_tokens_are_priced_by_the_million_and_consumed_one_by_one() -> None:
    (row,) = rows({})
    assert (row["PricingQuantity"], row["PricingUnit"]) == (D("0.0025"), "1000000 Tokens")
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == (D(2500), "Tokens")
    # 0.0025 x 10 = 0.025; 10 % off: 0.0025 x 9 = 0.0225
    assert (row["ListUnitPrice"], row["ContractedUnitPrice"]) == (D(10), D(9))
    assert row["SkuPriceId"].startswith(f"{row['SkuId']}|builtin|"), "a price has one parent SKU"
    assert json.loads(row["SkuPriceDetails"]) == {
        "x_ModelDeveloper": "OpenAI",
        "x_ModelId": "gpt-5",
        "x_TokenType": "Output",
    }
    assert (row["InvoiceId"], row["InvoiceDetailId"]) == ("INV-1", "INV-1/org/USD/Usage")
    assert row["x_PeriodState"] == "DRAFT"


def test_an_account_that_is_not_stated_is_the_provider_s_only_one() -> None:
    unnamed, other = rows({"billing_account": ""}, {"billing_account": "", "provider": "mistral"})
    assert (unnamed["BillingAccountId"], unnamed["InvoiceDetailId"]) == ("org", "INV-1/org/USD/Usage")
    assert (other["BillingAccountId"], other["InvoiceId"]) == ("default", "PROV-2026-10-mistral")


def test_columns_are_those_of_the_version_and_ours_come_last() -> None:
    for version in ("1.2", "1.4"):
        names = [column.name for column in written(version)]
        own = [name.startswith("x_") for name in names]
        assert own == sorted(own)
        mandatory = {column.name for column in FOCUS[version, COST_AND_USAGE] if column.mandatory}
        assert mandatory <= set(names)
        assert len(rows({}, version=version)[0]) == len(names)
    old = {column.name for column in written("1.2")}
    assert "ProviderName" in old
    assert not {"ServiceProviderName", "AllocatedMethodId"} & old
    assert "x_AllocatedMethodId" in old


def test_usage_without_a_price_says_so_and_has_neither_a_price_nor_a_silent_zero() -> None:
    nothing = dict.fromkeys(COSTS.values())
    (row,) = rows(
        {**nothing, "proxy_cost": D("0.04"), "sku_price_id": "", "list_unit_price": None, "pricing_unit": None}
    )
    assert [row[name] for name in COSTS] == [0, 0, 0, 0]
    assert row["x_UnknownCosts"] == "ListCost,ContractedCost,EffectiveCost,BilledCost"
    assert (row["x_Unpriced"], row["x_UnpricedQuantity"], row["x_UnpricedEstimate"]) == ("true", D(2500), D("0.04"))
    assert row["ChargeDescription"].startswith("Unpriced, cost not known: ")
    for name in ("ListUnitPrice", "ContractedUnitPrice", "SkuPriceId", "PricingCategory"):
        assert row[name] is None, name


def test_what_no_bill_has_stated_is_named_and_not_called_unpriced() -> None:
    (row,) = rows({"billed_cost": None})
    assert (row["BilledCost"], row["x_UnknownCosts"], row["x_Unpriced"]) == (0, "BilledCost", None)


def test_a_correction_keeps_its_day_and_is_billed_in_the_open_period() -> None:
    minus = {name: -USAGE[name] for name in (*COSTS.values(), "quantity", "origin_quantity")}
    (row,) = rows({**minus, "charge_class": "Correction", "origin": "c0", "day": date(2026, 9, 20)})
    assert row["ChargeClass"] == "Correction"
    assert row["ChargePeriodStart"] == datetime(2026, 9, 20, tzinfo=UTC)
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
        datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC),
    )  # fmt: skip
    assert (row["x_OriginChargeId"], row["PricingQuantity"], row["ListUnitPrice"]) == ("c0", D("-0.0025"), D(10))


def test_purchase_used_and_unused_parts_of_a_commitment_are_counted_in_one_unit() -> None:
    terms = {"subject": "commitment ptu", "commitment_id": "r-4711"}
    zero = {
        "list_cost": D(0),
        "contracted_cost": D(0),
        "effective_cost": D(0),
        "quantity": D(0),
        "list_unit_price": None,
    }
    rest = {
        "list_cost": D(10),
        "contracted_cost": D(10),
        "effective_cost": D(10),
        "quantity": D(0),
        "list_unit_price": None,
    }
    purchase, used, unused = rows(
        {**terms, **zero, "category": "Purchase", "price_class": "purchase", "billed_cost": D(310), "unit": ""},
        {**terms, "status": "Used", "effective_cost": D(5), "billed_cost": D(0)},
        {
            **terms,
            **rest,
            "status": "Expired",
            "price_class": "amortisation",
            "billed_cost": D(0),
            "unit": "",
            "model": "",
        },
    )
    assert [row["CommitmentDiscountQuantity"] for row in (purchase, used, unused)] == [310, 5, 10]
    assert {row["CommitmentDiscountUnit"] for row in (purchase, used, unused)} == {"USD"}
    assert [row["CommitmentDiscountStatus"] for row in (purchase, used, unused)] == [None, "Used", "Unused"]
    assert [row["PricingCategory"] for row in (purchase, used, unused)] == ["Standard", "Committed", "Committed"]
    assert [row["ResourceId"] for row in (purchase, used, unused)] == ["r-4711", "gpt-5", "r-4711"]
    assert [row["ConsumedQuantity"] for row in (purchase, used, unused)] == [None, 2500, None]
    assert unused["x_CommitmentStatus"] == "Expired"
    applied = json.loads(used["ContractApplied"])["Elements"]
    assert applied == [{"ContractId": "r-4711", "ContractCommitmentId": "ptu", "ContractCommitmentAppliedCost": 5.0}]


def test_a_purchase_that_is_amortised_by_itself_is_what_is_billed_and_the_usage_of_it() -> None:
    licence = {"category": "Purchase", "price_class": "licence", "subject": "other tracing", "list_unit_price": None,
               "quantity": D(0), "unit": "", "list_cost": D(9), "contracted_cost": D(9), "effective_cost": D(9)}  # fmt: skip
    bought, used, later = rows({**licence, "billed_cost": D(300)}, {**licence, "billed_cost": D(0), "charge_id": "c2"})
    assert [(row["ChargeCategory"], row["BilledCost"], row["EffectiveCost"]) for row in (bought, used, later)] == [
        ("Purchase", 300, 0), ("Usage", 0, 9), ("Usage", 0, 9),
    ]  # fmt: skip
    assert {row["x_ChargeCategory"] for row in (bought, used, later)} == {"Purchase"}


def test_a_fleet_is_a_capacity_reservation() -> None:
    fleet = {
        "subject": "fleet lab",
        "list_cost": None,
        "contracted_cost": None,
        "billed_cost": None,
        "sku_price_id": "",
    }
    used, idle = rows(
        {**fleet, "status": "Used"}, {**fleet, "status": "Idle", "price_class": "gpu_hour", "unit": "gpu_hour"}
    )
    assert [(row["CapacityReservationId"], row["CapacityReservationStatus"]) for row in (used, idle)] == [
        ("fleet lab", "Used"), ("fleet lab", "Unused"),
    ]  # fmt: skip
    assert used["x_Unpriced"] is None, "it has a cost"


def test_a_tax_has_no_price_and_a_credit_of_which_more_is_billed_than_borne_is_an_adjustment() -> None:
    amounts = dict.fromkeys(COSTS.values(), D(19))
    tax, credit = rows(
        {**amounts, "category": "Tax"}, {**amounts, "category": "Credit", "effective_cost": D(-1), "billed_cost": D(-5)}
    )
    assert (tax["ChargeCategory"], tax["SkuId"], tax["PricingQuantity"], tax["x_Quantity"]) == ("Tax", None, None, 2500)
    assert (credit["ChargeCategory"], credit["x_ChargeCategory"]) == ("Adjustment", "Credit")


def test_a_converted_row_keeps_the_price_list_s_currency() -> None:
    (row,) = rows({
        "original_currency": "EUR", "original_cost": D("0.0207623881"), "fx_rate": D("1.0837"), "fx_day": DAY,
        "fx_source": "ECB",
        "sku_price_id": '["builtin","openai","gpt-5","EUR","9.227646000000","1000000"]', "contracted_cost": D("0.025"),
    })  # fmt: skip
    assert (row["BillingCurrency"], row["PricingCurrency"], row["x_FxRate"]) == ("USD", "EUR", D("1.0837"))
    assert (row["x_FxRateDate"], row["x_FxSource"]) == ("2026-10-14", "ECB")
    assert row["PricingCurrencyEffectiveCost"] == D("0.0207623881")
    assert row["PricingCurrencyListUnitPrice"] == row["PricingCurrencyContractedUnitPrice"] == D("9.227646")
    assert row["InvoiceId"].startswith("PROV-"), "no invoice in EUR"


def test_a_shared_charge_says_of_what_it_is_a_share() -> None:
    whole = {"origin_contracted": D("0.0225"), "origin_billed": D("0.0225"), "rule": "r2"}
    parts = [
        {**whole, "cost_centre": centre, "team": team, "ratio": D(ratio), "quantity": D(2500) * D(ratio),
         **{name: USAGE[name] * D(ratio) for name in COSTS.values()}}
        for centre, team, ratio in (("CC-1", "search", "0.7"), ("", "", "0.3"))
    ]  # fmt: skip
    for version in ("1.2", "1.4"):
        prefix = "x_" if version == "1.2" else ""
        one, other = rows(*parts, version=version)
        assert json.loads(one[f"{prefix}AllocatedMethodDetails"]) == {"Elements": [{"AllocatedRatio": 0.7}]}
        assert [row[f"{prefix}AllocatedResourceId"] for row in (one, other)] == ["CC-1/search", "(unallocated)"]
        assert json.loads(one[f"{prefix}AllocatedTags"]) == {
            "team": "search", "ledger:cost_centre": "CC-1", "ledger:team": "search",
        }  # fmt: skip
        assert json.loads(other[f"{prefix}AllocatedTags"]) == {"team": "search"}
        assert one["x_SplitOriginId"] == other["x_SplitOriginId"] == "c1"
        assert one["BilledCost"] + other["BilledCost"] == one["x_SplitOriginCost"] == D("0.0225")
        assert one["ContractedUnitPrice"] == other["ContractedUnitPrice"] == D(9)


@pytest.mark.parametrize(
    ("unit", "written_as"),
    [
        ("tokens", "Tokens"), ("gpu_hour", "GPU-Hours"), ("seat", "Seats"), ("audio_second", "Audio Seconds"),
        ("", "Units"), ("co2e_kilogram", "Co2e Kilograms"),
    ],
)  # fmt: skip
def test_units_are_capitalised(unit: str, written_as: str) -> None:
    assert unit_of(unit) == written_as


@pytest.mark.parametrize(
    ("value", "text"), [("15.625000000000", "15.625"), ("2400", "2400.0"), ("0E-12", "0.0"), ("-1E-7", "-0.0000001")]
)
def test_numbers_have_a_point_and_no_exponent(value: str, text: str) -> None:
    assert number(D(value)) == text


AMOUNT = st.none() | st.decimals(min_value=-1000, max_value=1000, places=12)


@given(
    st.lists(
        st.fixed_dictionaries({
            **dict.fromkeys(COSTS.values(), AMOUNT),
            "category": st.sampled_from(["Usage", "Purchase", "Tax", "Credit", "Adjustment"]),
            "charge_class": st.sampled_from(["", "Correction"]),
            "quantity": st.decimals(min_value=-(10**9), max_value=10**9, places=3),
            "status": st.sampled_from(["", "Used", "Unused", "Idle", "Shortfall"]),
            "commitment_id": st.sampled_from(["", "r-1"]), "list_unit_price": st.none() | st.just(D(10)),
        }), min_size=1, max_size=6,
    )
)  # fmt: skip
def test_whatever_the_ledger_holds_its_costs_and_quantities_are_those_of_the_file(
    given_rows: list[dict[str, Any]],
) -> None:
    ledger = [{"charge_id": str(number), **row} for number, row in enumerate(given_rows)]
    found = rows(*ledger)
    for name, field in COSTS.items():
        assert sum(row[name] for row in found) == sum(row[field] or 0 for row in ledger)
    counted = sum((row["ConsumedQuantity"] or 0) + (row["x_Quantity"] or 0) for row in found)
    assert counted == sum(row["quantity"] for row in ledger)
    unknown = {row["x_ChargeId"] for row in found if "EffectiveCost" in (row["x_UnknownCosts"] or "")}
    assert unknown == {row["charge_id"] for row in ledger if row["effective_cost"] is None}


def test_a_commitment_s_status_is_that_at_the_end_of_the_month() -> None:
    def status(month: str, **changes: Any) -> str:
        (row,) = contract_commitments([PTU._replace(**changes)], Period.month(month)).to_pylist()
        return str(row["ContractCommitmentLifecycleStatus"])

    assert status("2026-09") == "Pending"
    assert status("2026-10") == "Active"
    assert status("2027-09") == "Expired"
    assert status("2027-02", ended=datetime(2027, 1, 5, tzinfo=UTC)) == "Canceled"


def test_a_month_that_is_not_closed_is_open() -> None:
    seen = [(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC), "OpenAI")] * 2
    for state, told in (("open", "Open"), ("closing", "Open"), ("closed", "Closed")):
        (row,) = billing_periods(seen, state, None).to_pylist()
        assert row["BillingPeriodStatus"] == told
        assert row["BillingPeriodLastUpdated"] >= row["BillingPeriodCreated"]
