"""Secrets of providers: sealed, replaced as a whole, rotated without being opened, and refused rather than guessed."""

import base64
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from finops import encryption, redaction
from finops.models import AuditEvent, User
from ingest.credentials import CredentialError, open_secret, replace, rotate, seal
from ingest.models import Credential
from ingest.pull import PullFailed

pytestmark = pytest.mark.django_db
SECRET = "sk-ant-admin01-abcdefgh-WXYZ"
FIRST, SECOND, THIRD = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3))


@pytest.fixture(autouse=True)
def ring() -> Iterator[None]:
    with override_settings(ENCRYPTION_KEYS=FIRST):
        yield


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


def command(*arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("credentials", *arguments, "--json", stdout=out)
    return dict(json.loads(out.getvalue().splitlines()[-1]))


def test_a_secret_is_stored_sealed_with_what_tells_it_apart(ann: User) -> None:
    stored = Credential.objects.get(pk=seal("anthropic", f" {SECRET}\n", ann).pk)
    assert open_secret(stored) == SECRET
    assert (stored.last_four, stored.fingerprint) == ("WXYZ", hashlib.sha256(SECRET.encode()).hexdigest()[:8])
    assert (stored.kind, stored.version, stored.created_by, stored.reference) == ("anthropic", 1, ann, "")
    with connection.cursor() as cursor:
        cursor.execute("SELECT ingest_credential::text FROM ingest_credential")
        row = cursor.fetchone()[0]
    assert SECRET not in row
    assert SECRET.encode().hex() not in row


def test_the_time_of_use_is_noted_and_the_secret_is_hidden_from_logs(ann: User) -> None:
    secret = "unlike any known key"
    credential = seal("litellm", secret, ann)
    assert credential.last_used_at is None
    open_secret(credential)
    credential.refresh_from_db()
    assert credential.last_used_at is not None
    assert redaction.redacted(f"got {secret}!") == "got ***!"


def test_of_a_short_secret_nothing_is_told(ann: User) -> None:
    """12 characters: the last four are shown; 11: they would be a third of it, and its hash could be tried out."""
    long, short = seal("litellm", "123456789012", ann), seal("litellm", "12345678901", ann)
    assert (long.last_four, len(long.fingerprint)) == ("9012", 8)
    assert (short.last_four, short.fingerprint) == ("", "")
    assert open_secret(short) == "12345678901"


def test_replacing_raises_the_version_and_the_old_seal_does_not_come_back(ann: User) -> None:
    first = seal("openai", SECRET, ann)
    second = replace(first, "sk-another-secret-9999", ann)
    assert (second.pk, second.version, second.last_four) == (first.pk, 2, "9999")
    assert open_secret(Credential.objects.get(pk=first.pk)) == "sk-another-secret-9999"
    Credential.objects.filter(pk=first.pk).update(sealed=bytes(first.sealed), wrapped_key=bytes(first.wrapped_key))
    with pytest.raises(CredentialError):  # version 1 put back by hand
        open_secret(Credential.objects.get(pk=first.pk))


@pytest.mark.parametrize("change", [{"kind": "anthropic"}, {"version": 2}])
def test_a_row_that_was_changed_does_not_open(ann: User, change: dict[str, Any]) -> None:
    credential = seal("openai", SECRET, ann)
    Credential.objects.filter(pk=credential.pk).update(**change)
    with pytest.raises(CredentialError, match="does not open"):
        open_secret(Credential.objects.get(pk=credential.pk))


def test_a_seal_that_was_copied_to_another_row_does_not_open(ann: User) -> None:
    one, other = seal("openai", SECRET, ann), seal("openai", "sk-another-secret-9999", ann)
    Credential.objects.filter(pk=other.pk).update(
        sealed=bytes(one.sealed), wrapped_key=bytes(one.wrapped_key), ring_key=one.ring_key
    )
    with pytest.raises(CredentialError, match="does not open"):
        open_secret(Credential.objects.get(pk=other.pk))


def test_with_the_wrong_ring_nothing_opens_and_no_use_is_noted(ann: User) -> None:
    credential = seal("openai", SECRET, ann)
    for keys in (SECOND, "broken"):
        with override_settings(ENCRYPTION_KEYS=keys), pytest.raises(PullFailed) as failed:
            open_secret(credential)
        assert SECRET not in str(failed.value)
        assert isinstance(failed.value, CredentialError)
    credential.refresh_from_db()
    assert credential.last_used_at is None


def test_a_reference_leaves_the_secret_in_the_environment(
    ann: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    credential = seal("openai", "env:OPENAI_ADMIN_KEY", ann)
    assert (credential.reference, credential.last_four, bytes(credential.sealed)) == ("env:OPENAI_ADMIN_KEY", "", b"")
    with pytest.raises(CredentialError, match="OPENAI_ADMIN_KEY"):
        open_secret(credential)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "")
    with pytest.raises(CredentialError, match="is empty"):
        open_secret(credential)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", SECRET)
    assert open_secret(credential) == SECRET
    monkeypatch.delenv("OPENAI_ADMIN_KEY")
    (tmp_path / "key").write_text(f"{SECRET}-mounted\n")
    monkeypatch.setenv("OPENAI_ADMIN_KEY_FILE", str(tmp_path / "key"))
    assert open_secret(credential) == f"{SECRET}-mounted"
    with override_settings(ENCRYPTION_KEYS=SECOND):  # needs no ring
        assert open_secret(credential) == f"{SECRET}-mounted"


@pytest.mark.parametrize(
    "secret",
    ["", "  \n", "x" * 8_193, "a\x00b", "env:", "env:A B", "env:1A", "env:../x", "env:FINOPS_SECRET_KEY", "env:DATABASE_URL",
     "env:FINOPS_ENCRYPTION_KEYS", "env:celery_broker_url", "env:PGPASSWORD", "env:DJANGO_X"],
)  # fmt: skip
def test_what_is_no_secret_of_a_provider_is_refused(secret: str, ann: User) -> None:
    with pytest.raises(CredentialError):
        seal("openai", secret, ann)
    assert Credential.objects.count() == AuditEvent.objects.count() == 0


def test_a_reference_that_was_written_into_the_row_by_hand_is_checked_too(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINOPS_SECRET_KEY", SECRET)
    credential = seal("openai", "env:SOMETHING", ann)
    credential.reference = "env:FINOPS_SECRET_KEY"
    with pytest.raises(CredentialError, match="a setting of this site"):
        open_secret(credential)


def test_every_change_is_in_the_audit_trail_without_the_secret(ann: User) -> None:
    credential = seal("openai", SECRET, ann)
    replace(credential, f"{SECRET}-2", None)
    rotate(ann)
    events = list(AuditEvent.objects.order_by("id"))
    assert [(event.action, event.actor) for event in events] == [
        ("credential.create", "ann"), ("credential.replace", "command line"), ("credential.rotate", "ann"),
    ]  # fmt: skip
    assert events[0].details["last_four"] == "WXYZ"
    assert all(SECRET not in json.dumps([event.subject, event.details]) for event in events)


def test_rotation_wraps_all_with_the_newest_key_and_opens_no_secret(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = [seal("openai", f"{SECRET}-{n}", ann) for n in range(3)]
    seal("openai", "env:OPENAI_ADMIN_KEY", ann)
    sealed = {item.pk: bytes(item.sealed) for item in stored}
    with override_settings(ENCRYPTION_KEYS=f"{SECOND},{FIRST}"):
        seal("openai", "sk-sealed-by-the-second", ann)
        with monkeypatch.context() as patch:
            patch.setattr(encryption, "unseal", lambda *_: pytest.fail("a secret was opened"))
            assert command("list")["credentials"][0]["ring_key"] == stored[0].ring_key
            done = command("rotate", "--as", "ann")
        assert (done["rewrapped"], done["current"], done["failed"]) == (3, 1, {})
        assert command("rotate")["rewrapped"] == 0  # a second time there is nothing to do
    with override_settings(ENCRYPTION_KEYS=SECOND):  # the first key is retired
        for n, item in enumerate(stored):
            found = Credential.objects.get(pk=item.pk)
            assert bytes(found.sealed) == sealed[item.pk]
            assert open_secret(found) == f"{SECRET}-{n}"
    assert AuditEvent.objects.filter(action="credential.rotate").order_by("id")[0].actor == "ann"


def test_rotation_goes_on_past_what_does_not_open_and_names_it(ann: User) -> None:
    with override_settings(ENCRYPTION_KEYS=THIRD):
        lost = seal("openai", SECRET, ann)
    kept = seal("openai", SECRET, ann)
    with override_settings(ENCRYPTION_KEYS=f"{SECOND},{FIRST}"), pytest.raises(CommandError) as failed:
        command("rotate")
    assert failed.value.returncode == 1
    assert str(lost.pk) in str(failed.value)
    kept.refresh_from_db()
    with override_settings(ENCRYPTION_KEYS=SECOND):
        assert open_secret(kept) == SECRET


def test_a_new_key_for_the_ring_of_the_data_folder(ann: User, tmp_path: Path) -> None:
    with override_settings(ENCRYPTION_KEYS="", DATA_DIR=tmp_path):
        credential = seal("openai", SECRET, ann)
        done = command("rotate", "--new-key")
        assert done["ring_key"] != credential.ring_key
        credential.refresh_from_db()
        assert credential.ring_key == done["ring_key"]
        assert open_secret(credential) == SECRET
    with pytest.raises(CommandError) as refused:  # the environment's ring is the environment's
        command("rotate", "--new-key")
    assert refused.value.returncode == 2


def test_the_list_shows_what_tells_keys_apart_and_no_key(ann: User) -> None:
    credential = seal("openai", SECRET, ann)
    seal("anthropic", "env:ANTHROPIC_ADMIN_KEY", None)
    open_secret(credential)
    out = io.StringIO()
    call_command("credentials", "list", stdout=out)
    assert "...WXYZ" in out.getvalue()
    assert "env:ANTHROPIC_ADMIN_KEY" in out.getvalue()
    rows = command("list")["credentials"]
    assert [(row["kind"], row["created_by"], row["shown"]) for row in rows] == [
        ("openai", "ann", "...WXYZ"), ("anthropic", "", "env:ANTHROPIC_ADMIN_KEY"),
    ]  # fmt: skip
    assert SECRET not in out.getvalue() + json.dumps(rows) + repr(credential) + str(credential) + repr(
        credential.__dict__
    )
