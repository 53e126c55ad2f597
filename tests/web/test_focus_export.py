"""``export focus``: what the specification's toolkit, our linter, SQL and our own import say of the files of a month."""

import csv
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from allocation import focus_selectors, reconciliation_invoices
from allocation.attribution import monthly
from allocation.calc.attribution import parse_mappings
from allocation.close import accruals, gl
from allocation.costing import terms
from allocation.derived import refresh
from allocation.models import AllocatedCost, BillingPeriod, Charge, Correction, CostDaily, SplitCost, TermsVersion
from allocation.scope import EVERYTHING
from finops.periods import Period
from ingest.models import BilledLine, UsageKey
from ingest.services import Import, ingest_file
from tests.conftest import empty_ledger
from tests.web import focus_month
from tests.web.ledger import Usage, load
from web.exports import charges
from web.exports.focus_files import writing

D = Decimal
TOOLKIT = Path(sys.executable).with_name("focus-toolkit")
LATER = datetime(2027, 1, 1, tzinfo=UTC)
COSTS = {"ListCost": "list_cost", "ContractedCost": "contracted_cost", "EffectiveCost": "effective_cost",
         "BilledCost": "billed_cost"}  # fmt: skip
INVOICE = {
    "issuer": "anthropic", "number": "BILL-7", "billing_account": "main", "billing_period": "2026-10",
    "issued_on": "2026-11-03", "currency": "USD", "total": "81.40",
    "lines": [{"description": "seats", "category": "Purchase", "amount": "81.40"}],
}  # fmt: skip
POOLS = [
    {"code": "finance", "source": {"cost_centre": "FIN"}, "method": "even", "over": ["CC-100", "CC-200", "CC-300"]},
    {"code": "idle", "source": {"idle": True}, "method": "fixed", "shares": {"CC-100": "0.25", "CC-300": "0.5"}},
]
CARDS = [
    {"code": "tokens", "cost_centre": "CC-200", "owner": {"cost_centre": "PLATFORM"}, "unit": "tokens", "rate": "2.5",
     "currency": "USD"},
]  # fmt: skip
OF_NOTHING = '{"Elements":[{"ContractId":"x","ContractCommitmentId":"x","ContractCommitmentAppliedCost":1}]}'
DATASETS = {"cost-and-usage": "", "contract-commitment": "-contract-commitment", "billing-period": "-billing-period",
            "invoice-detail": "-invoice-detail"}  # fmt: skip


@dataclass
class Made:
    """The files of October 2026, and what SQL says of it."""

    folder: Path
    again: Path
    narrow: Path
    answer: dict[str, Any]
    daily: dict[tuple[str | None, str | None], tuple[Decimal, ...]] = field(default_factory=dict)
    moved: int = 0
    ledger: dict[str, Decimal] = field(default_factory=dict)
    by_centre: dict[str | None, Decimal] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    shares: int = 0
    queries: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
