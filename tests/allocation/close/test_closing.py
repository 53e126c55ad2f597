"""A month goes from open to closed in order, by two people, past its gates; and back only by a request of two."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from allocation import closing
from allocation.calc.closing import OnePerson, StepError
from allocation.close import gates, waivers
from allocation.closing import GatesHold
from allocation.derived import refresh
from allocation.models import BillingPeriod, Charge, PeriodManifest
from allocation.verification import verify
from finops import approvals
from finops.models import Approval, AuditEvent
from ingest.facts import mark_dirty
from ingest.models import ALL_KEYS, DirtySlice
from tests.allocation.close.months import (
    APPROVER,
    AUGUST,
    OCTOBER,
    PREPARER,
    SEPTEMBER,
    agreed,
    calls,
    month_of_calls,
    soft_close,
)
from web import approving

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture(autouse=True)
def september(ledger: None, tmp_path: Path) -> None:
    month_of_calls(tmp_path)


def sql(statement: str, parameters: list[Any] | None = None) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def reopened(reason: str = "invoice was wrong") -> Approval:
    asked = closing.propose_reopen(SEPTEMBER, reason, by=PREPARER)
    return approving.decide(asked, by=APPROVER, accept=True)


def test_a_month_is_prepared_frozen_and_closed_in_order_with_who_and_when_on_it_and_in_the_audit_trail() -> None:
    for step, by in (("preliminary", PREPARER), ("soft_closed", APPROVER), ("closed", APPROVER)):
        agreed()
        held = closing.close_step(SEPTEMBER, step, by=by, request="req-1")
        assert held.state == step
    assert (held.prepared_by, held.soft_closed_by, held.closed_by) == (PREPARER, APPROVER, APPROVER)
    moments = [held.prepared_at, held.soft_closed_at, held.closed_at]
    assert None not in moments
    assert moments == sorted(moments, key=str)
    assert not held.self_approved
    steps = AuditEvent.objects.filter(action__startswith="period.").order_by("id").values_list("action", "actor")
    assert list(steps) == [
        ("period.prepare", PREPARER), ("period.soft_close", APPROVER), ("period.close", APPROVER)
    ]  # fmt: skip
    assert {event.details["request"] for event in AuditEvent.objects.filter(action__startswith="period.")} == {"req-1"}


@pytest.mark.parametrize(("done", "to"), [([], "soft_closed"), ([], "closed"), (["preliminary"], "closed")])
def test_no_step_is_left_out(done: list[str], to: str) -> None:
    for step in done:
        closing.close_step(SEPTEMBER, step, by=PREPARER)
    with pytest.raises(StepError, match="next comes"):
        closing.close_step(SEPTEMBER, to, by=APPROVER)


def test_a_month_is_not_closed_while_a_statement_may_be_disputed_or_is() -> None:
    soft_close()
    with pytest.raises(GatesHold, match="disputes: CC-1 is issued; CC-2 is issued"):
        closing.close_step(SEPTEMBER, "closed", by=APPROVER)
    later = BillingPeriod.objects.get().soft_closed_at + timedelta(days=30)
    assert closing.close_step(SEPTEMBER, "closed", by=APPROVER, at=later).state == "closed"  # accepted in silence


def test_a_closed_month_takes_no_further_step_and_says_how_it_is_opened() -> None:
    soft_close()
    with pytest.raises(StepError, match="next comes closed"):
        closing.close_step(SEPTEMBER, "preliminary", by=APPROVER)
    agreed()
    closing.close_step(SEPTEMBER, "closed", by=APPROVER)
    with pytest.raises(StepError, match="reopen_month"):
        closing.close_step(SEPTEMBER, "closed", by=APPROVER)


def test_ar19_who_prepared_a_month_neither_freezes_nor_closes_it(settings: Any) -> None:
    closing.close_step(SEPTEMBER, "preliminary", by=PREPARER)
    with pytest.raises(OnePerson, match="another person"):
        closing.close_step(SEPTEMBER, "soft_closed", by=PREPARER)
    assert BillingPeriod.objects.get().state == "preliminary"
    closing.close_step(SEPTEMBER, "soft_closed", by=APPROVER)
    with pytest.raises(OnePerson, match="another person"):
        closing.close_step(SEPTEMBER, "closed", by=PREPARER)
    assert BillingPeriod.objects.get().state == "soft_closed"


def test_ar19_nobody_accepts_a_waiver_or_a_reopening_that_they_asked_for(tmp_path: Path) -> None:
    soft_close()
    asked = closing.propose_reopen(SEPTEMBER, "why not", by=PREPARER)
    with pytest.raises(approvals.SelfApproval):
        approving.decide(asked, by=PREPARER, accept=True)
    calls(tmp_path, "2026-10-01")
    failing = next(gate for gate in gates.of(OCTOBER, "preliminary") if gate.code == "coverage")
    waiver = waivers.propose(OCTOBER, 1, failing, "nothing was used", by=PREPARER)
    with pytest.raises(approvals.SelfApproval):
        approving.decide(waiver, by=PREPARER, accept=True)
    assert BillingPeriod.objects.get(month=SEPTEMBER.start).state == "soft_closed"
    assert waivers.given(OCTOBER, 1) == []


def test_where_the_site_allows_it_one_person_closes_and_the_month_and_its_manifest_say_so(settings: Any) -> None:
    settings.SELF_APPROVAL = True
    for step in ("preliminary", "soft_closed", "closed"):
        agreed()
        held = closing.close_step(SEPTEMBER, step, by=PREPARER)
    assert held.self_approved
    assert PeriodManifest.objects.get().document["self_approved"] is True


def test_what_waits_is_recomputed_before_a_month_is_frozen() -> None:
    mark_dirty([(SEPTEMBER.start, ALL_KEYS)])
    soft_close()
    assert not DirtySlice.objects.exists()


def test_months_close_in_order_unless_that_is_waived(tmp_path: Path) -> None:
    calls(tmp_path, "2026-08-31")
    with pytest.raises(GatesHold, match="earlier: not preliminary yet: 2026-08"):
        closing.close_step(SEPTEMBER, "preliminary", by=PREPARER)
    soft_close(AUGUST)
    soft_close(SEPTEMBER)


def test_ar23_a_month_with_a_gap_is_refused_and_after_a_waiver_of_two_people_the_gap_stands_in_the_manifest(
    tmp_path: Path,
) -> None:
    soft_close()
    calls(tmp_path, "2026-10-01", "2026-10-29")
    # 30 and 31 October are not known
    with pytest.raises(GatesHold, match=r"coverage: litellm.* lacks 2026-10-30 to 2026-10-31 \(2 days\)") as refused:
        closing.close_step(OCTOBER, "preliminary", by=PREPARER)
    assert BillingPeriod.objects.filter(month=OCTOBER.start).count() == 0
    (gap,) = refused.value.failing
    asked = waivers.propose(OCTOBER, 1, gap, "the office was closed", by=PREPARER)
    with pytest.raises(GatesHold):  # asked for, not yet accepted
        closing.close_step(OCTOBER, "preliminary", by=PREPARER)
    approving.decide(asked, by=APPROVER, accept=True)
    soft_close(OCTOBER)
    (waiver,) = PeriodManifest.objects.get(period__month=OCTOBER.start).document["waivers"]
    assert (waiver["gate"], waiver["value"], waiver["reason"]) == (
        "coverage",
        "2.000000000000",
        "the office was closed",
    )
    assert (waiver["prepared_by"], waiver["decided_by"]) == (PREPARER, APPROVER)


def test_a_waiver_does_not_hold_for_more_than_was_waived(tmp_path: Path) -> None:
    # Of 3 calls on 3 days one more that no rule knows: a quarter has no owner.
    calls(tmp_path, "2026-09-20", team="nobody")
    closing.close_step(SEPTEMBER, "preliminary", by=PREPARER)
    free = next(gate for gate in gates.of(SEPTEMBER, "soft_closed") if gate.code == "unallocated")
    assert str(free.value) == "0.250000000"
    approving.decide(waivers.propose(SEPTEMBER, 1, free, "known", by=PREPARER), by=APPROVER, accept=True)
    calls(tmp_path, "2026-09-21", team="nobody")  # 2 of 5 now
    with pytest.raises(GatesHold, match="unallocated"):
        closing.close_step(SEPTEMBER, "soft_closed", by=APPROVER)


def test_usage_without_a_price_and_requests_that_wait_keep_a_month_open(tmp_path: Path) -> None:
    calls(tmp_path, "2026-09-20", model="no-such-model", model_group="no-such-model")
    approvals.propose("invoice", "one of September", {"invoice": {"billing_period": "2026-09"}}, by=PREPARER)
    approvals.propose("invoice", "one of October", {"invoice": {"billing_period": "2026-10"}}, by=PREPARER)
    closing.close_step(SEPTEMBER, "preliminary", by=PREPARER)
    with pytest.raises(GatesHold) as refused:
        closing.close_step(SEPTEMBER, "soft_closed", by=APPROVER)
    found = {gate.code: gate.told for gate in refused.value.failing}
    assert set(found) == {"unpriced", "approvals"}
    assert found["approvals"] == "invoice one of September waits for another person"


def test_a_running_month_is_not_closed_and_that_is_not_waived(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import date

    from allocation.costing import steps

    monkeypatch.setattr(steps, "_today", lambda: date(2026, 9, 30))
    with pytest.raises(GatesHold, match="ended: 2026-09 goes on until 2026-10-01") as refused:
        closing.close_step(SEPTEMBER, "preliminary", by=PREPARER)
    with pytest.raises(StepError, match="cannot be waived"):
        waivers.propose(SEPTEMBER, 1, refused.value.failing[0], "hurry", by=PREPARER)


def test_a_reopened_month_is_its_next_version_and_the_old_manifest_stays() -> None:
    soft_close()
    first = PeriodManifest.objects.get().sha256
    reopened()
    held = BillingPeriod.objects.get()
    assert (held.state, held.version, held.prepared_by, held.frozen_versions) == ("open", 2, "", {})
    refresh()
    soft_close()
    kept = PeriodManifest.objects.order_by("version").values_list("version", "sha256")
    assert [version for version, _ in kept] == [1, 2]
    assert kept[0][1] == first


def test_reopening_takes_back_what_was_posted_of_the_month_into_an_open_one(tmp_path: Path) -> None:
    soft_close()
    calls(tmp_path, "2026-09-10")
    assert Charge.objects.filter(corrects_date="2026-09-10").exists()
    reopened()
    refresh()
    assert not Charge.objects.filter(charge_class="Correction").exists()
    assert Charge.objects.filter(charge_date="2026-09-10").exists()
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


def test_a_month_is_not_opened_again_before_those_that_follow_it(tmp_path: Path) -> None:
    calls(tmp_path, "2026-10-31")
    soft_close()
    soft_close(OCTOBER)
    with pytest.raises(StepError, match=r"open them again first \(2026-10\)"):
        closing.propose_reopen(SEPTEMBER, "late", by=PREPARER)


def test_a_request_to_reopen_holds_for_the_version_it_names_only() -> None:
    soft_close()
    asked = reopened()
    refresh()
    soft_close()
    with pytest.raises(DatabaseError, match="another person accepted"):
        sql("UPDATE allocation_billingperiod SET state = 'open', version = 3")
    with pytest.raises(approvals.ApprovalError, match="accepted by bob already"):
        approving.decide(asked, by="carl", accept=True)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE allocation_billingperiod SET state = 'open'",
        "UPDATE allocation_billingperiod SET state = 'preliminary'",
        "UPDATE allocation_billingperiod SET state = 'open', version = version + 1",
        "UPDATE allocation_billingperiod SET state = 'open', version = version + 1, self_approved = true",
        "UPDATE allocation_billingperiod SET month = '2026-07-01'",
        "UPDATE allocation_billingperiod SET version = 7",
        "UPDATE allocation_billingperiod SET frozen_versions = '{}'",
        "UPDATE allocation_billingperiod SET passed_gates = '[]'",
        "UPDATE allocation_billingperiod SET prepared_by = 'carl'",
        "DELETE FROM allocation_billingperiod",
        "TRUNCATE allocation_billingperiod CASCADE",
        "UPDATE allocation_periodmanifest SET sha256 = ''",
        "DELETE FROM allocation_periodmanifest",
        "TRUNCATE allocation_periodmanifest",
        "TRUNCATE charge CASCADE",
        "TRUNCATE allocated_cost",
        "TRUNCATE cost_daily",
        "TRUNCATE query_cost_daily",
    ],
)
def test_the_database_itself_refuses_to_change_a_frozen_month(statement: str) -> None:
    soft_close()
    with pytest.raises(DatabaseError, match=r"refused|does not change|another person accepted"):
        sql(statement)
    assert BillingPeriod.objects.get().state == "soft_closed"


def test_the_database_wants_two_people_behind_a_frozen_month() -> None:
    closing.close_step(SEPTEMBER, "preliminary", by=PREPARER)
    with pytest.raises(DatabaseError, match="prepared by ann: another person"):
        sql("UPDATE allocation_billingperiod SET state = 'soft_closed', soft_closed_by = 'ann'")
    with pytest.raises(DatabaseError, match="prepared by ann: another person"):
        sql("UPDATE allocation_billingperiod SET state = 'closed', soft_closed_by = 'bob', closed_by = 'ann'")


def test_the_database_wants_two_people_behind_a_reopening() -> None:
    soft_close()
    asked = closing.propose_reopen(SEPTEMBER, "alone", by=PREPARER)
    # as if somebody had written the decision past the application, and past the trigger that refuses it
    sql(
        "SET LOCAL session_replication_role = replica; "
        f"UPDATE finops_approval SET state = 'accepted', decided_by = 'ann' WHERE id = {asked.pk}"
    )
    with pytest.raises(DatabaseError, match="another person accepted"):
        sql("UPDATE allocation_billingperiod SET state = 'open', version = 2")
