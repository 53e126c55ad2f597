"""Events that move to another day are found whichever side is the smaller one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from allocation.derived import refresh
from allocation.verification import verify
from ingest import intake
from ingest.facts import move
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.state import dump

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.mark.parametrize(("few", "first", "second"), [(50, 10, 10), (5, 3, 10), (5, 10, 10)])
def test_a_moved_event_is_one_fact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int, first: int, second: int
) -> None:
    monkeypatch.setattr(move, "_FEW", few)
    for day, count in ((8, first), (9, second)):
        records = [payload(n, at=f"2026-09-{day:02d}T13:00:00Z") for n in range(count)]
        path = write_lines(tmp_path / "u.jsonl", records)
        run = ingest_file(Import(path, "litellm", observed_at=datetime(2026, 9, 10 + day, tzinfo=UTC)))
    assert (run.changed, run.stored) == (min(first, second), second - min(first, second))
    refresh()
    assert [str(row[0]) for row in dump()["facts"]] == ["2026-09-09"] * second
    assert all(check.ok for check in verify())


def test_a_run_that_died_before_settling_is_completed_by_its_repetition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (
        write_lines(tmp_path / f"{day}.jsonl", [payload(n, at=f"2026-09-{day:02d}T13:00:00Z") for n in range(4)])
        for day in (8, 9)
    )
    ingest_file(Import(first, "litellm", observed_at=datetime(2026, 9, 18, tzinfo=UTC)))
    with monkeypatch.context() as patch:
        patch.setattr(intake, "settle_moved", lambda *_: 0)
        ingest_file(Import(second, "litellm", observed_at=datetime(2026, 9, 19, tzinfo=UTC)))
    run = ingest_file(Import(second, "litellm", observed_at=datetime(2026, 9, 20, tzinfo=UTC)))
    assert (run.read, run.stored, run.changed, run.duplicate) == (4, 0, 4, 0)
    refresh()
    assert [str(row[0]) for row in dump()["facts"]] == ["2026-09-09"] * 4
    assert all(check.ok for check in verify())
