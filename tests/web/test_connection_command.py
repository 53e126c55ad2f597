"""`connection edit|key|disable|enable|remove`: what was connected is changed from the command line, against a provider."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from finops.models import AuditEvent, User
from ingest.health_selectors import statuses
from ingest.models import Connection, Credential, IngestRun, UsageEvent
from tests.fake_provider import FakeProvider, generate
from tests.fake_provider.pulled import impatient, midnight, only
from tests.web.connected import ran

pytestmark = pytest.mark.usefixtures("ledger")
FORMER = "sk-admin-the-key-of-before"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeProvider]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    only(monkeypatch, "openai", "completions")
    impatient(monkeypatch)
    with FakeProvider(generate(midnight(), seed=7, days=3, series=2, apis=("openai",))) as running:
        yield running


@pytest.fixture
def connected(provider: FakeProvider, tmp_path: Path) -> FakeProvider:
    """`my-openai`, with a key that the provider no longer takes."""
    key = tmp_path / "former"
    key.write_text(FORMER)
    since = (midnight() - timedelta(days=4)).date().isoformat()
    call_command(
        "connect", "my-openai", "--kind", "openai", "--url", f"{provider.url}/v1", "--key-from", f"file:{key}",
        "--since", since, "--no-try",
    )  # fmt: skip
    return provider


def run(capsys: Any, *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    call_command(*arguments, "--json")
    told: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return told


def wrong(*arguments: str) -> str:
    with pytest.raises(CommandError) as refused:
        call_command(*arguments)
    assert refused.value.returncode == 2
    return str(refused.value)


def item() -> Connection:
    return Connection.objects.get()


def test_another_key_is_tried_and_used_from_then_on(connected: FakeProvider, tmp_path: Path, capsys: Any) -> None:
    key = tmp_path / "key"
    key.write_text(connected.scenario.key)

    told = run(capsys, "connection", "key", "my-openai", "--key-from", f"file:{key}")

    assert told["ok"], told
    assert Credential.objects.get().last_four == connected.scenario.key[-4:]
    assert run(capsys, "sync", "my-openai")["stored"] == UsageEvent.objects.count() > 0


def test_a_key_comes_from_standard_input_or_a_variable_too(
    connected: FakeProvider, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(connected.scenario.key + "\n"))
    assert run(capsys, "connection", "key", "my-openai", "--key-from", "-")["ok"]

    monkeypatch.setenv("MY_OPENAI_KEY", connected.scenario.key)
    assert run(capsys, "connection", "key", "my-openai", "--key-from", "env:MY_OPENAI_KEY")["ok"]
    assert Credential.objects.get().reference == "env:MY_OPENAI_KEY"


def test_a_key_that_does_not_work_is_said_and_shown_nowhere(
    connected: FakeProvider, tmp_path: Path, capsys: Any
) -> None:
    key = tmp_path / "key"
    key.write_text("sk-admin-neither-is-this-one")
    with pytest.raises(
        CommandError, match=r"my-openai is given its new key, but.*401.*connection key my-openai"
    ) as failed:
        call_command("connection", "key", "my-openai", "--key-from", f"file:{key}")
    assert failed.value.returncode == 1
    assert "neither" not in str(failed.value) + capsys.readouterr().out


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("sk-plain", "does not belong on a command line"), ("env:NOT_SET_ANYWHERE", "no NOT_SET_ANYWHERE"),
        ("file:/nowhere/key", "/nowhere/key: No such file"), ("", "no key was given"),
    ],
)  # fmt: skip
def test_what_is_no_key_leaves_the_former_one(connected: FakeProvider, where: str, said: str) -> None:
    assert said in wrong("connection", "key", "my-openai", *(["--key-from", where] if where else []))
    assert Credential.objects.get().last_four == FORMER[-4:]


def test_edit_changes_what_is_named_and_nothing_else(connected: FakeProvider, capsys: Any) -> None:
    former = item()
    User.objects.create_user("ann")

    told = run(
        capsys, "connection", "edit", "my-openai", "--every", "15", "--rename", "spend", "--since", "2026-09-01T13:00:00Z",
        "--option", "billing_accounts=openai=org-a", "--no-try", "--as", "ann",
    )  # fmt: skip

    now = item()
    assert (told["name"], now.name, now.every) == ("spend", "spend", timedelta(minutes=15))
    assert now.begins_on.isoformat() == "2026-09-01", "a day may be given as a time in it"
    assert now.options == {"billing_accounts": "openai=org-a"}
    assert (now.base_url, now.account, now.credential_id) == (former.base_url, former.account, former.credential_id)
    assert AuditEvent.objects.filter(action="connection.changed", actor="ann").exists()

    run(capsys, "connection", "edit", "spend", "--option", "billing_accounts=", "--no-try")
    assert item().options == {}, "an empty value takes the option away"


def test_the_url_of_another_server_asks_for_the_key_again(connected: FakeProvider, tmp_path: Path, capsys: Any) -> None:
    with FakeProvider(connected.scenario) as moved:
        url = f"{moved.url}/v1"
        assert "enter it again" in wrong("connection", "edit", "my-openai", "--url", url)
        assert moved.requests == [], "the former key is not shown to it"

        key = tmp_path / "key"
        key.write_text(connected.scenario.key)
        assert run(capsys, "connection", "edit", "my-openai", "--url", url, "--key-from", f"file:{key}")["ok"]
    assert item().base_url == url


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say what to change"), (["--option", "colour=red"], "no option colour"),
        (["--rename", "Not A Name"], "small letters"), (["--every", "0"], "no whole number of at least 1"),
        (["--since", "2999-01-01"], "it begins on 2999-01-01, and today is"),
        (["--folder", "."], "watches no folder"), (["--as", "nobody"], "there is no user nobody"),
    ],
)  # fmt: skip
def test_an_edit_that_cannot_be_is_wrong_use_and_changes_nothing(
    connected: FakeProvider, arguments: list[str], said: str
) -> None:
    former = Connection.objects.values().get()
    assert said in wrong("connection", "edit", "my-openai", *arguments)
    assert Connection.objects.values().get() == former


def test_a_folder_is_watched_elsewhere_by_another_pattern(tmp_path: Path, capsys: Any) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    run(capsys, "connect", "drop", "--kind", "litellm", "--folder", str(tmp_path / "one"), "--pattern", "*.jsonl")
    run(capsys, "connection", "edit", "drop", "--folder", str(tmp_path / "two"))
    assert item().options == {"url": str(tmp_path / "two"), "pattern": "*.jsonl"}
    run(capsys, "connection", "edit", "drop", "--pattern", "")
    assert item().options == {"url": str(tmp_path / "two")}
    assert "does not exist" in wrong("connection", "edit", "drop", "--folder", str(tmp_path / "three"))


def test_disabled_it_is_left_alone_until_it_is_enabled(connected: FakeProvider, capsys: Any) -> None:
    from ingest.sync import due

    assert run(capsys, "connection", "disable", "my-openai")["enabled"] is False
    assert list(due()) == []
    assert run(capsys, "connection", "enable", "my-openai")["enabled"] is True
    assert [found.name for found in due()] == ["my-openai"]


def test_removed_it_is_gone_with_its_key_and_what_it_delivered_stays(
    connected: FakeProvider, tmp_path: Path, capsys: Any
) -> None:
    key = tmp_path / "key"
    key.write_text(connected.scenario.key)
    run(capsys, "connection", "key", "my-openai", "--key-from", f"file:{key}")
    stored = run(capsys, "sync", "my-openai")["stored"]

    run(capsys, "connection", "remove", "my-openai")

    assert (Connection.objects.count(), Credential.objects.count()) == (0, 0)
    assert UsageEvent.objects.count() == stored > 0
    assert wrong("connection", "remove", "my-openai") == "there is no connection my-openai; there are: none"
    [left] = statuses(timezone.now())
    assert (left.kind, left.state) == ("openai", "ok"), "an account that delivered is still a source"


def test_one_that_never_delivered_leaves_nothing_to_look_at(connected: FakeProvider, capsys: Any) -> None:
    with pytest.raises(CommandError, match="401"):
        call_command("sync", "my-openai")
    failed = IngestRun.objects.count()
    assert failed > 0

    run(capsys, "connection", "remove", "my-openai")

    assert statuses(timezone.now()) == []
    assert IngestRun.objects.filter(notes__dismissed="with the connection my-openai").count() == failed, "runs stay"


def test_a_failed_import_before_it_stays_when_another_connection_of_the_account_goes(
    connected: FakeProvider, capsys: Any
) -> None:
    ran(None, state="failed", reason="broke off")
    run(capsys, "connection", "remove", "my-openai")
    [left] = statuses(timezone.now())
    assert (left.connection, left.state) == (None, "failing")
