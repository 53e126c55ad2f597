"""The tier table, its months and the distribution over a real ledger: what facts and prices say, by plain SQL."""

import random
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocation import selectors
from allocation.models import CostCentre
from allocation.scope import EVERYTHING, Scope
from allocation.selectors import CostQuery
from allocation.value import tiers
from finops.focus import TIERS
from finops.periods import Period
from tests.conftest import empty_ledger
from tests.web.tier_traffic import MONTHS, taken

AUGUST, SEPTEMBER = Period.month("2026-08"), Period.month("2026-09")
# Facts x prices, without cube, ratings, charges or allocation: what each call cost at the price of its day.
CALLS = """
WITH call AS (
    SELECT e.charge_date, e.event_id, e.query_id, e.requests, t.tier, k.model_served AS model, k.environment,
        CASE WHEN k.tags->>'team' = 'search' THEN 'CC-100' END AS cost_centre, (
            SELECT sum(c.tokens * p.rate / p.per) FROM (VALUES ('input_uncached', e.input_uncached),
                ('output_visible', e.output_visible), ('output_reasoning', e.output_reasoning)) c (class, tokens)
            JOIN ingest_price p ON p.provider = k.provider AND p.model = k.model_served AND p.price_class = c.class
            AND p.mode = 'sync' AND p.service_tier = '' AND p.region = '' AND p.variant = '' AND p.context_over = 0
            AND p.window_start IS NULL AND p.valid_from <= e.charge_date
            AND (p.valid_to IS NULL OR p.valid_to > e.charge_date) WHERE c.tokens > 0) AS cost
    FROM usage_event e JOIN ingest_usagekey k ON k.id = e.usage_key_id JOIN allocation_tierrule t ON t.id = e.tier_rule)
"""
# The mean of the bin in which a rank lies, from the distribution that the ledger keeps.
BINNED = """
WITH bins AS (SELECT bin, sum(queries) AS n, sum(cost) AS cost FROM query_cost_daily WHERE bin IS NOT NULL AND tier = ANY(%s)
    AND charge_date >= %s AND charge_date < %s GROUP BY bin)
SELECT round(cost / n, 12) FROM (SELECT *, sum(n) OVER (ORDER BY bin) AS upto, sum(n) OVER () AS whole FROM bins) b
WHERE upto >= ceil(%s::numeric * whole) ORDER BY bin LIMIT 1
"""
_SQL_COLUMN = {"x_CostCentre": "cost_centre", "x_Model": "model", "x_QueryTier": "tier", "x_Environment": "environment"}
CHOICES = {"x_CostCentre": ["CC-100"], "x_Model": ["gpt-5", "gpt-5-mini"], "x_QueryTier": list(TIERS),
           "x_Environment": ["dev", "prod"]}  # fmt: skip


