"""What a new tier policy moves, how steady tiers are from week to week, and of how much spend the tier is known."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from finops import money
from finops.focus import TIERS
from finops.money_columns import MONEY

QUERY = ("query", "team", "model", "tier_before", "tier_after", "closed", "queries", "cost")
SHARES = ("week", "tier", "queries", "cost")
COVERAGE = ("tier", "estimated", "queries", "cost")
OBSERVED, ESTIMATED, NONE = "observed", "bucket-estimated", "no tier"
STEADY = 2  # points by which a tier's share of queries moves in a week without a cause (forecasting.md 3.1)
_Z = NormalDist().inv_cdf(0.975)


class ChangeError(ValueError):
    """A frame of tiers cannot be compared; the message names column or row."""


class Moved(NamedTuple):
    """Queries and their cost from a tier to another. ``held``: in closed periods, where the old tier stands. None: no tier."""

    before: str | None
    after: str | None
    team: str | None
    model: str | None
    held: bool
    queries: int
    cost: Decimal | None  # None: nothing of it has a price
    unpriced: int  # queries of these without a cost


class Diff(NamedTuple):
    """What a re-classification would do. All queries are in exactly one of: moved, held (rows of ``moved``), unchanged."""

    moved: tuple[Moved, ...]
    queries: int
    cost: Decimal
    unchanged: int
    unchanged_cost: Decimal

    def matrix(self) -> dict[tuple[str | None, str | None], tuple[int, Decimal]]:
        """Queries and cost by (before, after), of what moves; sorted as TIERS are."""
        found: dict[tuple[str | None, str | None], tuple[int, Decimal]] = {}
        for row in sorted(self.moved, key=lambda row: (_place(row.before), _place(row.after))):
            if not row.held:
                queries, cost = found.get((row.before, row.after), (0, Decimal(0)))
                found[row.before, row.after] = queries + row.queries, cost + (row.cost or 0)
        return found

    @property
    def share(self) -> Fraction | None:
        """The part of all queries that moves; None without queries."""
        return Fraction(sum(row.queries for row in self.moved if not row.held), self.queries) if self.queries else None


def diff(table: pa.Table) -> Diff:
    """Compare two classifications of the same queries.

    In: QUERY: query int64 (its own number each), team, model, tier_before, tier_after string (NULL: none), closed bool,
    queries int64 (requests of a bucket, else 1), cost decimal128(30, 12) (NULL: unpriced). Order does not matter.
    """
    _columns(table, QUERY)
    if pc.count_distinct(table["query"], mode="all").as_py() < len(table):
        twice = next(row for row in table["query"].value_counts().to_pylist() if row["counts"] > 1)
        raise ChangeError(f"query {twice['values']} stands twice: a row is a whole query")
    moved: list[Moved] = []
    queries, cost, unchanged, unchanged_cost = 0, Decimal(0), 0, Decimal(0)
    for row in _sums(table, ("tier_before", "tier_after", "team", "model", "closed")):
        before, after, *rest = row[:5]
        for tier in (before, after):
            _known(tier, "a query")
        queries, cost = queries + row[5], cost + (row[6] or 0)
        if before == after:
            unchanged, unchanged_cost = unchanged + row[5], unchanged_cost + (row[6] or 0)
        else:
            moved.append(Moved(before, after, *rest, *row[5:]))
    moved.sort(key=lambda row: (row.held, -(row.cost or 0), _place(row.before), _place(row.after), *map(str, row[2:4])))
    return Diff(tuple(moved), queries, cost, unchanged, unchanged_cost)


class Step(NamedTuple):
    """A tier's share of a week against the week before, in points. ``noise``: what chance alone moves in 95 of 100 weeks."""

    week: date
    tier: str
    share: float
    before: float
    points: float
    noise: float
    queries: int
    spend_points: float | None  # of the share of cost; None where a week has none
    steady: bool  # no more than STEADY and chance together explain


def stability(table: pa.Table) -> list[Step]:
    """Week-on-week changes of tier shares, for weeks whose week before has queries too; a gap is no change.

    In: SHARES: week date32 (a Monday), tier string, queries int64, cost decimal128(30, 12); rows without a tier are left to
    ``coverage``. Whole weeks only: a part of one is not like the others.
    """
    _columns(table, SHARES)
    weeks: dict[date, dict[str, list[Any]]] = defaultdict(lambda: {tier: [0, Decimal(0)] for tier in TIERS})
    for week, tier, queries, cost, _ in _sums(table, ("week", "tier")):
        if week.weekday():
            raise ChangeError(f"{week} is no Monday: a week begins on one")
        _known(tier, str(week))
        if tier is not None:
            weeks[week][tier] = [queries, cost or Decimal(0)]
    steps = []
    for monday, after in sorted(weeks.items()):
        before = weeks.get(monday - timedelta(days=7))
        if before is not None and all(sum(found[0] for found in each.values()) for each in (before, after)):
            steps += [_step(monday, tier, before, after) for tier in TIERS]
    return steps


