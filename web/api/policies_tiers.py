"""/api/v1/tier-policies: by which rules a query has its tier, all versions, and proposals for others."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import policy_changes
from allocation.calc.tiers import PolicyError
from allocation.models import TierPolicy
from web.api import cursors
from web.api.approvals import ApprovalOut, described
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import Proposes
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_POLICY = serializers.DictField(help_text="As in the file: manage.py tier_policy load.")
_VERSION: dict[str, Any] = {
    "version": serializers.IntegerField(),
    "in_force": serializers.BooleanField(help_text="It judges the usage that comes now."),
    "loaded_at": serializers.DateTimeField(),
    "sha256": serializers.CharField(help_text="Of its content; the manifests of months name it."),
}


class NewTierPolicy(serializers.Serializer[Any]):
    """A whole tier policy: it replaces the one in force."""

    entries = _POLICY


class TierPoliciesView(Resource):
    """Tier policies."""

    permission_classes = [Proposes]

    @extend_schema(
        operation_id="tier_policies_list", tags=["tiers"], summary="Tier policies", parameters=[*LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "TierPolicyPage", {"results": inline_serializer("TierPolicyVersion", {**_VERSION}, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """All versions, the newest first; events name the rule of the version that judged them."""
        cursors.known_only(request, ("limit", "cursor"))
        limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
        rows = TierPolicy.objects.order_by("-version")
        if place is not None:
            rows = rows.filter(version__lt=place[0])
        found = list(rows[: limit + 1])
        cursor = cursors.written(request, [found[limit - 1].version]) if len(found) > limit else None
        results = [_version(row) for row in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))

    @extend_schema(
        operation_id="tier_policies_propose", tags=["tiers"], summary="Propose a tier policy", parameters=[PARAMETER],
        request=NewTierPolicy, responses={202: ApprovalOut, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Another person of finance puts it in force by accepting the approval; it judges the usage that comes from then on."""
        cursors.known_only(request, ())
        entries = request.data.get("entries") if isinstance(request.data, dict) else None
        if not isinstance(entries, dict) or set(request.data) != {"entries"}:
            raise ValidationError({"entries": "the body is an object with the object `entries` alone"})
        try:
            asked = policy_changes.propose(entries, by=request.user.get_username())
        except PolicyError as wrong:
            raise ValidationError({"entries": str(wrong)}) from None
        return Response(described(asked), status=202)


class TierPolicyView(Resource):
    """One version."""

    permission_classes = [Proposes]

    @extend_schema(
        operation_id="tier_policies_read", tags=["tiers"], summary="A tier policy",
        responses={
            200: inline_serializer("TierPolicyDocument", {**_VERSION, "entries": _POLICY}),
            **answers(400, 401, 403, 404),
        },
    )  # fmt: skip
    def get(self, request: Request, version: int) -> Response:
        """As it was written."""
        cursors.known_only(request, ())
        row = TierPolicy.objects.filter(version=version).first() if version < 2**31 else None
        if row is None:
            raise NotFound("There is no such version.")
        return Response(_version(row) | {"entries": row.policy})


def _version(row: TierPolicy) -> dict[str, Any]:
    return {"version": row.version, "in_force": row.live, "loaded_at": row.loaded_at, "sha256": row.content_hash}
