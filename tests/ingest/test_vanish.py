"""Buckets that a provider no longer states: a complete answer takes them away with history, a truncated one never."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from allocation.derived import refresh
from allocation.verification import verify
from ingest import runs
from ingest.breaker import Breaker
from ingest.intake import Intake, Stopped, take
from ingest.models import IngestRun, UsageEvent, UsageEventHistory
from ingest.pull import Page, PullFailed, Stream, Window
from ingest.reading import groups_of_pages
from ingest.services import Import, context_of, ingest_file, latest_us
from ingest.sources import get_source
from ingest.sync import _whole
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")

DAY = datetime(2026, 9, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHAT = Stream("completions", HOUR, timedelta(days=1), timedelta(days=3), states_all=True, operations=("chat",))


def bucket(hour: int, tokens: int, *, project: str = "p", endpoint: str = "completions") -> dict[str, Any]:
    start = int((DAY + hour * HOUR).timestamp())
    result = {
        "object": f"organization.usage.{endpoint}.result", "input_tokens": tokens, "output_tokens": 1,
        "num_model_requests": 1, "project_id": project, "model": "gpt-5",
    }  # fmt: skip
    return {"object": "bucket", "start_time": start, "end_time": start + 3_600, "results": [result]}


def pull(
    *pages: list[dict[str, Any]], stream: Stream = CHAT, hours: tuple[int, int] = (0, 24), fails: bool = False,
    account: str = "default", observed: str = "2026-10-01T00:00:00Z",
) -> IngestRun:  # fmt: skip
    """One window as one run, as a sync does it."""
    window, source, context = Window(DAY + hours[0] * HOUR, DAY + hours[1] * HOUR), get_source("openai"), context_of()

    def answer() -> Iterator[Page]:
        for number, data in enumerate(pages, start=1):
            yield Page({"object": "page", "data": data}, f"page {number}", DAY)
        if fails:
            raise PullFailed("broke off")

    run = runs.start(
        source="openai", account=account, input_name="openai: completions", observed_at=datetime.fromisoformat(observed),
        stream=stream.name, window_start=window.start, window_end=window.end,
    )  # fmt: skip
    intake = Intake(run, source, context, Breaker(off=False), whole=_whole(source, stream, window))
    try:
        take(intake, groups_of_pages(answer(), source, context, latest_us=latest_us()))
    except Stopped:
        assert fails
    run.refresh_from_db()
    return run


def stated() -> dict[tuple[int, str], int]:
    """(hour, project) -> input tokens of the facts, zeros included."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(hour FROM occurred_at)::int, k.project, coalesce(input_uncached, 0)::int FROM usage_event e "
            "JOIN ingest_usagekey k ON k.id = e.usage_key_id"
        )
        return {(hour, project): tokens for hour, project, tokens in cursor.fetchall()}


def cube() -> tuple[int, int, int]:
    """(input tokens, requests, queries) of the derived rows."""
    refresh()
    assert [check.id for check in verify() if not check.ok] == []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(input_uncached), 0)::int, coalesce(sum(requests), 0)::int, coalesce(sum(queries), 0)::int "
            "FROM usage_daily"
        )
        return cursor.fetchone()  # type: ignore[no-any-return]


def test_a_bucket_that_a_complete_answer_no_longer_states_is_zero_and_keeps_its_history() -> None:
    first = pull([bucket(1, 100), bucket(2, 200)])
    assert cube() == (300, 2, 2)
    second = pull([bucket(2, 200)])
    assert stated() == {(1, "p"): 0, (2, "p"): 200}
    assert cube() == (200, 1, 1)
    assert second.notes == {"vanished": 1}
    former = UsageEventHistory.objects.get()
    assert (former.run_id, former.input_uncached) == (first.pk, 100)


def test_a_bucket_that_appears_again_counts_again() -> None:
    pull([bucket(1, 100), bucket(2, 200)])
    pull([bucket(2, 200)])
    third = pull([bucket(1, 100), bucket(2, 200)])
    assert stated() == {(1, "p"): 100, (2, "p"): 200}
    assert cube() == (300, 2, 2)
    assert (third.stored, third.changed, third.duplicate) == (0, 1, 1)
    assert UsageEventHistory.objects.count() == 2  # the first 100, and the zero


def test_a_truncated_answer_takes_nothing_away_and_keeps_what_it_brought() -> None:
    pull([bucket(1, 100), bucket(2, 200)])
    broken = pull([bucket(2, 250)], fails=True)
    assert broken.state == "failed"
    assert stated() == {(1, "p"): 100, (2, "p"): 250}
    assert cube() == (350, 2, 2)
    pull([bucket(2, 250)])
    assert cube() == (250, 1, 1)


