"""/api/v1/budgets/{id}/state and /api/v1/watch: what stands of budgets now, for gateways and people; bands of query cost."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.models import CostCentre
from allocation.scope import Scope, scope_of
from forecasting import watch_policies, watch_selectors
from forecasting.models import Budget
from forecasting.watch_selectors import Asked
from forecasting.watch_states import State
from web import watch_rows
from web.api import cursors, watch_docs
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.problems import answers
from web.api.resource import Resource

_OF_A_CALL = ("cost_centre", "provider", "model")
_PAGED = ("limit", "cursor")


class BudgetStateView(Resource):
    """One budget as it stands now."""

    @extend_schema(
        operation_id="budgets_state", tags=["budgets"], summary="What stands of a budget now, for a gateway",
        parameters=[*watch_docs.OF_A_CALL, *LIMIT_AND_CURSOR],
        responses={200: watch_docs.STATES_ANSWER, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, number: int) -> Response:
        """By cost centre, provider and model, of the fiscal period that runs: spent, left, at close with the probability of a
        breach, burn rates. `verdict` is the strictest of those asked for and of the whole, against which every call counts:
        `stop` where a budget is exceeded, `warn` where a rule fires, a threshold is reached or a breach is likely. Other
        budgets of the same year add to the same amounts. Answered from the cube and what the watch keeps: no event is read.
        """
        cursors.known_only(request, (*_OF_A_CALL, *_PAGED))
        if number >= 2**63 or not Budget.objects.filter(pk=number).exists():
            raise NotFound("There is no such budget.")
        now, scope = timezone.now(), scope_of(request.user)
        _known_centre(request, scope)
        found, verdict = watch_selectors.judged(scope, now, _asked(request, number))
        page, cursor = _page(request, found)
        body = {"as_of": now, "verdict": verdict, "results": page, "next": cursor}
        return Response(body, headers=cursors.link(request, cursor))


class WatchView(Resource):
    """All that is watched."""

    @extend_schema(
        operation_id="watch_read", tags=["budgets"], summary="Budgets as they stand, and bands of what queries cost",
        parameters=[*watch_docs.OF_A_CALL, *LIMIT_AND_CURSOR],
        responses={200: watch_docs.WATCH_ANSWER, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The figures of the page Watch. Bands hold queries of the last 35 days at list prices: of tiers by their bins, of use
        cases the days alone on which their mean, as charged, left its band. Caps are at `/api/v1/query-caps`.
        """
        cursors.known_only(request, (*_OF_A_CALL, *_PAGED))
        now, scope = timezone.now(), scope_of(request.user)
        page, cursor = _page(request, watch_selectors.states(scope, now, _asked(request)))
        queries = watch_selectors.queries(scope, now)
        body = {
            "as_of": now, "policy": watch_policies.number(), "results": page, "bands_from": queries.days.start,
            "bands": watch_rows.band_rows(queries.bands), "next": cursor,
        }  # fmt: skip
        return Response(body, headers=cursors.link(request, cursor))


def _known_centre(request: Request, scope: Scope) -> None:
    """A gateway that names another's cost centre, or one that is misspelt, must not be told to allow."""
    code = request.query_params.get("cost_centre")
    if code is not None and not scope.of(CostCentre.objects.filter(code=code), "id").exists():
        raise NotFound("There is no such cost centre.")


def _asked(request: Request, number: int | None = None) -> Asked:
    return Asked(number, *(request.query_params.get(name, "") for name in _OF_A_CALL))


def _page(request: Request, found: list[State]) -> tuple[list[dict[str, Any]], str | None]:
    rows = sorted(map(watch_rows.state, found), key=lambda row: str(row["subject"]))
    page, cursor = cursors.page(request, rows, lambda row: (row["subject"],), [str])
    return list(page), cursor
