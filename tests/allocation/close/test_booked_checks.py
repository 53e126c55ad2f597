"""verify recomputes what a close has noted and what it was computed with: each planted change is named by month and thing."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from allocation import closing, rulebook
from allocation.calc.fingerprints import digest
from allocation.close import journal, waivers
from allocation.costing import capacity, terms
from allocation.derived import refresh
from allocation.models import AccrualRun, Invoice, PeriodManifest
from allocation.verification import closed_hash
from finops import approvals, audit, fx
from finops.fx_files import Published
from ingest.services import Import, ingest_file
from tests.allocation.close.kept import Kept
from tests.allocation.close.months import APPROVER, PREPARER, RULES, SEPTEMBER, agreed, calls, soft_close
from tests.allocation.close.test_decided_once import unpriced
from tests.allocation.close.test_late_rates import IN_EUROS
from tests.allocation.costing.test_capacity import DAY
from tests.allocation.costing.test_capacity import calls as calls_of_the_fleet
from web import approving

pytestmark = pytest.mark.usefixtures("ledger")


D = Decimal
KEPT: list[Kept] = []


@pytest.fixture(autouse=True)
def closed_september(ledger: None, tmp_path: Path) -> None:
    """As it was closed, by the first test."""
    if KEPT:
        KEPT[0].put_back()
        return
    close(tmp_path)
    assert closed_hash().examples == []
    KEPT.append(Kept())


def close(tmp_path: Path) -> None:
    """A month with everything: a fleet in euros, an invoice, waivers, an accrual, a journal."""
    rulebook.load(RULES, actor="test")
    terms.load("notes", [{"a": "1"}], list, actor="test", charged=False)
    fx.load([Published(DAY, "EUR", "USD", D("1.0837"))], source="ecb", actor="test")
    ingest_file(Import(calls_of_the_fleet(tmp_path / "fleet.jsonl"), "litellm"))
    terms.load("capacity", [IN_EUROS], capacity.parse, actor="test")
    calls(tmp_path, "2026-09-01", "2026-09-30")
    approving.decide(waivers.propose(SEPTEMBER, 1, unpriced(), "by hand", by=PREPARER), by=APPROVER, accept=True)
    Invoice.objects.create(
        issuer="anthropic", number="1", billing_period=SEPTEMBER.start, currency="USD", total=1, source="manual",
        content_hash="x", entered_by="ann",
    ).lines.create(position=1, charge_category="Usage", amount=1, currency="USD")  # fmt: skip
    for gate in ("reconciled", "unexplained", "unallocated", "rates", "coverage"):
        approving.decide(
            waivers.propose(SEPTEMBER, 1, unpriced()._replace(code=gate, value=D(9_999_999)), "test", by=PREPARER),
            by=APPROVER,
            accept=True,
        )
    soft_close()
    agreed()
    closing.close_step(SEPTEMBER, "closed", by=APPROVER)
    journal.post(SEPTEMBER, "carl")


def plant(sql: str) -> None:
    """Past every trigger, as a superuser does."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (
            "UPDATE journal_line SET debit = debit + 1000 WHERE id = (SELECT min(id) FROM journal_line WHERE debit > 0)",
            "2026-09 journal 1: its lines are not those its hash is of",
        ),
        ("UPDATE journal_entry SET content_hash = 'x'", "2026-09 journal 1: its lines are not those its hash is of"),
        ("UPDATE accrual SET amount = amount + 1000", "2026-09 accruals v1: accruals and true-ups are not those"),
        ("UPDATE true_up SET amount = amount + 1000", "2026-09 accruals v1: accruals and true-ups are not those"),
        ("DELETE FROM true_up", "2026-09 accruals v1: accruals and true-ups are not those"),
        (
            "UPDATE allocation_allocationrule SET priority = 7",
            "2026-09 version 1: rules v1 was changed",
        ),
        ("DELETE FROM allocation_allocationrule", "2026-09 version 1: rules v1 was changed"),
        (
            "UPDATE allocation_termsversion SET document = '[]' WHERE kind = 'notes'",
            "2026-09 version 1: notes v1 was changed",
        ),
        ("DELETE FROM allocation_termsversion WHERE kind = 'notes'", "2026-09 version 1: notes v1 is gone"),
        ("UPDATE finops_fxrate SET rate = 2", "2026-09 version 1: rate 2026-09-08 EUR/USD of ecb was changed"),
        ("DELETE FROM finops_fxrate", "2026-09 version 1: rate 2026-09-08 EUR/USD of ecb is gone"),
        (
            "UPDATE invoice SET total = 2 WHERE number = '1'",
            "2026-09 version 1: invoice anthropic 1 rev. 1 was changed",
        ),
        ("UPDATE invoice_line SET amount = 2", "2026-09 version 1: invoice anthropic 1 rev. 1 was changed"),
        ("UPDATE allocation_gatewaiver SET reason = 'another'", "2026-09 version 1: its waivers were changed"),
        ("DELETE FROM allocation_gatewaiver", "2026-09 version 1: its waivers were changed"),
        (
            "UPDATE finops_approval SET decided_by = 'ann' WHERE id = (SELECT min(id) FROM finops_approval)",
            "2026-09 version 1: its waivers were changed",
        ),
        (
            "DELETE FROM finops_auditevent WHERE id = (SELECT min(id) FROM finops_auditevent)",
            "2026-09 version 1: audit trail: 1 of",
        ),
    ],
)
def test_what_is_changed_past_the_triggers_is_named_by_month_and_thing(sql: str, told: str) -> None:
    plant(sql)
    assert closed_hash().examples[0].startswith(told), closed_hash().examples


