"""What /api/v1/periods takes and answers."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from allocation.calc.closing import ORDER, STEPS
from allocation.calc.gates import BY_CODE
from allocation.close.checklist import BLOCKED, DONE, OPEN, WAIVED
from allocation.close.waivers import LONGEST
from web.api.approvals import ApprovalOut
from web.api.inline import inline_serializer

MONTH = OpenApiParameter(
    "month", {"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"}, OpenApiParameter.PATH, description="YYYY-MM."
)
_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_WHEN: dict[str, Any] = {"allow_null": True}
_WHO: dict[str, Any] = {"allow_blank": True}
_ROW: dict[str, Any] = {
    "month": serializers.CharField(help_text="YYYY-MM."),
    "state": serializers.CharField(help_text=f"{', '.join(ORDER)}; from soft_closed on the figures stay as they are."),
    "version": serializers.IntegerField(help_text="One more with every reopening."),
    "self_approved": serializers.BooleanField(help_text="One person alone did it, as the site allows."),
    "prepared_by": serializers.CharField(**_WHO),
    "prepared_at": serializers.DateTimeField(**_WHEN),
    "soft_closed_by": serializers.CharField(**_WHO),
    "soft_closed_at": serializers.DateTimeField(**_WHEN),
    "closed_by": serializers.CharField(**_WHO),
    "closed_at": serializers.DateTimeField(**_WHEN),
    "manifest": serializers.CharField(allow_null=True, help_text="SHA-256; null before soft close."),
}
PAGE = inline_serializer(
    "PeriodPage", {"results": inline_serializer("Period", _ROW, many=True), "next": _NEXT}
)  # fmt: skip
_WAIVED = inline_serializer(
    "GateWaived",
    {
        "reason": serializers.CharField(),
        "value": serializers.CharField(help_text="Up to which it holds."),
        "prepared_by": serializers.CharField(),
        "decided_by": serializers.CharField(),
    },
    allow_null=True,
)

_GATE: dict[str, Any] = {
    "gate": serializers.CharField(),
    "title": serializers.CharField(),
    "unit": serializers.CharField(help_text="Of value and limit: share, count or amount."),
    "from": serializers.CharField(help_text="First step that it keeps the month from."),
    "value": serializers.CharField(),
    "limit": serializers.CharField(),
    "ok": serializers.BooleanField(help_text="Passes by itself."),
    "told": serializers.CharField(allow_blank=True, help_text="What lacks."),
    "link": serializers.CharField(allow_blank=True),
    "waivable": serializers.BooleanField(),
    "waived": _WAIVED,
}
_TASK: dict[str, Any] = {
    "task": serializers.CharField(),
    "title": serializers.CharField(),
    "owner": serializers.CharField(help_text="A user or a role."),
    "due": serializers.DateField(),
    "state": serializers.CharField(help_text=", ".join((DONE, WAIVED, OPEN, BLOCKED))),
    "blocker": serializers.CharField(allow_blank=True),
    "link": serializers.CharField(allow_blank=True),
    "by_hand": serializers.BooleanField(help_text="Somebody says that it is done; others follow from gates and state."),
    "done_by": serializers.CharField(**_WHO),
    "done_at": serializers.DateTimeField(**_WHEN),
}
MANIFEST: dict[str, Any] = {
    "version": serializers.IntegerField(),
    "sha256": serializers.CharField(help_text="Of the document as JSON: keys sorted, no spaces, UTF-8."),
    "made_at": serializers.DateTimeField(),
    "document": serializers.DictField(
        help_text="Rows, sums and SHA-256 of every table; versions; waivers; who did it."
    ),
}
DETAIL = inline_serializer(
    "PeriodDetail",
    {
        **_ROW,
        "next": serializers.CharField(allow_null=True, help_text="The step that comes next; null: closed."),
        "held_by": serializers.ListField(child=serializers.CharField(), help_text="Gates that keep it from that step."),
        "gates": inline_serializer("Gate", _GATE, many=True),
        "checklist": inline_serializer("CloseTask", _TASK, many=True),
        "waiting": ApprovalOut(many=True, help_text="Requests about this month that wait for another person."),
        "versions": serializers.DictField(help_text="What its figures were computed with; empty before soft close."),
        "manifest_detail": inline_serializer("Manifest", MANIFEST, allow_null=True),
        "former": inline_serializer("FormerManifest", MANIFEST, many=True),
    },
)


class Step(serializers.Serializer[Any]):
    """Where to."""

    to = serializers.ChoiceField(STEPS)


class Waiver(serializers.Serializer[Any]):
    """Which gate, and why it may fail."""

    gate = serializers.ChoiceField(tuple(BY_CODE))
    reason = serializers.CharField(max_length=LONGEST)


class Reopening(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=LONGEST)


class Tick(serializers.Serializer[Any]):
    """Which task is done, or is not after all."""

    task = serializers.CharField(max_length=40)
    done = serializers.BooleanField(default=True)
