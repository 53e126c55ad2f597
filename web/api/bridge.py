"""GET /api/v1/bridge and /api/v1/indices: why spend moved, exactly, within the scope of who asks."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.calc.bridge import Part
from allocation.scope import scope_of
from allocation.selectors import FILTERS, CostQuery, QueryError
from allocation.statement_selectors import snapshot
from allocation.value import unknowns
from allocation.value.bridge import monthly_indices
from web import bridge_words, bridging
from web.api import cursors
from web.api.bridge_docs import BRIDGE, BRIDGE_EXAMPLES, BRIDGE_PARAMETERS, INDEX_EXAMPLES, INDEX_PARAMETERS, INDICES
from web.api.bridge_request import NAMES, days, parse_bridge
from web.api.cost_request import parse
from web.api.problems import answers
from web.api.resource import Resource

_INDEX_NAMES = (
    "month",
    "start",
    "end",
    "column",
    "currency",
    *(f"filter[{name}]" for name in FILTERS),
    "limit",
    "cursor",
)


class BridgeView(Resource):
    """The change of a cost column between two periods and scopes, by cause."""

    @extend_schema(
        operation_id="bridge_read", tags=["costs"], summary="Why spend moved", parameters=BRIDGE_PARAMETERS,
        responses={200: BRIDGE, **answers(400, 401, 403)}, examples=BRIDGE_EXAMPLES,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The change of cost between two periods (and filters), taken apart by cause without a rest.

        `effects` sum to `delta` exactly, `rounded` to the difference of both ends in cents. The other way round every
        effect has the opposite sign. `results` has the same by the dimensions of `group_by`; its rows sum to the whole in
        every effect. Where the two sides filter differently on a dimension they are compared without it, and it reads `*`
        in `results`.
        """
        cursors.known_only(request, (*NAMES, "limit", "cursor"))
        asked = parse_bridge(request.query_params)
        after, column = asked.after, asked.after.column
        try:
            found = bridging.bridged(
                scope_of(request.user), asked.before, asked.query, column, budget=asked.budget, owner=asked.owner
            )
        except QueryError as wrong:
            raise ValidationError({"against" if asked.budget else "currency": str(wrong)}) from None
        names = list(after.dimensions)
        rows, cursor = cursors.page(
            request, bridging.drill(found, names), lambda row: [row[name] for name in names], [str] * len(names)
        )
        whole, told = found.total, bridge_words.plain(bridge_words.sentence(found, after.currency))
        body = {
            "column": column, "BillingCurrency": after.currency, "sentence": told,
            "before": {**days(asked.before.period), "cost": _money(whole.start), "is_budget": asked.budget},
            "after": {**days(after.period), "cost": _money(whole.end)}, "delta": _money(whole.delta),
            "effects": [
                {**each, "amount": _money(each["amount"]), "rounded": str(each["rounded"])}
                for each in bridging.effects_of(whole, after.currency)
            ],
            "keys": {"began": _money(found.began), "stopped": _money(found.stopped)},
            "estimated_tiers": {
                name: None if share is None else f"{share:f}" for name, share in bridging.estimated(found).items()
            },
            "notes": unknowns.notes(scope_of(request.user), asked.query),
            "results": [_row(row, names) for row in rows], "next": cursor,
        }  # fmt: skip
        return Response(body, headers=cursors.link(request, cursor))


class IndicesView(Resource):
    """Chained monthly indices."""

    @extend_schema(
        operation_id="indices_read", tags=["costs"], summary="Indices of spend and what drives it",
        parameters=INDEX_PARAMETERS, responses={200: INDICES, **answers(400, 401, 403)}, examples=INDEX_EXAMPLES,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Monthly indices of tasks (queries), calls per task, tokens per call and price per token; their product is spend's.

        `links` compare with the month before, `chained` with the month `base`. Ratios are rounded at 12 decimals; they are
        exact ratios of the figures beside them. A month without one of these has no index: `why` says what is missing.
        """
        cursors.known_only(request, _INDEX_NAMES)
        asked = parse(request.query_params)
        query = CostQuery(asked.period, filters=asked.filters, currency=asked.currency)
        with snapshot():
            months = monthly_indices(scope_of(request.user), query, asked.column)
        rows, cursor = cursors.page(request, months, lambda each: [each.month.name], [str])
        body = {
            "column": asked.column, "BillingCurrency": asked.currency,
            "notes": unknowns.notes(scope_of(request.user), query),
            "results": [bridging.index_row(each) for each in rows], "next": cursor,
        }  # fmt: skip
        return Response(body, headers=cursors.link(request, cursor))


def _row(row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    part: Part = row["part"]
    return {
        **{name: row[name] for name in names}, "before": _money(part.start), "after": _money(part.end),
        "delta": _money(part.delta), "effects": {name: _money(amount) for name, amount in part.effects.items() if amount},
    }  # fmt: skip


def _money(amount: Any) -> str:
    return f"{amount:.12f}"
