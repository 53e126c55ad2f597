"""GET /api/v1/costs: allocated cost by any dimensions, within the scope of who asks (CONTRACTS 5)."""

from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import selectors
from allocation.scope import Scope, scope_of
from allocation.statement_selectors import snapshot, state_of
from web.api import cost_rows, cursors
from web.api.cost_docs import COST_PAGE, PARAMETERS
from web.api.cost_request import CostRequest, parse
from web.api.page_docs import A_MONTH
from web.api.problems import answers
from web.api.resource import Resource

_NAMES = (
    "month", "start", "end", "group_by", "granularity", "column", "currency", "compare", "view", "limit", "cursor",
    *(f"filter[{name}]" for name in selectors.FILTERS),
)  # fmt: skip


class CostsView(Resource):
    """Cost by dimensions, exact, paged, with totals over all pages."""

    @extend_schema(
        operation_id="costs_list", tags=["costs"], parameters=PARAMETERS, summary="Allocated cost by dimensions",
        responses={200: COST_PAGE, **answers(400, 401, 403)}, examples=[A_MONTH],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Allocated cost of a period by the dimensions asked for.

        Rows come in the order of their dimensions (bytes; unallocated last). Cost without a price is in no cost column:
        it stands in `x_UnpricedTokens` and `x_UnpricedEstimate`. A cost centre that does not exist, or that you may not
        see, has no rows.
        """
        cursors.known_only(request, _NAMES)
        asked = parse(request.query_params)
        limit = cursors.limit_of(request)
        place = cursors.place_of(request, [str] * len(asked.keys))
        scope = scope_of(request.user)
        with snapshot():  # rows, totals and freshness of one state
            body, cursor = _answer(request, scope, asked, limit, place)
        return Response(body, headers=cursors.link(request, cursor))


def _answer(
    request: Request, scope: Scope, asked: CostRequest, limit: int, place: cursors.Place | None
) -> tuple[dict[str, Any], str | None]:
    table = _table(scope, asked)
    start = cost_rows.start_after(table, asked.keys, place) if place is not None else 0
    end = min(start + limit, table.num_rows)
    more = end < table.num_rows
    cursor = cursors.written(request, cost_rows.place_at(table, asked.keys, end - 1)) if more else None
    fresh = selectors.freshness()
    return {
        "results": [_row(row, asked) for row in table.slice(start, end - start).to_pylist()],
        "totals": _totals(scope, asked, table),
        "next": cursor,
        "as_of": fresh.as_of.isoformat() if fresh.as_of else None,
        "pending_days": fresh.pending,
        "period_state": state_of(asked.period),
        "currencies": selectors.currencies(scope, asked.period),
    }, cursor


def _table(scope: Scope, asked: CostRequest) -> pa.Table:
    parts = [cost_rows.lines(_read(scope, asked, asked.period), asked.keys, asked.column, previous=False)]
    if asked.compare:
        before = asked.before()
        frame = _read(scope, asked, before)
        if asked.granularity != "total":
            frame = cost_rows.moved(frame, before, asked.period)
        parts.append(cost_rows.lines(frame, asked.keys, asked.column, previous=True))
    return cost_rows.folded(pa.concat_tables(parts), asked.keys)


def _read(scope: Scope, asked: CostRequest, period: Any) -> pd.DataFrame:
    return selectors.costs(scope, asked.query(period))


def _row(row: dict[str, Any], asked: CostRequest) -> dict[str, str | None]:
    found = {name: row[name] for name in asked.keys}
    found |= {asked.column: _money(row["cost"]), "BillingCurrency": asked.currency}
    if asked.compare:
        found["Previous"] = _money(row["Previous"])
    found |= {name: str(row[name]) for name in cost_rows.COUNTS}
    found |= {name: _money(row[name]) for name in cost_rows.MONEY_COLUMNS}
    return found | {"x_Provenance": row["provenance"]}


def _totals(scope: Scope, asked: CostRequest, table: pa.Table) -> dict[str, Any]:
    by_owner = selectors.CostQuery(asked.period, ("x_CostCentre",), asked.filters, asked.currency, asked.restated)
    owners = selectors.costs(scope, by_owner)
    unallocated = [
        cost for owner, cost in zip(owners["x_CostCentre"], owners[asked.column], strict=True) if owner is None
    ]
    totals = {asked.column: _money(cost_rows.total(table, "cost")), "BillingCurrency": asked.currency}
    if asked.compare:
        totals["Previous"] = _money(cost_rows.total(table, "Previous"))
    return {
        **totals,
        "unallocated": _money(sum(unallocated, Decimal(0))),
        "unpriced": {
            "tokens": str(cost_rows.total(table, "x_UnpricedTokens")),
            "estimate": _money(cost_rows.total(table, "x_UnpricedEstimate")),
        },
        **{name: str(cost_rows.total(table, name)) for name in ("Requests", "Queries", "x_Tokens")},
    }


def _money(amount: Decimal) -> str:
    return f"{amount:.12f}"
