"""GET /api/v1/tiers/ledger, tier-policies/{version}/diff: what tiers rest on, and what another policy would do."""

from datetime import date
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.calc.bucket_errors import LEVELS
from allocation.calc.tier_estimates import Bounds
from allocation.models import TierDiff, TierPolicy
from allocation.scope import EVERYTHING, scope_of
from allocation.selectors import FILTERS, CostQuery
from allocation.statement_selectors import snapshot
from allocation.value import tier_estimates, tier_ledger, unknowns
from web.api import cursors
from web.api.bridge_docs import NOTES
from web.api.cost_docs import PARAMETERS
from web.api.cost_request import parse
from web.api.inline import inline_serializer
from web.api.permissions import Proposes
from web.api.problems import answers
from web.api.resource import Resource

_FILTERS = tuple(f"filter[{name}]" for name in FILTERS)
_NAMES = ("month", "start", "end", "column", "currency", *_FILTERS)
_LEVELS = [f"{100 * level:.0f}" for level in LEVELS]
_MONEY = serializers.DecimalField(max_digits=30, decimal_places=12)
_OR_NONE = serializers.DecimalField(
    max_digits=30, decimal_places=12, allow_null=True, help_text="Null: no error was measured."
)
_SHARE = serializers.FloatField(allow_null=True)
_COUNT = serializers.RegexField("^-?[0-9]+$")
_ERROR = inline_serializer(
    "TierError", {"mean_absolute": serializers.FloatField(), "largest": serializers.FloatField(),
                  **{f"reach_{level}": serializers.FloatField() for level in _LEVELS}}, allow_null=True,
)  # fmt: skip
_BOUNDS = inline_serializer(
    "TierBounds",
    {"x_QueryTier": serializers.CharField(), "cost": _MONEY, "share": _SHARE, "error": _ERROR,
     **{f"{end}_{level}": _OR_NONE for level in _LEVELS for end in ("low", "high")}}, many=True,
)  # fmt: skip

LEDGER = inline_serializer(
    "TierLedger",
    {
        "column": serializers.CharField(), "BillingCurrency": serializers.CharField(), "notes": NOTES,
        "coverage": inline_serializer("TierCoverage", {
            "basis": serializers.CharField(help_text="observed, bucket-estimated or no tier"), "cost": _MONEY, "share": _SHARE,
            "Queries": _COUNT}, many=True),
        "estimated": inline_serializer("TierEstimated", {
            "cost": _MONEY, "observed": _MONEY, "reference": _MONEY, "whole": _MONEY, "results": _BOUNDS}),
        "weeks": inline_serializer("TierWeek", {
            "week": serializers.DateField(), "x_QueryTier": serializers.CharField(), "share": _SHARE,
            "points": serializers.FloatField(help_text="Change on the week before, of the share of queries."),
            "noise": serializers.FloatField(help_text="What chance alone moves in 95 of 100 weeks."),
            "steady": serializers.BooleanField()}, many=True),
        "rules": inline_serializer("TierRuleFired", {
            "version": serializers.IntegerField(), "rule": serializers.CharField(), "condition": serializers.CharField(),
            "x_QueryTier": serializers.CharField(), "Queries": _COUNT, "of_buckets": _COUNT}, many=True, allow_null=True),
    },
)  # fmt: skip
DIFF = inline_serializer(
    "TierPolicyDiff",
    {"version": serializers.IntegerField(), "results": serializers.ListField(child=serializers.DictField())},
)