def test_an_answer_with_records_that_could_not_be_read_takes_nothing_away() -> None:
    pull([bucket(1, 100), *(bucket(hour, hour) for hour in range(2, 10))])
    unreadable = bucket(1, 100)
    unreadable["results"][0]["input_tokens"] = "many"
    run = pull([unreadable, *(bucket(hour, hour) for hour in range(2, 10))])
    assert run.quarantined == 1
    assert stated()[1, "p"] == 100, "it is stated, only not readably"
    assert "vanished" not in run.notes


@pytest.mark.parametrize("hours", [(2, 24), (0, 1)])
def test_only_the_window_that_was_asked_is_spoken_of(hours: tuple[int, int]) -> None:
    pull([bucket(1, 100)])
    pull([], hours=hours)
    assert stated() == {(1, "p"): 100}
    pull([], hours=(1, 2))
    assert stated() == {(1, "p"): 0}


def test_other_endpoints_and_accounts_are_not_spoken_of() -> None:
    other = CHAT._replace(name="embeddings", operations=("embedding",))
    pull([bucket(1, 100)])
    pull([bucket(1, 70, endpoint="embeddings", project="q")], stream=other)
    pull([], account="another")
    assert stated() == {(1, "p"): 100, (1, "q"): 70}
    pull([], stream=other)
    assert stated() == {(1, "p"): 100, (1, "q"): 0}


def test_other_sources_of_the_same_hours_are_not_spoken_of(tmp_path: Any) -> None:
    ingest_file(Import(write_lines(tmp_path / "one.jsonl", [payload(1, at="2026-09-08T01:30:00Z")]), "litellm"))
    pull([])
    assert UsageEvent.objects.get().input_uncached == 100


def test_an_older_answer_that_comes_late_takes_nothing_away() -> None:
    pull([bucket(1, 100)], observed="2026-10-02T00:00:00Z")
    pull([], observed="2026-10-01T00:00:00Z")
    assert stated() == {(1, "p"): 100}


def test_an_older_statement_that_comes_late_does_not_bring_back_what_vanished() -> None:
    pull([bucket(1, 100)], observed="2026-10-01T00:00:00Z")
    pull([], observed="2026-10-03T00:00:00Z")
    pull([bucket(1, 90)], observed="2026-10-02T00:00:00Z")
    assert stated() == {(1, "p"): 0}
    assert sorted(UsageEventHistory.objects.values_list("input_uncached", flat=True)) == [90, 100]


def test_repeating_an_empty_answer_changes_nothing_more() -> None:
    pull([bucket(1, 100)])
    pull([])
    refresh()
    again = pull([])
    assert again.notes == {}
    assert UsageEventHistory.objects.count() == 1
    assert cube() == (0, 0, 0)


def test_what_a_file_stated_of_the_same_buckets_vanishes_too(tmp_path: Any) -> None:
    import json

    path = tmp_path / "page.json"
    path.write_text(json.dumps({"object": "page", "data": [bucket(1, 100), bucket(2, 200)], "has_more": False}))
    ingest_file(Import(path, "openai", observed_at=datetime(2026, 9, 20, tzinfo=UTC)))
    assert stated() == {(1, "p"): 100, (2, "p"): 200}
    pull([bucket(1, 100)])
    assert stated() == {(1, "p"): 100, (2, "p"): 0}


def test_units_of_a_vanished_bucket_are_gone_with_it() -> None:
    searches = CHAT._replace(name="web_search_calls", operations=("web_search",))
    search = bucket(1, 0, endpoint="web_search_calls")
    search["results"][0] = {
        "object": "organization.usage.web_search_calls.result", "num_model_requests": 2, "num_requests": 7, "model": "gpt-5",
    }  # fmt: skip
    pull([search], stream=searches)
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(quantity)::int FROM usage_event_unit")
        assert cursor.fetchone() == (7,)
        pull([], stream=searches)
        cursor.execute("SELECT count(*) FROM usage_event_unit")
        assert cursor.fetchone() == (0,)
    assert cube() == (0, 0, 0)


def test_a_large_answer_spares_its_every_bucket() -> None:
    pull(*([bucket(hour, 10, project=f"p{n}") for hour in range(24)] for n in range(40)))
    run = pull(*([bucket(hour, 10 + (n % 2), project=f"p{n}") for hour in range(24)] for n in range(39)))
    assert run.notes == {"vanished": 24}
    assert run.changed == 24 * 19  # the odd ones
    assert cube()[0] == 24 * (20 * 10 + 19 * 11)
