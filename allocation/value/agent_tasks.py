"""Tasks of agents as they are kept: derived of facts, ratings and rules, one day at a time, each in one transaction.

It runs after the refresher, at its own pace: a day is made anew where facts, costs or owners behind it changed since.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Sum

from allocation import day_calls, layer_changes, rulebook
from allocation.calc import agents_calls as calc
from allocation.calc import assign as assigning
from allocation.calc.agents import AgentsError
from allocation.calc.agents_calls import Facts, Found
from allocation.calc.agents_runaway import Limits, parse_limits
from allocation.calc.query_costs import KEY_BITS, Rates
from allocation.costing import terms
from allocation.models import AgentDay, AgentTask, LayerDay, Outcome, TermsVersion, TierRule, UsageDaily
from allocation.query_costs import rates_of
from allocation.value import agent_runaways
from finops import locks
from finops.copying import copy_rows
from finops.models import SiteMark
from finops.periods import Period
from finops.tokens import TOKEN_CLASSES
from ingest import facts
from ingest.models import FactDay
from ingest.selectors import KnownKeys

KIND = "agent_limits"  # of documents
_PART_ROWS = 1_000_000  # calls in memory at once
_LOCK = 0x41474E54  # "AGNT": one deriver at a time
_OUTCOMES = "agents.outcomes"  # the mark that says up to which outcome their queries were looked for
_SPREAD = timedelta(days=31)  # a query lies at most that long before the month that its outcome names as its cohort
_COLUMNS = tuple(field.attname for field in AgentTask._meta.local_fields if field.name != "pk")
_STALE = """
SELECT d.charge_date FROM allocated_day d LEFT JOIN agent_day a ON a.charge_date = d.charge_date
WHERE a.charge_date IS NULL OR a.stale OR a.borne <> md5(d.borne::text) ORDER BY 1
"""


def limits() -> Limits:
    """From when on a task has run away."""
    found: Limits = terms.in_force(KIND, _parse)
    return found


def load_limits(document: Any, *, actor: str) -> TermsVersion:
    """Put limits in force; every day is judged anew by them. Raises AgentsError."""
    if document == []:
        raise AgentsError("limits of runaways: not a mapping")
    version = terms.load(KIND, document, _parse, actor=actor, charged=False)
    AgentDay.objects.update(stale=True)
    return version


def _parse(document: Any) -> Limits:
    return Limits() if document == [] else parse_limits(document)


def behind(period: Period) -> int:
    """How many days of a period have tasks that are not yet as their facts, costs and owners are."""
    return sum(period.start <= day < period.end for day in stale_days())


def stale_days() -> list[date]:
    """Days whose tasks are not yet as their facts, costs and owners are, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_STALE)
        return [row[0] for row in cursor.fetchall()]


def refresh(progress: Callable[[int, int], None] = lambda _done, _all: None) -> int:
    """Derive the tasks of all days that changed, then judge them; returns the number of days. Safe to call at any time."""
    _look_for_outcomes()
    days = stale_days()
    known, allowed = KnownKeys(), limits()
    for number, day in enumerate(days):
        progress(number, len(days))
        with transaction.atomic():
            locks.hold(_LOCK)
            replace(day, known, allowed)
            agent_runaways.judge(day, allowed)
    return len(days)


def replace(day: date, known: KnownKeys, allowed: Limits) -> None:
    """Make the tasks of a day anew, within a transaction."""
    with connection.cursor() as cursor:  # first: what changes from here on makes the day stale again
        cursor.execute("SELECT md5(borne::text) FROM allocated_day WHERE charge_date = %s", [day])
        digest = (cursor.fetchone() or [""])[0]
    AgentDay.objects.update_or_create(charge_date=day, defaults={"stale": False, "borne": digest})
    AgentTask.objects.filter(charge_date=day)._raw_delete(using="default")
    sums = UsageDaily.objects.filter(charge_date=day).aggregate(*map(Sum, ("events", *TOKEN_CLASSES)))
    classes = [name for name in TOKEN_CLASSES if sums[f"{name}__sum"]]
    parts = -(-(sums["events__sum"] or 1) // _PART_ROWS)
    wanted = _named_by_outcomes(day)
    for part in range(parts):
        here = facts.traced_calls(day, classes, part=part, parts=parts)
        queries = calc.begun_here(here, wanted)
        if not len(queries):
            continue
        days: list[tuple[date, Facts]] = [(day, calc.of_queries(here, queries))]
        for on in (day + timedelta(days=n) for n in range(1, settings.TRACE_LOOK_BACK_DAYS + 1)):
            going = [calc.joining(calls, queries) for calls in day_calls.going_on(on)]
            if later := sorted({query for each in going for query in each}):
                days.append((on, facts.traced_calls(on, classes, queries=calc.array_of(later))))
        priced = [(of_day, *_rates(on, of_day)) for on, of_day in days]
        _write(day, calc.found(priced, allowed), known)


def _rates(day: date, of_day: Facts) -> tuple[Rates, Mapping[int, str]]:
    """Prices of a token in the cells of a day, and their currencies."""
    keys = sorted({cell >> KEY_BITS for cell in of_day["cell"].tolist()})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (1) usage_key_id::bigint << %s | rate_slot_id, currency FROM rating WHERE charge_date = %s "
            "AND usage_key_id = ANY(%s::int[]) ORDER BY 1, list_cost IS NULL, currency",
            [KEY_BITS, day, keys],
        )
        return rates_of(day, keys), dict(cursor.fetchall())


