"""GET /api/v1/periods/{month}/manifest: what a month held when it was frozen."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.calc.closing import FROZEN
from allocation.models import PeriodManifest
from finops.periods import Period, PeriodError
from web.api import cursors, versions
from web.api.inline import inline_serializer
from web.api.period_docs import MANIFEST, MONTH
from web.api.permissions import KeepsBooks
from web.api.problems import answers
from web.api.resource import Resource

_OUT: dict[str, Any] = {
    "month": serializers.CharField(help_text="YYYY-MM."),
    **MANIFEST,
    "in_force": serializers.BooleanField(help_text="False: the month was opened again since."),
}


class ManifestView(Resource):
    """The manifest of a month."""

    permission_classes = [KeepsBooks]

    @extend_schema(
        operation_id="periods_manifest", tags=["periods"], summary="The manifest of a frozen month",
        parameters=[
            MONTH,
            versions.parameter(
                "Of the month, which has one more with every reopening; by default the last one that was frozen."
            ),
        ],
        responses={200: inline_serializer("PeriodManifest", _OUT), **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, month: str) -> Response:
        """As it was stored at soft close, never changed; `verify` recomputes it. 404: the month was not frozen."""
        cursors.known_only(request, ("version",))
        version = versions.asked(request)
        try:
            period = Period.month(month)
        except PeriodError as wrong:
            raise NotFound(f"{wrong}.") from None
        rows = PeriodManifest.objects.filter(period__month=period.start).select_related("period").order_by("-version")
        kept = (rows if version is None else rows.filter(version=version)).first()
        if kept is None:
            raise NotFound(
                f"{period} has no manifest{'' if version is None else f' of version {version}'}: it was not frozen."
            )
        return Response(
            {
                "month": str(period), "version": kept.version, "sha256": kept.sha256, "made_at": kept.made_at,
                "document": kept.document,
                "in_force": kept.period.state in FROZEN and kept.version == kept.period.version,
            }
        )  # fmt: skip
