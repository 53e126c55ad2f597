"""What ``verify`` finds wrong with what pages read of a day: cost_daily and class_daily against the shares and the cube."""

from typing import Any

from django.db import connection

_CALLS = (  # what another layer counts, or who rules takes back, is not counted
    "WITH cube AS (SELECT charge_date, sum(requests) AS r, sum(queries) AS q FROM usage_daily GROUP BY 1), "
    "less AS (SELECT charge_date, sum(abs(quantity)) FILTER (WHERE price_class = 'requests') AS r, "
    "sum(abs(quantity)) FILTER (WHERE price_class = 'queries') AS q FROM layer_share "
    "WHERE part <> 'charged' GROUP BY 1), "
    "daily AS (SELECT charge_date, sum(requests) AS r, sum(queries) AS q FROM cost_daily GROUP BY 1) "
    "SELECT charge_date, 'cost_daily', 'requests and queries' FROM cube LEFT JOIN less USING (charge_date) "
    "LEFT JOIN daily USING (charge_date) WHERE (coalesce(daily.r, 0), coalesce(daily.q, 0)) "
    "<> (cube.r - coalesce(less.r, 0), cube.q - coalesce(less.q, 0)) "
    "AND NOT EXISTS (SELECT 1 FROM ingest_dirtyslice s WHERE s.charge_date = cube.charge_date) "
    "AND NOT EXISTS (SELECT FROM allocation_billingperiod p WHERE p.state IN ('soft_closed', 'closed') "
    "AND p.month = date_trunc('month', cube.charge_date)) ORDER BY 1"  # counts of a frozen month stay, the cube goes on
)
COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
_WHOLE_TOKENS = (  # half to even, as allocation.calc.daily rounds a share of tokens
    "CASE WHEN c.consumed_unit <> 'tokens' THEN 0 WHEN abs(a.quantity - trunc(a.quantity)) = 0.5 "
    "THEN 2 * round(a.quantity / 2) ELSE round(a.quantity) END"
)
_PARTS = ", ".join(f"coalesce(sum(a.{name}), 0) AS {name}" for name in COSTS)
_CLASSES = (
    "WITH p AS (SELECT c.charge_date, c.billing_currency, a.cost_centre_id, c.tier, c.price_class, "
    "coalesce(sum(a.quantity), 0) AS q, coalesce(sum(a.quantity) FILTER (WHERE a.effective_cost IS NOT NULL), 0) AS pq, {parts} "
    "FROM allocated_cost a JOIN charge c ON c.id = a.charge_id GROUP BY 1, 2, 3, 4, 5), "
    "d AS (SELECT charge_date, billing_currency, cost_centre_id, tier, price_class, sum(quantity) AS q, "
    "sum(priced_quantity) AS pq, {sums} FROM class_daily GROUP BY 1, 2, 3, 4, 5) "
    "SELECT coalesce(p.charge_date, d.charge_date), 'class_daily', coalesce(p.price_class, d.price_class) FROM p FULL JOIN d "
    "ON (p.charge_date, p.billing_currency, p.tier, p.price_class, coalesce(p.cost_centre_id, 0)) "
    "= (d.charge_date, d.billing_currency, d.tier, d.price_class, coalesce(d.cost_centre_id, 0)) "
    "WHERE (p.q, p.pq, {of_parts}) IS DISTINCT FROM (d.q, d.pq, {of_sums}) "
    "AND NOT EXISTS (SELECT 1 FROM ingest_dirtyslice s WHERE s.charge_date = coalesce(p.charge_date, d.charge_date)) "
    "ORDER BY 1, 3"
).format(
    parts=_PARTS,
    sums=", ".join(f"sum({name}) AS {name}" for name in COSTS),
    of_parts=", ".join(f"p.{name}" for name in COSTS), of_sums=", ".join(f"d.{name}" for name in COSTS),
)  # fmt: skip
_COST_DAILY = (
    "WITH p AS (SELECT c.charge_date, c.billing_currency, a.cost_centre_id, {parts}, "
    "coalesce(sum({tokens}), 0) AS tokens FROM allocated_cost a JOIN charge c ON c.id = a.charge_id GROUP BY 1, 2, 3), "
    "d AS (SELECT charge_date, billing_currency, cost_centre_id, {sums}, coalesce(sum(tokens), 0) AS tokens FROM cost_daily "
    "WHERE basis NOT IN ('shared', 'variance') GROUP BY 1, 2, 3) "
    "SELECT coalesce(p.charge_date, d.charge_date), 'cost_daily', coalesce(p.billing_currency, d.billing_currency) "
    "FROM p FULL JOIN d ON p.charge_date = d.charge_date AND p.billing_currency = d.billing_currency "
    "AND coalesce(p.cost_centre_id, 0) = coalesce(d.cost_centre_id, 0) WHERE ({unequal}) "
    "AND NOT EXISTS (SELECT 1 FROM ingest_dirtyslice s WHERE s.charge_date = coalesce(p.charge_date, d.charge_date)) "
    "ORDER BY 1, 3"
).format(
    parts=_PARTS, tokens=_WHOLE_TOKENS, sums=", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in COSTS),
    unequal=" OR ".join(f"coalesce(p.{name}, 0) <> coalesce(d.{name}, 0)" for name in (*COSTS, "tokens")),
)  # fmt: skip


def daily_violations() -> list[tuple[Any, ...]]:
    """(charge_date, table, currency, class of price or what else differs) of days."""
    return [row for statement in (_COST_DAILY, _CALLS, _CLASSES) for row in _rows(statement)]


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
