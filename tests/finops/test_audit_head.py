"""The end of the audit trail: kept outside it, so that a trail whose end was cut off does not pass for a whole one."""

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from finops import audit
from finops.models import AuditEvent, AuditHead
from web.management.base import Failed, WrongUse
from web.management.commands.audit_verify import written

pytestmark = pytest.mark.django_db


def plant(sql: str) -> None:
    """Past every trigger, as the superuser does."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.fixture
def trail() -> list[AuditEvent]:
    return [audit.record(action="test", actor="ann", subject=f"{number}") for number in range(7)]


def test_the_head_is_the_number_of_events_and_the_last_one(trail: list[AuditEvent]) -> None:
    assert audit.head() == (7, trail[-1].pk, bytes(trail[-1].hash).hex())
    assert audit.cut() == []


def test_what_is_rolled_back_is_not_counted(trail: list[AuditEvent]) -> None:
    with transaction.atomic():
        audit.record(action="test", actor="ann", subject="gone")
        transaction.set_rollback(True)
    assert audit.head().events == 7
    audit.record(action="test", actor="ann", subject="8")
    assert (audit.head().events, audit.cut(), list(audit.broken_links())) == (8, [], [])


def test_an_end_that_was_cut_off_is_named_and_stays_seen_when_the_trail_goes_on(trail: list[AuditEvent]) -> None:
    plant(f"DELETE FROM finops_auditevent WHERE id > {trail[1].pk}")
    assert list(audit.broken_links()) == [], "what is left is a whole chain"
    told = f"5 of 7 events are missing: the end is cut off after event {trail[1].pk}, the head says event {trail[6].pk}"
    assert audit.cut() == [told]
    later = audit.record(action="test", actor="ann", subject="later")
    assert list(audit.broken_links()) == [later.pk], "it goes on from the event that is gone"
    assert audit.cut() == [f"5 of 8 events are missing up to event {later.pk}, by the head"]


def test_a_trail_that_was_emptied_is_named(trail: list[AuditEvent]) -> None:
    plant("DELETE FROM finops_auditevent")
    assert audit.cut() == [f"7 of 7 events are missing: all are gone, the head says event {trail[6].pk}"]


def test_a_gap_within_is_named_by_the_event_after_it_and_by_the_count(trail: list[AuditEvent]) -> None:
    plant(f"DELETE FROM finops_auditevent WHERE id = {trail[3].pk}")
    assert list(audit.broken_links()) == [trail[4].pk]
    assert audit.cut() == [f"1 of 7 events are missing up to event {trail[6].pk}, by the head"]


def test_a_head_that_is_gone_is_named(trail: list[AuditEvent]) -> None:
    plant("DELETE FROM finops_audithead")
    assert audit.cut() == [f"the head is gone: 7 events are there, the last is event {trail[6].pk}"]


def test_an_event_that_does_not_go_on_from_the_last_one_or_is_of_another_time_is_refused(
    trail: list[AuditEvent],
) -> None:
    row = {"actor": "eve", "action": "test", "subject": "x", "hash": b"x" * 32}
    last = bytes(AuditHead.objects.get().hash)
    with pytest.raises(DatabaseError, match="goes on from the last one"), transaction.atomic():
        AuditEvent.objects.create(at=trail[-1].at, previous_hash=bytes(trail[2].hash), **row)
    with pytest.raises(DatabaseError, match="is of now"), transaction.atomic():
        AuditEvent.objects.create(at="2020-01-01T00:00:00Z", previous_hash=last, **row)


def test_the_command_prints_the_end_and_compares_one_that_was_kept(
    trail: list[AuditEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    kept = written(audit.head())
    call_command("audit_verify")
    assert f"It ends so, to be kept elsewhere: {kept}" in capsys.readouterr().out
    audit.record(action="test", actor="ann", subject="8")
    call_command("audit_verify", "--head", kept)
    # whoever may do everything cuts the end off, and writes the head anew
    plant(
        f"DELETE FROM finops_auditevent WHERE id > {trail[1].pk}; UPDATE finops_audithead SET events = 2, "
        f"last = {trail[1].pk}, hash = (SELECT hash FROM finops_auditevent WHERE id = {trail[1].pk})"
    )
    call_command("audit_verify")
    told = f"5 of 7 events are missing: the end is cut off after event {trail[1].pk}, the end that was kept says"
    with pytest.raises(Failed, match=told):
        call_command("audit_verify", "--head", kept)
    with pytest.raises(WrongUse, match="EVENTS:LAST:SHA256"):
        call_command("audit_verify", "--head", "7:abc")
