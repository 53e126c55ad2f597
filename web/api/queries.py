"""GET /api/v1/queries: the dearest queries of a day, and one with all that is made of it."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.calc.query_rows import Place
from allocation.scope import Scope, scope_of
from allocation.statement_selectors import snapshot, state_of
from allocation.value import one_query, query_rows, unknowns
from allocation.value.query_rows import FILTERS, Asked
from finops.periods import YEARS, Period
from web import queried
from web.api import cursors
from web.api import queries_docs as docs
from web.api.cost_request import LENGTH_MAX, VALUES_MAX
from web.api.problems import answers
from web.api.resource import Resource

_FILTERS = tuple(f"filter[{name}]" for name in FILTERS)
_TRACE = ("trace", "source", "account")


class QueriesView(Resource):
    """The list."""

    @extend_schema(
        operation_id="queries_list", tags=["queries"], summary="The dearest queries of a day, or those of a trace",
        parameters=docs.LIST_PARAMETERS, responses={200: docs.PAGE, **answers(400, 401, 403)}, examples=docs.LIST_EXAMPLES,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Queries that begin on a day, the dearest first, at list prices, each whole: what `tiers/distribution` counts. A query
        belongs to who bears most of the usage of its first call. Those of another layer than the one that rules, and buckets of
        many calls, are not listed. By `trace`, in any source and account unless they are named, the newest first.
        """
        cursors.known_only(request, ("day", *_TRACE, "bin", *_FILTERS, "limit", "cursor"))
        scope = scope_of(request.user)
        if "trace" in request.query_params:
            with snapshot():
                return Response(_of_trace(request, scope))
        limit, after = cursors.limit_of(request), _after(request)
        asked = _asked(request)
        with snapshot():
            found = query_rows.listed(scope, asked, after=after, limit=limit)
            one_day = Period(asked.day, date.fromordinal(asked.day.toordinal() + 1))
            notes = unknowns.of_filters(scope, one_day, asked.filters)
        cursor = found.after and cursors.written(request, [f"{found.after.cost:f}", found.after.number])
        body = {
            "results": [queried.row(row, asked.day) for row in found.rows],
            "totals": {
                "Queries": str(found.queries), "ListCost": queried.amount(found.cost), "in_buckets": str(found.in_buckets),
            },
            "stale": found.stale, "notes": notes, "next": cursor,
        }  # fmt: skip
        return Response(body, headers=cursors.link(request, cursor))


class QueryView(Resource):
    """One query."""

    @extend_schema(
        operation_id="queries_read", tags=["queries"], summary="One query: its calls, prices, tier, charge and who bears it",
        parameters=docs.ONE_PARAMETERS, responses={200: docs.ONE, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, number: str) -> Response:
        """Its `parts` have the calls of one day with one usage key: tokens by class at the price in force, what all such usage of
        the day was charged, the rule that allocates it and who bears it. `results` are the calls, by pages. Costs of the parts
        sum to its ListCost, and that is what the distribution counts. A query of somebody else is not found.
        """
        cursors.known_only(request, ("day", "limit", "cursor"))
        day = _day(request) if "day" in request.query_params else None
        query = queried.number_of(number)
        with snapshot():
            found = one_query.one(scope_of(request.user), query, day) if query is not None else None
        if found is None:
            raise NotFound
        numbered = list(enumerate(found.calls))
        page, cursor = cursors.page(request, numbered, lambda each: [each[0]], [int])
        told = queried.whole(found)
        told |= {"results": [queried.call(each) for _, each in page], "next": cursor}
        told["period_state"] = state_of(Period.month_of(found.day))
        return Response(told, headers=cursors.link(request, cursor))


def _of_trace(request: Request, scope: Scope) -> dict[str, Any]:
    given = request.query_params
    for name in set(given) - {*_TRACE, "limit"}:
        raise ValidationError({name: "not together with trace"})
    trace, source, account = (given.get(name, "") for name in _TRACE)
    if not trace or max(map(len, (trace, source, account))) > LENGTH_MAX:
        raise ValidationError({"trace": f"1 to {LENGTH_MAX} characters"})
    began = sorted(one_query.numbers_of_trace(trace, source, account).items(), key=lambda each: each[1], reverse=True)
    found = [one for number, day in began[: cursors.limit_of(request)] if (one := one_query.one(scope, number, day))]
    cost = sum((one.cost for one in found), Decimal(0))
    return {
        "results": [queried.row_of(one) for one in found],
        "totals": {"Queries": str(len(found)), "ListCost": queried.amount(cost), "in_buckets": "0"},
        "stale": any(one.pending for one in found), "notes": [], "next": None,
    }  # fmt: skip


def _asked(request: Request) -> Asked:
    given, filters = request.query_params, dict[str, tuple[str, ...]]()
    for name in set(given) & {"source", "account"}:
        raise ValidationError({name: "only together with trace"})
    for name in FILTERS:
        if f"filter[{name}]" in given:
            values = tuple(given[f"filter[{name}]"].split(","))
            if len(values) > VALUES_MAX or any(len(value) > LENGTH_MAX for value in values):
                raise ValidationError({f"filter[{name}]": f"at most {VALUES_MAX} values of {LENGTH_MAX} characters"})
            filters[name] = values
    text = given.get("bin")
    bins = None if text in (None, "none") else queried.bins_of(str(text))
    if text not in (None, "none") and bins is None:
        raise ValidationError({"bin": "a bin as -60, bins from the lower to the higher as -60..-41, or none"})
    return Asked(_day(request), filters, bins, text == "none")


def _day(request: Request) -> date:
    text = request.query_params.get("day")
    if text is None:
        return query_rows.newest() or timezone.now().date()
    try:
        found = date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII) else None
    except ValueError:
        found = None
    if found is None or found.year not in YEARS:
        raise ValidationError({"day": f"a day is written YYYY-MM-DD, from {YEARS[0]}-01-01 to {YEARS[-1]}-12-31"})
    return found


def _after(request: Request) -> Place | None:
    place = cursors.place_of(request, [str, int])
    if place is None:
        return None
    cost, number = place
    if not re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,60})?", str(cost), re.ASCII):
        raise ValidationError({"cursor": "not a cursor of this question; start again without one"})
    return Place(Decimal(str(cost)), int(number or 0))
