"""Connecting a source and pulling it from the command line, against a provider over HTTP."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from finops.models import AuditEvent
from ingest.models import Connection, Credential, UsageEvent
from tests.fake_provider import FakeProvider, generate, recomputation
from tests.fake_provider.pulled import impatient, midnight, only

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeProvider]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    only(monkeypatch, "openai", "completions")
    impatient(monkeypatch)
    with FakeProvider(generate(midnight(), seed=7, days=3, series=2, apis=("openai",))) as running:
        yield running


def run(capsys: Any, *arguments: str) -> dict[str, Any]:
    call_command(*arguments, "--json")
    told: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return told


def connect(capsys: Any, provider: FakeProvider, key: Path, *more: str) -> dict[str, Any]:
    since = (midnight() - timedelta(days=4)).date().isoformat()
    return run(
        capsys, "connect", "my-openai", "--kind", "openai", "--url", f"{provider.url}/v1", "--key-from", f"file:{key}",
        "--since", since, *more,
    )  # fmt: skip


def test_a_key_is_tried_stored_sealed_and_used(tmp_path: Path, capsys: Any, provider: FakeProvider) -> None:
    key = tmp_path / "key"
    key.write_text(provider.scenario.key + "\n")

    told = connect(capsys, provider, key)
    pulled = run(capsys, "sync", "my-openai")

    assert told["ok"], told
    assert bytes(Credential.objects.get().sealed).find(provider.scenario.key.encode()) == -1
    truth = recomputation.tokens(provider.scenario, "openai.completions", provider.tick)
    assert pulled["stored"] == UsageEvent.objects.count() > 0
    assert sum(truth.values()) > 0
    again = run(capsys, "sync", "my-openai")
    assert (again["stored"], again["changed"], again["vanished"]) == (0, 0, 0)


def test_with_a_wrong_key_nothing_is_saved_and_the_key_is_shown_nowhere(
    tmp_path: Path, capsys: Any, provider: FakeProvider
) -> None:
    key = tmp_path / "key"
    key.write_text("sk-admin-this-is-not-the-key")

    with pytest.raises(CommandError) as failed:
        connect(capsys, provider, key)

    assert failed.value.returncode == 1
    assert "my-openai was not saved" in str(failed.value)
    assert "--no-try" in str(failed.value)
    assert "401" in str(failed.value)
    assert "not-the-key" not in str(failed.value) + capsys.readouterr().out
    assert (Connection.objects.count(), Credential.objects.count()) == (0, 0)
    assert not AuditEvent.objects.filter(action__startswith="connection").exists()

    key.write_text(provider.scenario.key)
    assert connect(capsys, provider, key)["ok"], "the same name is free"


def test_unseen_it_is_saved_by_choice_and_the_name_is_then_taken(
    tmp_path: Path, capsys: Any, provider: FakeProvider
) -> None:
    key = tmp_path / "key"
    key.write_text("sk-admin-this-is-not-the-key")
    assert "ok" not in connect(capsys, provider, key, "--no-try")
    assert provider.requests == []
    with pytest.raises(CommandError, match="there is a connection 'my-openai' already") as taken:
        connect(capsys, provider, key)
    for remedy in ("connection key my-openai", "connection edit my-openai", "connection remove my-openai"):
        assert remedy in str(taken.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kind", "nonesuch"], "unknown source"),
        (["--kind", "openai"], "needs a key"),
        (["--kind", "openai", "--key-from", "sk-plain"], "does not belong on a command line"),
        (["--kind", "codex"], "cannot be pulled"),
        (["--kind", "openai", "--key-from", "env:NOT_SET_ANYWHERE"], "no NOT_SET_ANYWHERE"),
        (["--kind", "prometheus", "--url", "http://169.254.169.254/"], "169.254"),
        (["--kind", "prometheus", "--url", "https://example.org", "--option", "colour=red"], "no option colour"),
        (["--kind", "litellm", "--folder", "/nowhere/at/all"], "/nowhere/at/all does not exist; make it first"),
        (["--kind", "litellm", "--folder", __file__], "is a file; name the folder that it lies in"),
        (["--kind", "litellm", "--pattern", "*.jsonl"], "--pattern needs --folder"),
        (["--kind", "openai", "--since", "yesterday"], "'yesterday' is no day"),
        (["--kind", "litellm", "--folder", ".", "--since", "2999-01-01"], "it begins on 2999-01-01, and today is"),
    ],
)
def test_what_cannot_be_connected_is_wrong_use(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError) as wrong:
        call_command("connect", "x", *arguments)
    assert wrong.value.returncode == 2
    assert said in str(wrong.value)
    assert not Connection.objects.exists()


def test_a_watched_folder_takes_each_version_of_a_file_once(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    call = {
        "request_id": "r1", "call_type": "acompletion", "startTime": "2026-09-08T10:00:00Z", "model": "gpt-4o",
        "custom_llm_provider": "openai", "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "spend": 0.1,
    }  # fmt: skip
    (folder / "one.jsonl").write_text(json.dumps(call) + "\n")
    (folder / "notes.txt").write_text("not for us")
    run(capsys, "connect", "drop", "--kind", "litellm", "--folder", str(folder), "--pattern", "*.jsonl")

    first, second = (run(capsys, "sync", "drop") for _ in range(2))
    (folder / "two.jsonl").write_text(json.dumps(call | {"request_id": "r2"}) + "\n")
    third = run(capsys, "sync", "drop")

    assert [told["stored"] for told in (first, second, third)] == [1, 0, 1]
    assert (first["windows"], second["windows"], third["windows"]) == (1, 0, 1)


def a_call(number: int) -> dict[str, Any]:
    return {
        "request_id": f"r{number}", "call_type": "acompletion", "startTime": "2026-09-08T10:00:00Z", "model": "gpt-4o",
        "custom_llm_provider": "openai", "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "spend": 0.1,
    }  # fmt: skip


@pytest.fixture
def drop(tmp_path: Path, capsys: Any) -> Path:
    """A watched folder with a good file and one of whose ten records half cannot be read."""
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "good.jsonl").write_text(json.dumps(a_call(0)) + "\n")
    calls = [a_call(number) | ({"prompt_tokens": -1} if number > 5 else {}) for number in range(1, 11)]
    (folder / "half.jsonl").write_text("".join(json.dumps(call) + "\n" for call in calls))
    run(capsys, "connect", "drop", "--kind", "litellm", "--folder", str(folder))
    return folder


def test_a_refused_file_is_told_by_every_sync_and_by_sources_until_it_is_accepted(drop: Path, capsys: Any) -> None:
    half = str(drop / "half.jsonl")
    for stored, again in ((1, ""), (0, "1 file refused before and still there")):
        with pytest.raises(CommandError, match="5 of the first 10 records were rejected") as failed:
            call_command("sync", "drop", "--json")
        told = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (failed.value.returncode, told["stored"]) == (1, stored)
        assert again in str(failed.value)
        assert [file["path"] for file in told["refused"]] == [half]
        assert "`connection accept drop FILE` takes" in str(failed.value)
        assert "--accept-bad" not in str(failed.value), "which is for a file that is imported by hand"

    call_command("sources")
    listed = capsys.readouterr().out
    assert "a file refused and still there" in listed
    assert f"{half}: 5 of the first 10 records were rejected" in listed

    assert run(capsys, "connection", "accept", "drop", half)["accepted"] == [half]
    told = run(capsys, "sync", "drop")
    assert (told["stored"], told["quarantined"], told["refused"]) == (5, 5, [])
    call_command("sources")
    assert "refused" not in capsys.readouterr().out.partition("Connected:")[2]


@pytest.mark.parametrize("given", [[], ["other.jsonl"], ["half.jsonl", "--all"]])
def test_only_a_refused_file_is_accepted(drop: Path, capsys: Any, given: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("sync", "drop")
    with pytest.raises(CommandError) as wrong:
        call_command("connection", "accept", "drop", *given)
    assert wrong.value.returncode == 2
    assert run(capsys, "connection", "accept", "drop", "--all")["accepted"] == [str(drop / "half.jsonl")]


def test_what_one_sync_leaves_is_said_with_what_happens_next(
    drop: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import folders

    (drop / "half.jsonl").unlink()
    (drop / "next.jsonl").write_text(json.dumps(a_call(11)) + "\n")
    monkeypatch.setattr(folders, "AT_ONCE", 1)
    call_command("sync", "drop")
    said = capsys.readouterr().out
    assert "in 1 file\n" in said
    assert "1 more file to come" in said
    assert "a running worker goes on by itself, or run `manage.py sync drop` again" in said
    call_command("sync", "drop")
    assert "to come" not in capsys.readouterr().out


def test_windows_that_one_sync_leaves_are_counted(
    tmp_path: Path, capsys: Any, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import sync

    key = tmp_path / "key"
    key.write_text(provider.scenario.key)
    monkeypatch.setattr(sync, "BACKFILL_AT_ONCE", 1)
    run(
        capsys, "connect", "my-openai", "--kind", "openai", "--url", f"{provider.url}/v1", "--key-from", f"file:{key}",
        "--since", (midnight() - timedelta(days=90)).date().isoformat(),
    )  # fmt: skip
    call_command("sync", "my-openai", "--json")
    *_, said, told = capsys.readouterr().out.splitlines()
    left = json.loads(told)["left"]
    assert left > 1
    assert said.startswith(f"{left} more windows to come, as one sync takes")


def test_a_disabled_connection_is_not_synchronised_and_says_so(tmp_path: Path, capsys: Any) -> None:
    run(capsys, "connect", "drop", "--kind", "litellm", "--folder", str(tmp_path))
    run(capsys, "connection", "disable", "drop")
    with pytest.raises(CommandError, match=r"drop is disabled; `manage\.py connection enable drop`") as refused:
        call_command("sync", "drop")
    assert refused.value.returncode == 3


def test_a_sync_of_a_time_that_ends_before_it_begins_is_wrong_use(tmp_path: Path, capsys: Any) -> None:
    run(capsys, "connect", "drop", "--kind", "litellm", "--folder", str(tmp_path))
    with pytest.raises(CommandError, match="not after") as wrong:
        call_command("sync", "drop", "--since", "2026-09-08T00:00:00Z", "--until", "2026-09-07T00:00:00Z")
    assert wrong.value.returncode == 2


def test_a_sync_takes_a_day_for_its_beginning_and_a_time_alike(
    capsys: Any, provider: FakeProvider, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(provider.scenario.key)
    connect(capsys, provider, key)
    first, last = ((midnight() - timedelta(days=days)).date().isoformat() for days in (2, 1))

    by_day = run(capsys, "sync", "my-openai", "--since", first, "--until", last)
    by_time = run(capsys, "sync", "my-openai", "--since", f"{first}T02:00:00+02:00", "--until", f"{last}T00:00Z")

    assert by_day["stored"] > 0
    assert (by_time["stored"], by_time["duplicate"]) == (0, by_day["stored"])
