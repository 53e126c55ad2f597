"""The invariants, checked on live data: what ``manage.py verify`` runs and the Data health page will show."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count

from allocation import cube_store
from allocation.agreement_checks import closing
from allocation.calc import charges as charging
from allocation.calc.cube import CUBE_SCHEMA
from allocation.close import booked_checks, manifest, statement_checks
from allocation.daily_checks import COSTS, daily_violations
from allocation.layer_checks import charge_differences, layer_violations
from allocation.models import Rating, UsageDaily
from allocation.orphan_checks import orphan_charges, orphan_shares
from allocation.split_checks import split_violations
from allocation.token_checks import token_violations
from allocation.value import agent_checks
from finops import audit
from finops.domains import DOMAINS
from finops.models import AuditEvent
from ingest import facts
from ingest.models import DirtySlice, IngestRun, RateSlot
from ingest.selectors import key_dimensions, price_book

EXAMPLES = 5


@dataclass
class Check:
    """The outcome of one check: rows looked at, rows that violate it, the first few of them."""

    id: str
    invariant: int
    checked: int = 0
    violations: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing violates it."""
        return self.violations == 0

    def found(self, rows: list[Any]) -> "Check":
        """Count violating rows and keep the first as examples."""
        self.violations += len(rows)
        self.examples += [_text(row) for row in rows[: EXAMPLES - len(self.examples)]]
        return self


def _text(row: Any) -> str:
    return " ".join(map(str, row)) if isinstance(row, tuple | list) else str(row)


def verify() -> list[Check]:
    """Run every check, in a fixed order. Reads only."""
    return [check() for check in CHECKS]


