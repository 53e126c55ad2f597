"""Outcomes in the database: the latest statement stands in every order, former ones are kept, a task counts once."""

from itertools import permutations
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from allocation.models import BenchmarkRun, Outcome, OutcomeHistory
from allocation.value import outcomes
from finops.models import AuditEvent
from tests.web.ledger import centre

pytestmark = pytest.mark.django_db
ROW: dict[str, Any] = {"source": "desk", "id": "t-1", "at": "2026-09-08T13:00:00Z", "success": "true"}


def take(*rows: dict[str, Any]) -> outcomes.Taken:
    found = outcomes.take(rows, by="ann")
    assert found.received == found.stored + found.changed + found.duplicate + found.late + len(found.refused)
    return found


def day(number: int, **changes: Any) -> dict[str, Any]:
    return ROW | {"observed_at": f"2026-09-{number:02}T00:00:00Z"} | changes


def test_the_same_batch_again_changes_nothing() -> None:
    batch = [day(9, id=f"t-{n}") for n in range(50)]
    assert take(*batch).stored == 50
    again = take(*batch)
    assert (again.stored, again.changed, again.duplicate) == (0, 0, 50)
    assert (Outcome.objects.count(), OutcomeHistory.objects.count()) == (50, 0)
    assert AuditEvent.objects.filter(action="outcomes.take").count() == 1


@pytest.mark.parametrize("order", list(permutations((9, 10, 11))))
def test_the_latest_statement_stands_in_every_order_of_arrival(order: tuple[int, ...]) -> None:
    for number in order:
        take(day(number, feature=f"f{number}"))
    row = Outcome.objects.get()
    assert (row.feature, row.observed_at.day) == ("f11", 11)
    assert sorted(row.history.values_list("feature", flat=True)) == ["f10", "f9"]


def test_statements_of_one_batch_come_out_as_if_sent_one_by_one() -> None:
    found = take(day(10, feature="b"), day(9, feature="a"), day(11, feature="b"))
    assert (found.stored, found.changed, found.duplicate) == (1, 1, 1)
    assert Outcome.objects.get().feature == "b"
    assert OutcomeHistory.objects.get().feature == "a"
    assert take(day(9, feature="a")).duplicate == 1


def test_the_same_outcome_sent_by_two_features_counts_once() -> None:
    """They share its id, or they name the same task each in a source of its own."""
    take(day(9, feature="triage", value="5", currency="USD"), day(10, feature="answers", value="5", currency="USD"))
    take(
        day(9, source="a", id="1", task="case-7", feature="triage", value="5", currency="USD"),
        day(9, source="b", id="1", task="case-7", feature="answers", value="5", currency="USD"),
    )
    counting = Outcome.objects.filter(counts=True).order_by("task")
    assert [(row.task, row.claims) for row in counting] == [
        ("case-7", ["answers", "triage"]), ("desk/t-1", ["answers", "triage"]),
    ]  # fmt: skip
    assert sum(row.value or 0 for row in counting) == 10


def test_the_database_itself_refuses_a_task_that_counts_twice() -> None:
    take(day(9, source="a", task="case-7"), day(9, source="b", task="case-7"))
    with pytest.raises(IntegrityError), transaction.atomic():
        Outcome.objects.update(counts=True)


def test_a_task_counts_by_its_success_whichever_attempt_that_was() -> None:
    take(day(9, id="try-1", task="case-1", success="false"), day(10, id="try-2", task="case-1", success="true"))
    take(day(11, id="try-3", task="case-1", success="false"))
    assert Outcome.objects.get(counts=True).number == "try-2"
    take(day(12, id="try-2", task="case-1", success="false"))  # it turned out to be none
    assert Outcome.objects.get(counts=True).number == "try-2"  # the last attempt now
    assert not Outcome.objects.get(counts=True).success


def test_an_outcome_that_moves_to_another_task_leaves_the_first_to_its_other_attempts() -> None:
    take(day(9, id="a", task="one"), day(9, id="b", task="two"), day(8, id="c", task="one"))
    take(day(10, id="a", task="two"))
    assert {(row.task, row.number) for row in Outcome.objects.filter(counts=True)} == {("one", "c"), ("two", "a")}


def test_a_benchmark_task_is_no_task_of_production() -> None:
    take(day(9, id="a", task="one"), day(9, id="b", task="one", setting="benchmark"))
    assert Outcome.objects.filter(counts=True).count() == 2


def test_refused_rows_are_told_and_their_neighbours_kept() -> None:
    centre("CC-1")
    found = take(day(9, cost_centre="CC-1"), day(9, id="t-2", cost_centre="CC-9"), day(9, id="t-3"))
    assert found.stored == 2
    assert [(each.row, each.reason) for each in found.refused] == [(2, "unknown_owner")]
    event = AuditEvent.objects.get(action="outcomes.take")
    assert (event.actor, event.details["stored"], event.details["refused"]) == ("ann", 2, 1)


def test_a_benchmark_run_is_corrected_by_a_later_statement() -> None:
    run = {
        "source": "board",
        "id": "r",
        "task_class": "code",
        "model": "m",
        "tasks": "10",
        "score": "0.5",
        "run_on": "2026-08-01",
    }
    first = run | {"observed_at": "2026-09-01T00:00:00Z"}
    assert outcomes.take_benchmarks([first, first], by="ann").duplicate == 1
    assert outcomes.take_benchmarks([run | {"score": "0.6"}], by="ann").changed == 1
    late = outcomes.take_benchmarks([first | {"score": "2"}, first], by="ann")
    assert (late.late, [each.field for each in late.refused]) == (1, ["score"])
    assert str(BenchmarkRun.objects.get().score) == "0.600000"
