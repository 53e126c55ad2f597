"""Runs: what a killed, overtaken or repeated import leaves behind."""

import os
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from allocation.derived import refresh
from allocation.verification import verify
from ingest import intake, runs
from ingest.models import IngestRun
from ingest.services import Import, Unfinished, ingest_file
from tests.conftest import empty_ledger
from tests.records import payload, write_lines
from tests.state import dump

pytestmark = pytest.mark.usefixtures("ledger")


def records(count: int) -> list[dict[str, Any]]:
    return [
        payload(n, trace=f"t{n // 3}", prompt=100 + n % 7, at=f"2026-09-{8 + n % 5:02d}T13:00:00Z")
        for n in range(count)
    ]


def clean(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    ingest_file(Import(path, "litellm"))
    refresh()
    state = dump()
    empty_ledger()
    return state


@pytest.mark.slow
@pytest.mark.parametrize("point", ["half", "precommit", "committed"])
def test_an_import_killed_at_any_point_and_repeated_gives_the_totals_of_a_clean_run(tmp_path: Path, point: str) -> None:
    path = write_lines(tmp_path / "usage.jsonl", records(5_000))
    expected = clean(path)
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.ingest.killed_import", str(path), point],
        stdout=subprocess.PIPE, env=os.environ | {"DATABASE_URL": url}, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n"
    with connection.cursor() as cursor:  # what others see: whole batches only
        cursor.execute("SELECT count(*) FROM usage_event")
        assert cursor.fetchone()[0] < 5_000
    child.send_signal(signal.SIGKILL)
    child.wait()
    refresh()
    assert all(check.ok for check in verify())
    run = ingest_file(Import(path, "litellm"))
    assert run.stored + run.duplicate == 5_000
    refresh()
    assert dump() == expected
    IngestRun.objects.filter(state="running").update(lease_until="2020-01-01T00:00Z")
    assert runs.reap() == 1
    assert all(check.ok for check in verify())


def test_a_run_that_was_taken_over_commits_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BATCH_ROWS", 1_000)
    path = write_lines(tmp_path / "usage.jsonl", records(20_000))

    original = runs.advance
    calls = []

    def advance(run: IngestRun, counts: dict[str, int], **kwargs: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            IngestRun.objects.filter(pk=run.pk).update(fence=uuid.uuid4())
        original(run, counts, **kwargs)

    monkeypatch.setattr(runs, "advance", advance)
    with pytest.raises(Unfinished, match="ended by another process"):
        ingest_file(Import(path, "litellm"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM usage_event")
        stored = cursor.fetchone()[0]
    assert IngestRun.objects.get().stored == stored < 20_000


@pytest.mark.slow
def test_four_imports_of_overlapping_files_at_once_give_the_same_state_as_one(tmp_path: Path) -> None:
    everything = records(12_000)
    expected = clean(write_lines(tmp_path / "all.jsonl", everything))
    paths = [write_lines(tmp_path / f"{n}.jsonl", everything[n * 2_000 : n * 2_000 + 6_000]) for n in range(4)]
    failures: list[BaseException] = []

    def work(path: Path) -> None:
        try:
            ingest_file(Import(path, "litellm"))
        except BaseException as error:  # noqa: BLE001  shown by the assertion
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    refresh()
    assert dump() == expected
    assert all(check.ok for check in verify())


def test_facts_touch_the_database_from_one_package_only() -> None:
    """DESIGN 6: all statements on facts live in one place, because they must also run on distributed PostgreSQL."""
    root = Path(intake.__file__).resolve().parents[1]
    offenders = []
    for folder in ("finops", "ingest", "allocation", "forecasting", "web"):
        for path in (root / folder).rglob("*.py"):
            if "migrations" in path.parts or path.parent.name == "facts":
                continue
            text = path.read_text(encoding="utf-8")
            if any(f"{verb} usage_event" in text for verb in ("FROM", "JOIN", "INTO", "UPDATE", "TABLE")):
                offenders.append(str(path.relative_to(root)))
    assert offenders == []
    modules = [path for path in (root / "ingest" / "facts").glob("*.py") if path.name != "__init__.py"]
    code = "".join(path.read_text() for path in modules)
    for forbidden in ("ROLLUP", "GROUPING SETS", "MERGE ", "FOR UPDATE;", "FOR SHARE"):
        assert forbidden not in code
