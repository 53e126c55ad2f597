"""Measures of key figures by SQL over the ledger's own tables, written apart from the product's readers."""

from decimal import Decimal

from django.db import connection

_SHARES = "allocated_cost a JOIN charge c ON c.id = a.charge_id WHERE a.charge_date >= %(start)s AND a.charge_date < %(end)s AND c.billing_currency = %(currency)s"  # noqa: E501
_TOKENS = _SHARES + " AND c.charge_category = 'Usage' AND c.price_class ~ '^(input|cache_read|cache_write|output)'"
_PAGES = "cost_daily WHERE charge_date >= %(start)s AND charge_date < %(end)s AND billing_currency = %(currency)s"
_COMMITMENT = _SHARES + " AND c.subject LIKE 'commitment %%'"
_RUN = "reconciliation_line l WHERE l.invoice IS NOT NULL AND l.currency = %(currency)s AND l.reconciliation_id = (SELECT id FROM reconciliation WHERE month = %(start)s ORDER BY number DESC LIMIT 1)"  # noqa: E501
_TASKS = "agent_task WHERE charge_date >= %(start)s AND charge_date < %(end)s AND currency = %(currency)s"
SQL = {
    "effective_cost": f"SELECT sum(a.effective_cost) FROM {_SHARES}",
    "list_cost": f"SELECT sum(a.list_cost) FROM {_SHARES}",
    "allocated_cost": f"SELECT sum(a.effective_cost) FROM {_SHARES} AND a.cost_centre_id IS NOT NULL",
    "query_cost": f"SELECT sum(a.effective_cost) FROM {_SHARES} AND c.tier <> ''",
    "estimated_cost": f"SELECT sum(a.effective_cost) FROM {_SHARES} AND c.tier_estimated",
    "unpriced_estimate": f"SELECT sum(a.proxy_cost) FROM {_SHARES} AND c.effective_cost IS NULL",
    "idle_cost": f"SELECT sum(effective_cost) FROM {_PAGES} AND basis = 'idle'",
    "correction_cost": f"SELECT sum(effective_cost) FROM {_PAGES} AND corrects_date IS NOT NULL AND basis = 'correction'",
    "queries": f"SELECT sum(queries) FROM {_PAGES}",
    "requests": f"SELECT sum(requests) FROM {_PAGES}",
    **{
        f"{tier}_{name}": sql
        for tier in ("simple", "moderate", "complex", "research")
        for name, sql in {
            "cost": f"SELECT sum(a.effective_cost) FROM {_SHARES} AND c.tier = '{tier}'",
            "queries": f"SELECT sum(queries) FROM {_PAGES} AND tier = '{tier}'",
        }.items()
    },
    "token_cost": f"SELECT sum(a.effective_cost) FROM {_TOKENS}",
    "charged_tokens": f"SELECT sum(a.quantity) FROM {_TOKENS}",
    "input_tokens": f"SELECT sum(a.quantity) FROM {_TOKENS} AND c.price_class !~ '^output'",
    "output_tokens": f"SELECT sum(a.quantity) FROM {_TOKENS} AND c.price_class ~ '^output'",
    "cache_read_tokens": f"SELECT sum(a.quantity) FROM {_TOKENS} AND c.price_class ~ '^cache_read'",
    "reasoning_tokens": f"SELECT sum(a.quantity) FROM {_TOKENS} AND c.price_class = 'output_reasoning'",
    "commitment_used": f"SELECT sum(a.effective_cost) FROM {_COMMITMENT} AND c.commitment_status = 'Used'",
    "commitment_unused": f"SELECT sum(a.effective_cost) FROM {_COMMITMENT} AND c.commitment_status = 'Unused'",
    "commitment_covered": f"SELECT sum(a.contracted_cost) FROM {_COMMITMENT} AND c.commitment_status = 'Used' AND c.tier <> ''",
    "gpu_idle_hours": "SELECT sum(consumed_quantity) FROM charge WHERE price_class = 'gpu_hour' AND commitment_status = 'Idle' AND charge_date >= %(start)s AND charge_date < %(end)s",  # noqa: E501
    "unexplained": f"SELECT sum(abs(each)) FROM (SELECT sum(l.unexplained) AS each FROM {_RUN} GROUP BY l.provider, l.billing_account) x",  # noqa: E501
    "invoiced": f"SELECT sum(l.invoice) FROM {_RUN}",
    "close_days": "SELECT sum(closed_at::date - (month + interval '1 month')::date + 1) FROM allocation_billingperiod WHERE state = 'closed' AND month = %(start)s",  # noqa: E501
    "closed_months": "SELECT count(*) FROM allocation_billingperiod WHERE state = 'closed' AND month = %(start)s",
    "task_cost": f"SELECT sum(cost) FROM {_TASKS}",
    "failed_task_cost": f"SELECT sum(cost) FROM {_TASKS} AND broken",
    "loaded_cost": f"SELECT sum(effective_cost) FROM {_PAGES}",
}
# Of these the matching is a calculation of its own, checked against SQL where it lives (tests/allocation/value/test_roi.py,
# tests/allocation/costing, tests/allocation/close/test_accruals.py, tests/forecasting/test_budgets.py).
ELSEWHERE = {
    "blind_cost", "cash_benefit", "covered_cost", "resolved_tasks", "commitment_open", "gpu_hours", "accrual_error",
    "accrued_invoices", "budget", "budgeted_cost",
}  # fmt: skip


def measured(start: str, end: str, currency: str = "USD") -> dict[str, Decimal]:
    """Every measure of some days for who sees everything."""
    found = {}
    with connection.cursor() as cursor:
        for name, sql in SQL.items():
            cursor.execute(sql, {"start": start, "end": end, "currency": currency})
            found[name] = Decimal(cursor.fetchone()[0] or 0)
    return found
