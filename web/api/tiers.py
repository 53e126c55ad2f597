"""GET /api/v1/tiers: what a query of each tier costs and why that changed, by month, and how cost is distributed."""

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.calc.tier_table import MINIMUM
from allocation.scope import scope_of
from allocation.selectors import FILTERS, CostQuery, QueryError
from allocation.statement_selectors import snapshot
from allocation.value import tiers, unknowns
from web import tier_words, tiering
from web.api import cursors
from web.api import tiers_docs as docs
from web.api.bridge_request import days, parse_bridge
from web.api.cost_request import CostRequest, parse
from web.api.problems import answers
from web.api.resource import Resource

_FILTERS = tuple(f"filter[{name}]" for name in FILTERS)
_NAMES = ("month", "start", "end", "column", "currency", *_FILTERS)


class TiersView(Resource):
    """The tier table."""

    @extend_schema(
        operation_id="tiers_read", tags=["tiers"], summary="Cost per query by tier, and by which factors it changed",
        parameters=docs.TABLE_PARAMETERS, responses={200: docs.TABLE, **answers(400, 401, 403)}, examples=docs.TABLE_EXAMPLES,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Per tier the cost of a query in a period against a base period, and the factors whose product is the change.

        Reasoning, calls per query (agents, debate), tokens per call and price are exact ratios; their product is `net`. They
        are null below the minimum of queries in either period. Cost and queries whose tier is estimated are told apart and are
        in no factor. `totals` takes the change of all tiers apart into another mix of tiers and dearer tiers. `cost` of a whole
        is what `/costs` says of the same question; `beside` is the part of no tier (idle, shared, corrections, bills).
        """
        cursors.known_only(request, (*_NAMES, "compare_month", "compare_start", "compare_end"))
        asked = parse_bridge(request.query_params)
        column, currency = asked.after.column, asked.after.currency
        try:
            with snapshot():
                found = tiers.report(scope_of(request.user), asked.before, asked.query, column)
        except QueryError as wrong:
            raise ValidationError({"currency": str(wrong)}) from None
        body = {
            "column": column, "BillingCurrency": currency, "minimum_queries": MINIMUM,
            "sentence": tier_words.plain(tier_words.sentence(found, currency)),
            "base": {**days(asked.before.period), **tiering.whole(found.base)},
            "chosen": {**days(asked.query.period), **tiering.whole(found.chosen)},
            "results": [tiering.row(row, found) for row in found.table.rows], "totals": tiering.totals(found),
            "notes": unknowns.notes(scope_of(request.user), asked.query),
        }  # fmt: skip
        return Response(body)


class TierMonthsView(Resource):
    """The lines of cost per query."""

    @extend_schema(
        operation_id="tiers_months", tags=["tiers"], summary="Cost per query by tier and month",
        parameters=docs.MONTHS_PARAMETERS, responses={200: docs.MONTHS, **answers(400, 401, 403)}, examples=docs.MONTHS_EXAMPLES,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """One row per tier and month of the period; `cost_per_query` is null in a month without a query of a known tier."""
        cursors.known_only(request, (*_NAMES, "limit", "cursor"))
        asked = parse(request.query_params)
        with snapshot():
            lines = tiers.monthly(scope_of(request.user), _query(asked), asked.column)
        rows = sorted(tiering.months(lines), key=lambda row: (row["x_QueryTier"], row["BillingPeriodStart"]))
        page, cursor = cursors.page(
            request, rows, lambda row: [row["x_QueryTier"], row["BillingPeriodStart"]], [str, str]
        )
        notes = unknowns.notes(scope_of(request.user), _query(asked))
        body = {
            "column": asked.column, "BillingCurrency": asked.currency, "notes": notes, "results": page, "next": cursor,
        }  # fmt: skip
        return Response(body, headers=cursors.link(request, cursor))


class TierDistributionView(Resource):
    """How dear queries are."""

    @extend_schema(
        operation_id="tiers_distribution", tags=["tiers"], summary="Distribution of cost per query, with its modes",
        parameters=docs.DISTRIBUTION_PARAMETERS, responses={200: docs.DISTRIBUTION, **answers(400, 401, 403)},
        examples=docs.DISTRIBUTION_EXAMPLES,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Mean, quantiles, the dearest hundredth and modes of the cost of queries that began in the period, of all and by tier.

        At list prices, a query whole on the day it began. Counts, sums and means are exact; a quantile is the mean of its bin
        (a twentieth of a decade) between `low` and `high`, by SQL's `percentile_disc`. `not_filtered` names filters that the
        distribution cannot apply, as it knows no team, use case or provenance.
        """
        cursors.known_only(request, ("month", "start", "end", *_FILTERS))
        asked = parse(request.query_params)
        with snapshot():
            found = tiers.distributions(scope_of(request.user), _query(asked))
        currency = tiering.currency_of(found)
        body = {
            "column": "ListCost", "BillingCurrencies": list(found.currencies), "not_filtered": list(found.ignored),
            "estimated_queries": str(found.estimated), "results": tiering.distributed(found),
            "sentence": tier_words.plain(tier_words.modes(found.whole, currency, found.estimated)),
            "notes": unknowns.of_filters(scope_of(request.user), asked.period, asked.filters),
        }  # fmt: skip
        return Response(body)


def _query(asked: CostRequest) -> CostQuery:
    return CostQuery(asked.period, filters=asked.filters, currency=asked.currency)
