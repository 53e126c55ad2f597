"""/api/v1/assumptions: the assumption register in force with its provenance, and proposals for another one."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import assumptions
from allocation.calc.assumptions import CHOICE, DATE, Assumption, Register, said
from allocation.models import TermsVersion
from web import approving
from web.api import cursors, versions
from web.api.approvals import ApprovalOut, described
from web.api.documents import NewEntries
from web.api.inline import inline_serializer
from web.api.permissions import ProposesAssumptions
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

_VALUE = "A number as a string, a date, or a word, by the unit."
ENTRY: dict[str, Any] = {
    "code": serializers.CharField(), "name": serializers.CharField(), "group": serializers.CharField(),
    "unit": serializers.CharField(help_text=f"`{DATE}` and `{CHOICE}` are no numbers."),
    "low": serializers.CharField(help_text=_VALUE), "base": serializers.CharField(help_text=_VALUE),
    "high": serializers.CharField(help_text=_VALUE),
    "dearer": serializers.ChoiceField(["high", "low"], help_text="The end at which answers cost more."),
    "choices": serializers.ListField(child=serializers.CharField()), "source": serializers.CharField(),
    "as_of": serializers.DateField(), "grade": serializers.CharField(), "owner": serializers.CharField(),
    "shipped": serializers.BooleanField(help_text="As the product ships it."),
}  # fmt: skip
_ANSWER = inline_serializer(
    "Assumptions",
    {
        "version": serializers.IntegerField(allow_null=True, help_text="null: the shipped register, loaded by nobody."),
        "loaded_at": serializers.DateTimeField(allow_null=True), "loaded_by": serializers.CharField(allow_blank=True),
        "entries": inline_serializer("Assumption", ENTRY, many=True),
    },
)  # fmt: skip
_EXAMPLE = OpenApiExample(
    "one entry of one's own; the rest stays as shipped", request_only=True,
    value={
        "entries": [
            {
                "code": "subscription_price", "name": "Price of our Pro plan", "group": "economics", "unit": "USD/month",
                "base": "1", "source": "Price list, September", "as_of": "2026-09-01", "grade": "measured", "owner": "pricing",
            }
        ]
    },
)  # fmt: skip


class AssumptionsView(Resource):
    """The assumption register."""

    permission_classes = [ProposesAssumptions]

    @extend_schema(
        operation_id="assumptions_read", tags=["assumptions"], summary="Assumption register",
        parameters=[versions.parameter()],
        responses={200: _ANSWER, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Every assumption with its range, source, date, grade and owner: what a version says, and what ships for the rest."""
        cursors.known_only(request, ("version",))
        number, live = versions.asked(request), assumptions.version()
        if number is not None:
            live = TermsVersion.objects.filter(kind=assumptions.KIND, number=number).first()
            if live is None:
                raise NotFound("There is no such version.")
        register = assumptions.parse(live.document) if live else assumptions.shipped()
        return Response(
            {
                "version": live and live.number, "loaded_at": live and live.loaded_at,
                "loaded_by": live.loaded_by if live else "", "entries": entries(register),
            }
        )  # fmt: skip

    @extend_schema(
        operation_id="assumptions_propose", tags=["assumptions"], summary="Propose assumptions", parameters=[PARAMETER],
        request=NewEntries, examples=[_EXAMPLE],
        responses={202: ApprovalOut, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Propose a register, all entries of one's own: what it leaves out is as shipped. Another person of finance accepts."""
        cursors.known_only(request, ())
        written = request.data.get("entries") if isinstance(request.data, dict) else None
        if not isinstance(written, list) or set(request.data) != {"entries"}:
            raise ValidationError({"entries": "the body is an object with the list `entries` alone"})
        try:
            asked = approving.propose_document(assumptions.KIND, written, by=request.user.get_username())
        except ValueError as wrong:
            raise ValidationError({"entries": str(wrong)}) from None
        return Response(described(asked), status=202)


def entries(register: Register) -> list[dict[str, Any]]:
    """The entries of a register as they are answered."""
    shipped = assumptions.shipped().entries
    return [{**entry(one), "shipped": shipped.get(one.code) == one} for one in register.entries.values()]


def entry(one: Assumption) -> dict[str, Any]:
    """One assumption as it is answered; values as people write them."""
    return {
        **one._asdict(), **{case: said(one.at(case)) for case in ("low", "base", "high")}, "choices": list(one.choices),
        "as_of": one.as_of.isoformat(),
    }  # fmt: skip
