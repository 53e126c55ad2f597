"""Connecting a source and pulling it from the command line, against a provider over HTTP."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ingest.models import Connection, Credential, UsageEvent
from tests.fake_provider import FakeProvider, generate, recomputation
from tests.fake_provider.pulled import MIDNIGHT, impatient, only

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeProvider]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    only(monkeypatch, "openai", "completions")
    impatient(monkeypatch)
    with FakeProvider(generate(MIDNIGHT, seed=7, days=3, series=2, apis=("openai",))) as running:
        yield running


def run(capsys: Any, *arguments: str) -> dict[str, Any]:
    call_command(*arguments, "--json")
    told: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return told


def connect(capsys: Any, provider: FakeProvider, key: Path, *more: str) -> dict[str, Any]:
    since = (MIDNIGHT - timedelta(days=4)).date().isoformat()
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


def test_a_wrong_key_is_said_to_be_one_and_shown_nowhere(tmp_path: Path, capsys: Any, provider: FakeProvider) -> None:
    key = tmp_path / "key"
    key.write_text("sk-admin-this-is-not-the-key")

    with pytest.raises(CommandError) as failed:
        connect(capsys, provider, key)

    assert failed.value.returncode == 1
    assert "my-openai is stored, but" in str(failed.value)
    assert "401" in str(failed.value)
    assert "not-the-key" not in str(failed.value) + capsys.readouterr().out


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
    first, last = ((MIDNIGHT - timedelta(days=days)).date().isoformat() for days in (2, 1))

    by_day = run(capsys, "sync", "my-openai", "--since", first, "--until", last)
    by_time = run(capsys, "sync", "my-openai", "--since", f"{first}T02:00:00+02:00", "--until", f"{last}T00:00Z")

    assert by_day["stored"] > 0
    assert (by_time["stored"], by_time["duplicate"]) == (0, by_day["stored"])
