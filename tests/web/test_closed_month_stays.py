"""A closed month is what it was (5 d), whatever is loaded, changed or comes late after it: what the API answers, what pages
show, what files and the workbook hold, and its hash. What changes stands in the open month. Its FOCUS files are sound (5 f)."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import time_machine
from django.core.management import call_command
from django.db.models import Sum
from django.test import Client

from allocation.close import manifest
from allocation.costing import terms
from allocation.focus_around import in_file
from allocation.models import Charge, CostDaily, PeriodManifest, Statement
from allocation.verification import verify
from ingest.models import BilledLine
from ingest.services import Import, ingest_file
from tests.conftest import empty_ledger
from tests.web import closed_month
from tests.web.closed_month import OCTOBER
from tests.web.ledger import bearer, person
from tests.web.money_pages import text
from tests.web.test_focus_export import COSTS, DATASETS, toolkit
from tests.web.test_focus_export import read as _read
from tests.web.test_overview import ask

MONTH = str(OCTOBER)
GROUPS = (
    "",
    "x_CostCentre",
    "x_CostCentre,x_Team",
    "x_QueryTier,x_Model",
    "x_Environment,x_Feature",
    "ServiceProviderName",
)
API = [
    *(f"costs?month={MONTH}&group_by={names}&column={column}" for names in GROUPS for column in ("EffectiveCost", "BilledCost")),
    f"costs?month={MONTH}&granularity=day&group_by=x_CostCentre", f"periods/{MONTH}", f"statements?month={MONTH}",
    f"journal?month={MONTH}", f"journal.csv?month={MONTH}", f"accruals?month={MONTH}", f"proof?month={MONTH}",
    f"allocations?month={MONTH}", f"allocations/coverage?month={MONTH}",
]  # fmt: skip
PAGES = [
    f"periods/{MONTH}/", f"periods/{MONTH}/journal/", f"statements/?month={MONTH}", f"statements/statements.csv?month={MONTH}",
    f"overview/cost-centres.csv?month={MONTH}", f"allocation/splits/?month={MONTH}", f"allocation/splits.csv?month={MONTH}",
]  # fmt: skip


@dataclass
class Books:
    """What the month was when it was closed and what it is after all that changed."""

    folder: Path
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    after: dict[str, dict[str, Any]] = field(default_factory=dict)
    later: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def books(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    with django_db_blocker.unblock(), time_machine.travel(datetime(2026, 11, 21, 12, tzinfo=UTC), tick=True):
        try:
            found = Books(tmp_path_factory.mktemp("closed"))
            closed_month.close(found.folder)
            headers, client = bearer(person("fin", "finance")), Client()
            client.force_login(person("auditor", "auditor"))
            found.before = _taken(found.folder / "before", headers, client)
            closed_month.disturb(found.folder)
            found.after = _taken(found.folder / "after", headers, client)
            found.later = _since(found.folder / "november")
        finally:
            empty_ledger()
            terms._parsed.cache_clear()
            closed_month.put_back()
        yield found


def _taken(folder: Path, headers: dict[str, str], client: Client) -> dict[str, dict[str, Any]]:
    """Everything that is said of the month, by kind: name -> what."""
    folder.mkdir()
    statements = list(Statement.objects.filter(month=OCTOBER.start).order_by("cost_centre__code", "currency"))
    call_command("export", "statement,charges,focus", "--month", MONTH, "--format", "xlsx,csv", "--out", f"{folder}/")
    (workbook,) = folder.glob("*.xlsx")
    return {
        "api": {path: _answer(Client().get(f"/api/v1/{path}", **headers)) for path in API}
        | {f"statements/{one.pk}": _answer(Client().get(f"/api/v1/statements/{one.pk}", **headers)) for one in statements},
        "pages": {path: _shown(client, f"/{path}") for path in PAGES}
        | {str(one): _shown(client, f"/statements/{MONTH}/{one.cost_centre.code}") for one in statements}
        | {"overview": _figures(ask(client, f"?month={MONTH}").json())},
        "workbook": _cells(workbook),
        "files": {path.name: path.read_bytes() for path in sorted(folder.glob("*.csv"))},
        "hash": {
            "manifests": [*PeriodManifest.objects.filter(period__month=OCTOBER.start).values_list("sha256", flat=True)],
            "broken": manifest.violations(),
        },
    }  # fmt: skip


def _since(folder: Path) -> dict[str, Any]:
    """What the ledger holds after all changes: what corrects October, what verify finds, what October's file sums to."""
    corrections = Charge.objects.filter(corrects_date__gte=OCTOBER.start, corrects_date__lt=OCTOBER.end)
    folder.mkdir()
    call_command(
        "export", "focus", "--month", "2026-11", "--format", "csv", "--focus-version", "1.4", "--out", f"{folder}/"
    )
    billed = Charge.objects.filter(in_file(OCTOBER)).order_by()
    daily = CostDaily.objects.filter(charge_date__gte=OCTOBER.start, charge_date__lt=OCTOBER.end).order_by()
    totals = billed.values_list("billing_currency", "billing_period").annotate(*(Sum(name) for name in COSTS.values()))
    return {
        "corrections": list(corrections.values("charge_class", "charge_date", "effective_cost")),
        "violations": [(check.id, check.examples) for check in verify() if not check.ok],
        "totals": {tuple(row[:2]): row[2:] for row in totals},
        "borne": {
            row[0] or "": row[1:] for row in daily.values_list("cost_centre__code").annotate(*map(Sum, COSTS.values()))
        },
        "stated": dict(Statement.objects.filter(month=OCTOBER.start).values_list("cost_centre__code", "amount")),
        "ahead": Charge.objects.filter(billing_period=OCTOBER.start, charge_date__gte=OCTOBER.end).count(),
    }


