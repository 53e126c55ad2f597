"""Queries of days gone by, judged by a policy as it is now: what moves from tier to tier, and what that does to cost.

Facts of frozen months keep the tiers that they have; they are compared all the same. A query belongs to the day it begins.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from allocation import bucket_tiers, day_calls, query_costs, rulebook
from allocation.calc import assign as assigning
from allocation.calc.query_costs import KEY_BITS, Rates
from allocation.calc.tier_changes import Diff, diff, diff_table
from allocation.calc.tiers import Array, Classifier, Events, Way, groups, parse_policy
from allocation.close.periods import frozen_months
from allocation.derived import refresh
from allocation.models import CostDaily, TierPolicy, TierRule, UsageDaily
from finops.periods import Period
from finops.tokens import OUTPUT_CLASSES, TOKEN_CLASSES
from ingest import facts
from ingest.selectors import KnownKeys, days_with_facts

_PART_ROWS = 1_000_000
_EPOCH = date(1970, 1, 1).toordinal()
ZERO = Decimal(0)


class Moved(NamedTuple):
    """What classifying a day anew finds. ``rows``: of calc.tier_changes.QUERY, queries of one kind together.

    ``updates``: (charge_date, event_id, tier_rule, begins) of events of another rule, ``dirty``: their slices.
    """

    rows: list[dict[str, Any]]
    updates: list[tuple[date, UUID, int, bool | None]]
    dirty: set[tuple[date, int]]


class Outcome(NamedTuple):
    """What a policy does to queries of a period. ``tiers``: (cost, queries) before and after of every tier, buckets too.

    Costs of ``diff`` are list prices of the queries' calls; those of ``tiers`` are effective, by (tier, team, model, currency).
    """

    policy: TierPolicy
    period: Period
    diff: Diff
    tiers: dict[tuple[str, str | None, str, str], tuple[tuple[Decimal, int], tuple[Decimal, int]]]


def classifier_of(policy: TierPolicy) -> Classifier:
    """The classifier of a version."""
    rows = TierRule.objects.filter(policy=policy).values_list("rule", "condition", "tier", "estimated", "id")
    return Classifier(
        parse_policy(policy.policy), {Way(*row[:4]): row[4] for row in rows}, settings.TRACE_LOOK_BACK_DAYS
    )


def reclassify(policy: TierPolicy, period: Period, *, dry_run: bool) -> Outcome:
    """Judge the queries that begin in a period by a version of the policy, and say what that changes.

    The change is really made, in one transaction, and rolled back for a dry run: what it says is what will happen. Queries
    that begin in frozen months are compared and stay as they are. Writers of these days wait meanwhile.
    """
    classifier, known, frozen = classifier_of(policy), KnownKeys(), frozen_months()
    rows: list[dict[str, Any]] = []
    with transaction.atomic():
        before = _by_tier(period)
        days = days_with_facts(period)
        facts.lock_days(days, classifier.look_back)
        for day in days:
            closed = day.replace(day=1) in frozen
            for found in _of_day(day, classifier, known, closed=closed):
                rows += found.rows
                if not closed:
                    facts.update_tiers(found.updates)
                    facts.mark_dirty(sorted(found.dirty))
        refresh()
        after = _by_tier(period)
        if dry_run:
            transaction.set_rollback(True)
    table = diff_table([{**row, "query": number} for number, row in enumerate(rows)])
    nothing = (ZERO, 0)
    tiers = {
        place: (before.get(place, nothing), after.get(place, nothing))
        for place in sorted(before.keys() | after.keys(), key=str)
    }
    return Outcome(policy, period, diff(table), tiers)


def _by_tier(period: Period) -> dict[tuple[str, str | None, str, str], tuple[Decimal, int]]:
    rows = CostDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end).exclude(tier="")
    names = ("tier", "team__code", "model", "billing_currency")
    sums = rows.order_by().values_list(*names).annotate(cost=Sum("effective_cost"), count=Sum("queries"))
    return {row[:4]: (row[4], int(row[5])) for row in sums}


def _of_day(day: date, classifier: Classifier, known: KnownKeys, *, closed: bool) -> Iterator[Moved]:
    """What moves of the queries that begin on a day, in parts of whole queries."""
    events = sum(UsageDaily.objects.filter(charge_date=day).values_list("events", flat=True))
    parts = -(-(events or 1) // _PART_ROWS)
    earlier = _queries_of(day_calls.going_on(day))
    reach = [day + timedelta(days=n) for n in range(1, classifier.look_back + 1)]
    later = _queries_of([calls for on in reach for calls in day_calls.going_on(on)])
    book = rulebook.holding_on(day)
    tiers = {number: row[0] for number, row in bucket_tiers.rules().items()}
    for part in range(parts):
        arrays = facts.features_of_day(day, part=part, parts=parts)
        traced = arrays["has_query"] == 1
        elsewhere = traced & np.isin(arrays["query_id"], np.concatenate([earlier, later]))
        beyond = np.unique(arrays["query_id"][traced & np.isin(arrays["query_id"], later)])
        here = {name: values[~elsewhere] for name, values in arrays.items()}
        here["charge_date"] = np.full(len(here["query_id"]), day.toordinal() - _EPOCH)
        rows = facts.trace_events(beyond, [day], classifier.look_back) if len(beyond) else []
        whole = _joined(here, rows)
        if len(whole["query_id"]):
            yield _moved(day, whole, classifier, _Day(known, book, tiers, closed))


def _queries_of(parts: Sequence[pa.Table]) -> Array:
    found = [pc.drop_null(calls["query"]).to_numpy() for calls in parts]
    return np.unique(np.concatenate(found)) if found else np.array([], dtype=np.int64)


def _joined(here: dict[str, Array], rows: list[tuple[Any, ...]]) -> dict[str, Array]:
    """Arrays of a day's events and of the whole queries that go on after it (FEATURE_COLUMNS)."""
    if not rows:
        return here
    columns = dict(zip(facts.FEATURE_COLUMNS, zip(*rows, strict=True), strict=True))
    ids = np.frombuffer(b"".join(value.bytes for value in columns["event_id"]), dtype=">i8").reshape(-1, 2)
    more = {
        **{name: np.array([value or 0 for value in columns[name]], dtype=np.int64) for name in columns
           if name not in ("charge_date", "event_id", "occurred_at", "requests")},
        "requests": np.ones(len(rows), dtype=np.int64), "has_query": np.ones(len(rows), dtype=np.int64),
        "charge_date": np.array([on.toordinal() - _EPOCH for on in columns["charge_date"]]),
        "occurred_at": np.array([round(at.timestamp() * 1e6) for at in columns["occurred_at"]], dtype=np.int64),
        "event_high": ids[:, 0].astype(np.int64), "event_low": ids[:, 1].astype(np.int64),
        "rate_slot_id": np.full(len(rows), -1),
         "reasoning_known": np.array([value is not None for value in columns["output_reasoning"]]),
    }  # fmt: skip
    return {name: np.concatenate([values, more[name]]) for name, values in here.items()}