@pytest.fixture(scope="module")
def traffic(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with django_db_blocker.unblock():
        taken(tmp_path_factory.mktemp("traffic"))
        yield
        empty_ledger()


def sql(statement: str, *given: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(CALLS + statement, given)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def by_tier(period: Period, filters: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[Decimal, int]]:
    """Tier -> cost and calls, from the facts."""
    conditions = "".join(f" AND {_SQL_COLUMN[name]} = ANY(%s)" for name in filters)
    rows = sql(
        f"SELECT tier, sum(cost), count(*) FROM call WHERE charge_date >= %s AND charge_date < %s{conditions} GROUP BY tier",
        period.start, period.end, *map(list, filters.values()),
    )  # fmt: skip
    return {tier: (Decimal(cost), calls) for tier, cost, calls in rows}


@pytest.mark.usefixtures("traffic")
def test_cost_and_calls_of_each_tier_are_those_of_the_facts_under_random_filters() -> None:
    chance, seen = random.Random(4), set()
    for _ in range(12):
        names = chance.sample(sorted(CHOICES), chance.randint(0, 2))
        filters = {name: tuple(chance.sample(CHOICES[name], 1)) for name in names}
        one, two = (CostQuery(period, filters=filters) for period in (AUGUST, SEPTEMBER))
        found = tiers.report(EVERYTHING, one, two)
        for period, side, whole in ((AUGUST, "base", found.base), (SEPTEMBER, "chosen", found.chosen)):
            levels = {row.tier: getattr(row, side) for row in found.table.rows}
            known = {tier: (each.spend, each.calls) for tier, each in levels.items() if each.calls}
            assert known == by_tier(period, filters), (filters, side)
            cost = selectors.costs(EVERYTHING, CostQuery(period, filters=filters))["EffectiveCost"].iloc[0]
            assert (whole.cost, whole.beside) == (cost, 0)
            seen.add(cost)
        assert sum((row.spend_share or 0 for row in found.table.rows), Fraction(0)) == 1
    assert len(seen) > 8


@pytest.mark.usefixtures("traffic")
def test_the_lines_are_the_table_of_each_month() -> None:
    lines = tiers.monthly(EVERYTHING, CostQuery(Period(date(2026, 6, 1), SEPTEMBER.end)))
    assert list(lines) == list(TIERS)
    for tier, points in lines.items():
        assert [point.month for point in points] == ["2026-06", *(f"2026-{month}" for month in MONTHS)]
        assert points[0].cost_per_query is None
        for point in points[1:]:
            period = Period.month(point.month)
            cost, _ = by_tier(period, {"x_QueryTier": (tier,)})[tier]
            (queries,) = sql("SELECT count(DISTINCT query_id) FROM call WHERE tier = %s AND charge_date >= %s "
                             "AND charge_date < %s", tier, period.start, period.end)[0]  # fmt: skip
            assert (point.spend, point.queries) == (cost, queries)
            assert point.cost_per_query == Fraction(cost) / queries


@pytest.mark.usefixtures("traffic")
def test_the_distribution_is_bounded_by_what_sql_says_of_single_queries() -> None:
    """Sums, counts, the mean and each mode exactly; a quantile and the dearest hundredth between their bounds."""
    for filters in ({}, {"x_QueryTier": ("simple",)}, {"x_QueryTier": ("complex", "research")}):
        chosen = list(filters.get("x_QueryTier", TIERS))
        of = (chosen, SEPTEMBER.start, SEPTEMBER.end)
        queries = (
            "SELECT sum(cost) AS cost FROM call WHERE tier = ANY(%s) AND charge_date >= %s AND charge_date < %s "
            "GROUP BY query_id"
        )
        found = tiers.distributions(EVERYTHING, CostQuery(SEPTEMBER, filters=filters)).whole
        ((count, spend, p50, p95, p99),) = sql(
            f", q AS ({queries}) SELECT count(*), sum(cost), percentile_disc(0.5) WITHIN GROUP (ORDER BY cost), "
            "percentile_disc(0.95) WITHIN GROUP (ORDER BY cost), percentile_disc(0.99) WITHIN GROUP (ORDER BY cost) FROM q", *of,
        )  # fmt: skip
        assert (found.queries, found.spend, found.mean) == (count, Decimal(spend), Fraction(Decimal(spend)) / count)
        for name, value in (("p50", p50), ("p95", p95), ("p99", p99)):
            known = found.quantiles[name]
            assert known.low * Decimal("0.999999") <= Decimal(value) <= known.high * Decimal("1.000001")
        dearest = sql(
            f", q AS ({queries}) SELECT sum(cost) FROM (SELECT cost FROM q ORDER BY cost DESC LIMIT %s) t",
            *of,
            -(-count // 100),
        )
        assert found.top is not None
        assert found.top.low * Fraction("0.999999") <= Fraction(Decimal(dearest[0][0])) / Fraction(Decimal(spend))
        assert Fraction(Decimal(dearest[0][0])) / Fraction(Decimal(spend)) <= found.top.high * Fraction("1.000001")
        for name, part in (("p50", "0.5"), ("p95", "0.95"), ("p99", "0.99")):
            with connection.cursor() as cursor:
                cursor.execute(BINNED, [chosen, *of[1:], part])
                assert found.quantiles[name].value == Decimal(cursor.fetchone()[0])
        for mode in found.modes:
            low, high = mode.low or 0, mode.high or 10**6
            rows = sql(
                f", q AS ({queries}) SELECT count(*), sum(cost) FROM q WHERE cost >= %s AND cost < %s", *of, low, high
            )
            assert rows == [(mode.queries, mode.spend)]


@pytest.mark.usefixtures("traffic")
def test_an_owner_sees_the_own_queries_alone_and_questions_are_few() -> None:
    scope = Scope(cost_centres=frozenset(CostCentre.objects.filter(code="CC-100").values_list("pk", flat=True)))
    with CaptureQueriesContext(connection) as asked:
        found = tiers.report(scope, CostQuery(AUGUST), CostQuery(SEPTEMBER))
    assert len(asked) == 7
    assert not any("usage_event" in each["sql"] for each in asked.captured_queries)
    own = by_tier(SEPTEMBER, {"x_CostCentre": ("CC-100",)})
    assert {row.tier: row.chosen.spend for row in found.table.rows} == {tier: cost for tier, (cost, _) in own.items()}
    assert found.chosen.cost == sum(cost for cost, _ in own.values())
    assert tiers.distributions(scope, CostQuery(SEPTEMBER)).whole.queries < 260
    ignored = tiers.distributions(
        scope, CostQuery(SEPTEMBER, filters={"x_Team": ("search",), "x_QueryTier": ("simple",)})
    )
    assert ignored.ignored == ("x_Team",)
