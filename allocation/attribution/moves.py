"""What splits and rate cards move between cost centres: kept in split_cost, and as rows of cost_daily beside the rules'.

Rows of cost_daily of basis shared and variance are at all times the sums of split_cost: whoever rewrites a day's cost_daily
calls ``restore`` in the same transaction, which also notes that the month's splits are older than its cost.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import Q, Sum

from allocation import rulebook
from allocation.calc.splits_moves import NOTHING, Costs, Move, Outcome, Place
from allocation.models import (
    AllocatedCost,
    Basis,
    BillingPeriod,
    CostCentre,
    CostDaily,
    SplitCost,
    SplitOutcome,
    StaleMonth,
    Team,
)
from finops.copying import copy_rows
from finops.periods import Period
from ingest.selectors import key_dimensions

COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
_DIMENSIONS = (
    "provider",
    "model",
    "tier",
    "tier_estimated",
    "environment",
    "feature",
    "provenance",
    "billing_currency",
)
_UNUSED = ("Unused", "Expired", "Shortfall")
_KEY = ", ".join(("charge_date", "cost_centre_id", "team_id", *_DIMENSIONS, "basis"))
_SUMS = ", ".join(f"sum({name})" for name in COSTS)
_COUNTS = ("unpriced_estimate", "requests", "queries", "tokens", "unpriced_tokens", "bill_priced_tokens")
_BOOK = (
    f"INSERT INTO cost_daily ({_KEY}, {', '.join((*COSTS, *_COUNTS))}) SELECT {_KEY}, {_SUMS}, 0, 0, 0, 0, 0, 0 "
    "FROM public.split_cost WHERE charge_date >= %s AND charge_date < %s AND basis = ANY(%s) "
    f"GROUP BY {_KEY} HAVING {' OR '.join(f'sum({name}) <> 0' for name in COSTS)}"
)


class FrozenMonth(ValueError):
    """The charges of a month never change again; the message names it."""


def refuse_frozen(period: Period) -> None:
    """Raises FrozenMonth."""
    frozen = (BillingPeriod.State.SOFT_CLOSED, BillingPeriod.State.CLOSED)
    found = BillingPeriod.objects.filter(state__in=frozen, month__gte=period.start, month__lt=period.end).first()
    if found is not None:
        raise FrozenMonth(f"{found.month:%Y-%m} is {found.state.replace('_', ' ')}: its splits never change again")


def cost(period: Period, *, without: Sequence[str]) -> dict[Place, Costs]:
    """Cost of a month by its places, rows of some bases left out.

    What own capacity and commitments left unused, and what bills state beyond anybody's usage, are kinds of their own.
    """
    rows = CostDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end).exclude(
        basis__in=without
    )
    found: dict[Place, Costs] = defaultdict(lambda: NOTHING)
    for day, basis, centre, team, *rest in rows.values_list(
        "charge_date", "basis", "cost_centre__code", "team__code", *_DIMENSIONS, *COSTS
    ):
        place = Place(day, basis, centre or "", team or "", *rest[:-4])
        found[place] = _added(found[place], rest[-4:])
    for place, basis, amounts in _kinds_apart(period):
        whole = place._replace(kind=basis)
        found[place] = _added(found[place], amounts)
        found[whole] = _added(found[whole], [-amount for amount in amounts])
    return {place: amounts for place, amounts in found.items() if any(amounts)}


def _added(one: Costs, other: Sequence[Any]) -> Costs:
    first, second, third, fourth = (a + b for a, b in zip(one, other, strict=True))
    return first, second, third, fourth


def _kinds_apart(period: Period) -> Iterable[tuple[Place, str, list[Any]]]:
    """(place, basis of its rows in cost_daily, costs) of what commitments left unused and of what bills do not explain."""
    unused, unexplained = Q(charge__commitment_status__in=_UNUSED), Q(charge__cause="unexplained")
    rows = AllocatedCost.objects.filter(unused | unexplained & Q(charge__commitment_status=""))
    rows = rows.filter(charge_date__gte=period.start, charge_date__lt=period.end, charge__corrects_date=None)
    names: tuple[str, ...] = ("charge_date", "cost_centre__code", "team__code", "charge__usage_key_id", "charge__tier")
    names += ("charge__tier_estimated", "charge__provenance", "charge__billing_currency", "charge__commitment_status")
    found = list(rows.order_by().values_list(*names).annotate(*(Sum(name) for name in COSTS)))
    seen = rulebook.Seen(key_dimensions({row[3] for row in found if row[3] is not None}))
    for day, centre, team, key, tier, estimated, provenance, currency, status, *amounts in found:
        kind, basis = ("unused", "idle") if status else ("unexplained", "direct")
        dimensions = seen.on(day)[key]
        place = Place(
            day, kind, centre or "", team or "", dimensions["provider"],
            dimensions["model_served"] or dimensions["model_requested"], tier, estimated, dimensions["environment"],
            dimensions["feature"], provenance, currency,
        )  # fmt: skip
        yield place, basis, [amount or 0 for amount in amounts]


def write(period: Period, basis: Basis, version: int, moves: Sequence[Move], outcomes: Sequence[Outcome]) -> int:
    """Replace a month's rows of a basis; returns how many there are. In the caller's transaction, under its lock."""
    days = {"charge_date__gte": period.start, "charge_date__lt": period.end, "basis": basis}
    for model in (SplitCost, CostDaily):
        model.objects.filter(**days)._raw_delete(using="default")
    SplitOutcome.objects.filter(month=period.start, basis=basis)._raw_delete(using="default")
    centres, teams = _owners(moves)
    rows: dict[tuple[Any, ...], Costs] = defaultdict(lambda: NOTHING)
    for move in moves:
        at = move.place
        key = (
            at.day, str(basis), move.pool, move.step, at.kind, centres.get(move.cost_centre),
            teams.get((move.cost_centre, move.team)), centres.get(at.cost_centre), teams.get((at.cost_centre, at.team)),
            at.provider, at.model, at.tier, at.tier_estimated, at.environment, at.feature, at.provenance, at.currency,
        )  # fmt: skip
        rows[key] = _added(rows[key], move.costs)
    names = ("charge_date", "basis", "pool", "step", "kind", "cost_centre_id", "team_id", "source_id", "source_team_id")
    kept = [(*key, *costs) for key, costs in rows.items() if any(costs)]
    copy_rows("split_cost", (*names, *_DIMENSIONS, *COSTS), kept)
    _book(period, [basis])
    SplitOutcome.objects.bulk_create(
        SplitOutcome(
            month=period.start, basis=basis, code=one.code, step=one.step, version=version, currency=one.currency,
            found=one.found, moved=one.moved, weights={code: str(each) for code, each in sorted(one.weights.items())},
            note=one.note,
        )
        for one in outcomes
    )  # fmt: skip
    return len(kept)


def _owners(moves: Sequence[Move]) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Ids of cost centres and teams; those that a document names and nobody knows yet are made, as rules make theirs."""
    named = {(move.cost_centre, move.team) for move in moves if move.cost_centre}
    for code in sorted({code for code, _ in named}):
        CostCentre.objects.get_or_create(code=code)
    centres = dict(CostCentre.objects.values_list("code", "id"))
    for code, team in sorted(named):
        if team:
            Team.objects.get_or_create(cost_centre_id=centres[code], code=team)
    teams = {(code, team): pk for code, team, pk in Team.objects.values_list("cost_centre__code", "code", "id")}
    return centres, teams


def _book(period: Period, bases: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_BOOK, [period.start, period.end, [str(basis) for basis in bases]])


def restore(day: date) -> None:
    """Put the rows of split_cost beside a day's new rows of cost_daily, and note that the month has to be split again."""
    _book(Period.through(day, day), Basis.values)
    outdated(day)


def outdated(day: date) -> None:
    """Note that the month of a day has to be split again."""
    StaleMonth.objects.bulk_create([StaleMonth(month=day.replace(day=1))], ignore_conflicts=True)
