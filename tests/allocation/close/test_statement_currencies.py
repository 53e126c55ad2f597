"""What a cost centre pays in its own currency: at the frozen rate, beside the group's amount, the same wherever it is read."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.test import Client

from allocation import rule_changes
from allocation.calc.statements import content_hash
from allocation.close import freeze, gates, statement_checks, statement_rates, statements
from allocation.models import BillingPeriod, Statement
from allocation.scope import EVERYTHING
from finops import fx
from finops.fx_files import Published
from finops.periods import Period
from tests.web.ledger import Usage, bearer, load, person
from tests.web.money_pages import client_of, page, text
from web import statement_sheet
from web.exports import statement as workbook
from web.paper import statement as paper

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")
FRIDAY = datetime(2026, 10, 2, 9, tzinfo=UTC)
D = Decimal


def publish(**rates: str) -> None:
    fx.load(
        [Published(date(2026, 9, 30), "USD", quote, D(rate)) for quote, rate in rates.items()],
        source="ecb",
        actor="test",
    )


@pytest.fixture(autouse=True)
def tree() -> None:
    """CC-JP pays in yen, CC-KW in dinars, CC-US in dollars as the site does."""
    entries = [
        {"code": "CC-JP", "name": "Tokyo", "currency": "JPY"}, {"code": "CC-KW", "name": "Kuwait", "currency": "KWD"},
        {"code": "CC-US", "name": "Boston"},
    ]  # fmt: skip
    rule_changes.load_document("cost_centres", entries, actor="test")
    load(
        Usage("812.345", "CC-JP", "ops"), Usage("0.005", "CC-JP", "chat", model="gpt-5-mini"), Usage("12.345", "CC-KW"),
        Usage("7", "CC-US"),
    )  # fmt: skip


def close() -> None:
    """As a close does: what it hangs on is kept with the month, then statements are issued."""
    BillingPeriod.objects.create(month=SEPTEMBER.start, state="soft_closed", frozen_versions=freeze.versions(SEPTEMBER))
    statements.issue(SEPTEMBER, "fin-1", at=FRIDAY)


def of(code: str) -> Statement:
    return Statement.objects.get(cost_centre__code=code)


def test_a_cost_centre_is_charged_in_its_currency_at_its_minor_unit_and_lines_add_up() -> None:
    publish(JPY="152.03", KWD="0.307")
    close()
    said = of("CC-JP").document
    # 812.35 x 152.03 = 123501.5705; the lines are 123500.81035 and 0.76015
    assert (said["amount"], said["currency"]) == ("812.35", "USD")
    assert said["own"] == {
        "currency": "JPY", "amount": "123502", "rate": "152.03", "rate_day": "2026-09-30", "rate_source": "ecb",
    }  # fmt: skip
    assert sorted(line["own"] for line in said["lines"]) == ["1", "123501"]
    assert [part["own"] for part in said["parts"]] == ["123502"]
    assert of("CC-KW").document["own"]["amount"] == "3.790"
    assert "own" not in of("CC-US").document
    assert all(content_hash(each.document) == each.content_hash for each in Statement.objects.all())
    assert statement_checks.violations() == []


def test_a_rate_that_is_corrected_after_the_close_changes_no_statement_of_the_month() -> None:
    publish(JPY="152.03", KWD="0.307")
    BillingPeriod.objects.create(month=SEPTEMBER.start, state="soft_closed", frozen_versions=freeze.versions(SEPTEMBER))
    publish(JPY="200")
    assert fx.on_or_before("USD", "JPY", date(2026, 9, 30)).rate == 200  # type: ignore[union-attr]
    statements.issue(SEPTEMBER, "fin-1", at=FRIDAY)
    assert of("CC-JP").document["own"]["rate"] == "152.03"
    kept = BillingPeriod.objects.get().frozen_versions["statement_rates"]
    assert kept == {
        "USD/JPY": ["152.030000000000", "2026-09-30", "ecb"],
        "USD/KWD": ["0.307000000000", "2026-09-30", "ecb"],
    }
    assert freeze.versions(SEPTEMBER)["statement_rates"]["USD/JPY"][0] == "200.000000000000"


def test_without_a_rate_it_is_charged_in_the_groups_currency_says_so_and_holds_the_close() -> None:
    publish(KWD="0.307")
    assert statement_rates.missing(SEPTEMBER) == ["USD/JPY for CC-JP"]
    gate = next(each for each in gates.of(SEPTEMBER, "soft_closed", 1) if each.code == "rates")
    assert (gate.passes, gate.told) == (False, "no rate of USD/JPY for CC-JP: its statement cannot be converted")
    statements.draft(SEPTEMBER, at=FRIDAY)
    said = of("CC-JP").document
    assert "own" not in said
    told = "No rate of USD/JPY is known for the month: it is charged in USD."
    assert {"code": "no_rate", "text": told} in said["notes"]


def test_page_pdf_api_csv_and_workbook_say_the_same(tmp_path: Path) -> None:
    publish(JPY="152.03", KWD="0.307")
    close()
    finance = client_of("finance")
    shown = text(page(finance, "/statements/2026-09/CC-JP"))
    assert "¥123,502" in shown
    assert "$812.35 at 152.03 JPY for 1 USD, 30 September 2026, ecb" in shown
    assert paper.pdf(statement_sheet.read(of("CC-JP"))).startswith(b"%PDF")
    assert statement_sheet.read(of("CC-US")).charged == "$7.00"
    headers = bearer(person("api", "finance"))
    rows: list[Any] = Client().get("/api/v1/statements?month=2026-09", **headers).json()["results"]
    assert {row["x_CostCentre"]: (row["amount"], row["charged"]["amount"], row["charged"]["currency"]) for row in rows} == {
        "CC-JP": ("812.35", "123502", "JPY"), "CC-KW": ("12.35", "3.790", "KWD"), "CC-US": ("7.00", "7.00", "USD"),
    }  # fmt: skip
    lines = finance.get("/statements/statements.csv?month=2026-09").content.decode().splitlines()
    assert "812.35,123502,JPY,152.03" in next(line for line in lines if "CC-JP" in line)
    path = tmp_path / "book.xlsx"
    assert workbook.write(path, EVERYTHING, SEPTEMBER, FRIDAY).ties
    book = openpyxl.load_workbook(path)
    cells = [[cell.value for cell in row] for row in book["CC-JP"].iter_rows()]
    head = next(row for row in cells if row[0] == "Team")
    total = next(row for row in cells if row[0] == "Total")
    assert head[-2:] == ["Own currency", "In own currency"]
    assert total[-2:] == ["JPY", 123502]
    assert sum(row[-1] for row in cells if row[0] in ("ops", "chat")) == 123502
    assert any(row[0] == "In JPY at 152.03 JPY for 1 USD, 2026-09-30, ecb" for row in cells)
    assert "In own currency" not in [cell.value for row in book["CC-US"].iter_rows() for cell in row]
