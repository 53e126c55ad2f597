"""/api/v1/exports: files that a worker builds, each opened by a signed link that expires."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from finops.periods import Period, PeriodError
from web import export_jobs
from web.api import cursors
from web.api.given import given_in
from web.api.inline import inline_serializer
from web.api.invoices import number
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.posting import PARAMETER, Conflict, once
from web.api.problems import answers
from web.api.resource import Resource
from web.models import BuiltFile

_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_FORMS = sorted({form for forms in export_jobs.FORMATS.values() for form in forms})
_EXPORT: dict[str, Any] = {
    "id": serializers.IntegerField(),
    "kind": serializers.ChoiceField(list(export_jobs.FORMATS)),
    "format": serializers.ChoiceField(_FORMS, help_text="Of what is inside, where it is a ZIP of several files."),
    "month": serializers.CharField(help_text="YYYY-MM"),
    "cost_centre": serializers.CharField(allow_blank=True, help_text="Empty: all that you see."),
    "state": serializers.ChoiceField(BuiltFile.State.choices),
    "rows_done": serializers.IntegerField(),
    "rows_total": serializers.IntegerField(allow_null=True, help_text="null: not known, or not yet."),
    "error": serializers.CharField(allow_blank=True),
    "asked_at": serializers.DateTimeField(),
    "done_at": serializers.DateTimeField(allow_null=True),
    "expires_at": serializers.DateTimeField(help_text="Until when the file is kept."),
    "name": serializers.CharField(allow_blank=True),
    "bytes": serializers.IntegerField(allow_null=True),
    "sha256": serializers.CharField(allow_blank=True),
    "url": serializers.CharField(
        allow_null=True, help_text="Opens the file without a log-in for a while; every answer has a new one."
    ),
    "url_lasts_seconds": serializers.IntegerField(allow_null=True),
}
_OUT = inline_serializer("BuiltExport", {**_EXPORT})


class NewExport(serializers.Serializer[Any]):
    """What is to be built. ``focus`` and ``statement`` come as a ZIP."""

    kind = serializers.ChoiceField(list(export_jobs.FORMATS))
    month = serializers.CharField(help_text="YYYY-MM")
    format = serializers.ChoiceField(_FORMS, required=False, help_text="Default: xlsx, csv or zip, by kind.")
    cost_centre = serializers.CharField(
        required=False, allow_blank=True, max_length=60, help_text="Default: all that you see."
    )


class ExportsView(Resource):
    """Exports."""

    @extend_schema(
        operation_id="exports_list", tags=["exports"], summary="Your exports", parameters=[*LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "ExportPage", {"results": inline_serializer("ListedExport", {**_EXPORT}, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Those that you asked for and that have not expired, the newest first."""
        cursors.known_only(request, ("limit", "cursor"))
        limit, before = cursors.limit_of(request), number(cursors.place_of(request, [int]))
        rows = export_jobs.mine(request.user)
        found = list((rows if before is None else rows.filter(pk__lt=before))[: limit + 1])
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        results = [described(file) for file in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))

    @extend_schema(
        operation_id="exports_ask", tags=["exports"], summary="Ask for a file", parameters=[PARAMETER], request=NewExport,
        responses={202: _OUT, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """A worker builds it, as far as you see when it is built. 409: too many of yours wait already."""
        cursors.known_only(request, ())
        given = given_in(NewExport, request)
        try:
            period = Period.month(given["month"])
        except PeriodError as wrong:
            raise ValidationError({"month": str(wrong)}) from None
        wanted = export_jobs.Wanted(given["kind"], period, given.get("format", ""), given.get("cost_centre", ""))
        try:
            return Response(described(export_jobs.ask(wanted, request.user)), status=202)
        except export_jobs.NotAllowed as wrong:
            raise PermissionDenied(f"{wrong}.") from None
        except export_jobs.TooMany as wrong:
            raise Conflict(f"{wrong}.") from None
        except export_jobs.ExportError as wrong:
            raise ValidationError({"detail": str(wrong)}) from None


class ExportView(Resource):
    """One export."""

    @extend_schema(
        operation_id="exports_read", tags=["exports"], summary="How far an export is, and its link",
        responses={200: _OUT, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, number: int) -> Response:
        """Ask again until `state` is done or failed; then `url` opens the file, and stops doing so after a while."""
        cursors.known_only(request, ())
        found = export_jobs.mine(request.user).filter(pk=number).first() if number < 2**63 else None
        if found is None:
            raise NotFound("There is no such export of yours.")
        return Response(described(found))


def described(file: BuiltFile) -> dict[str, Any]:
    """An export as answers show it."""
    done = file.state == BuiltFile.State.DONE
    names = ("kind", "format", "cost_centre", "state", "rows_done", "rows_total", "error", "asked_at", "done_at",
             "expires_at", "name", "sha256")  # fmt: skip
    return {
        "id": file.pk, "month": f"{file.month:%Y-%m}", **{name: getattr(file, name) for name in names}, "bytes": file.size,
        "url": export_jobs.link(file) if done else None,
        "url_lasts_seconds": settings.EXPORT_LINK_SECONDS if done else None,
    }  # fmt: skip