def _answer(response: Any) -> Any:
    assert response.status_code == 200, response.content
    said = response.json() if response["Content-Type"] == "application/json" else response.content
    return {name: value for name, value in said.items() if name != "as_of"} if isinstance(said, dict) else said


def _shown(client: Client, path: str) -> Any:
    response = client.get(path)
    assert response.status_code == 200, (path, response.content)
    without_months = r"(Oct(?:ober)? 2026)(?: \d{4}-\d\d)+"  # those to choose: there are more of them every month
    shown = re.sub(without_months, r"\1", text(response.content.decode()))
    return re.sub(r"just now|\d+ (?:s|min) ago", "then", shown)


def _figures(part: Any) -> list[str]:
    """Every figure of a page of Dash, but for the months to choose and the bills that came of the month, before or since."""
    if isinstance(part, dict):
        if "menu month" in str(part.get("className", "")):
            return []
        if part.get("className") == "card" and "tax included" in str(part):
            return []
        part = list(part.values())
    if isinstance(part, list):
        return [figure for each in part for figure in _figures(each)]
    return re.findall(r"[-\u2212]?[$€]?\d[\d,.]*", str(part))


def _cells(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    book = openpyxl.load_workbook(path)
    return {
        sheet.title: [
            tuple(map(_timeless, row)) for row in sheet.iter_rows(values_only=True) if row[:1] != ("Generated at",)
        ]
        for sheet in book
    }


def _timeless(value: Any) -> Any:
    """Without when the file was written."""
    return re.sub(r"Generated: 2026-11-2\d [\d:]+ UTC", "", value) if isinstance(value, str) else value


def _differing(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))


@pytest.mark.parametrize("kind", ["api", "pages", "workbook", "files", "hash"])
def test_what_is_said_of_a_closed_month_is_what_was_said(books: Books, kind: str) -> None:
    assert len(books.before[kind]) > 1
    assert _differing(books.before[kind], books.after[kind]) == []


def test_ar22_a_month_is_exported_to_the_same_bytes_and_the_same_cells(books: Books) -> None:
    assert len(books.before["files"]) == 6
    assert books.before["files"] == books.after["files"]
    assert books.before["workbook"]["Detail"] == books.after["workbook"]["Detail"]


def test_what_changed_of_it_stands_in_the_open_month_and_both_are_what_is_known_now(books: Books) -> None:
    corrections = books.later["corrections"]
    assert {row["charge_class"] for row in corrections} == {"Correction"}
    assert {f"{row['charge_date']:%Y-%m}" for row in corrections} == {"2026-11"}
    assert sum(row["effective_cost"] or 0 for row in corrections) != 0
    assert books.later["violations"] == []
    (export,) = (books.folder / "november").glob("focus-1.4_*.csv")
    rows = [
        row for row in _read(export) if row["ChargeClass"] == "Correction" and row["ChargePeriodStart"][:7] == MONTH
    ]
    assert len(rows) >= len(corrections)
    assert {row["BillingPeriodStart"] for row in rows} == {"2026-11-01T00:00:00Z"}
    closed = {row["InvoiceId"] for row in _read(books.folder / "before" / f"focus-1.4_{MONTH}.csv")}
    assert not closed & {row["InvoiceId"] for row in rows}


