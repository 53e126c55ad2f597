"""The page Reconciliation: the waterfall closes, lines are found, owners are set by finance alone, invoices are asked for."""

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from allocation import reconciliation
from allocation.models import Invoice, Reconciliation, ReconciliationLine
from allocation.reconciliation_evidence import MissingRate
from finops.models import Approval, AuditEvent
from tests.web.connected import PAYLOAD
from tests.web.ledger import Usage, load, person
from tests.web.money_pages import BLIND, READERS, client_of, page, row, text
from web import reconciled
from web.formats import MINUS, NONE
from web.pages import charts

pytestmark = pytest.mark.django_db
D = Decimal
MONTH = "?month=2026-09"
PATHS = (f"/reconciliation/{MONTH}", f"/reconciliation/lines/{MONTH}", f"/reconciliation/lines.csv{MONTH}",
         f"/reconciliation/invoices/{MONTH}")  # fmt: skip
FORM = {"issuer": "openai", "number": "INV-7", "billing_period": "2026-09", "currency": "usd", "total": "12.00", "tax": "2.00",
        "lines": "5.00; Usage; input; gpt-5; 2026-09-03\n5.00; Purchase; support"}  # fmt: skip


def line(model: str, day: int, computed: str, **given: Any) -> ReconciliationLine:
    causes = {cause: f"{D(amount):.12f}" for cause, amount in given.pop("causes", {}).items()}
    values = {
        "provider": "openai", "billing_account": "org-1", "state": "matched", "currency": "USD", "price_class": "input_uncached",
        "unexplained": D(given.pop("unexplained", 0)), **given,
    }  # fmt: skip
    levels = {name: D(values[name]) for name in ("provider_usage", "cost_report", "invoice") if name in values}
    return ReconciliationLine(
        model=model, charge_date=date(2026, 9, day), charge_category="Usage", computed=D(computed), causes=causes,
        **values | levels,
    )  # fmt: skip


# computed 100 + 40 + 7; the cost report misses nothing and adds a search of 3 that nobody captured; the invoice credits 5 and
# leaves 2 unexplained. A gateway of another account knows 7 that nobody bills.
LINES = (
    line(
        "gpt-5", 1, "100", cost_report="100", invoice="97", state="variance", causes={"credit": "-5"}, unexplained="2"
    ),
    line("gpt-5", 2, "40", cost_report="40", invoice="40"),
    line("search", 2, "0", cost_report="3", invoice="3", state="missing", causes={"not_captured": "3"}),
    line("kimi", 2, "7", provider="moonshotai", billing_account="gateway", state="missing"),
    line("flash", 2, "10", provider="google", billing_account="g-1", currency="EUR", invoice="10"),
)


@pytest.fixture
def run() -> Reconciliation:
    load(Usage("10"))
    totals = [
        {"currency": "EUR", "computed": "10", "stated": "10", "causes": {}, "unexplained": "0", "explained": "1",
         "states": {"matched": 1}},
        {"currency": "USD", "computed": "147", "stated": "147", "causes": {"credit": "-5", "not_captured": "3"},
         "unexplained": "2", "explained": "0.8", "states": {"matched": 1, "missing": 2, "variance": 1}},
    ]  # fmt: skip
    made = Reconciliation.objects.create(month=date(2026, 9, 1), number=1, made_by="ann", hash="0" * 64, totals=totals)
    for each in LINES:
        each.pk, each.reconciliation = None, made
        each.save(force_insert=True)
    return made


@pytest.mark.parametrize("role", [*READERS, *BLIND])
def test_the_matrix_of_roles(role: str, run: Reconciliation) -> None:
    client, number = client_of(role), run.lines.order_by("pk")[0].pk
    for path in PATHS:
        assert client.get(path).status_code == (200 if role in READERS else 403), path
    for path in ("/reconciliation/run", f"/reconciliation/lines/{number}/note"):
        assert client.get(path).status_code == 405, "no GET changes anything"
        answer = client.post(path, {"month": "2026-08", "owner": role})
        assert answer.status_code == (302 if role == "finance" else 403), path
    proposed = client.post(f"/reconciliation/invoices/{MONTH}", FORM).status_code
    assert proposed == (302 if role in ("analyst", "finance") else 403)
    assert ("/reconciliation/" in client.get("/overview/").content.decode()) == (role in READERS)


def test_a_change_needs_the_csrf_token(run: Reconciliation) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("fin", "finance"))
    number = run.lines.order_by("pk")[0].pk
    for path in ("/reconciliation/run", f"/reconciliation/lines/{number}/note", f"/reconciliation/invoices/{MONTH}"):
        assert client.post(path, {"owner": "x"}).status_code == 403
    assert not run.lines.exclude(owner="").exists()


