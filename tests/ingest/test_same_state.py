"""Invariant 5: the same input in any order, chunking or repetition gives the same state."""

import random
from pathlib import Path

import pytest
from django.db import connection

from allocation.derived import refresh
from allocation.verification import verify
from ingest import intake
from ingest.services import Import, ingest_file
from tests.bench.payloads import payloads
from tests.conftest import empty_ledger
from tests.records import payload, write_lines
from tests.state import dump

pytestmark = pytest.mark.usefixtures("ledger")


def imported(*paths: Path) -> dict[str, list[tuple[object, ...]]]:
    for path in paths:
        ingest_file(Import(path, "litellm"))
    refresh()
    return dump()


@pytest.mark.slow
def test_ar5_plain_gz_renamed_shuffled_and_cut_files_give_the_same_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH_ROWS", 9_000)
    # Traces of up to 20 calls in time order over 40 days: some cross a midnight, the end of the month, a batch, a piece.
    records = list(payloads(50_000, days=40))
    plain = write_lines(tmp_path / "usage.jsonl", records)
    once = imported(plain)
    assert len(once["facts"]) == 50_000
    again = imported(write_lines(tmp_path / "usage.jsonl.gz", records), plain.rename(tmp_path / "other name.jsonl"))
    assert again == once
    assert all(check.ok for check in verify()), [check for check in verify() if not check.ok]

    empty_ledger()
    shuffled = list(records)
    random.Random(1).shuffle(shuffled)
    assert imported(write_lines(tmp_path / "shuffled.jsonl", shuffled)) == once

    empty_ledger()
    size = len(records) // 7 + 1
    pieces = [
        write_lines(tmp_path / f"piece{n}.jsonl", records[n * size : (n + 1) * size]) for n in (3, 0, 6, 1, 5, 2, 4)
    ]
    assert imported(*pieces) == once
    assert all(check.ok for check in verify())


def test_a_late_call_makes_the_whole_query_complex(tmp_path: Path) -> None:
    early = [payload(n, trace="t", at=f"2026-09-30T23:59:5{n}.000000Z") for n in range(3)]
    late = payload(9, trace="t", at="2026-10-01T00:00:01.000000Z")
    before = imported(write_lines(tmp_path / "early.jsonl", early))
    assert [(row[2], row[7]) for row in before["cube"]] == [("moderate", 1)]  # calls>=2
    after = imported(write_lines(tmp_path / "late.jsonl", [late]))
    # Four calls: complex on both days; the query counts once, on the day it began.
    assert [(str(row[0]), row[2], row[5], row[7]) for row in after["cube"]] == [
        ("2026-09-30", "complex", 3, 1),
        ("2026-10-01", "complex", 1, 0),
    ]


def test_an_earlier_call_that_comes_late_moves_the_beginning_of_its_query(tmp_path: Path) -> None:
    first = payload(1, trace="t", at="2026-09-30T23:59:00.000000Z")
    second = payload(2, trace="t", at="2026-10-01T00:01:00.000000Z")
    imported(write_lines(tmp_path / "b.jsonl", [second]))
    state = imported(write_lines(tmp_path / "a.jsonl", [first]))
    assert [(str(row[0]), row[7]) for row in state["cube"]] == [("2026-09-30", 1), ("2026-10-01", 0)]


def test_calls_of_one_trace_further_apart_than_the_look_back_are_two_queries_in_any_order(tmp_path: Path) -> None:
    records = [payload(n, trace="t", at=f"2026-09-{day:02d}T12:00:00.000000Z") for n, day in enumerate((1, 3, 5, 9))]
    states = []
    for order in ((0, 1, 2, 3), (3, 0, 2, 1), (2, 3, 1, 0)):
        empty_ledger()
        for n in order:
            ingest_file(Import(write_lines(tmp_path / "one.jsonl", [records[n]]), "litellm"))
        refresh()
        states.append(dump())
    assert states[0] == states[1] == states[2]
    # 1, 3 and 5 September are linked by steps of two days; the 9th stands alone.
    assert [row[7] for row in states[0]["cube"]] == [1, 0, 0, 1]


def test_ar5_the_latest_statement_wins_in_every_order_and_history_keeps_the_others(tmp_path: Path) -> None:
    from datetime import UTC, datetime
    from itertools import permutations

    versions = [(100, 1), (140, 2), (120, 3)]
    states = []
    for order in permutations(versions):
        empty_ledger()
        for prompt, hour in order:
            path = write_lines(tmp_path / "v.jsonl", [payload(1, prompt=prompt)])
            ingest_file(Import(path, "litellm", observed_at=datetime(2026, 9, 9, hour, tzinfo=UTC)))
        refresh()
        states.append(dump())
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT input_uncached FROM usage_event_history h JOIN ingest_ingestrun r ON r.id = h.run_id "
                "ORDER BY r.observed_at"
            )
            history = [row[0] for row in cursor.fetchall()]
        assert history == [100, 140], order
    assert all(state == states[0] for state in states)
    assert states[0]["cube"][0][11] == 120


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_restatement_on_another_day_replaces_the_event_and_is_not_a_second_one(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    from datetime import UTC, datetime

    # The 30th in local time turns out to be the 1st: all three calls of the trace, and one alone, move.
    versions = [
        [
            payload(n, trace=trace, at=f"{day}T0{n}:00:00Z", prompt=100 + n)
            for n, trace in enumerate(("t", "t", "t", None))
        ]
        for day in ("2026-09-30", "2026-10-01")
    ]
    for version in order:
        path = write_lines(tmp_path / "v.jsonl", versions[version])
        ingest_file(Import(path, "litellm", observed_at=datetime(2026, 10, 2 + version, tzinfo=UTC)))
    refresh()
    state = dump()
    assert [str(row[0]) for row in state["facts"]] == ["2026-10-01"] * 4
    assert [(str(row[0]), row[5], row[7]) for row in state["cube"]] == [("2026-10-01", 3, 1), ("2026-10-01", 1, 1)]
    assert all(check.ok for check in verify()), [check for check in verify() if not check.ok]
    with connection.cursor() as cursor:
        cursor.execute("SELECT charge_date::text, count(*) FROM usage_event_history GROUP BY 1")
        assert cursor.fetchall() == [("2026-09-30", 4)]


def test_a_value_said_again_later_wins_over_a_version_in_between_that_comes_late(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    first, second = (write_lines(tmp_path / f"{n}.jsonl", [payload(1, prompt=n)]) for n in (100, 140))
    for path, day in ((first, 1), (first, 3), (second, 2)):
        ingest_file(Import(path, "litellm", observed_at=datetime(2026, 9, 10 + day, tzinfo=UTC)))

    with connection.cursor() as cursor:
        cursor.execute("SELECT input_uncached FROM usage_event")
        assert cursor.fetchall() == [(100,)]


def test_long_tags_are_kept_and_hurt_nobody(tmp_path: Path) -> None:
    tags = [f"team:{'a' * 190}", f"feature:{'b' * 300}", "environment:" + '"' * 190]
    path = write_lines(tmp_path / "u.jsonl", [payload(1), payload(2, request_tags=tags)])
    run = ingest_file(Import(path, "litellm"))
    assert (run.stored, run.quarantined) == (2, 0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tags->>'team', length(tags->>'feature') FROM ingest_usagekey WHERE tags->>'team' LIKE 'aaa%'"
        )
        assert cursor.fetchall() == [("a" * 190, 256)]
