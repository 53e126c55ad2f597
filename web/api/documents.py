"""Documents that people write whole, by kind: the version in force, and proposals for another one."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.close import frozen
from allocation.models import TermsVersion
from finops.models import Approval
from finops.periods import Period
from web.api import cursors
from web.api.approvals import ApprovalOut, described
from web.api.inline import inline_serializer
from web.api.permissions import Proposes
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

_ENTRIES = serializers.ListField(child=serializers.DictField(), help_text="As in the file.")
IN_FORCE: dict[str, Any] = {
    "version": serializers.IntegerField(allow_null=True, help_text="null: nothing is in force."),
    "loaded_at": serializers.DateTimeField(allow_null=True), "loaded_by": serializers.CharField(allow_blank=True),
    "entries": _ENTRIES,
}  # fmt: skip
_IN_FORCE = inline_serializer("DocumentInForce", {**IN_FORCE})


class NewEntries(serializers.Serializer[Any]):
    """All entries, those that stay too: they replace the version in force."""

    entries = _ENTRIES


class DocumentView(Resource):
    """The document of one kind."""

    permission_classes = [Proposes]
    kind = ""
    shape: type = list  # of the document
    takes: type[serializers.Serializer[Any]] = NewEntries
    ask: Callable[..., Approval]

    def get(self, request: Request) -> Response:
        """The version in force, as it was written."""
        cursors.known_only(request, ())
        return Response(in_force(self.kind))

    @once
    def post(self, request: Request) -> Response:
        """Propose a version: another person of finance puts it in force by accepting the approval."""
        cursors.known_only(request, ())
        entries = request.data.get("entries") if isinstance(request.data, dict) else None
        if not isinstance(entries, self.shape) or set(request.data) != {"entries"}:
            what = "list" if self.shape is list else "object"
            raise ValidationError({"entries": f"the body is an object with the {what} `entries` alone"})
        try:
            asked = type(self).ask(self.kind, entries, by=request.user.get_username())
        except ValueError as wrong:
            raise ValidationError({"entries": str(wrong)}) from None
        return Response(described(asked), status=202)


ViewT = TypeVar("ViewT", bound=DocumentView)


def in_force(kind: str, month: Period | None = None) -> dict[str, Any]:
    """The version of a kind that is in force; of a frozen ``month`` the one that it was frozen with."""
    rows = TermsVersion.objects.filter(kind=kind)
    noted = frozen.versions(month).get("terms") if month else None
    if noted is None:
        live = rows.filter(live=True).first()
    else:
        live = rows.filter(number=noted[kind]["number"]).first() if kind in noted else None
    return {
        "version": live and live.number, "loaded_at": live and live.loaded_at,
        "loaded_by": live.loaded_by if live else "", "entries": live.document if live else [],
    }  # fmt: skip


def view(
    base: type[ViewT], kind: str, summary: str, *, tag: str, name: str = "", parameters: Sequence[OpenApiParameter] = (),
    out: Any = None,
) -> type[ViewT]:  # fmt: skip
    """The view of one kind. ``name``: of its operations, by default the kind; ``out``: what GET answers."""
    operation = name or kind
    made = type(f"{operation.title().replace('_', '')}View", (base,), {"kind": kind, "__doc__": summary})
    described_view: type[ViewT] = extend_schema_view(
        get=extend_schema(
            operation_id=f"{operation}_read", summary=summary, parameters=[*parameters], tags=[tag],
            responses={200: out or _IN_FORCE, **answers(400, 401, 403)},
        ),
        post=extend_schema(
            operation_id=f"{operation}_propose", summary=f"Propose: {summary.lower()}", parameters=[PARAMETER], tags=[tag],
            request=base.takes, responses={202: ApprovalOut, **answers(400, 401, 403, 409, 413, 415, 422)},
        ),
    )(made)  # fmt: skip
    return described_view