class TierLedgerView(Resource):
    """What tiers rest on."""

    @extend_schema(
        operation_id="tiers_ledger", tags=["tiers"], summary="Coverage, error and stability of tiers",
        parameters=[each for each in PARAMETERS if each.name in _NAMES],
        responses={200: LEDGER, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """How much of the cost has an observed tier, how far estimated ones may be off, and how steady shares are by week.

        `low_80` to `high_80` is where the estimated cost of a tier lies by errors that were measured on recorded requests
        (`error`, as parts of the spend of a bucket) and by chance where single queries of the same model were observed. `rules`
        counts queries by the rule that decided; it is null for those who see their own cost centres alone.
        """
        cursors.known_only(request, _NAMES)
        asked, scope = parse(request.query_params), scope_of(request.user)
        query = CostQuery(asked.period, filters=asked.filters, currency=asked.currency)
        with snapshot():
            coverage = tier_ledger.covered(scope, query, asked.column)
            estimates = tier_estimates.estimates(scope, query, asked.column)
            weeks = tier_ledger.steps(scope, query, asked.period.end)
            rules = tier_ledger.fired(asked.period) if scope == EVERYTHING else None
        return Response(
            {
                "column": asked.column, "BillingCurrency": asked.currency, "notes": unknowns.notes(scope, query),
                "coverage": [
                    {"basis": row.basis, "cost": f"{row.cost:.12f}", "share": None if row.share is None else float(row.share),
                     "Queries": str(row.queries)} for row in coverage
                ],
                "estimated": {
                    "cost": f"{estimates.estimated:.12f}",
                    **{source: f"{cost:.12f}" for source, cost in estimates.by.items()},
                    "results": [_bounds(row) for row in estimates.rows],
                },
                "weeks": [
                    {"week": step.week, "x_QueryTier": step.tier, "share": step.share, "points": step.points,
                     "noise": step.noise, "steady": step.steady} for step in weeks
                ],
                "rules": rules and [
                    {"version": row.version, "rule": row.rule, "condition": row.condition, "x_QueryTier": row.tier,
                     "Queries": str(row.queries), "of_buckets": str(row.estimated)} for row in rules
                ],
            }
        )  # fmt: skip


def _bounds(row: Bounds) -> dict[str, Any]:
    error = tier_estimates.measured().get(row.tier)
    found: dict[str, Any] = {"x_QueryTier": row.tier, "cost": f"{row.cost:.12f}", "share": float(row.share)}
    for n, level in enumerate(_LEVELS):
        for end, values in (("low", row.low), ("high", row.high)):
            value = values[n]
            found[f"{end}_{level}"] = None if value is None else f"{value:.12f}"
    reach = error and {f"reach_{level}": float(error.reach[n]) for n, level in enumerate(_LEVELS)}
    stated = error and {"mean_absolute": float(error.mean_absolute), "largest": float(error.largest), **(reach or {})}
    return {**found, "error": stated}


class TierPolicyDiffView(Resource):
    """What a policy would do, or did, to days gone by."""

    permission_classes = [Proposes]

    @extend_schema(
        operation_id="tier_policies_diff", tags=["tiers"], summary="What a tier policy does to days gone by",
        parameters=[OpenApiParameter(name, date, description=f"Comparisons whose {name} it is; `end` is the day after the last.")
                    for name in ("start", "end")],
        responses={200: DIFF, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, version: int) -> Response:
        """Comparisons that `manage.py reclassify --version N --from D --to D --dry-run` made, the newest first; what was done.

        `matrix`: single queries by tier before and after, at list prices. `moved`: the same by team and model; those `held` are
        in frozen months and stay. `tiers` and `chargeable`: effective cost and queries before and after, buckets too.
        """
        cursors.known_only(request, ("start", "end"))
        policy = TierPolicy.objects.filter(version=version).first() if version < 2**31 else None
        if policy is None:
            raise NotFound("There is no such version.")
        days = {name: _date(name, str(text)) for name, text in request.query_params.items()}
        if len(days) == 2 and days["end"] <= days["start"]:
            raise ValidationError({"end": "is the day after the last, and lies after the start"})
        rows = TierDiff.objects.filter(policy=policy, **days).order_by("-made_at")
        results = [
            {"start": row.start, "end": row.end, "made_at": row.made_at, "applied": row.applied, **row.result}
            for row in rows
        ]
        return Response({"version": version, "results": results})


def _date(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValidationError({name: f"{text!r} is no day (2026-09-08)"}) from None
