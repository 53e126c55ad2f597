"""What is owed by provider on the page Reconciliation: page, API and file say the same; and accruals on the page of the month."""

import csv
import io
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client

from allocation import reconciliation_invoices
from allocation.close import accruals, journal
from allocation.models import BillingPeriod
from finops.periods import Period
from tests.web.ledger import Usage, bearer, load, person
from tests.web.money_pages import client_of, page, row, text
from web.formats import NONE

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")
MONTH = "?month=2026-09"


@pytest.fixture(autouse=True)
def spent() -> None:
    """openai 12.50 + 5.50, and 2 that nobody owns; anthropic 40."""
    load(
        Usage("12.50", "CC-100"), Usage("5.50", "CC-200"), Usage("2", None),
        Usage("40", "CC-200", provider="anthropic", model="claude-opus-4-5"),
    )  # fmt: skip


def billed() -> None:
    document = {"issuer": "anthropic", "number": "A-1", "billing_account": "a", "billing_period": "2026-09", "currency": "USD",
                "total": "38.00", "lines": [{"description": "usage", "amount": "40.00"},
                                            {"description": "credit", "category": "Credit", "amount": "-2.00"}]}  # fmt: skip
    reconciliation_invoices.enter(document, by="ann")


def test_page_api_file_and_sql_say_the_same() -> None:
    billed()
    client = client_of("auditor")
    markup = page(client, f"/reconciliation/{MONTH}")
    body = Client().get("/api/v1/owed", {"month": "2026-09"}, **bearer(person("f", "finance"))).json()
    assert [(each["issuer"], each["Invoiced"], each["ToBeInvoiced"], each["Owed"]) for each in body["results"]] == [
        ("anthropic", "38.000000000000", "0.000000000000", "38.000000000000"),
        ("openai", None, "20.000000000000", "20.000000000000"),
    ]
    assert body["totals"][0]["Owed"] == "58.000000000000"
    found = markup[markup.index('id="owed"') :]
    for each in body["results"]:
        shown = row(found, f"{each['issuer']}<small")
        assert f"${Decimal(each['Owed']):,.2f}" in shown
        assert f"${Decimal(each['Expected']):,.2f}" in shown
    assert "no invoice yet" in row(found, "openai<small")
    assert NONE in row(found, "openai<small")
    assert f"{chr(0x2212)}$2.00" in row(found, "anthropic<small"), "the credit"
    assert "Owed: $58.00 to 2 providers, of it $38.00 invoiced and $20.00 still to be invoiced" in text(found)
    rows = list(csv.DictReader(io.StringIO(client.get(f"/reconciliation/owed.csv{MONTH}").content.decode())))
    assert [(each["issuer"], each["Owed"], each["InvoiceIds"]) for each in rows] == [
        ("anthropic", "38.000000000000", "A-1"), ("openai", "20.000000000000", ""),
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT u.provider, sum(c.effective_cost) FROM charge c JOIN ingest_usagekey u ON u.id = c.usage_key_id "
            "WHERE c.charge_date >= '2026-09-01' AND c.charge_date < '2026-10-01' GROUP BY 1"
        )
        charged = dict(cursor.fetchall())
    assert {each["issuer"]: Decimal(each["Expected"]) for each in body["results"]} == charged


def test_the_page_tells_it_before_the_month_is_reconciled_and_where_there_is_nothing() -> None:
    client = client_of("finance")
    shown = text(page(client, f"/reconciliation/{MONTH}"))
    assert "was not reconciled yet" in shown
    assert "Owed: $60.00 to 2 providers, of it nothing invoiced and $60.00 still to be invoiced" in shown
    assert "Nothing of January 2026 is owed to anybody" in text(page(client, "/reconciliation/?month=2026-01"))


@pytest.mark.parametrize("query", [{}, {"month": "2026-13"}, {"month": "2026-09", "issuer": "x"}])
def test_the_api_refuses_what_it_does_not_know(query: dict[str, str]) -> None:
    answer = Client().get("/api/v1/owed", query, **bearer(person("f", "finance")))
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


def test_accruals_stand_on_the_page_of_the_month_with_their_cost_centres_and_the_journal() -> None:
    client = client_of("finance", "bob")
    assert "Accrued when the month is made preliminary" in text(page(client, "/periods/2026-09/"))
    billed()
    accruals.run(SEPTEMBER, "ann")
    markup = page(client, "/periods/2026-09/")
    found = markup[markup.index('id="accruals"') :]
    shown = text(found)
    assert f"openai {NONE} $20.00 $20.00" in shown
    assert "CC-100 $12.50 $12.50 CC-200 $5.50 $5.50 Unallocated $2.00 $2.00" in shown
    assert "anthropic" not in shown.partition("All in USD")[0], "it was invoiced"
    assert "not in a journal yet" in shown
    assert 'href="/periods/2026-09/journal/"' in found
    BillingPeriod.objects.create(month=SEPTEMBER.start, state="closed")
    journal.build(SEPTEMBER, "ann")
    assert "journal 1 is built, not posted" in text(page(client, "/periods/2026-09/"))
    journal.post(SEPTEMBER, "bob")
    assert "posted with journal 1" in text(page(client, "/periods/2026-09/"))
    body = Client().get("/api/v1/accruals", {"month": "2026-09"}, **bearer(person("a", "auditor"))).json()
    assert [(each["x_CostCentre"], each["central"], each["posted"], each["to_come"]) for each in body["cost_centres"]] == [
        ("CC-100", False, "12.500000000000", "12.500000000000"), ("CC-200", False, "5.500000000000", "5.500000000000"),
        (None, False, "2.000000000000", "2.000000000000"),
    ]  # fmt: skip
