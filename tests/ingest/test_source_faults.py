"""A source with a bug: one line says which source, at which record, and what it raised; nothing goes on as if it were read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest import reading
from ingest.models import IngestRun, UsageEvent
from ingest.services import Import, Stopped, ingest_file
from ingest.sources import get_source
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")


def broken(times: int) -> Callable[..., Any]:
    """Raises at the call of this number."""
    codex: Any = get_source("codex")
    row, calls = type(codex).row, list[int]()

    def read(self: Any, record: Any, context: Any) -> Any:
        calls.append(1)
        if len(calls) == times:
            raise KeyError("no such\nfield")
        return row(self, record, context)

    return read


@pytest.mark.parametrize(
    "error", [TypeError("None + 1"), RecursionError("too deep"), ZeroDivisionError(), Exception("own")]
)
def test_whatever_a_source_raises_at_a_record_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def row(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(type(get_source("claude_code")), "row", row)
    path = write_lines(tmp_path / "a.jsonl", [{"type": "user"}])
    with pytest.raises(Stopped) as stopped:
        ingest_file(Import(path, "claude_code"))
    said = f"the source claude_code failed at line 1: {type(error).__name__}: {error}".strip()
    assert str(stopped.value) == f"a.jsonl: {said}"
    run = IngestRun.objects.get()
    assert (run.state, run.reason, stopped.value.run) == ("failed", said, run)


def test_the_line_is_named_and_what_was_committed_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(get_source("codex")), "row", broken(3))
    path = write_lines(tmp_path / "a.jsonl", [{"type": "other"}] * 5)
    with pytest.raises(Stopped, match=r"a.jsonl: the source codex failed at line 3: KeyError: 'no such\\nfield'$"):
        ingest_file(Import(path, "codex"))


def test_a_source_of_whole_tables_names_the_lines_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(*_: Any) -> Any:
        raise ValueError("shapes differ")

    monkeypatch.setattr(reading, "GROUP_ROWS", 2)
    monkeypatch.setattr(type(get_source("litellm")), "usage", usage)
    path = write_lines(tmp_path / "a.jsonl", [payload(n) for n in range(4)])
    with pytest.raises(Stopped, match="the source litellm failed at lines 1 to 4: ValueError: shapes differ"):
        ingest_file(Import(path, "litellm"))
    assert UsageEvent.objects.count() == 0


def test_a_document_that_a_source_cannot_take_apart_is_said_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def records(*_: Any) -> Any:
        yield "/0", {}
        raise AttributeError("'str' object has no attribute 'get'")

    monkeypatch.setattr(type(get_source("openai")), "records", records)
    (tmp_path / "a.json").write_text('{"data": []}')
    with pytest.raises(Stopped, match="the source openai failed at the document: AttributeError: 'str' object"):
        ingest_file(Import(tmp_path / "a.json", "openai", accept_bad=True))
