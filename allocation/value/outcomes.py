"""Outcomes and benchmark runs as they are stored: the latest statement stands, former ones are kept, a task counts once."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from allocation.calc import outcomes as calc
from allocation.calc import outcomes_benchmarks, outcomes_fields
from allocation.calc.outcomes import Statement
from allocation.calc.outcomes_fields import Refusal
from allocation.models import BenchmarkRun, CostCentre, Outcome, OutcomeHistory, Team
from allocation.scope import EVERYTHING, Scope
from finops import audit, locks

MAX_BATCH = 10_000
_LOCK = 0x4F555443  # "OUTC": one batch at a time, so that of two statements on a task both see the other
_TASKS = "SELECT * FROM unnest(%s::text[], %s::text[])"
_COUNTED = f"""
UPDATE allocation_outcome SET counts = true, claims = '[]' WHERE id IN (
    SELECT DISTINCT ON (setting, task) id FROM allocation_outcome WHERE (setting, task) IN ({_TASKS})
    ORDER BY setting, task, success DESC, observed_at DESC, source COLLATE "C", number COLLATE "C")
"""
_CLAIMED = f"""
UPDATE allocation_outcome o SET claims = to_jsonb(c.features) FROM (
    SELECT setting, task, array_agg(DISTINCT feature ORDER BY feature) AS features FROM (
        SELECT setting, task, feature FROM allocation_outcome WHERE (setting, task) IN ({_TASKS})
        UNION ALL SELECT setting, task, feature FROM allocation_outcomehistory WHERE (setting, task) IN ({_TASKS})
    ) said WHERE feature <> '' GROUP BY setting, task HAVING count(DISTINCT feature) > 1
) c WHERE o.counts AND o.setting = c.setting AND o.task = c.task
"""


class Taken(NamedTuple):
    """What became of a batch: received = stored + changed + duplicate + late + refused."""

    received: int
    stored: int
    changed: int
    duplicate: int
    late: int  # older than what is known already; kept as history
    refused: list[Refusal]

    def as_json(self) -> dict[str, Any]:
        """As API and command tell it."""
        return self._asdict() | {"refused": [each._asdict() for each in self.refused]}


def known(scope: Scope = EVERYTHING) -> outcomes_fields.Known:
    """What rows may name, within a scope, and the clock."""
    centres = {row.code: row.pk for row in scope.of(CostCentre.objects.all(), "id")}
    teams = scope.of(Team.objects.all()).values_list("cost_centre__code", "code", "id")
    return outcomes_fields.Known(centres, {(code, team): pk for code, team, pk in teams}, timezone.now())


@transaction.atomic
def take(rows: Sequence[Any], *, by: str, first: int = 1) -> Taken:
    """Store the outcomes of a batch; rows that are none are refused with their reason, their neighbours are kept.

    The same batch again changes nothing. Sent in any order, the statement with the latest ``observed_at`` stands.
    """
    statements, refused = calc.parse(rows, known(), first=first)
    locks.hold(_LOCK)
    counts, tasks = _store(statements)
    _count(tasks)
    taken = Taken(len(rows), **counts, refused=refused)
    _recorded("outcomes.take", taken, by)
    return taken


@transaction.atomic
def take_benchmarks(rows: Sequence[Any], *, by: str, first: int = 1) -> Taken:
    """Store benchmark runs; as ``take``, without history: a run is published once, and a correction replaces it."""
    runs, refused = outcomes_benchmarks.parse(rows, timezone.now(), first=first)
    locks.hold(_LOCK)
    told = dict.fromkeys(("stored", "changed", "duplicate", "late"), 0)
    held = {
        (row.source, row.number): row for row in BenchmarkRun.objects.filter(number__in=[run.number for run in runs])
    }
    for run in runs:
        row = held.get((run.source, run.number))
        if row is None:
            held[run.source, run.number] = BenchmarkRun.objects.create(**run._asdict())
            told["stored"] += 1
        elif all(getattr(row, name) == value for name, value in run._asdict().items() if name != "observed_at"):
            told["duplicate"] += 1
        elif row.observed_at > run.observed_at:
            told["late"] += 1
        else:
            for name, value in run._asdict().items():
                setattr(row, name, value)
            row.save()
            told["changed"] += 1
    taken = Taken(len(rows), **told, refused=refused)
    _recorded("benchmarks.take", taken, by)
    return taken


def listed(scope: Scope) -> "QuerySet[Outcome]":
    """Outcomes in scope, in the order they were recorded; those without a cost centre for who sees everything."""
    return scope.of(Outcome.objects.select_related("cost_centre", "team")).order_by("pk")


def _store(statements: Iterable[Statement]) -> tuple[dict[str, int], set[tuple[str, str]]]:
    told = dict.fromkeys(("stored", "changed", "duplicate", "late"), 0)
    ordered = sorted(statements, key=lambda each: each.observed_at)
    held, tasks = _held(ordered), set[tuple[str, str]]()
    kept = _kept(held.values())
    changed: dict[tuple[str, str], Outcome] = {}
    history: list[OutcomeHistory] = []
    for said in ordered:
        key, digest = (said.source, said.number), said.content_hash
        row = held.get(key)
        if row is None:
            held[key] = _said(Outcome(source=said.source, number=said.number), said)
            told["stored"] += 1
        elif row.content_hash == digest or (*key, said.observed_at, digest) in kept:
            told["duplicate"] += 1
            if row.content_hash == digest and said.observed_at > row.observed_at:
                row.observed_at = said.observed_at
                changed[key] = row
        elif (said.observed_at, digest) > (row.observed_at, row.content_hash):
            tasks.add((row.setting, row.task))
            if (*key, row.observed_at, row.content_hash) not in kept:
                history.append(_history(row))
                kept.add((*key, row.observed_at, row.content_hash))
            changed[key] = _said(row, said)
            told["changed"] += 1
        else:
            history.append(_said(OutcomeHistory(outcome=row), said))
            kept.add((*key, said.observed_at, digest))
            told["late"] += 1
        tasks |= {(held[key].setting, held[key].task), (said.setting, said.task)}
    fields = [*_CONTENT, "observed_at", "content_hash", "counts", "claims"]
    Outcome.objects.bulk_update([row for row in changed.values() if row.pk], fields, batch_size=500)
    Outcome.objects.bulk_create([row for row in held.values() if not row.pk], batch_size=1_000)
    for each in history:
        each.outcome_id = each.outcome.pk
    OutcomeHistory.objects.bulk_create(history, batch_size=1_000)
    return told, tasks


_CONTENT = tuple(
    field.attname for field in OutcomeHistory._meta.local_fields
    if field.name not in ("id", "outcome", "observed_at", "content_hash", "recorded_at")
)  # fmt: skip


def _held(statements: Sequence[Statement]) -> dict[tuple[str, str], Outcome]:
    numbers: dict[str, list[str]] = {}
    for said in statements:
        numbers.setdefault(said.source, []).append(said.number)
    return {
        (source, row.number): row
        for source, found in numbers.items()
        for row in Outcome.objects.filter(source=source, number__in=found)
    }


def _kept(rows: Iterable[Outcome]) -> set[tuple[Any, ...]]:
    found = OutcomeHistory.objects.filter(outcome__in=[row.pk for row in rows])
    return set(found.values_list("outcome__source", "outcome__number", "observed_at", "content_hash"))


def _said(row: Any, said: Statement) -> Any:
    for name, value in said.content.items():
        setattr(row, name, value)
    row.observed_at, row.content_hash, row.counts, row.claims = said.observed_at, said.content_hash, False, []
    return row


def _history(row: Outcome) -> OutcomeHistory:
    given = {name: getattr(row, name) for name in (*_CONTENT, "observed_at", "content_hash")}
    return OutcomeHistory(outcome=row, **given)


def _count(tasks: set[tuple[str, str]]) -> None:
    """Let each task count by one attempt; what several features claim is said at it."""
    if not tasks:
        return
    settings, names = (list(each) for each in zip(*sorted(tasks), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE allocation_outcome SET counts = false, claims = '[]' WHERE counts AND (setting, task) IN ({_TASKS})",
            [settings, names],
        )
        cursor.execute(_COUNTED, [settings, names])
        cursor.execute(_CLAIMED, [settings, names] * 2)


def _recorded(action: str, taken: Taken, by: str) -> None:
    if taken.stored or taken.changed or taken.late:
        details = taken._asdict() | {"refused": len(taken.refused)}
        audit.record(action=action, actor=by, subject=f"{taken.received} rows", details=details)
