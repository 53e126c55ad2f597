"""Variance is budget - actual everywhere: what is left of a budget, red where more was spent."""

import re
from datetime import date
from decimal import Decimal

import pytest
from django.test import Client

from allocation.close import statements
from allocation.models import Statement
from finops.periods import Period
from forecasting import budgets
from forecasting.calc.budget_entries import Row
from tests.web.ledger import Usage, bearer, centre, load, person
from tests.web.money_pages import client_of
from web import approving, statement_sheet

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")
MINUS = "\N{MINUS SIGN}"


@pytest.fixture(autouse=True)
def spent() -> None:
    """In September 120.00 of 100 and 60.50 of 75, in August nothing."""
    load(Usage("120", "CC-100"), Usage("60.50", "CC-200"), Usage("1", "CC-300", day=date(2026, 9, 2)))
    rows = [
        Row(number, {"cost_centre": code, "month": "2026-09", "amount": amount})
        for number, (code, amount) in enumerate((("CC-100", "100"), ("CC-200", "75")), start=2)
    ]
    version = budgets.propose(budgets.Asked(2026), ["cost_centre", "month", "amount"], rows, by="ann")
    assert version.approval is not None
    approving.decide(version.approval, by="bob", accept=True)
    centre("CC-100")


EXPECTED = {"CC-100": (Decimal(-20), f"{MINUS}$20.00", True), "CC-200": (Decimal("14.50"), "+$14.50", False)}


def _statement(code: str) -> Statement:
    statements.draft(SEPTEMBER)
    return Statement.objects.get(month=SEPTEMBER.start, cost_centre__code=code)


@pytest.mark.parametrize("code", EXPECTED)
def test_statement_page_and_api_agree_on_sign_and_colour(code: str) -> None:
    left, told, over = EXPECTED[code]
    held = _statement(code)
    assert Decimal(held.document["budget"]["variance"]) == left
    month = statement_sheet.read(held).plans[0]
    assert (month.variance, month.over) == (told, over)
    finance = client_of("finance")
    sheet = finance.get(f"/statements/2026-09/{code}").content.decode()
    table = sheet[sheet.index('aria-labelledby="plan"') :]
    assert re.findall(r'<th scope="col" class="figure"[^>]*>(\w+)', table)[:3] == ["Budget", "Actual", "Variance"]
    cell = '<td class="figure up">' if over else '<td class="figure">'
    assert f"{cell}{told}</td>" in table
    page = finance.get("/budgets/?month=2026-09").content.decode()
    (row,) = re.findall(rf'<th scope="row"[^>]*>{code}<small>.*?</tr>', page, re.S)
    assert f'<td class="figure lead{" up" if over else ""}">{told}</td>' in row
    answer = Client().get("/api/v1/budgets", {"month": "2026-09"}, **bearer(person("f", "finance"))).json()
    assert {one["x_CostCentre"]: Decimal(one["Variance"]) for one in answer["results"] if one["Variance"]}[code] == left


def test_a_document_that_was_issued_with_the_other_sign_is_shown_like_the_others() -> None:
    held = _statement("CC-100")
    held.document["budget"]["variance"] = "20.00"
    assert (statement_sheet.read(held).plans[0].variance, statement_sheet.read(held).plans[0].over) == (
        f"{MINUS}$20.00",
        True,
    )