class _Day(NamedTuple):
    known: KnownKeys
    book: rulebook.Rulebook
    tiers: dict[int, str]
    closed: bool


def _moved(day: date, of: dict[str, Array], classifier: Classifier, about: _Day) -> Moved:
    ids = np.unique(of["usage_key_id"])
    dimensions = about.known.of(ids.tolist())
    events = _events(of, ids, dimensions)
    group, first = groups(events, classifier.look_back)
    rules, begins = classifier.classify(events)
    mine = of["charge_date"][first] == day.toordinal() - _EPOCH
    single = mine & (of["requests"][first] == 1)
    changed = np.flatnonzero(mine[group] & ((rules != of["tier_rule"]) | (begins != of["begins"])))
    updates: list[tuple[date, UUID, int, bool | None]] = [
        (date.fromordinal(int(of["charge_date"][n]) + _EPOCH), _uuid(of, n), int(rules[n]), bool(begins[n]) or None)
        for n in changed.tolist()
    ]
    dirty = {(row[0], int(of["usage_key_id"][n])) for row, n in zip(updates, changed.tolist(), strict=True)}
    rows = _rows(day, of, (group, first), np.where(single, rules[first], -1), dimensions, about)
    return Moved(rows, updates, dirty)


def _uuid(of: dict[str, Array], n: int) -> UUID:
    high, low = (int(of[name][n]) & 0xFFFFFFFFFFFFFFFF for name in ("event_high", "event_low"))
    return UUID(int=high << 64 | low)