def _rows(sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def _count(table: str) -> int:
    return int(_rows(f"SELECT count(*) FROM {table}")[0][0])


def classes_disjoint() -> Check:
    """Saved tokens are not billable too, and the calls of a query agree on its kind and its beginning."""
    check = Check("classes_disjoint", 1, checked=facts.count_facts())
    return check.found(facts.mixed_classes()).found(facts.torn_queries(settings.TRACE_LOOK_BACK_DAYS))


_NUMERIC = (
    "SELECT c.relname, a.attname, t.typname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
    "JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = t.typbasetype "
    "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace "
    "AND a.attnum > 0 AND NOT a.attisdropped "
    "AND (t.typname IN ('numeric', 'float4', 'float8') OR b.typname IN ('numeric', 'float4', 'float8')) ORDER BY 1, 2"
)


def money_domain() -> Check:
    """Every numeric column has one of our domains, and every domain still has its bounds."""
    columns = _rows(_NUMERIC)
    check = Check("money_domain", 9, checked=len(columns) + len(DOMAINS))
    check.found([f"{table}.{column} is {kind}" for table, column, kind in columns if kind not in DOMAINS])
    bounded = {row[0] for row in _rows("SELECT t.typname FROM pg_constraint k JOIN pg_type t ON t.oid = k.contypid")}
    return check.found([f"domain {name} has no bounds" for name in DOMAINS if name not in bounded])


def no_nan() -> Check:
    """No NaN in any numeric column: one would make every sum NaN."""
    check = Check("no_nan", 9)
    for table, column, _ in _rows(_NUMERIC):
        check.checked += 1
        rows = _rows(f"SELECT ctid::text FROM {table} WHERE {column} = 'NaN' LIMIT 100")
        check.found([(table, column, row[0]) for row in rows])
    return check


def conservation() -> Check:
    """The parts of each charge sum to it, what pages read to the parts in cost and tokens, and to the cube in calls."""
    check = Check("conservation", 3, checked=_count("charge"))
    differs = " OR ".join(f"sum(a.{name}) IS DISTINCT FROM c.{name}" for name in COSTS)
    check.found(
        _rows(
            "SELECT c.charge_date, c.id, c.sku_id FROM charge c LEFT JOIN allocated_cost a ON a.charge_id = c.id "
            "WHERE NOT EXISTS (SELECT 1 FROM ingest_dirtyslice s WHERE s.charge_date = c.charge_date) "
            f"GROUP BY c.id HAVING {differs} OR sum(a.quantity) IS DISTINCT FROM c.consumed_quantity ORDER BY 1, 2"
        )
    )
    return check.found(daily_violations()).found(split_violations())


def unpriced_not_zero() -> Check:
    """Usage without a price has no cost: NULL, never zero, with its quantity kept."""
    check = Check("unpriced_not_zero", 4, checked=_count("charge"))
    return check.found(
        _rows(
            "SELECT charge_date, id, sku_id FROM charge WHERE charge_category = 'Usage' AND provenance = 'computed' "
            "AND tier <> '' AND (sku_price_id = '') <> (list_cost IS NULL) ORDER BY 1, 2"
        )
    )


def dedup_and_cursor() -> Check:
    """One event is one fact, on one date."""
    return Check("dedup_and_cursor", 5, checked=facts.count_facts()).found(facts.repeated_events())


def no_orphans() -> Check:
    """Facts point to keys, slots and runs that exist; charges to who bears them and what they correct, and so do shares."""
    check = Check("no_orphans", 5, checked=facts.count_facts() + _count("charge") + _count("allocated_cost"))
    return check.found(facts.orphans()).found(orphan_shares()).found(orphan_charges())


def layers_not_summed() -> Check:
    """What several layers say of the same calls is charged once; where a cost report rules, the money ties."""
    return Check("layers_not_summed", 6, checked=_count("usage_daily") + _count("billed_line")).found(
        layer_violations()
    )


def ruled_tokens() -> Check:
    """Per account, day, model and class, tokens and requests are what the layer that rules states."""
    return Check("ruled_tokens", 6, checked=_count("usage_daily")).found(token_violations())


def cube_equals_facts() -> Check:
    """The cube is the sum of the facts, and their buckets are parted over tiers as their mix says."""
    check = Check("cube_equals_facts", 5, checked=_count("usage_daily")).found(facts.cube_differences())
    return check.found(cube_store.spread_differences())


def ratings_reproduce() -> Check:
    """Ratings are the cube at the prices in force, and charges are the ratings, less what other layers charge."""
    check, loaded = Check("ratings_reproduce", 2), price_book()
    slots = {slot.pk: slot for slot in RateSlot.objects.all()}
    dirty = set(DirtySlice.objects.values_list("charge_date", flat=True).distinct())
    days = UsageDaily.objects.order_by("charge_date").values_list("charge_date", flat=True).distinct()
    for day in [day for day in days if day not in dirty]:
        check.found(_rating_differences(day, loaded.book, slots, check))
    return check.found(charge_differences())


def _rating_differences(day: Any, book: Any, slots: dict[int, Any], check: Check) -> list[tuple[Any, ...]]:
    cube = cube_store.stored(day)
    rated = charging.rate_cube(cube, book, key_dimensions(set(cube["key_id"].to_pylist())), slots)
    key = ("key_id", "tier", "tier_estimated", "slot_id", "price_class")
    expected = {
        place: (quantity, cost)
        for *place_, quantity, cost in zip(
            *(rated[name].to_pylist() for name in (*key, "quantity", "list_cost")), strict=True
        )
        for place in [tuple(place_)]
    }
    stored = {
        row[:5]: (row[5], row[6])
        for row in Rating.objects.filter(charge_date=day, price_class__in=_TOKEN_AND_REQUEST).values_list(
            "usage_key_id", "tier", "tier_estimated", "rate_slot_id", "price_class", "quantity", "list_cost"
        )
    }
    check.checked += len(expected)
    different = [place for place in expected.keys() | stored.keys() if expected.get(place) != stored.get(place)]
    return [(day, *place) for place in sorted(different, key=str)]


_TOKEN_AND_REQUEST = (*CUBE_SCHEMA.names[11:], "request")


def agreements_close() -> Check:
    """Commitments and fleets are charged in full: what is used and not used is what was paid, or what the terms cost."""
    found = closing()
    return Check("agreements_close", 3, checked=found.checked).found(found.violations)


def agent_tasks_cost() -> Check:
    """A task of an agent costs what its calls do at the ratings in force."""
    return Check("agent_tasks_cost", 3, checked=agent_checks.checked()).found([*agent_checks.violations()])


def runs_add_up() -> Check:
    """What a run read is what became of it, and every quarantined record can be found."""
    runs = IngestRun.objects.exclude(state=IngestRun.State.RUNNING).annotate(kept=Count("quarantine")).order_by("pk")
    check, wrong = Check("runs_add_up", 5), []
    for run in runs:
        check.checked += 1
        parts = run.stored + run.changed + run.duplicate + run.quarantined + sum(run.skipped.values())
        if run.read != parts:
            wrong.append(f"run {run.pk}: read {run.read}, accounted for {parts}")
        elif run.quarantined != run.kept:
            wrong.append(f"run {run.pk}: quarantined {run.quarantined}, kept {run.kept}")
    return check.found(wrong)


_HOLES = (
    "SELECT c.source, c.account, c.stream, upper(s.span), s.following FROM ingest_coverage c, LATERAL (SELECT span, "
    "lead(lower(span)) OVER (ORDER BY span) AS following FROM unnest(c.covered) AS span) s WHERE s.following IS NOT NULL "
    "AND c.part = '' AND EXISTS (SELECT FROM ingest_connection k WHERE (k.kind, k.account) = (c.source, c.account) "
    "AND k.way = 'pull' AND k.enabled) ORDER BY 1, 2, 3, 4"
)


def no_bucket_gaps() -> Check:
    """What is pulled has no hole between the times that complete answers cover; a back-fill under way has some."""
    check = Check("no_bucket_gaps", 5, checked=_count("ingest_coverage"))
    time = "%Y-%m-%d %H:%M"
    holes = [f"{row[0]} {row[1]} {row[2]}: nothing from {row[3]:{time}} to {row[4]:{time}}" for row in _rows(_HOLES)]
    return check.found(holes)


def closed_hash() -> Check:
    """Frozen months and the versions they name are as manifests say, statements, journals and accruals as they were made.

    Whoever asked for and decided on a thing is who the audit trail says, and two people.
    """
    parts = (manifest, statement_checks, booked_checks)
    check = Check("closed_hash", 8, checked=sum(part.checked() for part in parts))
    return check.found([what for part in parts for what in part.violations()])


def audit_chain() -> Check:
    """Nobody has changed or removed an audit event, the last ones included."""
    check = Check("audit_chain", 8, checked=AuditEvent.objects.count())
    return check.found([f"event {number}" for number in audit.broken_links()]).found(audit.cut())


CHECKS: tuple[Callable[[], Check], ...] = (
    classes_disjoint, money_domain, no_nan, conservation, unpriced_not_zero, dedup_and_cursor, no_orphans,
    layers_not_summed, ruled_tokens, cube_equals_facts, ratings_reproduce, agreements_close, agent_tasks_cost, runs_add_up,
    no_bucket_gaps, closed_hash, audit_chain,
)  # fmt: skip
