"""/api/v1/journal, proof: the books of a month, and the steps that a journal takes."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.close import journal, proof
from allocation.close.accruals import AccrualError
from allocation.close.journal import JournalError
from allocation.models import JournalEntry
from allocation.scope import EVERYTHING
from finops.approvals import SelfApproval
from finops.periods import Period, PeriodError
from web.api import cursors
from web.api.books_docs import (
    ENTRY,
    LINE,
    MONTH,
    PROOF,
    SUSPENSE,
    Export,
    Numbered,
    OfMonth,
)
from web.api.given import given_in
from web.api.inline import inline_serializer
from web.api.invoices import month_of
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import KeepsBooks
from web.api.posting import PARAMETER, Conflict, once
from web.api.problems import answers
from web.api.resource import ByAcceptAlone, Resource
from web.cells import csv_field
from web.journals import described_entry, described_lines, described_proof, lines_as_csv, standing


class AnyAccept(ByAcceptAlone):
    """A file is a file whatever the header Accept prefers."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:  # noqa: ARG002
        return renderers[0], renderers[0].media_type


class JournalView(Resource):
    """A journal."""

    permission_classes = [KeepsBooks]

    @extend_schema(
        operation_id="journal_read", tags=["books"], summary="The journal of a month",
        parameters=[MONTH, *LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "Journal",
                {
                    **ENTRY, "suspense": inline_serializer("JournalSuspense", {**SUSPENSE}, many=True),
                    "lines": inline_serializer("JournalLineRow", {**LINE}, many=True),
                    "next": serializers.CharField(allow_null=True, help_text="The next page's `cursor`."),
                },
            ),
            **answers(400, 401, 403, 409),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """As it was built; before, a preview of the lines as they would be now. 409: a month before it is not accrued yet."""
        cursors.known_only(request, ("month", "limit", "cursor"))
        period = month_asked(request)
        found = _taken(lambda: journal.lines(period, EVERYTHING))
        rows, cursor = cursors.page(request, list(enumerate(found.lines)), lambda row: row[:1], [int])
        suspense = [
            {"currency": currency, "lines": count, "amount": f"{amount:f}"}
            for currency, (count, amount) in sorted(found.suspense.items())
        ]
        body = described_entry(period, found.entry) | {
            "suspense": suspense, "lines": described_lines([line for _, line in rows]), "next": cursor,
        }  # fmt: skip
        return Response(body, headers=cursors.link(request, cursor))


class JournalCsvView(Resource):
    """The lines as a file to look at; the one for the books leaves once (JournalExportView)."""

    permission_classes = [KeepsBooks]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="journal_csv", tags=["books"], summary="The journal of a month as CSV, with its state in every line",
        parameters=[MONTH],
        responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR), **answers(400, 401, 403, 409)},
    )  # fmt: skip
    def get(self, request: Request) -> HttpResponse:
        """All lines. It does not count as the export. 409: a month before it is not accrued yet."""
        cursors.known_only(request, ("month",))
        period = month_asked(request)
        found = _taken(lambda: journal.lines(period, EVERYTHING))
        return lines_as_csv(period, standing(found.entry), found.lines)


class ProofView(Resource):
    """The proof."""

    permission_classes = [KeepsBooks]

    @extend_schema(
        operation_id="proof_read", tags=["books"], summary="The proof of a month",
        parameters=[MONTH],
        responses={
            200: inline_serializer("Proof", {"month": serializers.CharField(), "results": inline_serializer(
                "ProofRow", {**PROOF}, many=True)}),
            **answers(400, 401, 403, 409),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """statements + central + estimated = invoices + accrual_movement + amortisation - prepayments.

        409: a month before it is not accrued yet.
        """
        cursors.known_only(request, ("month",))
        period = month_asked(request)
        return Response(
            {"month": str(period), "results": described_proof(_taken(lambda: proof.of(period, EVERYTHING)))}
        )


class JournalStepView(Resource):
    """One step of a journal."""

    permission_classes = [KeepsBooks]
    fields: type[serializers.Serializer[Any]] = OfMonth

    def given(self, request: Request) -> tuple[Period, dict[str, Any]]:
        """The month and what else is said. Raises ValidationError."""
        cursors.known_only(request, ())
        given = given_in(self.fields, request)
        try:
            return Period.month(given["month"]), given
        except PeriodError as wrong:
            raise ValidationError({"month": str(wrong)}) from None


def _told(step: Callable[[], JournalEntry]) -> Response:
    entry = _taken(step)
    return Response(described_entry(Period.month_of(entry.month), entry))


def _taken(step: Callable[[], Any]) -> Any:
    try:
        return step()
    except SelfApproval as wrong:
        raise PermissionDenied(str(wrong)) from None
    except (JournalError, AccrualError) as wrong:
        raise Conflict(str(wrong)) from None


_JOURNAL_OUT = inline_serializer("JournalEntry", {**ENTRY})
_CODES = (400, 401, 403, 409, 413, 415, 422)


class JournalPostView(JournalStepView):
    """Release."""

    @extend_schema(
        operation_id="journal_post", tags=["books"], summary="Post a journal", parameters=[PARAMETER], request=OfMonth,
        responses={200: _JOURNAL_OUT, **answers(*_CODES)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """By another person than who built it; the accepted statements are posted with it. 409: it is past that."""
        period, _ = self.given(request)
        return _told(lambda: journal.post(period, request.user.get_username()))


class JournalExportView(JournalStepView):
    """The file for the books."""

    fields = Export

    @extend_schema(
        operation_id="journal_export", tags=["books"], summary="Export a journal, once", parameters=[PARAMETER],
        request=Export,
        responses={
            200: inline_serializer(
                "ExportedJournal",
                {"name": serializers.CharField(), "sha256": serializers.CharField(), "content": serializers.CharField()},
            ),
            **answers(*_CODES),
        },
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """The CSV file as text, UTF-8. 409: it left already (`copy` gives the same bytes), or is not posted."""
        period, said = self.given(request)
        by = request.user.get_username()
        content = _taken(lambda: journal.export(period, by, csv_field, copy=said["copy"]))
        entry = JournalEntry.objects.filter(month=period.start).latest("number")
        return Response({"name": f"journal_{period}.csv", "sha256": entry.export_sha256, "content": content.decode()})


class JournalNumberView(JournalStepView):
    """The document number of the books."""

    fields = Numbered

    @extend_schema(
        operation_id="journal_number", tags=["books"], summary="Note the document number of the books",
        parameters=[PARAMETER], request=Numbered, responses={200: _JOURNAL_OUT, **answers(*_CODES)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Once. 409: it was not exported, or has another number."""
        period, said = self.given(request)
        return _told(lambda: journal.number(period, said["number"], request.user.get_username()))


def month_asked(request: Request) -> Period:
    """The month, which has to be named. Raises ValidationError."""
    period = month_of(request)
    if period is None:
        raise ValidationError({"month": "is needed: YYYY-MM"})
    return period
