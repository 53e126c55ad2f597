"""Caps and bands on what a query costs: counted day by day, and only where a day's queries changed since."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

from django.db.models import Count, Q, QuerySet, Sum

from allocation import day_calls
from allocation.calc.distribution import bin_of
from allocation.models import CostDaily, QueryCostDaily
from allocation.scope import Scope
from finops.periods import Period
from forecasting import watch_queries
from forecasting.calc import caps
from forecasting.calc.alerting import Signal
from forecasting.calc.caps import Band, Breaches, CapError, Move
from forecasting.calc.watch_policy import DIGEST, Policy
from forecasting.models import CapDay, QueryCap
from forecasting.watch_hours import WINDOW
from ingest.calc.price_transparency import Cell

BAND = "band"
_NOTHING = Decimal(0)


class Held(NamedTuple):
    """A cap and what was found in a period. ``days``: with any query of its kind; ``newest``: the last of them."""

    cap: QueryCap
    found: Breaches
    newest: date | None


class Watched(NamedTuple):
    """One tier or use case: its queries by band (None: not told, ``reason`` says why) and the days its mean left its band."""

    group: str
    name: str
    bands: list[Band] | None
    reason: str
    moves: list[Move]


def in_force() -> "QuerySet[QueryCap]":
    """The caps that hold, the oldest first."""
    return QueryCap.objects.filter(ended_at=None).select_related("cost_centre").order_by("pk")


def refresh(today: date) -> int:
    """Count the days of the window anew whose queries changed, the newest first; returns how many days of caps."""
    held, first = list(in_force()), today - timedelta(days=WINDOW)
    CapDay.objects.filter(charge_date__lt=first).delete()
    if not held:
        return 0
    marks = _fingerprints(first, today)
    known = {(cap, day): mark for cap, day, mark in CapDay.objects.values_list("cap_id", "charge_date", "fingerprint")}
    CapDay.objects.exclude(charge_date__in=marks).delete()
    done = 0
    for day in sorted(marks, reverse=True):
        stale = [cap for cap in held if known.get((cap.pk, day)) != marks[day]]
        for cap, one in zip(stale, _breaches(day, stale), strict=True):
            CapDay.objects.update_or_create(
                cap=cap, charge_date=day, defaults={"fingerprint": marks[day], **one._asdict()}
            )
        done += len(stale)
    return done


def _fingerprints(first: date, last: date) -> dict[date, str]:
    """Of each day's distribution. One query."""
    rows = QueryCostDaily.objects.filter(charge_date__range=(first, last)).order_by()
    names = ("charge_date", "tier", "provider", "cost_centre_id")
    sums = rows.values(*names).annotate(n=Count("id"), size=Sum("queries"), money=Sum("cost"), at=Sum("bin"))
    marks: dict[date, Any] = defaultdict(sha256)
    for row in sorted(tuple(map(str, each)) for each in sums.values_list(*names, "n", "size", "money", "at")):
        marks[date.fromisoformat(row[0])].update("|".join(row).encode() + b"\n")
    return {day: mark.hexdigest() for day, mark in marks.items()}


def _breaches(day: date, held: Sequence[QueryCap]) -> list[Breaches]:
    """Of one day: exact where the single costs of the undecided bin are known, else between two bounds."""
    bins = {cap.pk: _bins(cap, day) for cap in held if not cap.feature}
    unsure = {
        caps.undecided(cap.most)
        for cap in held
        if any(cell.bin == caps.undecided(cap.most) for cell in bins.get(cap.pk, ()))
    }
    every = any(cap.feature for cap in held)
    single = []
    if (unsure or every) and day_calls.exist(day):
        single = watch_queries.queries_of(day, None if every else frozenset(unsure))
    return [_of_feature(cap, single) if cap.feature else _of_bins(cap, bins[cap.pk], single) for cap in held]


def _of_bins(cap: QueryCap, cells: Sequence[Cell], single: Sequence[watch_queries.Query]) -> Breaches:
    mine = [one for one in single if watch_queries.fits(cap, one) and one.part == 1]
    costs = [one for one in watch_queries.costs_of(mine)[1] if bin_of(one.each) == caps.undecided(cap.most)]
    try:
        return caps.breaches(cells, cap.most, costs)
    except CapError:  # some are counted by another layer, or known by the average of a bucket that was spread
        return caps.breaches(cells, cap.most)


def _of_feature(cap: QueryCap, single: Sequence[watch_queries.Query]) -> Breaches:
    """Of queries whose use case the bins do not tell. Those of which another layer counts a part are not sure."""
    mine = [one for one in single if watch_queries.fits(cap, one) and one.part]
    both = []
    for some in ([one for one in mine if one.part == 1], mine):
        cells, costs = watch_queries.costs_of(some)
        near = [one for one in costs if bin_of(one.each) == caps.undecided(cap.most)]
        both.append(caps.breaches(cells, cap.most, near))
    sure, most = both
    return most._replace(low=sure.low, above_low=sure.above_low)


