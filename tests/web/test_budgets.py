"""Budgets from files, the command, the API and the page: nothing is lost, and nobody budgets for others."""

import io
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from allocation.models import Accrual, AccrualRun
from finops.models import Approval
from finops.periods import Period
from forecasting import selectors
from forecasting.calc.budget_entries import BudgetError
from forecasting.models import Budget, BudgetLine, BudgetVersion
from tests.web.ledger import Usage, bearer, centre, load, person
from tests.web.money_pages import client_of, page, row, text
from web import approving, budget_files
from web.management.base import WrongUse

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")
CSV = "cost_centre,annual,phasing\nCC-100,1200,even\nCC-200,600,even\n"


@pytest.fixture(autouse=True)
def centres() -> None:
    centre("CC-100", name="Search")
    centre("CC-200", name="=Evil")


def workbook(*rows: tuple[Any, ...]) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    for each in rows:
        book.active.append(each)
    book.save(out)
    return out.getvalue()


def put_in_force() -> None:
    for asked in Approval.objects.filter(state="proposed"):
        approving.decide(asked, by="second", accept=True)


def test_csv_and_excel_are_read_alike() -> None:
    semicolons = "\ufeffcost_centre;month;amount\nCC-100;2026-09;1234.5\n".encode()
    book = workbook(("cost_centre", "month", "amount"), ("CC-100", date(2026, 9, 1), 1234.5), (None, None, None))
    assert budget_files.rows_of("a.csv", semicolons) == budget_files.rows_of("a.xlsx", book)
    wide = workbook(("cost_centre", date(2026, 9, 1)), ("CC-100", 7))
    assert budget_files.rows_of("a.xlsx", wide)[0] == ["cost_centre", "2026-09"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfea", "neither Excel (xlsx) nor a CSV file in UTF-8"),
        (b"a\x00b", "NUL"),
        (b"", "its first row is the header; it is empty"),
        (b"month,amount\n2026-01,1,2\n", "row 2: has more cells than the header has columns"),
        (b"month,,amount\n2026-01,1,2\n", "row 2: has a value below an empty cell of the header"),
        (b'month,amount\n"2026', "line 2: unexpected end of data"),
        (b"PK\x03\x04 no archive", "it is no Excel file that can be read"),
        (b"m\n" + b"1\n" * 20_001, "it has more than 20,000 rows"),
        (b",".join(b"c%d" % n for n in range(61)), "it has 61 columns"),
        (b"x" * 10_000_001, "is larger than 10 MB"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_words(content: bytes, told: str) -> None:
    with pytest.raises(BudgetError) as refused:
        budget_files.rows_of("b", content)
    assert told in str(refused.value)


def test_a_formula_that_nobody_calculated_is_refused_not_lost() -> None:
    with pytest.raises(BudgetError, match="row 2, B2: a formula without a value; open and save the file"):
        budget_files.rows_of("a.xlsx", workbook(("month", "amount"), ("2026-09", "=1+1")))
    with pytest.raises(BudgetError, match="row 2, B2: True is no text and no amount"):
        budget_files.rows_of("a.xlsx", workbook(("month", "amount"), ("2026-09", True)))


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_files, "UNPACKED_MAX", 100)
    with pytest.raises(BudgetError, match="unpacked it is larger"):
        budget_files.rows_of("a.xlsx", workbook(("month", "amount")))


def test_the_command_loads_and_shows(tmp_path: Path) -> None:
    def run(*arguments: str) -> dict[str, Any]:
        out = io.StringIO()
        call_command("budgets", *arguments, "--json", stdout=out)
        found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
        return found

    person("ann", "finance")
    file = tmp_path / "b.csv"
    file.write_text(CSV)
    found = run("load", str(file), "--year", "2026", "--version", "original", "--as", "ann")
    assert (found["lines"], found["total"], found["kind"]) == (24, "1800 USD", "original")
    put_in_force()
    load(Usage("40", "CC-100"), Usage("2", None))
    shown = run("show", "--month", "2026-09")
    assert [(r["code"], r["budget"], r["actual"]) for r in shown["cost_centres"]] == [
        (None, "150.000000000000", "42.000000000000"), ("CC-100", "100.000000000000", "40.000000000000"),
        ("CC-200", "50.000000000000", "0"),
    ]  # fmt: skip
    file.write_text("cost_centre,month,amount\nCC-900,2026-01,1\n")
    with pytest.raises(WrongUse, match=r"b\.csv: row 2, column cost_centre: there is no cost centre 'CC-900'"):
        run("load", str(file), "--year", "2026")
    with pytest.raises(WrongUse, match="the first month of a year is 1 to 12"):
        run("load", str(file), "--year", "2026", "--first-month", "13")


def body(*lines: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"fiscal_year": 2026, "lines": list(lines), **more}


def posted(headers: dict[str, str], said: dict[str, Any]) -> Any:
    return Client().post("/api/v1/budgets", said, content_type="application/json", **headers)


def test_the_api_proposes_and_shows() -> None:
    finance = bearer(person("f", "finance"), "write")
    answer = posted(
        finance, body({"cost_centre": "CC-100", "month": "2026-09", "amount": "100.25"}, version="reforecast")
    )
    assert answer.status_code == 202
    assert answer.json()["kind"] == "budget"
    put_in_force()
    load(Usage("40", "CC-100"))
    found = Client().get("/api/v1/budgets?month=2026-09", **finance).json()
    assert found["versions"][0]["kind"] == "reforecast"
    assert found["versions"][0]["id"] == Budget.objects.get().pk, "a gateway asks for its state by it"
    assert (found["year_from"], found["compared_from"]) == ("2026-01-01", "2026-09-01")
    assert found["results"][1] == {
        "x_CostCentre": "CC-100", "BillingCurrency": "USD", "Budget": "100.250000000000", "Actual": "40.000000000000",
        "Accrual": None, "Variance": "60.250000000000", "YtdBudget": "100.250000000000", "YtdActual": "40.000000000000",
        "YtdVariance": "60.250000000000",
    }  # fmt: skip


@pytest.mark.parametrize(
    "said",
    [
        body(), body({"month": "2026-09"}), body({"month": "2026-09", "amount": "x"}), body({"annual": "1", "phasing": "odd"}),
        body({"month": "2026-09", "amount": "1", "modell": "gpt-5"}),
        body({"month": "2026-09", "amount": "1", "currency": "XXX"}),
        body({"month": "2026-09", "amount": "1"}, surprise=1), {"fiscal_year": 1, "lines": []}, {"lines": []},
        body({"month": "2026-09", "amount": "1"}, first_month=13), body({"month": "2026-09", "amount": "1"}, version="final"),
    ],
)  # fmt: skip
def test_the_api_refuses_what_is_no_budget(said: dict[str, Any]) -> None:
    answer = posted(bearer(person("f", "finance"), "write"), said)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert not BudgetVersion.objects.exists()


def test_an_owner_budgets_for_the_own_cost_centre_and_sees_no_other() -> None:
    finance, owner = bearer(person("f", "finance"), "write"), bearer(person("o", "owner", "CC-100"), "write")
    posted(finance, body(*({"cost_centre": c, "month": "2026-09", "amount": "50"} for c in ("CC-100", "CC-200"))))
    put_in_force()
    assert posted(owner, body({"cost_centre": "CC-100", "month": "2026-09", "amount": "70"})).status_code == 202
    put_in_force()
    assert selectors.budgets(SEPTEMBER) == {"CC-100": 70, "CC-200": 50, None: 120}
    other = posted(owner, body({"cost_centre": "CC-200", "month": "2026-09", "amount": "1"}))
    assert "there is no cost centre 'CC-200'" in str(other.json())
    whole = posted(owner, body({"month": "2026-09", "amount": "1"}))
    assert "only finance budgets for the whole" in str(whole.json())
    seen = Client().get("/api/v1/budgets?month=2026-09", **owner).json()["results"]
    assert [r["x_CostCentre"] for r in seen] == ["CC-100"]


@pytest.mark.parametrize("role", ["viewer", "analyst", "admin", "auditor"])
def test_others_read_and_propose_nothing(role: str) -> None:
    client = client_of(role)
    assert "Propose a budget" not in page(client, "/budgets/")
    answer = client.post("/budgets/propose", {"fiscal_year": 2026, "version": "original", "name": "B", "annual": "1"})
    assert answer.status_code == 403
    assert not BudgetLine.objects.exists()


def test_the_page_takes_a_file_and_shows_what_is_over() -> None:
    client = client_of("finance", "ann")
    file = SimpleUploadedFile("b.csv", CSV.encode(), "text/csv")
    said = {"fiscal_year": "2026", "version": "original", "name": "AI", "file": file}
    assert client.post("/budgets/propose", said).status_code == 302
    assert "These budgets wait for a second person" in page(client, "/budgets/")
    put_in_force()
    load(Usage("140", "CC-100"))
    markup = page(client, "/budgets/?month=2026-09")
    assert row(markup, "CC-100") == "CC-100 Search $100.00 $140.00 \u2212$40.00 $100.00 $140.00 \u2212$40.00"
    assert "AI 2026 v1 original" in text(markup)
    csv = client.get("/budgets/budgets.csv?month=2026-09").content.decode()
    assert "CC-200,'=Evil,USD,50" in csv


def test_the_form_proposes_one_cost_centre_and_says_what_is_wrong() -> None:
    client = client_of("finance", "ann")
    said = {"fiscal_year": "2026", "version": "original", "name": "AI", "cost_centre": "CC-200", "annual": "120"}
    assert client.post("/budgets/propose", said).status_code == 302
    put_in_force()
    assert selectors.budget_of("CC-200", SEPTEMBER) == 10
    answer = client.post("/budgets/propose", said | {"annual": "lots"})
    assert answer.status_code == 422
    assert "row 1, column annual: &#x27;lots&#x27; is no number" in answer.content.decode()
    assert BudgetVersion.objects.count() == 1


def test_the_page_says_which_months_the_year_to_date_leaves_out_and_what_invoices_may_add() -> None:
    posted(
        bearer(person("f", "finance"), "write"),
        body(*({"cost_centre": "CC-100", "month": f"2026-{n:02}", "amount": "50"} for n in range(1, 13))),
    )
    put_in_force()
    load(Usage("40", "CC-100"))
    run = AccrualRun.objects.create(month=SEPTEMBER.start, version=1, content_hash="x", made_by="ann")
    Accrual.objects.create(run=run, issuer="openai", currency="USD", billed_month=SEPTEMBER.start, invoice_id="PROV", cost=40,
                           computed=40, share=Decimal("0.1"), estimate=4, amount=44, reversed=0)  # fmt: skip
    shown = text(page(client_of("finance"), "/budgets/?month=2026-09"))
    assert "compared since 1 Sep 2026" in shown
    assert "knows no cost from 1 Jan 2026 to 31 Aug 2026" in shown
    assert "Invoices may add" in shown
    assert "The whole with what nobody owns $50.00 $40.00 $4.00 +$6.00 $50.00 $40.00 +$6.00" in shown
    assert " Accrual " not in shown
    load(Usage("1", "CC-100", day=date(2026, 1, 3)))
    assert "compared since" not in text(page(client_of("analyst"), "/budgets/?month=2026-09"))