def _events(of: dict[str, Array], ids: Array, dimensions: dict[int, dict[str, Any]]) -> Events:
    words = np.stack([of["event_high"], of["event_low"]], axis=1).astype(">i8")
    keys = [dimensions[int(key)] for key in ids]
    same = ("query_id", "charge_date", "occurred_at", "requests", "agent", "tool_calls", "flags", "input_uncached")
    return Events(
        **{name: of[name] for name in (*same, "output_reasoning")},
        has_query=of["has_query"] == 1, event_id=np.ascontiguousarray(words).view("V16").reshape(len(words)),
        output=sum((of[name] for name in OUTPUT_CLASSES), np.zeros(len(words), dtype=np.int64)),
        reasoning_known=of["reasoning_known"] == 1, key=np.searchsorted(ids, of["usage_key_id"]),
        operations=[each["operation"] for each in keys],
        models=[each["model_served"] or each["model_requested"] for each in keys],
        use_cases=[each["feature"] for each in keys], tokens=of.__getitem__,
    )  # fmt: skip


def _rows(
    day: date, of: dict[str, Array], queries: tuple[Array, Array], after: Array, dimensions: dict[int, dict[str, Any]],
    about: _Day,
) -> list[dict[str, Any]]:  # fmt: skip
    """Queries (``after``: their new rule, -1: none of ours) by tier before and after, team and model, with their list cost."""
    (group, first), before = queries, of["tier_rule"][queries[1]]
    seen = about.book.on(day, dimensions)
    key = of["usage_key_id"][first]
    wanted = np.flatnonzero(after >= 0)
    kinds: dict[tuple[Any, ...], int] = {}
    number = np.full(len(first), -1)
    for n in wanted.tolist():
        found = dimensions[int(key[n])]
        target = max(assigning.targets_of(seen.assignment[int(key[n])]), key=lambda each: each.weight)
        kind = (about.tiers[int(before[n])], about.tiers[int(after[n])], target.team or None,
                found["model_served"] or found["model_requested"])  # fmt: skip
        number[n] = kinds.setdefault(kind, len(kinds))
    costs = _costs(of, number[group], len(kinds))
    counts = np.bincount(number[wanted], minlength=len(kinds))
    names = ("tier_before", "tier_after", "team", "model")
    return [
        {**dict(zip(names, kind, strict=True)), "closed": about.closed, "queries": int(counts[n]), "cost": costs[n]}
        for kind, n in kinds.items()
    ]


def _costs(of: dict[str, Array], kind: Array, kinds: int) -> list[Decimal]:
    """List cost of the events of every kind of query (-1: of none); what has no price counts as nothing."""
    found = [ZERO] * kinds
    for on in np.unique(of["charge_date"][kind >= 0]).tolist():
        here = (kind >= 0) & (of["charge_date"] == on)
        keys = np.unique(of["usage_key_id"][here])
        rates = query_costs.rates_of(date.fromordinal(int(on) + _EPOCH), keys.tolist())
        cells = _cells(of, rates)
        pairs, at = np.unique(np.stack([kind[here], cells[here]]), axis=1, return_inverse=True)
        for name in TOKEN_CLASSES:
            sums = np.zeros(pairs.shape[1], dtype=np.int64)
            np.add.at(sums, at.reshape(-1), of[name][here])
            for n in np.flatnonzero(sums).tolist():
                price = rates.get(int(pairs[1, n]), {}).get(name)
                found[int(pairs[0, n])] += (price or ZERO) * int(sums[n])
    return [amount.quantize(Decimal(1).scaleb(-12)) for amount in found]


def _cells(of: dict[str, Array], rates: Rates) -> Array:
    """The cell of every event; of one whose slot was not read the key's first."""
    first: dict[int, int] = {}
    for cell in sorted(rates):
        first.setdefault(cell >> KEY_BITS, cell)
    found = of["usage_key_id"] << KEY_BITS | np.maximum(of["rate_slot_id"], 0)
    for n in np.flatnonzero(of["rate_slot_id"] < 0).tolist():
        found[n] = first.get(int(of["usage_key_id"][n]), found[n])
    return np.asarray(found)
