"""/api/v1/contracts, commitments, capacity, other-charges: the agreements in force, and proposals for others."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.models import TermsVersion
from web import approving
from web.api import cursors
from web.api.approvals import ApprovalOut, described
from web.api.permissions import Proposes
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

_ENTRIES = serializers.ListField(child=serializers.DictField(), help_text="As in the file: manage.py terms load.")
_IN_FORCE = inline_serializer(
    "AgreementsInForce",
    {
        "version": serializers.IntegerField(allow_null=True, help_text="null: nothing is in force."),
        "loaded_at": serializers.DateTimeField(allow_null=True),
        "loaded_by": serializers.CharField(allow_blank=True),
        "entries": _ENTRIES,
    },
)


class NewAgreements(serializers.Serializer[Any]):
    """All agreements of a kind, those that stay too: they replace the version in force."""

    entries = _ENTRIES


class AgreementsView(Resource):
    """Agreements of one kind."""

    permission_classes = [Proposes]
    kind = ""

    def get(self, request: Request) -> Response:
        """The version in force, as it was written."""
        cursors.known_only(request, ())
        live = TermsVersion.objects.filter(kind=self.kind, live=True).first()
        return Response(
            {
                "version": live and live.number, "loaded_at": live and live.loaded_at,
                "loaded_by": live.loaded_by if live else "", "entries": live.document if live else [],
            }
        )  # fmt: skip

    @once
    def post(self, request: Request) -> Response:
        """Propose a version: another person of finance puts it in force by accepting the approval."""
        cursors.known_only(request, ())
        entries = request.data.get("entries") if isinstance(request.data, dict) else None
        if not isinstance(entries, list) or set(request.data) != {"entries"}:
            raise ValidationError({"entries": "the body is an object with the list `entries` alone"})
        try:
            asked = approving.propose_agreements(self.kind, entries, by=request.user.get_username())
        except ValueError as wrong:
            raise ValidationError({"entries": str(wrong)}) from None
        return Response(described(asked), status=202)


def of(kind: str, summary: str) -> type[AgreementsView]:
    """The view of one kind of agreements."""
    name = kind.replace("_", " ").title().replace(" ", "")
    shared: dict[str, Any] = {"tags": ["agreements"]}
    view = type(f"{name}View", (AgreementsView,), {"kind": kind, "__doc__": summary})
    described_view: type[AgreementsView] = extend_schema_view(
        get=extend_schema(
            operation_id=f"{kind}_read", summary=summary, responses={200: _IN_FORCE, **answers(400, 401, 403)}, **shared
        ),
        post=extend_schema(
            operation_id=f"{kind}_propose", summary=f"Propose: {summary.lower()}", parameters=[PARAMETER],
            request=NewAgreements, responses={202: ApprovalOut, **answers(400, 401, 403, 409, 413, 415, 422)}, **shared,
        ),
    )(view)  # fmt: skip
    return described_view