def test_the_waterfall_closes_at_every_level(run: Reconciliation) -> None:
    rungs = reconciled.waterfall(reconciled.read(run), "USD")
    assert [(rung.name, rung.amount) for rung in rungs] == [
        ("computed", 147), ("not_captured", 3), ("cost_report", 150), ("credit", -5), ("unexplained", 2), ("invoice", 147),
    ]  # fmt: skip
    assert rungs[0].amount + sum(rung.amount for rung in rungs if not rung.level) == rungs[-1].amount
    bars = charts.waterfall([charts.Step(*rung) for rung in rungs])
    assert all(0 <= bar.left <= bar.left + bar.width <= charts.BOX for bar in bars)
    assert (bars[3].left + bars[3].width, bars[3].left) == (bars[2].link, bars[4].left), (
        "each begins where the last ended"
    )


def test_several_levels_that_differ_on_one_line_are_told_as_such_and_still_close(run: Reconciliation) -> None:
    mixed = line("mixed", 3, "10", cost_report="12", invoice="11", state="variance", causes={"tax": "1"})
    mixed.reconciliation = run
    mixed.save()
    rungs = reconciled.waterfall(reconciled.read(run), "USD")
    assert ("several", D(2)) in [(rung.name, rung.amount) for rung in rungs]
    assert rungs[0].amount + sum(rung.amount for rung in rungs if not rung.level) == rungs[-1].amount == 158


def test_the_page_tells_the_share_explained_and_every_account(run: Reconciliation) -> None:
    markup = page(client_of("analyst"), f"/reconciliation/{MONTH}")
    told = text(markup)
    assert "Explained in USD 80.0" in told
    assert "EUR 100.0" in told
    found = row(markup, "<small>org-1</small>")
    assert "variance" in found
    assert f"$140.00 {NONE} $143.00 $140.00 $140.00" in found, "computed, provider usage, cost report, invoice, stated"
    assert row(markup, "gateway").startswith("moonshotai gateway no bill $7.00")
    # Levels sum what they state: the invoice 140, though 147 are stated with the gateway's, of which no bill speaks.
    assert f"All in USD $147.00 {NONE} $143.00 $140.00 $147.00 $0.00 +$2.00" in told
    assert "Cost report does not speak of 1 account; Invoice does not speak of 1 account: there the level below" in told
    assert "gpt-5 org-1, 1 line nobody yet +$2.00" in told
    assert f'href="/api/v1/reconciliations/{run.pk}"' in markup
    assert "€10.00" in row(page(client_of("auditor"), f"/reconciliation/{MONTH}&currency=EUR"), "Computed")
    assert client_of("admin").get(f"/reconciliation/{MONTH}&currency=GBP").status_code == 400


def test_lines_are_chosen_by_what_the_address_says(run: Reconciliation) -> None:
    client = client_of("auditor")
    markup = page(client, f"/reconciliation/lines/{MONTH}&provider=openai&account=org-1&state=variance&cause=credit")
    assert "1 of run 1" in text(markup)
    assert f"credit {MINUS}$5.00" in row(markup, "1 Sep 2026")
    assert f"All 1 $100.00 $97.00 {MINUS}$3.00 +$2.00" in text(markup)
    assert "provider=openai&amp;account=org-1&amp;state=variance&amp;cause=credit" in markup
    assert "3 of run 1" in text(page(client, f"/reconciliation/lines/{MONTH}&provider=openai"))
    assert "No line matches" in page(client, f"/reconciliation/lines/{MONTH}&cause=tax")
    for wrong in ("&state=x", "&cause=x", "&provider=%00", "&before=x"):
        assert client.get(f"/reconciliation/lines/{MONTH}{wrong}").status_code == 400, wrong


def test_the_csv_is_the_very_view_to_the_last_digit(run: Reconciliation) -> None:
    content = client_of("admin").get(f"/reconciliation/lines.csv{MONTH}&state=variance").content.decode()
    [found] = list(csv.DictReader(io.StringIO(content)))
    assert (found["model"], found["computed"], found["invoice"], found["credit"], found["unexplained"]) == (
        "gpt-5", "100.000000000000", "97.000000000000", "-5.000000000000", "2.000000000000",
    )  # fmt: skip