def test_the_files_of_a_closed_month_have_what_a_month_can_have(books: Books) -> None:
    rows = _read(books.folder / "before" / f"focus-1.4_{MONTH}.csv")
    assert {row["x_PeriodState"] for row in rows} == {"closed"}
    assert {"Usage", "Purchase", "Tax", "Credit", "Adjustment"} <= {row["ChargeCategory"] for row in rows}
    assert any(row["ChargeClass"] == "Correction" and row["ChargePeriodStart"][:7] == "2026-09" for row in rows)
    assert any(row["InvoiceId"].startswith("PROV-") for row in rows)
    assert any(row["InvoiceId"].startswith("INV-") for row in rows)
    for name in ("CommitmentDiscountId", "ContractApplied", "AllocatedMethodId", "Tags", "CapacityReservationId"):
        assert any(row[name] for row in rows), name
    mapped = {(row["x_Environment"], row["x_Feature"]) for row in rows if '"team":"shared"' in row["Tags"]}
    assert mapped == {("production", "platform")}
    (period, *others) = _read(books.folder / "before" / f"focus-1.4-billing-period_{MONTH}.csv")
    assert {one["BillingPeriodStatus"] for one in (period, *others)} == {"Closed"}


@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_the_files_of_a_closed_month_say_what_its_statements_say(books: Books, version: str) -> None:
    borne: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 4)
    for row in _read(books.folder / "before" / f"focus-{version}_{MONTH}.csv"):
        sums = borne[row["x_CostCentre"]]
        sums[:] = [one + Decimal(row[name]) for one, name in zip(sums, COSTS, strict=True)]
    assert {code: tuple(sums) for code, sums in borne.items()} == books.later["borne"]
    effective = list(COSTS).index("EffectiveCost")
    for code, amount in books.later["stated"].items():
        assert abs(borne[code][effective] - amount) < Decimal("0.01")  # cents by largest remainder
    assert len(books.later["stated"]) > 3


def test_what_is_billed_ahead_after_a_close_is_in_the_files_of_its_own_month(books: Books) -> None:
    assert books.later["ahead"] > 0
    (export,) = (books.folder / "november").glob("focus-1.4_*.csv")
    rows = [row for row in _read(export) if row["ChargePeriodStart"] == "2026-11-03T00:00:00Z"]
    assert {row["BillingPeriodStart"] for row in rows} == {"2026-11-01T00:00:00Z"}
    assert any(row["InvoiceId"] == "INV-MS-2026-10" for row in rows)
    (details,) = (books.folder / "november").glob("focus-1.4-invoice-detail_*.csv")
    stated = {row["InvoiceDetailId"]: Decimal(row["BilledCost"]) for row in _read(details)}
    billed: dict[str, Decimal] = defaultdict(Decimal)
    for row in _read(export):
        billed[row["InvoiceDetailId"]] += Decimal(row["BilledCost"])
    assert {name: cost for name, cost in billed.items() if name} == stated
    assert any(name.endswith("/Purchase/2026-10") for name in stated)


def test_every_posting_and_move_has_an_id_of_its_own(books: Books) -> None:
    for export in (
        *(books.folder / "november").glob("focus-1.4_*.csv"),
        books.folder / "before" / f"focus-1.4_{MONTH}.csv",
    ):
        rows = _read(export)
        names = [(row["x_ChargeId"], row["ChargeCategory"], row["x_CostCentre"], row["x_Team"]) for row in rows]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_the_files_of_a_closed_month_pass_our_linter(books: Books, version: str) -> None:
    out = books.folder / "lint.json"
    with out.open("w") as file:
        call_command("focus_lint", str(books.folder / "before" / f"focus-{version}_{MONTH}.csv"), "--json", stdout=file)
    assert json.loads(out.read_text().splitlines()[-1])["errors"] == 0


def test_the_bundle_of_a_closed_month_passes_the_toolkit(books: Books) -> None:
    names = {dataset: books.folder / "before" / f"focus-1.4{part}_{MONTH}.csv" for dataset, part in DATASETS.items()}
    for dataset, path in names.items():
        assert toolkit("validate", str(path), "--dataset", dataset)[0] == 0, dataset
    code, said = toolkit(
        "validate-bundle", *(each for name, path in names.items() for each in (f"--{name}", str(path)))
    )
    assert (code, "bundle validation: OK" in said) == (0, True), said


@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_the_files_of_a_closed_month_are_imported_to_its_sums(books: Books, version: str, ledger: None) -> None:
    ingest_file(Import(books.folder / "before" / f"focus-{version}_{MONTH}.csv", "focus"))
    by_month = BilledLine.objects.values_list("billing_currency", "billing_period").annotate(
        *(Sum(name) for name in COSTS.values())
    )
    assert {tuple(row[:2]): row[2:] for row in by_month.order_by()} == books.later["totals"]