def test_who_decided_is_who_the_audit_trail_says() -> None:
    plant("UPDATE finops_approval SET decided_by = prepared_by")
    found = closed_hash()
    assert any("was accepted by ann; the audit trail says bob" in what and what.startswith("2026-09: ") for what in
               found.examples)  # fmt: skip


def test_a_hash_that_was_changed_along_is_found_by_the_audit_trail() -> None:
    run = AccrualRun.objects.get()
    plant(f"UPDATE allocation_accrualrun SET content_hash = '{digest([])}'; DELETE FROM true_up; DELETE FROM accrual")
    assert closed_hash().examples[0] == f"2026-09 accruals v{run.version}: the hash is not the one in the audit trail"


def test_price_and_policy_that_a_frozen_month_names_are_looked_at() -> None:
    """In a transaction that is rolled back: prices are kept between tests."""
    for sql, told in (
        ("UPDATE ingest_price SET rate = rate + 1 WHERE id = (SELECT min(id) FROM ingest_price)", "prices builtin"),
        ("UPDATE allocation_tierpolicy SET policy = '{}'", "tier policy v1"),
        ("DELETE FROM allocation_tierrule WHERE id = (SELECT max(id) FROM allocation_tierrule)", "tier policy v1"),
    ):
        with transaction.atomic():
            plant(sql)
            assert closed_hash().examples[0].startswith(f"2026-09 version 1: {told}")
            transaction.set_rollback(True)


def test_what_comes_later_is_no_change(tmp_path: Path) -> None:
    """A rate and an invoice that come late, newer rules and agreements, and a reopening by two."""
    fx.load([Published(DAY, "EUR", "USD", D("1.2"))], source="bank", actor="test")
    fx.load([Published(DAY.replace(day=7), "EUR", "USD", D("1.3"))], source="bank", actor="test")
    Invoice.objects.create(
        issuer="openai", number="2", billing_period=SEPTEMBER.start, currency="USD", total=1, source="manual",
        content_hash="y", entered_by="ann",
    )  # fmt: skip
    rulebook.load([*RULES, RULES[0] | {"id": "r2", "priority": 2}], actor="test")
    terms.load("notes", [{"a": "2"}], list, actor="test", charged=False)
    refresh()
    assert closed_hash().examples == []
    approving.decide(closing.propose_reopen(SEPTEMBER, "wrong", by=PREPARER), by=APPROVER, accept=True)
    refresh()
    assert closed_hash().examples == []


def test_a_manifest_holds_the_end_of_the_audit_trail_of_its_time() -> None:
    said: dict[str, Any] = PeriodManifest.objects.get().document["audit"]
    assert 0 < said["events"] < audit.head().events
    assert audit.cut(audit.Head(**said), "it") == []


def test_a_decision_that_has_no_event_is_named() -> None:
    asked = approvals.propose("note", "a thing", {}, "ann")
    plant(f"UPDATE finops_approval SET state = 'accepted', decided_by = 'bob' WHERE id = {asked.pk}")
    told = f"note: request {asked.pk} (a thing) was accepted by bob; the audit trail says nobody"
    assert closed_hash().examples == [told]
