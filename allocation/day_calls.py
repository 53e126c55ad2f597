"""The calls of a day where they are kept for the distribution of cost per query: made of the facts, read back."""

from collections import Counter
from datetime import date, timedelta

import pyarrow as pa
from django.conf import settings
from django.db.models import Sum

from allocation.calc.query_costs import by_rule, calls_of
from allocation.models import AgentDay, DayCalls, RuleDay, UsageDaily
from finops.copying import copy
from finops.tokens import TOKEN_CLASSES
from ingest import facts

_PART_ROWS = 1_000_000  # facts in memory at once
_COLUMNS = ("charge_date", "part", "begun", "going_on", "stale")
_PACKED = pa.ipc.IpcWriteOptions(compression="lz4")


def replace(day: date) -> None:
    """Keep the calls of a day as its facts state them; needs the day's cube."""
    sums = UsageDaily.objects.filter(charge_date=day).aggregate(*map(Sum, ("events", *TOKEN_CLASSES)))
    classes = [name for name in TOKEN_CLASSES if sums[f"{name}__sum"]]
    parts = -(-(sums["events__sum"] or 1) // _PART_ROWS)
    mark_stale(day)
    DayCalls.objects.filter(charge_date=day)._raw_delete(using="default")
    fired: Counter[int] = Counter()
    for part in range(parts):
        calls = calls_of(facts.calls_of_day(day, classes, part=part, parts=parts))
        fired.update(by_rule(calls.begun))
        row = (day, part, _packed(calls.begun), _packed(calls.going_on) if len(calls.going_on) else None, True)
        with copy(f"COPY day_calls ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT binary)") as running:
            running.set_types(["date", "int2", "bytea", "bytea", "bool"])
            running.write_row(row)
    RuleDay.objects.filter(charge_date=day)._raw_delete(using="default")
    RuleDay.objects.bulk_create(
        RuleDay(charge_date=day, tier_rule_id=rule, queries=count) for rule, count in sorted(fired.items()) if count
    )
    mark_stale(day)


def mark_stale(day: date) -> None:
    """Remember that facts or costs of the day changed: of its queries, and of queries before that go on into it."""
    rows = DayCalls.objects.filter(charge_date=day)
    first = day - timedelta(days=settings.TRACE_LOOK_BACK_DAYS if rows.filter(going_on__isnull=False).exists() else 0)
    for model in (DayCalls, AgentDay):
        model.objects.filter(charge_date__range=(first, day), stale=False).update(stale=True)


def stale_days() -> list[date]:
    """Days whose distribution is to be made anew, oldest first."""
    return sorted(set(DayCalls.objects.filter(stale=True).values_list("charge_date", flat=True)))


def are_stale(day: date) -> bool:
    """Whether the distribution of a day is older than its costs."""
    return DayCalls.objects.filter(charge_date=day, stale=True).exists()


def mark_done(day: date) -> None:
    """The distribution of a day is as its costs are, once this transaction commits."""
    DayCalls.objects.filter(charge_date=day).update(stale=False)


def exist(day: date) -> bool:
    """Whether the calls of a day are kept."""
    return DayCalls.objects.filter(charge_date=day).exists()


def begun(day: date) -> list[pa.Table]:
    """Calls.begun of a day, in parts of whole queries."""
    return _read(day, "begun")


def going_on(day: date) -> list[pa.Table]:
    """Calls.going_on of a day."""
    return _read(day, "going_on")


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_PACKED) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def _read(day: date, column: str) -> list[pa.Table]:
    found = (
        f"SELECT {column} FROM day_calls WHERE charge_date = '{day:%Y-%m-%d}' AND {column} IS NOT NULL ORDER BY part"
    )
    with copy(f"COPY ({found}) TO STDOUT (FORMAT binary)") as running:
        running.set_types(["bytea"])
        return [pa.ipc.open_stream(pa.py_buffer(row[0])).read_all() for row in running.rows()]
