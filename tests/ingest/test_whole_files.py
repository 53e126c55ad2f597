"""A file that is imported as whole states all of the time it covers, as a complete answer to a pull does."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.derived import refresh
from allocation.verification import verify
from ingest.calc.windows import Stream
from ingest.models import BilledLine, BilledLineHistory, IngestRun, UsageEventHistory
from ingest.services import Import, Refused, ingest_file
from tests.ingest.test_vanish import bucket, cube, pull, stated

pytestmark = pytest.mark.usefixtures("ledger")
FIRST, DAY = datetime(2026, 9, 20, tzinfo=UTC), timedelta(days=1)
PULLED = Stream("usage.completions", timedelta(hours=1), DAY, 3 * DAY, states_all=True, operations=("chat",))


def page(folder: Path, *buckets: dict[str, Any], kind: str = "openai", day: int = 0, **given: Any) -> IngestRun:
    """A page that was saved so many days after the first, and its run."""
    path = folder / "page.json"
    path.write_text(json.dumps({"object": "page", "data": list(buckets), "has_more": False}))
    return ingest_file(Import(path, kind, observed_at=FIRST + day * DAY, **{"whole": True} | given))


def silent(hour: int) -> dict[str, Any]:
    """A bucket in which nothing was used."""
    return {**bucket(hour, 0), "results": []}


def test_what_a_later_whole_page_of_the_same_time_leaves_out_is_zero_and_keeps_its_history(tmp_path: Path) -> None:
    page(tmp_path, bucket(1, 100), bucket(1, 50, project="q"), bucket(2, 200))
    run = page(tmp_path, bucket(1, 100), silent(2), day=1)
    assert stated() == {(1, "p"): 100, (1, "q"): 0, (2, "p"): 0}
    assert run.notes == {"vanished": 2}
    assert sorted(UsageEventHistory.objects.values_list("input_uncached", flat=True)) == [50, 200]
    assert cube() == (100, 1, 1)


def test_without_being_said_to_be_whole_a_page_leaves_what_it_does_not_state(tmp_path: Path) -> None:
    page(tmp_path, bucket(1, 100), bucket(2, 200))
    run = page(tmp_path, bucket(1, 100), silent(2), day=1, whole=False)
    assert (stated(), run.notes) == ({(1, "p"): 100, (2, "p"): 200}, {})


def test_only_the_time_of_the_page_is_spoken_of_and_only_by_the_later_one(tmp_path: Path) -> None:
    page(tmp_path, bucket(1, 100), bucket(3, 300))
    page(tmp_path, bucket(1, 10, project="q"), silent(2), day=1)
    assert stated() == {(1, "p"): 0, (1, "q"): 10, (3, "p"): 300}
    page(tmp_path, silent(1), bucket(3, 30, project="q"), day=-1)
    assert stated() == {(1, "p"): 0, (1, "q"): 10, (3, "p"): 300, (3, "q"): 30}, "older: it takes nothing away"


def test_a_record_that_cannot_be_read_lets_everything_stand_and_the_run_says_so(tmp_path: Path) -> None:
    page(tmp_path, *(bucket(hour, 100) for hour in range(8)))
    unreadable = bucket(1, 100)
    unreadable["results"][0]["input_tokens"] = "many"
    run = page(tmp_path, bucket(0, 100), unreadable, *(bucket(hour, 100) for hour in range(2, 7)), silent(7), day=1)
    assert (run.quarantined, run.notes) == (1, {"kept_former": "some records were quarantined"})
    assert stated() == {(hour, "p"): 100 for hour in range(8)}


def test_a_whole_page_speaks_of_what_was_pulled_and_of_no_other_endpoint(tmp_path: Path) -> None:
    pull([bucket(1, 100)], stream=PULLED, observed="2026-09-19T00:00:00Z")
    other = PULLED._replace(name="usage.embeddings", operations=("embedding",))
    pull([bucket(1, 70, endpoint="embeddings", project="q")], stream=other, observed="2026-09-19T00:00:00Z")
    page(tmp_path, bucket(1, 9, project="r"))
    assert stated() == {(1, "p"): 0, (1, "q"): 70, (1, "r"): 9}


@given(
    st.lists(st.dictionaries(st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from("pqr")), st.integers(1, 9), min_size=1),
             min_size=1, max_size=4)
)  # fmt: skip
@settings(max_examples=15, deadline=None)
def test_after_any_pages_in_their_order_the_ledger_holds_what_the_last_one_states(
    tmp_path_factory: pytest.TempPathFactory, pages: list[dict[tuple[int, str], int]]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE usage_event, usage_event_history, usage_event_unit")
    folder = tmp_path_factory.mktemp("pages")
    for day, said in enumerate(pages):
        hours = [silent(hour) for hour in range(3)]
        for (hour, project), amount in said.items():
            hours[hour]["results"] += bucket(hour, amount, project=project)["results"]
        page(folder, *hours, day=day)
    assert {place: amount for place, amount in stated().items() if amount} == pages[-1]


def test_a_kind_that_never_states_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no document of litellm states all of a time; import it without whole"):
        page(tmp_path, kind="litellm")
    assert IngestRun.objects.count() == 0


# ---- lines: Anthropic's cost report, and Claude Code's notional ones ----


def costs(*amounts: tuple[str, str]) -> dict[str, Any]:
    """A day of the cost report: (workspace, cents)."""
    results = [
        {"currency": "USD", "description": "Claude Opus 5 Usage - Input Tokens", "workspace_id": workspace, "amount": cents,
         "cost_type": "tokens", "token_type": "uncached_input_tokens", "model": "claude-opus-5"}
        for workspace, cents in amounts
    ]  # fmt: skip
    return {"starting_at": "2026-09-08T00:00:00Z", "ending_at": "2026-09-09T00:00:00Z", "results": results}


def person(who: str, cents: int) -> dict[str, Any]:
    """A day of Claude Code."""
    used = {"model": "claude-opus-5", "tokens": {"input": 10}, "estimated_cost": {"currency": "USD", "amount": cents}}
    actor = {"type": "user_actor", "email_address": who}
    return {"date": "2026-09-08T00:00:00Z", "actor": actor, "customer_type": "subscription", "model_breakdown": [used]}


def lines(column: str) -> dict[str, Decimal]:
    """Amounts that are not zero, by whom."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT k.project || k.principal, {column} FROM billed_line l JOIN ingest_usagekey k ON k.id = l.usage_key_id "
            f"WHERE {column} <> 0"
        )
        return dict(cursor.fetchall())


