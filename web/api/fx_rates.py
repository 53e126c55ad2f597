"""/api/v1/fx-rates: exchange rates as they were published, and proposals for others."""

from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import fx_changes
from finops import fx
from finops.fx_files import FxFileError, Published, published
from finops.models import FxRate
from web.api import cursors
from web.api.approvals import ApprovalOut, described
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import Proposes
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_CODE = "^[A-Z]{3}$"
_NAMES = ("day", "base", "quote", "rate")
_LONGEST_SOURCE = 80
_RATE: dict[str, Any] = {
    "day": serializers.DateField(help_text="On which it was published."),
    "base": serializers.CharField(),
    "quote": serializers.CharField(),
    "rate": serializers.CharField(help_text="A decimal string: units of `quote` for one of `base`."),
    "source": serializers.CharField(help_text="Who published it; a correction has a number behind."),
    "holds": serializers.BooleanField(help_text="False: another rate of its day and pair was kept after it."),
}


class NewRate(serializers.Serializer[Any]):
    """Units of ``quote`` for one of ``base`` on a day."""

    day = serializers.DateField()
    base = serializers.RegexField(_CODE)
    quote = serializers.RegexField(_CODE)
    rate = serializers.CharField(help_text="A decimal string.")


_NEW = inline_serializer(  # no class: `source` would hide an attribute of every field
    "NewRates",
    {
        "rates": NewRate(many=True, help_text=f"1 to {fx_changes.MOST}."),
        "source": serializers.CharField(
            required=False, max_length=_LONGEST_SOURCE, help_text=f"Who published them; by default `{fx.MANUAL}`."
        ),
    },
)

_ASKED = inline_serializer(
    "AskedRates",
    {
        "approval": ApprovalOut(allow_null=True, help_text="null: all of them are known already."),
        "rates": serializers.IntegerField(help_text="That wait for another person."),
        "corrected": serializers.IntegerField(help_text="Of them, those that correct another of their day and pair."),
        "known": serializers.IntegerField(help_text="That hold already."),
    },
)


class FxRatesView(Resource):
    """Exchange rates."""

    permission_classes = [Proposes]

    @extend_schema(
        operation_id="fx_rates_list", tags=["prices"], summary="Exchange rates",
        parameters=[
            OpenApiParameter("base", OpenApiTypes.STR, pattern=_CODE, description="ISO 4217."),
            OpenApiParameter("quote", OpenApiTypes.STR, pattern=_CODE, description="ISO 4217."),
            OpenApiParameter("from", OpenApiTypes.DATE, description="First day."),
            OpenApiParameter("to", OpenApiTypes.DATE, description="First day after."), *LIMIT_AND_CURSOR,
        ],
        responses={
            200: inline_serializer(
                "FxRatePage", {"results": inline_serializer("FxRate", {**_RATE}, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The newest day first, within a day what was kept last first. Crossed and inverted rates are not listed."""
        cursors.known_only(request, ("base", "quote", "from", "to", "limit", "cursor"))
        limit, place = cursors.limit_of(request), cursors.place_of(request, [str, int])
        later = FxRate.objects.filter(
            day=OuterRef("day"), base=OuterRef("base"), quote=OuterRef("quote"), pk__gt=OuterRef("pk")
        )
        rows = FxRate.objects.filter(_asked(request)).annotate(holds=~Exists(later)).order_by("-day", "-pk")
        if place is not None:
            day, number = _cursor_day(place[0]), place[1]
            rows = rows.filter(Q(day__lt=day) | Q(day=day, pk__lt=number))
        found = list(rows[: limit + 1])
        last = found[limit - 1] if len(found) > limit else None
        cursor = cursors.written(request, [last.day.isoformat(), last.pk]) if last else None
        return Response(
            {"results": [_rate(row) for row in found[:limit]], "next": cursor}, headers=cursors.link(request, cursor)
        )

    @extend_schema(
        operation_id="fx_rates_propose", tags=["prices"], summary="Propose exchange rates", parameters=[PARAMETER],
        request=_NEW,
        responses={
            200: OpenApiResponse(_ASKED, "All of them are known already: nothing waits."), 202: _ASKED,
            **answers(400, 401, 403, 409, 413, 415, 422),
        },
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Another person of finance puts them in force by accepting the approval; what is charged in other currencies follows."""
        cursors.known_only(request, ())
        rates, source = _given(request.data)
        try:
            found = fx_changes.propose(rates, source=source, by=request.user.get_username())
        except FxFileError as wrong:
            raise ValidationError({"rates": str(wrong)}) from None
        asked = found.approval
        body = found._asdict() | {"approval": asked and described(asked)}
        return Response(body, status=202 if asked else 200)


def _asked(request: Request) -> Q:
    given, found = request.query_params, Q()
    for name in ("base", "quote"):
        if (code := given.get(name)) is not None:
            if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
                raise ValidationError({name: "an ISO 4217 code such as USD"})
            found &= Q(**{name: code})
    days = {name: _day(name, given[name]) for name in ("from", "to") if name in given}
    if len(days) == 2 and days["from"] >= days["to"]:
        raise ValidationError({"to": "the first day after: it lies after `from`"})
    for name, side in (("from", "day__gte"), ("to", "day__lt")):
        found &= Q(**{side: days[name]}) if name in days else Q()
    return found


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValidationError({name: "a day is written YYYY-MM-DD"}) from None


def _cursor_day(text: Any) -> date:
    return _day("cursor", text or "")


def _rate(row: FxRate) -> dict[str, Any]:
    return {
        "day": row.day, "base": row.base, "quote": row.quote, "rate": f"{row.rate.normalize():f}", "source": row.source,
        "holds": getattr(row, "holds"),  # noqa: B009 - annotated
    }  # fmt: skip


def _given(data: Any) -> tuple[list[Published], str]:
    """The rates of a body and who published them. Raises ValidationError naming the rate and the field."""
    if not isinstance(data, dict) or not {"rates"} <= set(data) <= {"rates", "source"}:
        raise ValidationError({"rates": "the body is an object with the list `rates`, and `source` or not"})
    rates, source = data["rates"], data.get("source", fx.MANUAL)
    if not isinstance(rates, list) or not 1 <= len(rates) <= fx_changes.MOST:
        raise ValidationError({"rates": f"a list of 1 to {fx_changes.MOST:,} rates"})
    if not isinstance(source, str) or not (1 <= len(source.strip()) <= _LONGEST_SOURCE and source.isprintable()):
        raise ValidationError({"source": f"a text of 1 to {_LONGEST_SOURCE} characters"})
    found: dict[tuple[date, str, str], Published] = {}
    for number, written in enumerate(rates, start=1):
        one = _published(written, number)
        if found.setdefault(one[:3], one) != one:
            raise _wrong(number, f"another rate of {one.base}/{one.quote} on {one.day} stands above")
    return list(found.values()), source.strip()


def _published(written: Any, number: int) -> Published:
    if not isinstance(written, dict) or set(written) != set(_NAMES):
        raise _wrong(number, f"has {', '.join(_NAMES)}, no more and no less")
    for name in _NAMES:
        if not isinstance(written[name], str):
            raise _wrong(number, f"{name}: is written as a text")
    try:
        return published(*(written[name] for name in _NAMES))
    except FxFileError as wrong:
        raise _wrong(number, str(wrong)) from None


def _wrong(number: int, what: str) -> ValidationError:
    return ValidationError({"rates": f"entry {number}: {what}"})