def test_finance_sets_owner_and_note_which_is_audited(run: Reconciliation) -> None:
    client, number = client_of("finance", "fin"), run.lines.get(unexplained=2).pk
    answer = client.post(
        f"/reconciliation/lines/{number}/note",
        {"owner": "bo", "note": PAYLOAD, "next": f"/reconciliation/lines/{MONTH}"},
    )
    assert answer["Location"] == f"/reconciliation/lines/{MONTH}"
    markup = page(client, f"/reconciliation/lines/{MONTH}")
    assert "bo" in row(markup, "1 Sep 2026")
    assert "<img" not in markup
    assert (
        AuditEvent.objects.get(action="reconciliation.note").details.items() >= {"owner": "bo", "note": PAYLOAD}.items()
    )
    client.post(f"/reconciliation/lines/{number}/note", {"owner": "x" * 151})
    assert "Nothing was noted: owner has at most 150 characters." in page(client, f"/reconciliation/{MONTH}")
    assert client.post("/reconciliation/lines/999999/note", {"owner": "x"}).status_code == 404


def test_running_again_tells_whether_anything_changed(run: Reconciliation, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of("finance", "fin")
    monkeypatch.setattr(reconciliation, "reconcile", lambda month, actor: run)
    client.post("/reconciliation/run", {"month": "2026-09"})
    assert "September 2026 is reconciled: nothing has changed since run 1." in page(client, f"/reconciliation/{MONTH}")

    def lacking(month: str, actor: str) -> Reconciliation:
        raise MissingRate("there is no exchange rate of EUR to USD for 2026-09-03")

    monkeypatch.setattr(reconciliation, "reconcile", lacking)
    client.post("/reconciliation/run", {"month": "2026-09"})
    assert "Nothing was reconciled: there is no exchange rate of EUR" in page(client, f"/reconciliation/{MONTH}")
    assert client.post("/reconciliation/run", {"month": "x"}).status_code == 400


def test_an_invoice_is_asked_for_with_its_lines_and_counts_once_another_accepts() -> None:
    load(Usage("10"))
    client = client_of("finance", "fin")
    client.post(f"/reconciliation/invoices/{MONTH}", FORM)
    assert "openai INV-7 waits for another person of finance" in page(client, f"/reconciliation/invoices/{MONTH}")
    client_of("finance", "other").post(f"/approvals/{Approval.objects.get().pk}/decide", {"decision": "accept"})
    invoice = Invoice.objects.get()
    assert (invoice.total, invoice.tax, invoice.currency, invoice.entered_by) == (12, 2, "USD", "fin")
    assert [(each.charge_category, each.amount) for each in invoice.lines.order_by("position")] == [
        ("Usage", 5), ("Purchase", 5), ("Tax", 2),
    ]  # fmt: skip
    assert "$12.00" in row(page(client, f"/reconciliation/invoices/{MONTH}"), "INV-7")
    assert "3 Sep 2026" in row(page(client, f"/reconciliation/invoices/{invoice.pk}/"), "gpt-5")
    assert client.get("/reconciliation/invoices/999/").status_code == 404


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"total": "13.00"}, "its lines and tax add up to 12.00, its total is 13.00"), ({"currency": "12$"}, "currency"),
     ({"lines": "1;2;3;4;5;6"}, "line 1: has 6 parts"), ({"total": "1e5.x"}, "total is a number"), ({"number": ""}, "required")],
)  # fmt: skip
def test_a_wrong_invoice_is_refused_in_words_and_keeps_what_was_typed(changed: dict[str, str], told: str) -> None:
    load(Usage("10"))
    answer = client_of("finance", "fin").post(f"/reconciliation/invoices/{MONTH}", FORM | changed)
    assert answer.status_code == 422
    assert told in text(answer.content.decode())
    assert 'value="openai"' in answer.content.decode()
    assert not Approval.objects.exists()


def test_empty_states_say_what_to_do() -> None:
    client = client_of("finance", "fin")
    assert "There is nothing to reconcile yet" in page(client, "/reconciliation/")
    load(Usage("10"))
    assert "September 2026 was not reconciled yet" in page(client, "/reconciliation/")
    assert "Reconcile September" in page(client, "/reconciliation/")
    assert "Reconcile September" not in page(client_of("auditor"), "/reconciliation/")
    assert client.get(f"/reconciliation/lines/{MONTH}").status_code == 302
    assert client.get("/reconciliation/?month=2026-13").status_code == 400


@pytest.mark.parametrize(("path", "most"), [("/reconciliation/", 32), ("/reconciliation/lines/", 15)])
def test_queries_are_bounded(run: Reconciliation, path: str, most: int, django_assert_max_num_queries: Any) -> None:
    more = [line(f"m{number}", 5, "1", invoice="2", state="variance", unexplained="1") for number in range(150)]
    for each in more:
        each.reconciliation = run
    ReconciliationLine.objects.bulk_create(more)
    client = client_of("finance", "fin")
    with django_assert_max_num_queries(most):
        client.get(f"{path}{MONTH}")
    first = client.get(f"/reconciliation/lines/{MONTH}")
    second = client.get(first.context["older"])
    assert len(first.context["lines"]) + len(second.context["lines"]) == 155