def _write(day: date, found: Found, known: KnownKeys) -> None:
    of_key = [int(key) for key in found.tasks.workflow.tolist()]
    book = rulebook.holding_on(day)
    seen = book.on(day, known.of(of_key))
    kept = layer_changes.kept_queries(day) if LayerDay.objects.filter(charge_date=day).exists() else {}
    tiers = {rule.pk: rule.tier for rule in TierRule.objects.all()}
    owners = {key: _owner(book, seen, key) for key in set(of_key)}
    copy_rows("agent_task", _COLUMNS, _rows(day, found, of_key, owners, tiers, kept))


def _rows(
    day: date, found: Found, of_key: Sequence[int], owners: Mapping[int, tuple[Any, ...]], tiers: Mapping[int, str],
    kept: Mapping[tuple[int, str], Any],
) -> Iterable[Sequence[Any]]:  # fmt: skip
    done = found.tasks
    numbers = zip(*(getattr(done, name).tolist() for name in _NUMBERS), strict=True)
    for at, (key, values) in enumerate(zip(of_key, numbers, strict=True)):
        tier = tiers[found.rule[at]]
        if kept.get((key, tier), 1) == 0:
            continue  # another layer counts these calls
        row = dict(zip(_NUMBERS, values, strict=True)) | dict(zip(_OWNED, owners[key], strict=True))
        row |= {
            "charge_date": day, "query_id": row.pop("task"), "tier": tier, "currency": found.currency[at],
            "begins_at": datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row.pop("begins")),
            "rounds": found.rounds[at], **{name: row[name] if row[name] >= 0 else None for name in ("depth", "fan_out")},
            "cost": row["cost"] or Decimal(0),
        }  # fmt: skip
        yield [row[name] for name in _COLUMNS]


_NUMBERS = (
    "task", "begins", "calls", "agents", "depth", "fan_out", "retries", "failed", "resent_uncached", "resent_cached", "input",
    "cost", "unpriced", "broken",
)  # fmt: skip
_OWNED = ("cost_centre_id", "team_id", "feature", "environment")


def _owner(book: rulebook.Rulebook, seen: rulebook.OfDay, key: int) -> tuple[Any, ...]:
    """Who bears most of a usage key, and what it is for."""
    bearer = max(assigning.targets_of(seen.assignment[key]), key=lambda target: target.weight)
    of = seen.dimensions[key]
    team = book.teams.get((bearer.cost_centre, bearer.team))
    return book.cost_centres.get(bearer.cost_centre), team, of["feature"] or "", of["environment"] or ""


def _named_by_outcomes(day: date) -> set[int]:
    """Queries that outcomes name, of the months that the day can be the cohort of."""
    near = Outcome.objects.filter(spend_month__range=(day - _SPREAD, day + _SPREAD)).exclude(query_id=None)
    return {query for query in near.values_list("query_id", flat=True) if query is not None}


@transaction.atomic
def _look_for_outcomes() -> None:
    """Mark the days on which queries began that outcomes name since, and that are no tasks yet."""
    mark = SiteMark.objects.filter(name=_OUTCOMES).first()
    newest = Outcome.objects.exclude(query_id=None).aggregate(pk=Max("pk"), at=Max("observed_at"))
    state = {name: str(value) for name, value in newest.items()}
    if newest["pk"] is None or (mark is not None and mark.value == state):
        return
    SiteMark.objects.update_or_create(name=_OUTCOMES, defaults={"value": state})
    named = Outcome.objects.exclude(query_id=None)
    tasks = AgentTask.objects.filter(query_id__in=named.values("query_id")).values("query_id")
    missing: dict[date, list[int]] = {}
    for month, query in named.exclude(query_id__in=tasks).values_list("spend_month", "query_id"):
        missing.setdefault(month, []).append(query or 0)
    for month, queries in missing.items():
        near = FactDay.objects.filter(charge_date__range=(month - _SPREAD, month + 2 * _SPREAD))
        days = facts.days_of_queries(queries, list(near.values_list("charge_date", flat=True)))
        AgentDay.objects.filter(charge_date__in=set(days.values())).update(stale=True)
