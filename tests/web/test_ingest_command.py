"""``ingest_file``: exit codes and the JSON object of CONTRACTS 4."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum

from ingest.models import IngestRun, UsageEvent
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")


def ingest(capsys: Any, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and the JSON object on the last line."""
    code = 0
    try:
        call_command("ingest_file", *arguments, "--json")
    except CommandError as error:
        code = error.returncode
    lines = capsys.readouterr().out.strip().splitlines()
    return code, json.loads(lines[-1]) if lines else {}


def test_the_whole_input_was_read_even_if_some_of_it_is_quarantined(tmp_path: Path, capsys: Any) -> None:
    records = [
        payload(1, prompt=120, output=30, cached=100, reasoning=20, response_cost=0.00035),
        payload(1, prompt=120, output=30, cached=100, reasoning=20, response_cost=0.00035),  # the same call again
        payload(2, prompt=120, output=30, cache_hit=True, response_cost=0),
        payload(3, prompt=100, cached=101),
        payload(4, model="no-such-model", model_group=None),
    ]
    code, told = ingest(capsys, str(write_lines(tmp_path / "u.jsonl", records)), "--source", "litellm")
    assert code == 0
    assert {name: told[name] for name in ("read", "stored", "changed", "duplicate", "quarantined", "unpriced")} == {
        "read": 5, "stored": 3, "changed": 0, "duplicate": 1, "quarantined": 1, "unpriced": 1,
    }  # fmt: skip
    assert told["quarantine"] == {"cached_exceeds_input": 1}
    # 20 x 1.25 + 100 x 0.125 + 30 x 10 per million; the unknown model is in no total.
    assert told["totals"]["list_cost"] == "0.000337500000"
    assert told["totals"]["input_uncached"] == str(20 + 100)
    assert told["totals"]["output_reasoning"] == "20"
    assert told["currency"] == "USD"


def test_a_truncated_stream_exits_with_1_and_a_retry_completes_it(tmp_path: Path, capsys: Any) -> None:
    whole = write_lines(tmp_path / "u.jsonl.gz", [payload(n) for n in range(2_000)])
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(whole.read_bytes()[:-2_000])
    code, told = ingest(capsys, str(cut), "--source", "litellm")
    assert code == 1
    assert 0 < told["stored"] < 2_000
    assert told["quarantine"] == {"truncated_stream": 1}
    code, rest = ingest(capsys, str(whole), "--source", "litellm")
    assert (code, rest["stored"] + rest["duplicate"], told["stored"] + rest["stored"]) == (0, 2_000, 2_000)


