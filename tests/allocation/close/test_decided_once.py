"""What a close hangs on is decided once, added and never rewritten: refused by the database, whoever asks."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from allocation import closing, rulebook
from allocation.calc.closing import StepError
from allocation.calc.gates import Gate
from allocation.close import checklist, policy, waivers
from allocation.costing import terms
from allocation.models import BillingPeriod, CloseTask, Correction, GateWaiver, Invoice
from finops import approvals, audit, fx
from finops.fx_files import Published
from finops.models import Approval
from tests.allocation.close.months import (
    APPROVER,
    PREPARER,
    RULES,
    SEPTEMBER,
    agreed,
    calls,
    month_of_calls,
    soft_close,
)
from web import approving

pytestmark = pytest.mark.usefixtures("ledger")


def sql(*statements: str) -> None:
    """In one transaction, as whoever may log in as the application."""
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def refused(told: str, *statements: str) -> None:
    with pytest.raises(DatabaseError, match=told):
        sql(*statements)


@transaction.atomic
def forge(number: int, action: str, actor: str, told: int) -> None:
    """A decision with an event of something else."""
    audit.record(action=action, actor=actor, subject="a thing", details={"approval": told})
    sql(ACCEPT.format(number))


def decided(kind: str = "note", **details: Any) -> Approval:
    return approvals.decide(approvals.propose(kind, "a thing", details, PREPARER), by=APPROVER, accept=True)


ACCEPT = "UPDATE finops_approval SET state = 'accepted', decided_by = 'bob', decided_at = now() WHERE id = {0}"
OPEN = "UPDATE allocation_billingperiod SET state = 'open', version = version + 1, frozen_versions = '{}'"


def test_a_decision_is_refused_without_its_event_in_the_audit_trail() -> None:
    asked = approvals.propose("note", "a thing", {}, PREPARER)
    refused(f"request {asked.pk} is accepted without its event", ACCEPT.format(asked.pk))
    # nor does an event of another decision, of another person or of another transaction do
    audit.record(action="note.approve", actor=APPROVER, subject="a thing", details={"approval": asked.pk})
    refused("without its event", ACCEPT.format(asked.pk))
    for action, actor, number in (("note.reject", "bob", 0), ("note.approve", "eve", 0), ("note.approve", "bob", 1)):
        with pytest.raises(DatabaseError, match="without its event"):
            forge(asked.pk, action, actor, asked.pk + number)
    assert approvals.decide(asked, by=APPROVER, accept=True).state == "accepted"


@pytest.mark.parametrize(
    "change",
    ["state = 'rejected'", "state = 'proposed', decided_by = ''", "decided_by = 'eve'", "decided_at = now()", "reason = 'x'",
     "prepared_by = 'eve'", "details = '{}'", "subject = 'x'", "kind = 'x'", "prepared_at = now()"],
)  # fmt: skip
def test_a_decision_and_what_it_was_about_are_not_rewritten(change: str) -> None:
    asked = decided()
    refused("a decision does not change|does not change", f"UPDATE finops_approval SET {change} WHERE id = {asked.pk}")


@pytest.mark.parametrize("change", ["prepared_by = 'eve'", "details = '{\"a\": 1}'", "subject = 'x'", "kind = 'x'"])
def test_what_is_asked_for_does_not_change_while_it_waits(change: str) -> None:
    asked = approvals.propose("note", "a thing", {}, PREPARER)
    refused(
        "what is asked for, and by whom, does not change", f"UPDATE finops_approval SET {change} WHERE id = {asked.pk}"
    )


def test_a_request_is_neither_deleted_nor_begun_as_decided() -> None:
    decided()
    refused("DELETE of requests", "DELETE FROM finops_approval")
    refused("refused", "TRUNCATE finops_approval CASCADE")
    refused(
        "begins as a proposal",
        "INSERT INTO finops_approval (kind, subject, details, state, prepared_by, prepared_at, decided_by, reason) "
        "VALUES ('note', 'x', '{}', 'accepted', 'ann', now(), 'bob', '')",
    )


def test_the_database_wants_another_person_unless_its_owner_was_told_that_one_may(settings: Any) -> None:
    asked = approvals.propose("note", "a thing", {}, PREPARER)
    alone = ACCEPT.format(asked.pk).replace("'bob'", "'ann'")
    refused(f"request {asked.pk} was prepared by ann: another person has to approve it", alone)
    settings.SELF_APPROVAL = True
    assert approvals.decide(asked, by=PREPARER, accept=True).decided_by == PREPARER


def test_a_month_is_not_opened_again_by_a_forged_approval_nor_without_its_event() -> None:
    soft_close()
    asked = closing.propose_reopen(SEPTEMBER, "forged", by=PREPARER)
    refused("without its event", ACCEPT.format(asked.pk), OPEN)
    # a decision of the application, and then the month past it
    approvals.decide(asked, by=APPROVER, accept=True)
    refused("2026-09 is opened again without its event", OPEN)
    assert BillingPeriod.objects.get().state == "soft_closed"


def add_all(folder: Path) -> None:
    """One row at least of everything that is only added."""
    rulebook.load(RULES, actor="test")
    terms.load("notes", [{"a": 1}], list, actor="test", charged=False)
    fx.load([Published(date(2026, 9, 15), "EUR", "USD", Decimal("1.1"))], source="ecb", actor="test")
    soft_close()
    calls(folder, "2026-09-10")
    Invoice.objects.create(
        issuer="openai", number="1", billing_period=date(2026, 9, 1), currency="USD", total=1, source="manual",
        content_hash="x", entered_by="ann",
    ).lines.create(position=1, charge_category="Usage", amount=1, currency="USD")  # fmt: skip
    assert Correction.objects.exists()


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("allocation_correction", "cause"), ("allocation_ruleversion", "loaded_by"), ("allocation_allocationrule", "priority"),
        ("allocation_allocationrule", "targets"), ("finops_fxrate", "rate"), ("invoice", "total"), ("invoice_line", "amount"),
        ("allocation_termsversion", "document"), ("allocation_termsversion", "content_hash"),
    ],
)  # fmt: skip
def test_versions_rates_invoices_and_postings_are_only_added(table: str, column: str, tmp_path: Path) -> None:
    add_all(tmp_path)
    values = {
        "priority": "7", "targets": "'{}'", "rate": "2", "total": "2", "amount": "2", "document": "'[]'", "cause": "'rerate'",
    }  # fmt: skip
    refused("refused", f"UPDATE {table} SET {column} = {values.get(column, repr('x'))}")
    refused("refused", f"DELETE FROM {table}")
    refused("refused", f"TRUNCATE {table} CASCADE")


def test_a_version_of_an_agreement_is_replaced_and_does_not_come_back() -> None:
    first = terms.load("notes", [{"a": 1}], list, actor="test", charged=False)
    terms.load("notes", [{"a": 2}], list, actor="test", charged=False)
    refused("replaced by a newer one", f"UPDATE allocation_termsversion SET live = true WHERE id = {first.pk}")


def test_rules_are_not_added_to_the_version_that_a_frozen_month_was_computed_with() -> None:
    more = (
        "INSERT INTO allocation_allocationrule (version_id, rule, priority, conditions, targets, note) "
        "SELECT max(id), 'zz', 0, '{}', '{\"cost_centre\": \"CC-1\"}', '' FROM allocation_ruleversion"
    )
    rulebook.load(RULES, actor="test")
    soft_close()
    refused("2026-09 is closed: INSERT of a rule", more)
    rulebook.load([*RULES, RULES[0] | {"id": "r2", "priority": 2}], actor="test")  # another version may come


def unpriced() -> Gate:
    """A gate that fails."""
    return Gate(
        "unpriced", "Priced", "share", "soft_closed", Decimal("0.2"), Decimal("0.001"), ok=False, told="20 % has no price",
        link="", waivable=True, waived=None,
    )  # fmt: skip


def test_a_waiver_is_kept_only_as_it_was_accepted_and_stays(tmp_path: Path) -> None:
    month_of_calls(tmp_path)
    asked = waivers.propose(SEPTEMBER, 1, unpriced(), "by hand", by=PREPARER)
    BillingPeriod.objects.create(month=SEPTEMBER.start)
    row = (
        "INSERT INTO allocation_gatewaiver (version, gate, value, reason, approval_id, period_id) "
        f"SELECT 1, '{{}}', {{}}, 'by hand', {asked.pk}, max(id) FROM allocation_billingperiod"
    )
    refused("only as another person accepted it", row.format("unpriced", "0.2"))
    approvals.decide(asked, by=APPROVER, accept=True)
    refused("only as another person accepted it", row.format("unpriced", "0.9"))
    refused("only as another person accepted it", row.format("unallocated", "0.2"))
    waivers.carry_out(Approval.objects.get(pk=asked.pk))
    assert GateWaiver.objects.get().reason == "by hand"
    refused("refused", "UPDATE allocation_gatewaiver SET reason = 'another'")
    refused("refused", "DELETE FROM allocation_gatewaiver")


def test_the_checklist_of_a_closed_month_stays_with_who_did_it(tmp_path: Path) -> None:
    tasks = [{"task": "invoices", "title": "Invoices are entered", "owner": "ann", "due": 4}]
    approving.decide(policy.propose(tasks, by=PREPARER), by=APPROVER, accept=True)
    month_of_calls(tmp_path)
    checklist.mark(SEPTEMBER, "invoices", by="carl")
    soft_close()
    checklist.mark(SEPTEMBER, "invoices", by="carl", done=False)  # until it is closed it is work in progress
    checklist.mark(SEPTEMBER, "invoices", by="dora")
    agreed()
    closing.close_step(SEPTEMBER, "closed", by=APPROVER)
    for done in (True, False):
        with pytest.raises(StepError, match="2026-09 is closed: its checklist stays as it was"):
            checklist.mark(SEPTEMBER, "invoices", by="eve", done=done)
    assert CloseTask.objects.get(code="invoices").done_by == "dora"
    refused("2026-09 is closed: UPDATE of its tasks", "UPDATE allocation_closetask SET done_by = 'eve'")
    refused("DELETE of tasks", "DELETE FROM allocation_closetask")


def test_a_task_keeps_its_title_owner_and_day(tmp_path: Path) -> None:
    month_of_calls(tmp_path)
    soft_close()
    refused("stays as it was planned", "UPDATE allocation_closetask SET owner = 'eve', due = '2030-01-01'")
