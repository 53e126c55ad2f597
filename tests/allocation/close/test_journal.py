"""The journal of a month: balanced lines that tie to statements, built and posted by two people, exported once."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
import yaml
from django.db import DatabaseError, connection, transaction

from allocation import rulebook
from allocation.close import gl, journal, statements
from allocation.close.journal import JournalError
from allocation.derived import refresh
from allocation.models import BillingPeriod, CostCentre, JournalEntry, JournalLine, Statement
from allocation.scope import EVERYTHING, Scope
from finops.approvals import SelfApproval
from finops.models import AuditEvent
from tests.allocation.close.books import NOVEMBER, OCTOBER, SEPTEMBER, freeze, invoice, prepare, use
from tests.allocation.stated import KINDS
from web.cells import csv_field

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
RULES = """
- {id: r1, priority: 1, when: {project: search}, to: {cost_centre: CC-1}}
- {id: r2, priority: 2, when: {project: chat}, to: {shares: {CC-1: "0.3333", CC-2: "0.6667"}}}
"""


@pytest.fixture(autouse=True)
def ruled(ledger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    rulebook.load(yaml.safe_load(RULES), actor="test")


def spend() -> None:
    """September: 10.01 of search and 20 of chat on account a, 5 of nobody on b."""
    use(SEPTEMBER, "a", "10.01", project="search", native_id="1")
    use(SEPTEMBER, "a", "20", project="chat", native_id="2")
    use(SEPTEMBER, "b", "5", native_id="3")


def closed() -> None:
    refresh()
    prepare(SEPTEMBER)
    freeze(SEPTEMBER)
    statements.issue(SEPTEMBER, "ann")
    BillingPeriod.objects.filter(month=SEPTEMBER.start).update(state="closed")


def net(*by: str, entry: JournalEntry | None = None) -> dict[Any, Decimal]:
    rows = JournalLine.objects.filter(entry=entry) if entry else JournalLine.objects.all()
    found: dict[Any, Decimal] = defaultdict(Decimal)
    for row in rows.values(*by, "debit", "credit"):
        found[tuple(row[name] for name in by)] += row["debit"] - row["credit"]
    return {key: amount for key, amount in found.items() if amount}


def test_the_journal_ties_to_statements_and_to_liabilities() -> None:
    spend()
    invoice(SEPTEMBER, "a", "33.01")
    closed()
    entry = journal.build(SEPTEMBER, "ann")
    # 10.01 + a third of 20, the rest of 20; of the invoice 3 more and of b 5, which nobody bears
    assert net("account", "cost_centre", entry=entry) == {
        ("6000", "CC-1"): D("16.68"), ("6000", "CC-2"): D("13.33"), ("6000", ""): D("8.00"), ("2000", ""): D("-33.01"),
        ("2110", ""): D("-5.00"),
    }  # fmt: skip
    said = dict(Statement.objects.values_list("cost_centre__code", "amount"))
    assert said == {"CC-1": D("16.68"), "CC-2": D("13.33")}
    assert net("legal_entity", "currency", entry=entry) == {}  # AR18: debits = credits


def test_over_the_months_the_liabilities_are_the_accruals_and_the_invoices() -> None:
    for period in (SEPTEMBER, OCTOBER, NOVEMBER):
        use(period, "c", "30.004", project="search")
        use(period, "d", "40", project="chat")
        refresh()
        if period == NOVEMBER:
            invoice(SEPTEMBER, "c", "33.00")
        prepare(period)
        freeze(period, "closed")
        journal.build(period, "ann")
    # c: 30.00 of October and of November, each with the tenth that September's invoice was higher; d: three times 40
    assert net("account")[("2110",)] == -(D("33.00") + D("33.00") + 3 * 40)
    assert net("account")[("2000",)] == D("-33.00")
    expenses = {account: amount for (account,), amount in net("account").items() if account.startswith("6")}
    assert sum(expenses.values()) == D("33.00") + D("33.00") + D("33.00") + 3 * 40
    assert net("entry__month", "legal_entity", "currency") == {}


def test_showback_and_entities_and_matrix_come_from_their_documents() -> None:
    spend()
    gl.load({"payers": [{"issuer": "anthropic", "legal_entity": "US01"}], "suspense": "1999"}, actor="test")
    from allocation.attribution import cost_centres

    cost_centres.load(
        [
            {"code": "CC-1", "gl_account": "640100", "legal_entity": "DE01"},
            {"code": "CC-2", "gl_account": "640200", "charging": "showback"},
        ],
        actor="test", today=SEPTEMBER.start,
    )  # fmt: skip
    refresh()
    shown = journal.preview(SEPTEMBER).lines
    found: dict[Any, Decimal] = defaultdict(Decimal)
    for line in shown:
        found[line.legal_entity, line.account, line.cost_centre] += line.debit - line.credit
    assert {key: amount for key, amount in found.items() if amount} == {
        ("DE01", "640100", "CC-1"): D("16.68"), ("DE01", "2310", ""): D("-16.68"), ("US01", "1310", ""): D("16.68"),
        ("US01", "6000", ""): D("18.33"), ("US01", "2110", ""): D("-35.01"),
    }  # fmt: skip


def test_a_preview_is_kept_by_nobody_and_a_journal_is_built_of_a_closed_month_only() -> None:
    spend()
    refresh()
    assert journal.lines(SEPTEMBER, EVERYTHING).entry is None
    with pytest.raises(JournalError, match="2026-09 is open: a journal is built once the month is closed"):
        journal.build(SEPTEMBER, "ann")
    closed()
    entry = journal.build(SEPTEMBER, "ann")
    assert journal.build(SEPTEMBER, "bob") == entry
    assert journal.lines(SEPTEMBER, EVERYTHING).lines == journal.preview(SEPTEMBER).lines == journal.stored(entry)


def test_one_person_alone_does_not_post(settings: Any) -> None:
    spend()
    closed()
    journal.build(SEPTEMBER, "ann")
    with pytest.raises(SelfApproval):
        journal.post(SEPTEMBER, "ann")
    entry = journal.post(SEPTEMBER, "bob")
    assert (entry.built_by, entry.posted_by) == ("ann", "bob")
    with pytest.raises(JournalError, match="was posted by bob already"):
        journal.post(SEPTEMBER, "cid")
    assert [event.actor for event in AuditEvent.objects.filter(action__startswith="journal.")] == ["ann", "bob"]


def test_the_file_leaves_once_and_only_its_copy_again() -> None:
    spend()
    closed()
    journal.build(SEPTEMBER, "ann")
    with pytest.raises(JournalError, match="is not posted"):
        journal.export(SEPTEMBER, "ann", csv_field)
    journal.post(SEPTEMBER, "bob")
    with pytest.raises(JournalError, match="there is nothing to copy"):
        journal.export(SEPTEMBER, "ann", csv_field, copy=True)
    written = journal.export(SEPTEMBER, "ann", csv_field)
    with pytest.raises(JournalError, match="two files would be booked twice"):
        journal.export(SEPTEMBER, "ann", csv_field)
    journal.load_template([{"name": "Konto", "source": "account"}, {"name": "Betrag", "source": "amount"}], actor="x")
    assert journal.export(SEPTEMBER, "eve", csv_field, copy=True) == written  # in the columns it had
    header, *rows = written.decode().splitlines()
    assert header.startswith("Journal,Line,Period,Posting date,Legal entity")
    assert len(rows) == JournalLine.objects.count()


def test_the_number_of_the_books_is_noted_once() -> None:
    spend()
    closed()
    journal.build(SEPTEMBER, "ann")
    journal.post(SEPTEMBER, "bob")
    with pytest.raises(JournalError, match="was not exported"):
        journal.number(SEPTEMBER, "4711", "ann")
    journal.export(SEPTEMBER, "ann", csv_field)
    assert journal.number(SEPTEMBER, " 4711 ", "ann").document_number == "4711"
    assert journal.number(SEPTEMBER, "4711", "ann").document_number == "4711"
    with pytest.raises(JournalError, match="has the document number 4711 already"):
        journal.number(SEPTEMBER, "4712", "ann")


def test_what_was_built_and_posted_is_not_changed_by_anybody() -> None:
    spend()
    closed()
    journal.build(SEPTEMBER, "ann")
    journal.post(SEPTEMBER, "bob")
    attempts: tuple[Any, ...] = (
        lambda: JournalLine.objects.update(debit=1),
        lambda: JournalLine.objects.all().delete(),
        lambda: JournalEntry.objects.update(posted_by="eve"),
        lambda: JournalEntry.objects.all().delete(),
    )
    for attempt in attempts:
        with pytest.raises(DatabaseError), transaction.atomic():
            attempt()


def test_a_statement_that_says_another_amount_stops_the_journal() -> None:
    spend()
    closed()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE allocation_statement DISABLE TRIGGER USER")
        cursor.execute("UPDATE allocation_statement SET amount = amount + 0.01 WHERE amount > 16")
        cursor.execute("ALTER TABLE allocation_statement ENABLE TRIGGER USER")
    with pytest.raises(JournalError, match=r"the statement of CC-1 says 16\.69.* USD, the charges 16\.68"):
        journal.build(SEPTEMBER, "ann")


def test_an_owner_sees_the_lines_of_their_cost_centres_only() -> None:
    spend()
    refresh()
    own = Scope(cost_centres=frozenset(CostCentre.objects.filter(code="CC-2").values_list("pk", flat=True)))
    assert {line.cost_centre for line in journal.lines(SEPTEMBER, own).lines} == {"CC-2"}
