"""A new policy's diff, the steadiness of tiers and how much spend has one: everything counted once."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.tier_changes import ChangeError, Moved, coverage, diff, moved_table, stability
from finops.focus import TIERS
from finops.money_columns import MONEY

MONDAY, NEXT, LATER = date(2026, 3, 2), date(2026, 3, 9), date(2026, 3, 16)


def table(*rows: dict[str, Any]) -> pa.Table:
    found = pa.Table.from_pylist(list(rows))
    cost = pa.array([row["cost"] and Decimal(row["cost"]) for row in rows], MONEY)
    return found.set_column(found.column_names.index("cost"), "cost", cost)


def query(number: int, before: str | None, after: str | None, cost: str | None = "1", **more: Any) -> dict[str, Any]:
    return {
        "query": number, "team": "search", "model": "gpt-4o", "tier_before": before, "tier_after": after, "closed": False,
        "queries": 1, "cost": cost,
    } | more  # fmt: skip


def test_a_diff_says_queries_and_cost_from_tier_to_tier_by_team_and_model() -> None:
    found = diff(
        table(
            query(1, "simple", "moderate", "2"), query(2, "simple", "moderate", "3"),
            query(3, "simple", "moderate", "1", team="ads"),
            query(4, "complex", "complex", "10"), query(5, None, "simple", None), query(6, "complex", "simple", "4", closed=True),
        )
    )  # fmt: skip
    assert found.moved == (
        Moved("simple", "moderate", "search", "gpt-4o", False, 2, Decimal(5), 0),
        Moved("simple", "moderate", "ads", "gpt-4o", False, 1, Decimal(1), 0),
        Moved(None, "simple", "search", "gpt-4o", False, 1, None, 1),
        Moved("complex", "simple", "search", "gpt-4o", True, 1, Decimal(4), 0),
    )
    assert found.matrix() == {("simple", "moderate"): (3, Decimal(6)), (None, "simple"): (1, Decimal(0))}
    assert (found.queries, found.cost, found.unchanged, found.unchanged_cost) == (6, Decimal(20), 1, Decimal(10))
    assert found.share == Fraction(4, 6)
    assert moved_table(found.moved)["cost"].to_pylist() == [Decimal(5), Decimal(1), None, Decimal(4)]
    assert moved_table(()).schema.field("before").type == pa.string()


TIER = st.sampled_from([*TIERS, None])


@given(
    st.lists(
        st.tuples(
            TIER, TIER, st.sampled_from("ab"), st.booleans(), st.integers(0, 50), st.none() | st.integers(-9, 99)
        ),
        min_size=1,
    )
)
def test_every_query_and_all_cost_is_in_a_diff_exactly_once(rows: list[tuple[Any, ...]]) -> None:
    given_rows = [
        query(n, before, after, None if cost is None else str(cost), team=team, closed=closed, queries=count)
        for n, (before, after, team, closed, count, cost) in enumerate(rows)
    ]
    found = diff(table(*given_rows))
    assert found.unchanged + sum(row.queries for row in found.moved) == found.queries == sum(row[4] for row in rows)
    assert found.unchanged_cost + sum(row.cost or 0 for row in found.moved) == found.cost
    assert found.cost == sum(row[5] or 0 for row in rows)
    assert diff(table(*reversed(given_rows))) == found
    same = diff(table(*(row | {"tier_after": row["tier_before"]} for row in given_rows)))
    assert same.moved == ()


def week(day: date, *shares: int, cost: str = "1") -> list[dict[str, Any]]:
    return [{"week": day, "tier": tier, "queries": n, "cost": cost} for tier, n in zip(TIERS, shares, strict=True)]


def test_a_tier_s_share_is_compared_with_the_week_before() -> None:
    """700 to 600 of 1,000: -10 points; chance moves 1.96 sqrt(0.65 x 0.35 x 2 / 1,000) = 4.2 points."""
    steps = stability(
        table(*week(MONDAY, 700, 200, 100, 0), *week(NEXT, 600, 305, 95, 0), *week(LATER, 602, 303, 95, 0))
    )
    one = steps[0]
    assert (one.week, one.tier, one.queries) == (NEXT, "simple", 1_000)
    assert one.points == pytest.approx(-10)
    assert one.noise == pytest.approx(4.18, abs=0.01)
    assert one.spend_points == 0
    assert [step.steady for step in steps] == [False, False, True, True, True, True, True, True]
    assert sum(step.points for step in steps[:4]) == pytest.approx(0)


def test_a_week_without_the_one_before_it_or_without_queries_is_not_compared() -> None:
    assert stability(table(*week(MONDAY, 1, 0, 0, 0), *week(LATER, 0, 1, 0, 0))) == []
    assert stability(table(*week(MONDAY, 1, 0, 0, 0), *week(NEXT, 0, 0, 0, 0))) == []
    assert stability(table(*week(MONDAY, 1, 0, 0, 0, cost="0"), *week(NEXT, 1, 0, 0, 0)))[0].spend_points is None


def test_chance_alone_is_seldom_called_unsteady() -> None:
    random = np.random.default_rng(1)
    rows = []
    for n, counts in enumerate(random.multinomial(500, [0.6, 0.25, 0.1, 0.05], 400)):
        rows += week(date.fromordinal(MONDAY.toordinal() + 7 * n), *counts.tolist())
    steps = stability(table(*rows))
    assert np.mean([abs(step.points) <= step.noise for step in steps]) == pytest.approx(0.95, abs=0.02)
    assert np.mean([not step.steady for step in steps]) < 0.02


def test_spend_is_observed_bucket_estimated_or_without_a_tier() -> None:
    rows = [("simple", False, "1"), ("complex", False, "5"), ("simple", True, "3"), (None, False, "2"), ("", True, "1")]
    rows += [("simple", False, None)]
    found = coverage(table(*({"tier": t, "estimated": e, "queries": 10, "cost": c} for t, e, c in rows)))
    assert [(each.basis, each.queries, each.cost, each.share, each.unpriced) for each in found] == [
        ("observed", 30, Decimal(6), Fraction(1, 2), 10), ("bucket-estimated", 10, Decimal(3), Fraction(1, 4), 0),
        ("no tier", 20, Decimal(3), Fraction(1, 4), 0),
    ]  # fmt: skip
    nothing = coverage(table({"tier": "simple", "estimated": False, "queries": 1, "cost": None}))
    assert [each.share for each in nothing] == [None] * 3


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: diff(table(query(1, "simple", "simple"), query(1, "simple", "simple"))), "query 1 stands twice"),
        (lambda: diff(table(query(1, "simple", "hard"))), "a query: 'hard' is not a tier"),
        (lambda: diff(table(query(1, "simple", "simple")).drop_columns("team")), "column team is missing"),
        (lambda: stability(table(*week(date(2026, 3, 3), 1, 0, 0, 0))), "2026-03-03 is no Monday"),
        (lambda: coverage(pa.table({"tier": ["simple"], "estimated": [False], "queries": [1], "cost": [1.0]})), "cost is double"),
        (lambda: diff(table(query(1, "simple", "simple", queries=None))), "queries holds NULL"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_by_name(wrong: Callable[[], Any], says: str) -> None:
    with pytest.raises(ChangeError, match=says):
        wrong()
