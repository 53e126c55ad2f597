"""What a person changes of a connection, or takes away: checked like a new one, audited, and never a way to a key."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from finops.models import AuditEvent
from ingest import credentials
from ingest.connections import Settings, WrongConnection, connect, edit, remove, set_enabled
from ingest.lease import leased
from ingest.models import Connection, Credential, IngestRun, UsageEvent
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")
KEY = "sk-admin-0123456789-wxyz"
URL = "https://api.openai.com/v1"


@pytest.fixture
def item() -> Connection:
    made = connect(Settings("prod", "openai", begins_on=date(2026, 9, 1)), secret=KEY, by=None)
    Connection.objects.update(next_due_at=timezone.now() + timedelta(hours=5), failures=3)
    made.refresh_from_db()
    return made


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def test_all_that_was_said_can_be_changed_and_the_next_sync_is_due_at_once(item: Connection) -> None:
    edit(item, by=None, name="eu", options={"bucket_width": "1d"}, every=timedelta(hours=6), begins_on=date(2026, 8, 1))
    stored = Connection.objects.get()
    assert (stored.name, stored.options, stored.every) == ("eu", {"bucket_width": "1d"}, timedelta(hours=6))
    assert (stored.begins_on, stored.next_due_at, stored.failures) == (date(2026, 8, 1), None, 0)
    assert stored.base_url == item.base_url == URL
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.subject) == ("connection.changed", "prod")
    assert event.details == {"changed": ["begins_on", "every", "name", "options"], "name": "eu"}


def test_another_name_alone_makes_nothing_due(item: Connection) -> None:
    due = item.next_due_at
    edit(item, by=None, name="eu")
    assert (item.next_due_at, item.failures) == (due, 3)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "Not A Name"}, "small letters"), ({"name": "other"}, "already"), ({"options": {"wide": "1d"}}, "wide"),
        ({"every": timedelta(seconds=10)}, "more than once a minute"), ({"base_url": "http://10.0.0.1"}, "FINOPS_ALLOWED"),
        ({"kind": "anthropic"}, "kind cannot be changed"), ({"account": "a"}, "account cannot be changed"),
    ],
)  # fmt: skip
def test_a_change_is_checked_like_a_new_connection_and_changes_nothing_when_wrong(
    item: Connection, changes: dict[str, Any], told: str
) -> None:
    connect(Settings("other", "openai", account="other"), secret=KEY, by=None)
    before = Connection.objects.filter(pk=item.pk).values().get()
    with pytest.raises(WrongConnection, match=told):
        edit(item, by=None, **changes)
    assert Connection.objects.filter(pk=item.pk).values().get() == before


def test_a_stored_key_goes_to_no_other_server_unless_it_is_entered_again(item: Connection) -> None:
    for url in ("https://elsewhere.example/v1", "https://api.openai.com:8443/v1"):
        with pytest.raises(WrongConnection, match="enter it again"):
            edit(item, by=None, base_url=url)
    edit(item, by=None, base_url="https://api.openai.com/v2")
    edit(item, by=None, base_url="https://elsewhere.example/v1", secret="sk-admin-another-5678")
    assert item.base_url == "https://elsewhere.example/v1"
    assert item.credential is not None
    assert credentials.open_secret(Credential.objects.get()) == "sk-admin-another-5678"


def test_a_removed_connection_takes_its_key_along_and_leaves_its_facts(item: Connection, tmp_path: Any) -> None:
    run = ingest_file(Import(write_lines(tmp_path / "a.jsonl", [payload(1)]), "litellm", connection_id=item.pk))
    remove(item, by=None)
    assert (Connection.objects.count(), Credential.objects.count()) == (0, 0)
    assert (UsageEvent.objects.count(), IngestRun.objects.get(pk=run.pk).connection_id) == (1, None)
    assert actions()[-1] == "connection.removed"
    assert KEY not in str(list(AuditEvent.objects.values_list()))


def test_a_connection_that_a_sync_holds_is_not_removed(item: Connection) -> None:
    with leased(item), pytest.raises(WrongConnection, match=r"until \d\d:\d\d UTC"):
        remove(item, by=None)
    assert Credential.objects.count() == 1
    set_enabled(item, enabled=False, by=None)
    remove(Connection.objects.get(), by=None)
    assert Connection.objects.count() == 0
