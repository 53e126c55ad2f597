"""Events that move to another day are found whichever side is the smaller one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from allocation.derived import refresh
from allocation.verification import verify
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
