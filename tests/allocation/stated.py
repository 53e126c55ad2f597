"""Statements of layers for tests: usage and lines go through the same intake that every import takes."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from allocation.models import Charge
from ingest import runs
from ingest.breaker import Breaker
from ingest.calc.lines import LINE_SCHEMA, line_table
from ingest.calc.usage import UNITS_TYPE, USAGE_SCHEMA, usage_table
from ingest.intake import Intake, take
from ingest.reading import Group
from ingest.source import Context, Covered, Line, Record, RowSource

DAY = date(2026, 9, 8)
NOON = datetime(2026, 9, 8, 12, tzinfo=UTC)


class Stating(RowSource):
    """A source of any layer whose rows the test gives."""

    def __init__(self, kind: str, layer: str, scopes: tuple[str, ...] = (), line_scopes: tuple[str, ...] = ()) -> None:
        self.kind, self.layer, self.scopes, self.line_scopes = kind, layer, scopes, line_scopes  # type: ignore[misc]

    def row(self, record: Record, context: Context) -> list[Record]:
        return [record]


KINDS = {
    source.kind: source
    for source in (
        Stating("usage", "provider_usage", ("*", "!session")),
        Stating("usage2", "provider_usage", ("*", "!session")),
        Stating("gate2", "gateway", ("tokens.*",)),
        Stating("costs", "cost_report", (), ("*", "!tokens.priority*")),
        Stating("gate", "gateway", ("tokens.*",)),
        Stating("spans", "trace", ("tokens.*",)),
        Stating("counters", "meter", ("tokens.*",)),
    )
}


def whole_day(stream: str = "all", day: date = DAY, *, days: float = 1, part: str = "") -> Covered:
    start = datetime.combine(day, datetime.min.time(), UTC)
    return Covered(part, stream, start, start + timedelta(days=days))


def state(kind: str, rows: Sequence[Record], covered: Sequence[Covered] = (), *, account: str = "default") -> None:
    """Store rows (Line: lines) of a kind, with what they cover."""
    source = KINDS[kind]
    usage = [_usage(row, number) for number, row in enumerate(rows) if not isinstance(row, Line)]
    lines = [{"record": number, **row} for number, row in enumerate(rows) if isinstance(row, Line)]
    run = runs.start(source=kind, account=account, input_name=kind, observed_at=None)
    context = Context()
    context.covered.extend(covered)
    columns = {name: [row.get(name) for row in usage] for name in {name for row in usage for name in row}}
    import pyarrow as pa

    table = usage_table(
        len(usage), {name: pa.array(values, USAGE_SCHEMA.field(name).type) for name, values in columns.items()}
    )
    group = Group(
        usage=table, lines=line_table(lines) if lines else LINE_SCHEMA.empty_table(), rejects=[], skipped=Counter(),
        read=len(rows),
    )  # fmt: skip
    take(Intake(run, source, context, Breaker(off=True)), [group])


def _usage(row: Record, number: int) -> Record:
    given = dict(row)
    units = given.pop("unit_quantity", None)
    assert UNITS_TYPE is not None
    return {
        "native_id": f"{number}", "occurred_at": NOON, "provider": "openai", "model_served": "gpt-5", "record": number,
        "mode": "sync", "reported_currency": "USD", "requests": 1, **({"units": units} if units else {}), **given,
    }  # fmt: skip


def line(cost: str, **given: Any) -> Line:
    """One line of a cost report of DAY."""
    return Line(
        {"native_id": repr(sorted(given.items())), "period_start": datetime.combine(DAY, datetime.min.time(), UTC),
         "provider": "openai", "scope": "tokens.standard", "billed_cost": Decimal(cost), "billing_currency": "USD"} | given
    )  # fmt: skip


def total(column: str = "effective_cost", **only: Any) -> Decimal:
    """Sum of a cost column of the charges."""
    return Decimal(Charge.objects.filter(**only).aggregate(sum=Sum(column))["sum"] or 0)


def charges(*columns: str, **only: Any) -> list[tuple[Any, ...]]:
    """Columns of the charges, sorted; a bucket's in all its tiers together, unless the tier is a column."""
    single, buckets = [], dict[tuple[Any, ...], dict[str, Any]]()
    named = ("usage_key_id", "cause", "provenance", "price_class", "tier_estimated")
    for row in Charge.objects.filter(**only).values(*{*columns, *named}):
        if not row["tier_estimated"] or "tier" in columns:
            single.append(row)
            continue
        place = (*(row[name] for name in named), *(str(row[n]) for n in columns if not isinstance(row[n], Decimal)))
        found = buckets.setdefault(place, dict.fromkeys(columns))
        for name in columns:
            value = row[name]
            found[name] = (found[name] or 0) + value if isinstance(value, Decimal) else value
    return sorted((tuple(row[name] for name in columns) for row in [*single, *buckets.values()]), key=str)