def _step(week: date, tier: str, before: Mapping[str, list[Any]], after: Mapping[str, list[Any]]) -> Step:
    (n, whole), (m, whole_before) = (
        [sum(found[k] for found in each.values()) for k in (0, 1)] for each in (after, before)
    )
    share, old = after[tier][0] / n, before[tier][0] / m
    pooled = (after[tier][0] + before[tier][0]) / (n + m)
    noise = 100 * _Z * sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    spend = None
    if whole and whole_before:
        spend = float(100 * (after[tier][1] / whole - before[tier][1] / whole_before))
    points = 100 * (share - old)
    return Step(week, tier, share, old, points, noise, n, spend, abs(points) <= STEADY + noise)


class Covered(NamedTuple):
    """How much rests on what. ``share`` of the cost is exact, None where there is none. ``unpriced``: queries without a cost."""

    basis: str
    queries: int
    cost: Decimal
    share: Fraction | None
    unpriced: int


def coverage(table: pa.Table) -> list[Covered]:
    """Spend by what its tier rests on: observed, bucket-estimated, no tier. The shares add up to one.

    In: COVERAGE: tier string (NULL or empty: none), estimated bool, queries int64, cost decimal128(30, 12) (NULL: unpriced).
    """
    _columns(table, COVERAGE)
    sums: dict[str, list[Any]] = {basis: [0, Decimal(0), 0] for basis in (OBSERVED, ESTIMATED, NONE)}
    for tier, estimated, queries, cost, unpriced in _sums(table, ("tier", "estimated")):
        _known(tier or None, "coverage")
        basis = NONE if not tier else ESTIMATED if estimated else OBSERVED
        sums[basis] = [old + new for old, new in zip(sums[basis], (queries, cost or 0, unpriced), strict=True)]
    whole = sum((found[1] for found in sums.values()), Decimal(0))
    return [
        Covered(basis, queries, cost, Fraction(cost) / Fraction(whole) if whole else None, unpriced)
        for basis, (queries, cost, unpriced) in sums.items()
    ]


def diff_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of QUERY as the table that ``diff`` takes."""
    kinds = {"query": pa.int64(), "closed": pa.bool_(), "queries": pa.int64()}
    columns = {name: [row[name] for row in rows] for name in QUERY}
    columns["cost"] = money.money(columns["cost"])
    return pa.table(
        {
            name: pa.array(values, kinds.get(name, pa.string())) if name != "cost" else values
            for name, values in columns.items()
        }
    )


def moved_table(moved: Sequence[Moved]) -> pa.Table:
    """Rows of a diff as a table: before, after, team, model, held, queries, cost (money), unpriced."""
    columns: dict[str, Any] = {name: [getattr(row, name) for row in moved] for name in Moved._fields}
    texts = {name: pa.array(columns[name], pa.string()) for name in ("before", "after", "team", "model")}
    return pa.table(columns | texts | {"cost": money.money(columns["cost"])})


def _sums(table: pa.Table, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    """Keys, queries, cost (None: nothing priced) and unpriced queries of every distinct key."""
    unpriced = pc.if_else(pc.is_null(table["cost"]), table["queries"], 0)
    grouped = table.append_column("unpriced", unpriced).group_by(list(keys))
    found = grouped.aggregate([("queries", "sum"), ("cost", "sum"), ("unpriced", "sum")])
    columns = [found[name].to_pylist() for name in (*keys, "queries_sum", "cost_sum", "unpriced_sum")]
    return list(zip(*columns, strict=True))


def _columns(table: pa.Table, names: Iterable[str]) -> None:
    if missing := [name for name in names if name not in table.column_names]:
        raise ChangeError(f"column {', '.join(missing)} is missing")
    if (kind := table.schema.field("cost").type) != MONEY:
        raise ChangeError(f"column cost is {kind}, expected {MONEY}")
    if table["queries"].null_count:
        raise ChangeError("queries holds NULL: every row says how many it stands for")


def _known(tier: str | None, where: str) -> None:
    if tier is not None and tier not in TIERS:
        raise ChangeError(f"{where}: {tier!r} is not a tier ({', '.join(TIERS)})")


def _place(tier: str | None) -> int:
    return len(TIERS) if tier is None else TIERS.index(tier)
