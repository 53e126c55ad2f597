"""GET /api/v1/usage: what was used, in tokens by class, requests and queries, by any dimensions of cost."""

from typing import Any

from django.http import QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import selectors
from allocation.scope import scope_of
from allocation.selectors import FILTERS, CostQuery
from allocation.statement_selectors import snapshot, state_of
from allocation.value import unknowns
from allocation.value.usage import BY_CLASS, usage
from web import queried
from web.api import cursors
from web.api import queries_docs as docs
from web.api.cost_request import CostRequest, parse
from web.api.problems import answers
from web.api.resource import Resource

_NAMES = (
    "month", "start", "end", "group_by", "granularity", *(f"filter[{name}]" for name in FILTERS), "limit", "cursor",
)  # fmt: skip


class UsageView(Resource):
    """Usage by dimensions, paged, with totals over all pages."""

    @extend_schema(
        operation_id="usage_list", tags=["usage"], summary="Tokens by class, requests and queries by dimensions",
        parameters=docs.USAGE_PARAMETERS, responses={200: docs.USAGE, **answers(400, 401, 403)}, examples=docs.USAGE_EXAMPLES,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Usage of a period by the dimensions asked for, of every currency, as it is charged: what several sources say of one
        call counts once. Requests, queries and tokens are those of `/costs`. Rows come in the order of their dimensions. A cost
        centre that does not exist, or that you may not see, has no rows.
        """
        cursors.known_only(request, _NAMES)
        asked, by_class = _asked(request.query_params)
        columns = (*asked.keys, BY_CLASS) if by_class else asked.keys
        scope, query = scope_of(request.user), _query(asked)
        with snapshot():
            found = usage(scope, query, by_class=by_class, months=asked.granularity == "month")
            fresh, notes = selectors.freshness(), unknowns.of_filters(scope, asked.period, asked.filters)
            state = state_of(asked.period)
        page, cursor = cursors.page(request, found.rows, lambda row: row.place, [str] * len(columns))
        body: dict[str, Any] = {
            "results": [queried.used(row, columns) for row in page], "totals": queried.used(found.total, ()), "next": cursor,
            "as_of": fresh.as_of.isoformat() if fresh.as_of else None, "pending_days": fresh.pending, "period_state": state,
            "notes": notes,
        }  # fmt: skip
        return Response(body, headers=cursors.link(request, cursor))


def _query(asked: CostRequest) -> CostQuery:
    day = ("ChargeDate",) if asked.granularity != "total" else ()
    return CostQuery(asked.period, (*day, *asked.dimensions), asked.filters)


def _asked(given: QueryDict) -> tuple[CostRequest, bool]:
    """The question, and whether it is by token class."""
    names = given.get("group_by", "").split(",")
    if names.count(BY_CLASS) > 1:
        raise ValidationError({"group_by": f"{BY_CLASS} once"})
    by_class = BY_CLASS in names
    if by_class:
        given = given.copy()
        given["group_by"] = ",".join(name for name in names if name != BY_CLASS)
    return parse(given), by_class
