"""/api/v1/splits, rate-cards: the pools and cards in force, what they moved in a month, and proposals for others."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.attribution.split_selectors import Told, told
from allocation.models import Basis
from web.api import cursors, documents
from web.api.agreements import AgreementsView
from web.api.inline import inline_serializer
from web.api.invoices import MONTH, month_of
from web.api.page_docs import LIMIT_AND_CURSOR

_BORNE: dict[str, Any] = {
    "x_CostCentre": serializers.CharField(allow_null=True, help_text="null: unallocated."),
    "EffectiveCost": serializers.CharField(help_text="What it bears more, or less."),
    "weight": serializers.CharField(allow_null=True),
}
_MOVED: dict[str, Any] = {
    "code": serializers.CharField(),
    "step": serializers.IntegerField(),
    "version": serializers.IntegerField(),
    "BillingCurrency": serializers.CharField(),
    "found": serializers.CharField(help_text="EffectiveCost at the source; of a card the actual cost."),
    "moved": serializers.CharField(help_text="What left the source; of a card the variance."),
    "note": serializers.CharField(allow_blank=True, help_text="Why something stays."),
    "cost_centres": inline_serializer("SplitBorne", _BORNE, many=True),
}
_BODY: dict[str, Any] = {
    **documents.IN_FORCE,
    "moved": inline_serializer(
        "SplitMoved", _MOVED, many=True, help_text="In the month that is asked for; else empty."
    ),
    "next": serializers.CharField(allow_null=True, help_text="The next page of `moved`: its `cursor`."),
}


class _MovesView(AgreementsView):
    """A document of what is moved, and what it moved."""

    basis = Basis.SHARED

    def get(self, request: Request) -> Response:
        """The version in force, as it was written; with ``month`` what it moved between cost centres."""
        cursors.known_only(request, ("month", "limit", "cursor"))
        month = month_of(request)
        rows = sorted(told(month, self.basis), key=_place) if month else []
        found, cursor = cursors.page(request, rows, _place, [int, str, str])
        body = documents.in_force(self.kind) | {"moved": [_moved(one) for one in found], "next": cursor}
        return Response(body, headers=cursors.link(request, cursor))


def _place(one: Told) -> tuple[int, str, str]:
    return one.outcome.step, one.outcome.currency, one.outcome.code


def _moved(one: Told) -> dict[str, Any]:
    outcome = one.outcome
    return {
        "code": outcome.code, "step": outcome.step, "version": outcome.version, "BillingCurrency": outcome.currency,
        "found": str(outcome.found), "moved": str(outcome.moved), "note": outcome.note,
        "cost_centres": [
            {
                "x_CostCentre": each.cost_centre or None, "EffectiveCost": str(each.amount),
                "weight": None if each.weight is None else str(each.weight),
            }
            for each in one.borne
        ],
    }  # fmt: skip


def of(kind: str, basis: Basis, summary: str) -> type[_MovesView]:
    """The view of one kind."""
    name = kind.replace("_", " ").title().replace(" ", "")
    base = type(f"{name}MovesView", (_MovesView,), {"basis": basis})
    out = inline_serializer(f"{name}InForce", {**_BODY})
    return documents.view(base, kind, summary, tag="allocation", parameters=[MONTH, *LIMIT_AND_CURSOR], out=out)