@pytest.mark.parametrize(
    ("name", "content", "kind", "code"),
    [
        ("u.jsonl", "{}", "no-such-kind", 2),
        ("missing", None, "litellm", 2),
        (".", None, "litellm", 2),
        ("bad.jsonl", "{broken\n" * 50, "litellm", 3),
        ("other.jsonl", '{"some": "thing"}\n' * 50, "litellm", 3),
    ],
)
def test_wrong_use_failure_and_refusal_have_their_exit_codes(
    tmp_path: Path, capsys: Any, name: str, content: str | None, kind: str, code: int
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    assert ingest(capsys, str(path), "--source", kind)[0] == code
    assert not IngestRun.objects.filter(stored__gt=0).exists()


@pytest.mark.parametrize(("name", "message"), [("missing", "there is no file"), (".", "is a folder; give a file")])
def test_a_path_that_is_no_file_is_said_to_be_none(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("ingest_file", str(tmp_path / name), "--source", "litellm")


def test_a_bomb_is_refused_before_a_run_begins(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(256):
            file.write(bytes(1 << 20))
    assert ingest(capsys, str(path), "--source", "litellm")[0] == 3
    assert not IngestRun.objects.exists()


def test_many_bad_rows_are_refused_unless_accepted(tmp_path: Path, capsys: Any) -> None:
    records = [payload(n, prompt=10, cached=11 if n % 2 else 0) for n in range(40)]
    path = str(write_lines(tmp_path / "u.jsonl", records))
    assert ingest(capsys, path, "--source", "litellm")[0] == 3
    code, told = ingest(capsys, path, "--source", "litellm", "--accept-bad")
    assert (code, told["stored"], told["quarantine"]) == (0, 20, {"cached_exceeds_input": 20})


def test_a_breaker_that_opens_later_stops_with_1_and_keeps_what_was_committed(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import intake, reading, streams

    monkeypatch.setattr(intake, "BATCH_ROWS", 1_000)
    monkeypatch.setattr(reading, "GROUP_ROWS", 500)
    monkeypatch.setattr(streams, "BLOCK_SIZE", 100_000)
    records = [payload(n) for n in range(3_000)] + [payload(n, prompt=1, cached=2) for n in range(150)]
    code, told = ingest(capsys, str(write_lines(tmp_path / "u.jsonl", records)), "--source", "litellm")
    assert code == 1
    assert 0 < told["stored"] <= 3_000
    assert told["state"] == "failed"


def test_a_run_that_fails_says_what_it_stored_and_is_closed_at_once(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest.writer import Writer

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    path = str(write_lines(tmp_path / "u.jsonl", [payload(n) for n in range(10)]))
    monkeypatch.setattr(Writer, "write", broken)
    with pytest.raises(ZeroDivisionError):
        ingest(capsys, path, "--source", "litellm")
    run = IngestRun.objects.get()
    assert (run.state, run.reason) == ("failed", "ZeroDivisionError: a bug")


def test_an_interrupted_import_is_closed_and_the_same_command_completes_it(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest.writer import Writer

    path = str(write_lines(tmp_path / "u.jsonl", [payload(n) for n in range(10)]))
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        code, told = ingest(capsys, path, "--source", "litellm")
    assert (code, told["state"]) == (1, "failed")
    assert ingest(capsys, path, "--source", "litellm")[1]["stored"] == 10


def test_an_observation_in_the_future_is_wrong_use(tmp_path: Path, capsys: Any) -> None:
    path = str(write_lines(tmp_path / "u.jsonl", [payload(1)]))
    assert ingest(capsys, path, "--source", "litellm", "--observed-at", "2036-01-01T00:00:00Z")[0] == 2


def test_more_tool_calls_than_a_fact_can_hold_are_quarantined_not_clamped(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "u.csv"
    path.write_text(
        "timestamp,model,input_tokens,output_tokens,tools,request_id\n"
        + "".join(f"2026-09-08T13:00:00Z,gpt-5,1,1,{count},r{count}\n" for count in (1, 32_767, 40_000, 2, 3, 4, 5))
    )
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        "{layer: gateway, provider: openai, id: [request_id], time: timestamp, model: model, input: input_tokens, "
        "output: output_tokens, tool_calls: tools}"
    )
    code, told = ingest(capsys, str(path), "--source", "generic", "--mapping", str(mapping))
    assert (code, told["stored"], told["quarantine"]) == (0, 6, {"too_large": 1})
    assert ingest(capsys, str(path), "--source", "litellm", "--mapping", str(mapping))[0] == 2


def test_what_a_file_that_states_its_time_whole_no_longer_says_has_vanished(tmp_path: Path, capsys: Any) -> None:
    def page(name: str, *projects: str) -> str:
        results = [
            {
                "object": "organization.usage.completions.result", "input_tokens": 100, "output_tokens": 1,
                "num_model_requests": 1, "project_id": project, "model": "gpt-5",
            }
            for project in projects
        ]  # fmt: skip
        bucket = {"object": "bucket", "start_time": 1788825600, "end_time": 1788912000, "results": results}
        document = {"object": "page", "data": [bucket], "has_more": False, "next_page": None}
        (tmp_path / name).write_text(json.dumps(document))
        return str(tmp_path / name)

    for name, projects, more in (("first", ("a", "b"), []), ("second", ("a",), []), ("third", ("a",), ["--whole"])):
        code, told = ingest(capsys, page(name, *projects), "--source", "openai", *more)
        assert code == 0
        tokens = UsageEvent.objects.aggregate(Sum("input_uncached"))["input_uncached__sum"]
        # Without --whole the second is a file of project a; what the first said of b stays.
        assert (tokens, told["notes"].get("vanished")) == ((100, 1) if more else (200, None))


def test_whole_is_refused_where_no_document_states_all_and_is_no_part(tmp_path: Path, capsys: Any) -> None:
    path = str(write_lines(tmp_path / "u.jsonl", [payload(1)]))
    assert ingest(capsys, path, "--source", "litellm", "--whole")[0] == 3
    assert ingest(capsys, path, "--source", "focus", "--whole", "--part")[0] == 2
    assert not IngestRun.objects.exists()