def _bins(cap: QueryCap, day: date) -> list[Cell]:
    rows = QueryCostDaily.objects.filter(charge_date=day, **_columns(cap)).order_by()
    sums = rows.values("bin").annotate(size=Sum("queries"), money=Sum("cost"))
    return [Cell(*row) for row in sums.values_list("bin", "size", "money")]


def _columns(cap: QueryCap) -> dict[str, Any]:
    given = {"tier": cap.tier, "provider": cap.provider, "model": cap.model, "cost_centre_id": cap.cost_centre_id}
    return {name: value for name, value in given.items() if value}


def held(scope: Scope, period: Period) -> list[Held]:
    """Caps that hold in a scope and what was found of them in a period. Two queries."""
    rows = list(scope.of(in_force()))
    days = CapDay.objects.filter(cap__in=rows, charge_date__gte=period.start, charge_date__lt=period.end)
    found: dict[int, list[CapDay]] = defaultdict(list)
    for day in days.order_by("charge_date"):
        found[day.cap_id].append(day)
    return [Held(cap, _summed(found[cap.pk]), _newest(found[cap.pk])) for cap in rows]


def _summed(days: Iterable[CapDay]) -> Breaches:
    whole = Breaches(0, 0, 0, 0, _NOTHING, _NOTHING)
    for day in days:
        whole = Breaches(*(one + getattr(day, name) for name, one in whole._asdict().items()))
    return whole


def _newest(days: Sequence[CapDay]) -> date | None:
    return max((day.charge_date for day in days if day.queries or day.without), default=None)


def signals(today: date) -> list[Signal]:
    """Of caps that the newest day with queries broke, today or yesterday. Two queries."""
    told = []
    for one in held(Scope(everything=True), Period(today - timedelta(days=1), today + timedelta(days=1))):
        last = CapDay.objects.filter(cap=one.cap, charge_date=one.newest) if one.newest else []
        found = {one.cap.subject: _summed(last)}
        cap = caps.Cap(one.cap.subject, one.cap.most, one.cap.severity)
        told += [each._replace(why=f"{one.cap}: {each.why}, on {one.newest}") for each in caps.signals([cap], found)]
    return told


def bands(scope: Scope, period: Period, policy: Policy, today: date) -> list[Watched]:
    """Tiers and use cases, those of a scope. Tiers at list prices, use cases as charged. Two queries."""
    days = Q(charge_date__gte=period.start, charge_date__lt=period.end)
    rows = scope.of(QueryCostDaily.objects.filter(days)).order_by()
    cells: dict[str, list[Cell]] = defaultdict(list)
    daily: dict[tuple[str, str], dict[date, list[Any]]] = defaultdict(lambda: defaultdict(lambda: [0, _NOTHING]))
    sums = rows.values("tier", "charge_date", "bin").annotate(size=Sum("queries"), money=Sum("cost"))
    for tier, day, number, size, money in sums.values_list("tier", "charge_date", "bin", "size", "money"):
        cells[tier].append(Cell(number, size, money))
        if number is not None:
            _add(daily["tier", tier][day], size, money)
    charged = scope.of(CostDaily.objects.filter(days, basis="direct")).exclude(feature="").order_by()
    features = charged.values("feature", "charge_date").annotate(size=Sum("queries"), money=Sum("effective_cost"))
    for feature, day, size, money in features.values_list("feature", "charge_date", "size", "money"):
        _add(daily["feature", feature][day], size, money)
    found = []
    for (kind, name), each in sorted(daily.items(), key=lambda one: (one[0][0] != "tier", one[0][1])):
        whole = [(str(day), *each[day]) for day in sorted(each) if day < today]
        counted, reason = (
            _banded(cells[name], policy) if kind == "tier" else (None, "its queries are known by their mean alone")
        )
        found.append(Watched(kind, name, counted, reason, caps.moves(name, whole, policy.bands)))
    return found


def _add(held_: list[Any], size: int, money: Decimal) -> None:
    held_[0] += size
    held_[1] += money


def _banded(cells: list[Cell], policy: Policy) -> tuple[list[Band] | None, str]:
    try:
        return caps.banded(cells, policy.bands.edges), ""
    except CapError as wrong:
        return None, str(wrong)


def band_signals(found: Sequence[Watched], policy: Policy, newest: date) -> list[Signal]:
    """Of tiers and use cases whose mean went up out of its band on the newest whole day; the money above its edge."""
    told = []
    for one in found:
        for move in one.moves:
            if move.day != str(newest) or move.now <= move.before:
                continue
            edge = policy.bands.edges[move.now - 1]
            above = max(move.cost - edge * move.queries, _NOTHING)
            mean = f"a query of {one.name} cost {move.mean:.4f} on {move.day}"
            why = f"{mean}, above {edge.normalize():f}: {move.queries:,} queries"
            told.append(Signal(f"{BAND}:{one.group}:{one.name}", BAND, DIGEST, above, why))
    return told
