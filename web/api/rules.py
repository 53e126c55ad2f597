"""/api/v1/rules: the rules in force and before, proposals for others, and who would pay what more or less."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import rule_changes, rulebook
from allocation.calc.rules import RuleError
from allocation.models import RuleVersion
from web.api import cursors, versions
from web.api.approvals import ApprovalOut, described
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import Proposes, SeesEverything
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

_MONEY: dict[str, Any] = {"max_digits": 30, "decimal_places": 12}
_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_RULES = serializers.ListField(child=serializers.DictField(), help_text="As in the file: manage.py rules load.")
_VERSION: dict[str, Any] = {
    "version": serializers.IntegerField(),
    "loaded_at": serializers.DateTimeField(),
    "loaded_by": serializers.CharField(),
    "rules": serializers.IntegerField(help_text="How many."),
}
_IN_FORCE = inline_serializer(
    "RulesInForce",
    {
        "version": serializers.IntegerField(allow_null=True, help_text="null: nothing is in force."),
        "loaded_at": serializers.DateTimeField(allow_null=True),
        "loaded_by": serializers.CharField(allow_blank=True),
        "rules": _RULES,
    },
)
_DIFFERENCE: dict[str, Any] = {
    "cost_centre": serializers.CharField(),
    "currency": serializers.CharField(),
    "before": serializers.DecimalField(**_MONEY),
    "after": serializers.DecimalField(**_MONEY),
    "difference": serializers.DecimalField(**_MONEY),
    "causes": serializers.DictField(child=serializers.DecimalField(**_MONEY)),
}
_PREVIEW = inline_serializer(
    "RulesPreview", {"cost_centres": inline_serializer("RulesDifference", _DIFFERENCE, many=True)}
)


class NewRules(serializers.Serializer[Any]):
    """All rules, those that stay too, in place of the version in force; or one rule to add to whatever is in force."""

    rules = serializers.ListField(child=serializers.DictField(), required=False)
    add = serializers.DictField(required=False)


class RulesToTry(serializers.Serializer[Any]):
    """All rules, those that stay too."""

    rules = serializers.ListField(child=serializers.DictField())


def _only(request: Request, *possible: str) -> tuple[str, Any]:
    """The one field of a body. Raises ValidationError."""
    data = request.data
    if not isinstance(data, dict) or len(data) != 1 or not set(data) <= set(possible):
        raise ValidationError({possible[0]: f"the body is an object with `{'` or `'.join(possible)}` alone"})
    name, value = next(iter(data.items()))
    if not isinstance(value, dict if name == "add" else list):
        raise ValidationError({name: "a rule" if name == "add" else "a list of rules"})
    return name, value


class RulesView(Resource):
    """Allocation rules."""

    permission_classes = [Proposes]

    @extend_schema(
        operation_id="rules_read", tags=["rules"], summary="Allocation rules",
        parameters=[versions.parameter()],
        responses={200: _IN_FORCE, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The rules of a version as they were written, in the order in which they fire."""
        cursors.known_only(request, ("version",))
        number, rows = versions.asked(request), RuleVersion.objects.order_by("-number")
        found = (rows.filter(number=number) if number else rows).first()
        if number and found is None:
            raise NotFound("There is no such version.")
        return Response(
            {
                "version": found and found.number, "loaded_at": found and found.loaded_at,
                "loaded_by": found.loaded_by if found else "", "rules": rulebook.written(found),
            }
        )  # fmt: skip

    @extend_schema(
        operation_id="rules_propose", tags=["rules"], summary="Propose rules", parameters=[PARAMETER], request=NewRules,
        responses={202: ApprovalOut, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Propose rules: when another person of finance accepts, they are in force in all open months."""
        cursors.known_only(request, ())
        name, value = _only(request, "rules", "add")
        propose = rule_changes.propose_rule if name == "add" else rule_changes.propose
        try:
            return Response(described(propose(value, by=request.user.get_username())), status=202)
        except RuleError as wrong:
            raise ValidationError({name: str(wrong)}) from None


class RulesPreviewView(Resource):
    """What rules would change."""

    permission_classes = [Proposes]

    @extend_schema(
        operation_id="rules_preview", tags=["rules"], summary="Who would pay what more or less", parameters=[PARAMETER],
        request=RulesToTry, responses={200: _PREVIEW, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Allocate all open months by these rules, compare with what is, and undo it. Nothing changes."""
        cursors.known_only(request, ())
        _, value = _only(request, "rules")
        try:
            _, rows = rule_changes.load(value, actor=request.user.get_username(), dry_run=True)
        except RuleError as wrong:
            raise ValidationError({"rules": str(wrong)}) from None
        return Response({"cost_centres": rows})


class RuleVersionsView(Resource):
    """Versions of the rules."""

    permission_classes = [SeesEverything]

    @extend_schema(
        operation_id="rules_versions", tags=["rules"], summary="Versions of the rules", parameters=[*LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "RuleVersionPage", {"results": inline_serializer("RuleVersion", _VERSION, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The newest first; it is in force for open periods."""
        cursors.known_only(request, ("limit", "cursor"))
        limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
        rows = rulebook.versions(before=None if place is None else int(place[0] or 0), most=limit + 1)
        cursor = cursors.written(request, [rows[limit - 1]["version"]]) if len(rows) > limit else None
        return Response({"results": rows[:limit], "next": cursor}, headers=cursors.link(request, cursor))