def october(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Made:
    with django_db_blocker.unblock():
        try:
            return _october([tmp_path_factory.mktemp(name) for name in ("focus", "again", "narrow")])
        finally:
            empty_ledger()


def _october(folders: list[Path]) -> Made:
    focus_month.load(folders[0])
    reconciliation_invoices.enter(INVOICE, by="test")
    monthly.load("splits", POOLS, actor="test")
    monthly.load("rate_cards", CARDS, actor="test")
    refresh()
    made = Made(*folders, export(folders[0], "--format", "csv,parquet"))
    rows = AllocatedCost.objects.filter(charge__billing_period="2026-10-01")
    made.ledger = rows.aggregate(**{name: Sum(column) for name, column in COSTS.items()}, quantity=Sum("quantity"))
    moves = SplitCost.objects.filter(charge_date__range=("2026-10-01", "2026-10-31"))
    made.by_centre = defaultdict(Decimal)
    for shares in (rows, moves):
        for centre, cost in shares.values_list("cost_centre__code").annotate(Sum("effective_cost")).order_by():
            made.by_centre[centre] += cost or 0
    made.moved = moves.count()
    daily = CostDaily.objects.filter(charge_date__range=("2026-10-01", "2026-10-31")).order_by()
    sums = daily.values_list("cost_centre__code", "team__code").annotate(*(Sum(name) for name in COSTS.values()))
    made.daily = {tuple(row[:2]): row[2:] for row in sums if any(row[2:])}
    made.shares = rows.count()
    with pytest.MonkeyPatch.context() as patch:
        for size in (50, 10):
            patch.setattr(focus_selectors, "BATCH", size)
            with CaptureQueriesContext(connection) as seen:
                made.batches = [len(batch) for batch in focus_selectors.ledger(EVERYTHING, Period.month("2026-10"))]
            made.queries.append(len(seen) - len(made.batches) * 2)
        call_command("rebuild_cube")  # all charges are written anew, under other ids
        export(made.again, "--format", "csv")
    export(made.narrow, "--cost-centre", "CC-100", "--focus-version", "1.4")
    return made


def export(folder: Path, *more: str) -> dict[str, Any]:
    out = folder / "answer.json"
    with out.open("w") as file:
        call_command("export", "focus", "--month", "2026-10", "--out", f"{folder}/", "--json", *more, stdout=file)
    answer: dict[str, Any] = json.loads(out.read_text().splitlines()[-1])
    return answer


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def toolkit(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([TOOLKIT, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def bundle(folder: Path, ending: str) -> list[str]:
    names = {dataset: str(folder / f"focus-1.4{part}_2026-10.{ending}") for dataset, part in DATASETS.items()}
    return [text for dataset, path in names.items() for text in (f"--{dataset}", path)]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("dataset", DATASETS)
def test_each_dataset_of_1_4_passes_the_toolkit(october: Made, dataset: str, ending: str) -> None:
    path = october.folder / f"focus-1.4{DATASETS[dataset]}_2026-10.{ending}"
    code, said = toolkit("validate", str(path), "--dataset", dataset)
    assert (code, "lint OK" in said) == (0, True), said


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_bundle_of_1_4_passes_the_toolkit(october: Made, ending: str) -> None:
    code, said = toolkit("validate-bundle", *bundle(october.folder, ending))
    assert code == 0, said
    assert "bundle validation: OK" in said
    assert "validated: Billing Period, Contract Commitment, Cost and Usage, Invoice Detail" in said


def _broken(october: Made, folder: Path, part: str, **changes: str) -> list[str]:
    for path in october.folder.glob("focus-1.4*.csv"):
        (folder / path.name).write_bytes(path.read_bytes())
    path = folder / f"focus-1.4{part}_2026-10.csv"
    rows = read(path)
    at = next(n for n, row in enumerate(rows) if all(row.get(name) for name in changes))
    rows[at] |= changes
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return bundle(folder, "csv")


@pytest.mark.parametrize(
    ("part", "changes", "code"),
    [
        ("", {"InvoiceDetailId": "another"}, "FDT-CROSS-014"),
        ("", {"InvoiceDetailId": "INV-OAI-2026-10/org-acme/USD/Tax"}, "FDT-CROSS-015"),
        ("", {"ContractApplied": OF_NOTHING}, "FDT-CROSS-010"),
        ("-billing-period", {"InvoiceIssuerName": "Nobody"}, "FDT-CROSS-040"),
        ("", {"AllocatedMethodDetails": '{"Elements":[{"AllocatedRatio":0.9}]}'}, "FDT-ALLOC-001"),
        ("", {"x_SplitOriginCost": "7.0"}, "FDT-ALLOC-005"),
        ("-contract-commitment", {"ContractCommitmentPeriodEnd": "2026-09-01T00:00:00Z"}, "FDT-CROSS-050"),
        ("", {"AllocatedMethodDetails": '{"Elements":[{"AllocatedRatio":1.5}]}'}, "FDT-ALLOC-006"),
        ("-contract-commitment", {"ContractCommitmentPaymentUpfrontPercentage": "7.0"}, "FDT-CROSS-051"),
        ("-invoice-detail", {"BillingCurrency": "EUR"}, "FDT-CROSS-020"),
    ],
)  # fmt: skip
def test_what_is_broken_in_a_bundle_the_toolkit_reports(
    october: Made, tmp_path: Path, part: str, changes: dict[str, str], code: str
) -> None:
    failed, said = toolkit("validate-bundle", *_broken(october, tmp_path, part, **changes))
    assert failed == 1
    assert code in said


@pytest.mark.parametrize("name", ["focus-1.2_2026-10.csv", "focus-1.2_2026-10.parquet", "focus-1.4_2026-10.csv"])
def test_cost_and_usage_passes_our_linter_with_notes_on_what_nobody_knows(october: Made, name: str) -> None:
    out = october.folder / "lint.json"
    with out.open("w") as file:
        call_command("focus_lint", str(october.folder / name), "--json", stdout=file)
    answer = json.loads(out.read_text().splitlines()[-1])
    assert (answer["errors"], answer["focus_version"]) == (0, name[6:9])
    assert set(answer["rules"]) == {"price_not_null"}


def test_the_costs_of_the_files_are_the_ledger_s(october: Made) -> None:
    for version in ("1.2", "1.4"):
        rows = read(october.folder / f"focus-{version}_2026-10.csv")
        for name in COSTS:
            assert sum(D(row[name]) for row in rows) == october.ledger[name], (version, name)
        counted = sum(D(row["ConsumedQuantity"] or 0) + D(row["x_Quantity"] or 0) for row in rows)
        assert counted == october.ledger["quantity"]
        by_centre: dict[str | None, Decimal] = defaultdict(Decimal)
        for row in rows:
            by_centre[row["x_CostCentre"] or None] += D(row["EffectiveCost"])
        assert by_centre == october.by_centre
    assert {k: D(v) for k, v in october.answer["focus"]["totals"]["USD"].items()} == {
        n: october.ledger[n] for n in COSTS
    }


@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_who_bears_what_is_what_cost_daily_and_so_statements_say(october: Made, version: str) -> None:
    found: dict[tuple[str | None, str | None], list[Decimal]] = defaultdict(lambda: [D(0)] * 4)
    for row in read(october.folder / f"focus-{version}_2026-10.csv"):
        if (
            row["ChargePeriodStart"] >= "2026-10"
        ):  # a bill's correction of September, which is open, is September's cost
            sums = found[row["x_CostCentre"] or None, row["x_Team"] or None]
            sums[:] = [one + D(row[name]) for one, name in zip(sums, COSTS, strict=True)]
    assert {owner: tuple(sums) for owner, sums in found.items() if any(sums)} == october.daily


def test_what_a_pool_or_a_rate_card_moves_is_a_row_taken_and_rows_given_that_name_it(october: Made) -> None:
    rows = [row for row in read(october.folder / "focus-1.4_2026-10.csv") if row["x_Reason"] in ("split", "rate_card")]
    assert len(rows) == october.moved > 20
    assert len({row["x_ChargeId"] for row in rows}) == len(rows)
    assert {(row["ChargeCategory"], row["ConsumedQuantity"], row["SkuId"]) for row in rows} == {("Adjustment", "", "")}
    assert {row["x_AllocationRule"] for row in rows} == {"finance step 1", "idle step 2", "tokens step 1"}
    taken = {row["x_ChargeId"]: row for row in rows if not row["x_SplitOriginId"]}
    assert {name.rsplit(":", 1)[0] for name in taken} == {"shared:finance:1", "shared:idle:2", "variance:tokens:1"}
    given: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        if row["x_SplitOriginId"]:
            assert row["x_OriginChargeId"] == row["x_SplitOriginId"]
            given[row["x_SplitOriginId"]].append(row)
    assert given.keys() == taken.keys()
    for name, parts in given.items():
        for column in COSTS:
            assert sum(D(row[column]) for row in parts) == -D(taken[name][column])
    assert {row["AllocatedMethodId"] for parts in given.values() for row in parts} == {
        "pool finance step 1", "pool idle step 2", "rate card tokens step 1",
    }  # fmt: skip
    (whole, *_) = [
        parts for name, parts in given.items() if name.startswith("shared:idle") and D(taken[name]["EffectiveCost"])
    ]
    assert {row["x_CostCentre"] for row in whole} == {"CC-100", "CC-300"}


def test_charges_that_an_invoice_by_hand_settles_name_it_and_add_up_to_it(october: Made) -> None:
    details = {row["InvoiceDetailId"]: row for row in read(october.folder / "focus-1.4-invoice-detail_2026-10.csv")}
    line = details["BILL-7/main/USD/Purchase"]
    assert (line["InvoiceId"], line["BilledCost"], line["InvoiceIssueDate"]) == (
        "BILL-7",
        "81.4",
        "2026-11-03T00:00:00Z",
    )
    rows = [row for row in read(october.folder / "focus-1.4_2026-10.csv") if row["InvoiceId"] == "BILL-7"]
    assert sum(D(row["BilledCost"]) for row in rows) == D("81.4")  # seats and what the invoice has beyond them
    assert len([row for row in rows if row["InvoiceDetailId"] == line["InvoiceDetailId"]]) > 1
    others = [row for row in read(october.folder / "focus-1.4_2026-10.csv") if row["InvoiceId"].startswith("PROV-")]
    assert {row["InvoiceId"] for row in others} >= {"PROV-2026-10-agreement"}


def test_price_times_quantity_is_the_cost_to_twelve_decimals_in_every_priced_row(october: Made) -> None:
    rows = [row for row in read(october.folder / "focus-1.4_2026-10.csv") if row["SkuPriceId"]]
    assert len(rows) > 150
    for row in rows:
        for price, cost in (("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost")):
            assert round(D(row[price]) * D(row["PricingQuantity"]), 12) == D(row[cost]), row


def test_each_token_class_is_a_sku_of_its_own_at_the_price_of_the_book(october: Made) -> None:
    rows = [
        row
        for row in read(october.folder / "focus-1.4_2026-10.csv")
        if row["x_Model"] == "gpt-5" and row["x_PriceClass"]
    ]
    prices = {row["SkuId"]: row["ListUnitPrice"] for row in rows}
    assert prices == {
        "openai/gpt-5/input_uncached": "1.25", "openai/gpt-5/cache_read": "0.125", "openai/gpt-5/output_visible": "10.0",
        "openai/gpt-5/output_reasoning": "10.0",
    }  # fmt: skip
    assert {row["ContractedUnitPrice"] for row in rows if row["x_PriceClass"] == "output_visible"} == {
        "8.75"
    }  # 12.5 % off


def test_shares_of_a_charge_add_up_to_it_and_their_ratios_to_one(october: Made) -> None:
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in read(october.folder / "focus-1.4_2026-10.csv"):
        if row["x_SplitOriginId"]:
            groups[row["x_SplitOriginId"]].append(row)
    assert len(groups) > 10
    for rows in groups.values():
        ratios = [
            json.loads(row["AllocatedMethodDetails"], parse_float=D)["Elements"][0]["AllocatedRatio"] for row in rows
        ]
        assert sum(ratios) == 1
        assert sum(D(row["BilledCost"]) for row in rows) == D(rows[0]["x_SplitOriginCost"])
        assert len({row["AllocatedResourceId"] for row in rows}) == len(rows)


def test_a_month_that_is_open_is_a_draft(october: Made) -> None:
    assert {row["x_PeriodState"] for row in read(october.folder / "focus-1.2_2026-10.csv")} == {"DRAFT"}
    periods = read(october.folder / "focus-1.4-billing-period_2026-10.csv")
    assert {row["BillingPeriodStatus"] for row in periods} == {"Open"}


def test_unpriced_usage_is_flagged_and_counted(october: Made) -> None:
    rows = [row for row in read(october.folder / "focus-1.2_2026-10.csv") if row["x_Unpriced"]]
    assert october.answer["focus"]["unpriced"] == len(rows) > 0
    assert {row["x_Model"] for row in rows} == {"gpt-nobody-knows"}
    assert sum(D(row["x_UnpricedQuantity"]) for row in rows) > 10_000
    assert all(row["ListUnitPrice"] == "" and row["ChargeDescription"].startswith("Unpriced") for row in rows)


def test_ar22_the_same_state_makes_the_same_bytes_whatever_ids_its_rows_have(october: Made) -> None:
    for path in october.again.glob("*.csv"):
        assert path.read_bytes() == (october.folder / path.name).read_bytes(), path.name
    assert len(list(october.again.glob("*.csv"))) == 5


def test_rows_are_read_in_batches_with_a_fixed_number_of_queries_each(october: Made) -> None:
    assert sum(october.batches) == october.shares
    assert set(october.batches[:-1]) == {10}
    assert october.queries == [5, 5], "two for each batch, one for all, and two for what each of two months stands on"


def test_money_in_parquet_is_decimal_and_says_what_the_csv_says(october: Made) -> None:
    table = pq.read_table(october.folder / "focus-1.4_2026-10.parquet")
    assert {table.schema.field(name).type for name in COSTS} == {pa.decimal128(30, 12)}
    assert table.schema.field("ListUnitPrice").type == pa.decimal128(38, 18)
    assert table.schema.field("ChargePeriodStart").type == pa.timestamp("us", tz="UTC")
    assert not [column.name for column in table.schema if pa.types.is_floating(column.type)]
    rows = read(october.folder / "focus-1.4_2026-10.csv")
    assert [D(row["EffectiveCost"]) for row in rows] == table["EffectiveCost"].to_pylist()
    assert [row["x_CostCentre"] or None for row in rows] == table["x_CostCentre"].to_pylist()


def test_one_cost_centre_s_file_has_its_rows_of_the_whole_and_nothing_of_others(october: Made) -> None:
    whole = read(october.folder / "focus-1.4_2026-10.csv")
    own = read(october.narrow / "focus-1.4_2026-10_CC-100.csv")
    left = ("InvoiceDetailId", "ContractApplied")  # these refer to datasets that belong to no cost centre
    assert own == [row | dict.fromkeys(left, "") for row in whole if row["x_CostCentre"] == "CC-100"]
    for part in ("-contract-commitment", "-invoice-detail"):
        assert read(october.narrow / f"focus-1.4{part}_2026-10_CC-100.csv") == []


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_our_own_files_are_imported_to_the_same_sums(october: Made, version: str, ending: str, ledger: None) -> None:
    ingest_file(Import(october.folder / f"focus-{version}_2026-10.{ending}", "focus"))
    lines = BilledLine.objects.aggregate(
        **{name: Sum(column) for name, column in COSTS.items()}, quantity=Sum("consumed_quantity")
    )
    assert lines == october.ledger
    ingest_file(Import(october.folder / f"focus-{version}_2026-10.{ending}", "focus", observed_at=LATER))
    assert BilledLine.objects.aggregate(cost=Sum("effective_cost"))["cost"] == october.ledger["EffectiveCost"]
    refresh()
    charged = Charge.objects.aggregate(**{name: Sum(column) for name, column in COSTS.items()})
    assert charged == {name: october.ledger[name] for name in COSTS}


def test_text_that_a_spreadsheet_would_run_is_guarded_in_csv_only(tmp_path: Path) -> None:
    table = pa.table({"x_Team": ["=1+1", "search", None], "BilledCost": pa.array([D("-1.50"), D(2), None])})
    for name in ("a.csv", "a.parquet"):
        with writing(tmp_path / name, table.schema) as put:
            put(table)
    assert (tmp_path / "a.csv").read_text() == "x_Team,BilledCost\n'=1+1,-1.5\nsearch,2.0\n,\n"
    assert pq.read_table(tmp_path / "a.parquet")["x_Team"].to_pylist()[0] == "=1+1"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["=1+1", "'=1+1", "-team", "'tis"])
def test_a_name_like_a_formula_comes_back_from_our_own_file_as_it_was(
    tmp_path: Path, ledger: None, settings: Any, name: str, ending: str
) -> None:
    settings.TAG_KEYS = [*settings.TAG_KEYS, "cost_centre"]
    load(Usage("12.5", owner=name))
    call_command(
        "export", "focus", "--month", "2026-09", "--format", ending, "--focus-version", "1.4", "--out", f"{tmp_path}/"
    )
    ingest_file(Import(tmp_path / f"focus-1.4_2026-09.{ending}", "focus"))
    (line,) = BilledLine.objects.all()
    assert UsageKey.objects.get(pk=line.usage_key_id).tags["cost_centre"] == name
    assert line.effective_cost == D("12.5")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("focus", "--format", "xlsx"),
            2,
            "nothing that is asked for is written as xlsx: focus is written as csv or parquet",
        ),
        (("focus", "--focus-version", "1.1"), 2, "'1.1' is no version of FOCUS that is written; possible: 1.2, 1.4"),
        (("focus,statement", "--format", "csv"), 2, "a statement is written as xlsx"),
        (("budget",), 2, "'budget' is no export"),
        (("focus", "--out", "one.csv"), 2, "5 files do not fit into one.csv: give a folder"),
        (("focus,charges", "--out", "one.csv"), 2, "2 exports do not fit into one.csv: give a folder"),
        (("focus",), 3, "nothing is billed in 2026-10: nothing was written"),
        (("charges",), 3, "there is no cost in 2026-10: nothing was written"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    if "one.csv" in arguments:
        load(Usage("1", day=focus_month.date(2026, 10, 1)))
    with pytest.raises(CommandError) as caught:
        call_command(
            "export", *(() if "--out" in arguments else ("--out", f"{tmp_path}/")), "--month", "2026-10", *arguments
        )
    assert caught.value.returncode == code
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db
def test_charges_are_exported_as_the_ledger_has_them_with_unknown_costs_empty(tmp_path: Path) -> None:
    load(Usage("12.5", team="search"), Usage(None, owner=None, model="gpt-unknown", estimate="0.7", tier="complex"))
    call_command("export", "charges", "--month", "2026-09", "--format", "csv,parquet", "--out", f"{tmp_path}/")
    priced, unpriced = sorted(read(tmp_path / "charges_2026-09.csv"), key=lambda row: row["x_Model"])
    assert (priced["EffectiveCost"], priced["x_CostCentre"], priced["x_Team"]) == ("12.5", "CC-100", "search")
    assert (unpriced["EffectiveCost"], unpriced["x_CostCentre"], unpriced["x_UnpricedEstimate"]) == ("", "", "0.7")
    table = pq.read_table(tmp_path / "charges_2026-09.parquet")
    assert table.schema.names == charges.SCHEMA.names
    assert sorted(table["EffectiveCost"].to_pylist(), key=str) == [D("12.5"), None]


def test_what_is_billed_on_an_invoice_is_what_its_lines_state(october: Made) -> None:
    billed: dict[str, Decimal] = defaultdict(Decimal)
    for row in read(october.folder / "focus-1.4_2026-10.csv"):
        billed[row["InvoiceDetailId"]] += D(row["BilledCost"])
    stated = {
        row["InvoiceDetailId"]: D(row["BilledCost"])
        for row in read(october.folder / "focus-1.4-invoice-detail_2026-10.csv")
    }
    provisional = billed.pop("")
    assert billed == stated
    assert sum(billed.values()) + provisional == october.ledger["BilledCost"]
    assert set(stated) >= {"INV-OAI-2026-10/org-acme/USD/Tax", "INV-MS-2026-10/ea-1001/USD/Purchase"}


@pytest.mark.django_db
def test_ratios_of_thirds_sum_to_one_and_a_correction_names_the_charge_it_corrects(tmp_path: Path) -> None:
    load(Usage("3", tokens=3))
    (charge,) = Charge.objects.all()
    (whole,) = charge.allocated.all()
    AllocatedCost.objects.bulk_create(
        [AllocatedCost(charge=charge, charge_date=charge.charge_date, part=part, quantity=1) for part in (1, 2)]
    )
    AllocatedCost.objects.filter(pk=whole.pk).update(quantity=1)
    Charge.objects.filter(pk=charge.pk).update(charge_date="2026-08-31", billing_period="2026-08-01")
    of_charge = Charge.objects.get(pk=charge.pk)
    of_charge.pk, of_charge.charge_class, of_charge.origin_id = None, "Correction", charge.pk
    of_charge.billing_period = focus_month.date(2026, 9, 1)
    of_charge.save()
    AllocatedCost.objects.create(charge=of_charge, charge_date="2026-08-31", part=0, quantity=3, effective_cost=3)
    august, september = (
        [
            row
            for batch in focus_selectors.ledger(EVERYTHING, Period.month(f"2026-0{month}"))
            for row in batch.to_pylist()
        ]
        for month in (8, 9)
    )
    assert sorted(row["ratio"] for row in august) == [D("0.333333333333"), D("0.333333333333"), D("0.333333333334")]
    ((correction,), origins) = september, {row["charge_id"] for row in august}
    assert {correction["origin"]} == origins
    assert correction["charge_id"] not in origins
    assert (correction["day"].isoformat(), correction["billing_period"].isoformat()) == ("2026-08-31", "2026-09-01")


@pytest.mark.django_db
def test_what_is_billed_ahead_is_in_the_files_of_the_month_of_its_day_on_the_invoice_it_was_billed_by(
    tmp_path: Path,
) -> None:
    load(Usage("3"), Usage("40", day=focus_month.date(2026, 10, 2), provider="anthropic"))
    Charge.objects.update(billing_period="2026-09-01")  # of both, the second is a fee of October
    files = {}
    for month in ("2026-09", "2026-10"):
        call_command(
            "export", "focus", "--month", month, "--format", "csv", "--focus-version", "1.4", "--out", f"{tmp_path}/"
        )
        (files[month],) = read(tmp_path / f"focus-1.4_{month}.csv")
    assert {month: row["EffectiveCost"] for month, row in files.items()} == {"2026-09": "3.0", "2026-10": "40.0"}
    assert {month: row["BillingPeriodStart"][:7] for month, row in files.items()} == {month: month for month in files}
    assert files["2026-10"]["InvoiceId"].startswith("PROV-2026-09-anthropic")


@pytest.mark.django_db
def test_what_is_accrued_has_one_number_in_accruals_and_in_the_files(tmp_path: Path) -> None:
    gl.load({"payers": [{"issuer": "openai", "legal_entity": "DE01"}]}, actor="test")
    load(Usage("3"), Usage("2", provider="anthropic", model="claude"))
    accruals.run(Period.month("2026-09"), "test")
    accrued = {row.invoice_id for row in accruals.of(Period.month("2026-09"))}
    call_command(
        "export", "focus", "--month", "2026-09", "--format", "csv", "--focus-version", "1.4", "--out", f"{tmp_path}/"
    )
    assert {row["InvoiceId"] for row in read(tmp_path / "focus-1.4_2026-09.csv")} == accrued
    assert len(accrued) == 2
    assert any(name.startswith("PROV-2026-09-openai-") and name.endswith("-DE01") for name in accrued)


@pytest.mark.django_db
def test_two_postings_that_say_the_same_of_one_charge_have_ids_of_their_own(tmp_path: Path) -> None:
    load(Usage("3"))
    charge = Charge.objects.get()
    for _ in range(2):
        posting = Correction.objects.create(charge_date="2026-08-31", posted_on=charge.charge_date, cause="rerate")
        again = Charge.objects.get(pk=charge.pk)
        again.pk, again.charge_class, again.corrects_date, again.correction = None, "Correction", "2026-08-31", posting
        again.save()
        AllocatedCost.objects.create(charge=again, charge_date=again.charge_date, part=0, quantity=3, effective_cost=3)
    ids = [
        row["charge_id"]
        for batch in focus_selectors.ledger(EVERYTHING, Period.month("2026-09"))
        for row in batch.to_pylist()
    ]
    assert len(ids) == len(set(ids)) == 3


@pytest.mark.django_db
def test_an_admin_s_mapping_comes_before_what_is_stated_and_a_closed_month_keeps_those_it_was_closed_with() -> None:
    def attributed() -> set[tuple[str, str, str]]:
        (batch,) = focus_selectors.ledger(EVERYTHING, Period.month("2026-09"))
        return {(row["environment"], row["feature"], row["tags"]) for row in batch.to_pylist()}

    def map_to(environment: str) -> TermsVersion:
        sets = {"environment": environment, "tag.product": "assistant"}
        return terms.load(
            "mappings", [{"id": "m1", "when": {"provider": "openai"}, "set": sets}], parse_mappings, actor="test"
        )

    load(Usage("3", environment="prod", feature="chat"))
    assert attributed() == {("prod", "chat", "")}
    version = map_to("test")
    assert attributed() == {("test", "chat", '{"product": "assistant"}')}
    held = {"mappings": {"number": version.number, "sha256": version.content_hash}}
    BillingPeriod.objects.create(month="2026-09-01", state="soft_closed", frozen_versions={"terms": held})
    map_to("lab")
    assert attributed() == {("test", "chat", '{"product": "assistant"}')}