def answer(stream_name: str, *items: dict[str, Any], day: int) -> IngestRun:
    """A complete answer to a pull of the day."""
    from ingest import runs
    from ingest.breaker import Breaker
    from ingest.intake import Intake, take
    from ingest.pull import Page, Window
    from ingest.reading import groups_of_pages
    from ingest.services import context_of, latest_us
    from ingest.sources import get_source
    from ingest.sync import _whole

    source, context = get_source("anthropic"), context_of()
    stream = next(stream for stream in source.streams({}) if stream.name == stream_name)
    window = Window(datetime(2026, 9, 8, tzinfo=UTC), datetime(2026, 9, 9, tzinfo=UTC))
    run = runs.start(
        source="anthropic", account="default", input_name=stream_name, observed_at=FIRST + day * DAY, stream=stream_name,
        window_start=window.start, window_end=window.end,
    )  # fmt: skip
    pages = [Page({"data": list(items), "has_more": False, "x_stream": stream_name}, "page 1", FIRST)]
    intake = Intake(run, source, context, Breaker(off=False), whole=_whole(source, stream, window))
    return take(intake, groups_of_pages(pages, source, context, latest_us=latest_us()))


def test_lines_that_a_later_whole_page_leaves_out_are_zero(tmp_path: Path) -> None:
    page(tmp_path, costs(("a", "100"), ("b", "250")), kind="anthropic")
    run = page(tmp_path, costs(("a", "100")), kind="anthropic", day=1)
    assert (lines("billed_cost"), run.notes) == ({"a": Decimal(1)}, {"vanished": 1})
    assert BilledLineHistory.objects.get().billed_cost == Decimal("2.5")
    refresh()
    assert [check.id for check in verify() if not check.ok] == []
    assert page(tmp_path, costs(("a", "100")), kind="anthropic", day=2).notes == {}, "it vanishes once"


def test_a_notional_line_that_its_report_no_longer_states_vanishes_once() -> None:
    answer("claude_code", person("x@example.com", 300), person("y@example.com", 500), day=0)
    assert lines("list_cost") == {"x@example.com": 3, "y@example.com": 5}
    assert answer("claude_code", person("x@example.com", 300), day=1).notes == {"vanished": 1}
    assert lines("list_cost") == {"x@example.com": 3}
    assert lines("consumed_quantity") == {"x@example.com": 10}
    assert answer("claude_code", person("x@example.com", 300), day=2).notes == {}


def test_a_cost_report_and_claude_codes_report_take_nothing_away_from_each_other(tmp_path: Path) -> None:
    page(tmp_path, person("x@example.com", 300), kind="anthropic", whole=False)  # as a file: of no stream
    answer("cost_report", costs(("a", "100")), day=1)
    assert (lines("list_cost"), lines("billed_cost")) == ({"x@example.com": 3}, {"a": 1})
    page(tmp_path, costs(("a", "100")), kind="anthropic", day=2)
    answer("claude_code", person("x@example.com", 300), day=3)
    assert (lines("list_cost"), lines("billed_cost")) == ({"x@example.com": 3}, {"a": 1})
    assert BilledLine.objects.count() == 2
