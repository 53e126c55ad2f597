"""/api/v1/prices: the dated price book, and proposals for it."""

from datetime import UTC, date, datetime, time
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ingest import price_approvals, price_selectors
from ingest.calc.prices import BOOKS, MODES, PRICE_CLASSES, PriceError
from web.api import cursors
from web.api.approvals import ApprovalOut, described
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import Proposes
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_MOST_ENTRIES = 500
_FIELDS: dict[str, Any] = {
    "id": serializers.CharField(),
    "book": serializers.ChoiceField(BOOKS, help_text="The first of these that has model and class prices usage."),
    "provider": serializers.CharField(),
    "model": serializers.CharField(help_text="Of override and contract: may be a pattern with *."),
    "class": serializers.ChoiceField(PRICE_CLASSES, help_text="Token class or unit."),
    "rate": serializers.DecimalField(max_digits=24, decimal_places=12),
    "per": serializers.IntegerField(help_text="Units that the rate is for."),
    "currency": serializers.CharField(),
    "mode": serializers.ChoiceField(MODES),
    "service_tier": serializers.CharField(allow_blank=True, help_text="'': standard."),
    "region": serializers.CharField(allow_blank=True, help_text="'': any."),
    "variant": serializers.CharField(allow_blank=True),
    "context_over": serializers.IntegerField(help_text="Holds above so many input tokens; 0: base band."),
    "reprices_whole": serializers.BooleanField(help_text="False: only the input tokens above context_over cost this."),
    "window": serializers.ListField(
        child=serializers.TimeField(format="%H:%M"), allow_null=True, help_text="From, to: of the UTC day."
    ),
    "valid_from": serializers.DateTimeField(help_text="1970-01-01: as long as known."),
    "valid_to": serializers.DateTimeField(allow_null=True),
    "in_force": serializers.BooleanField(help_text="It prices usage under its conditions at `at`."),
    "source": serializers.CharField(allow_blank=True),
    "note": serializers.CharField(allow_blank=True),
    "version": serializers.CharField(),
    "live": serializers.BooleanField(help_text="Its version is the one in force."),
    "loaded_at": serializers.DateTimeField(),
    "loaded_by": serializers.CharField(allow_blank=True),
}
_PLAIN = [name for name in _FIELDS if name not in ("id", "class", "rate", "window")]


def _text(name: str, text: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, description=text, **more)


class NewPrices(serializers.Serializer[Any]):
    """Entries as in a file of overrides; rates are strings."""

    entries = serializers.ListField(
        child=serializers.DictField(), help_text="As in the file: manage.py prices load.", max_length=_MOST_ENTRIES
    )


class PricesView(Resource):
    """The price book."""

    permission_classes = [Proposes]

    @extend_schema(
        operation_id="prices_list", tags=["prices"], summary="Prices",
        parameters=[
            _text("provider", "As in the book, or a gateway's name for it.", pattern="^[ -~]{1,100}$"),
            _text("model", "As in the book; may hold `*`.", pattern="^[ -~]{1,200}$"),
            _text("class", "Token class or unit.", enum=PRICE_CLASSES),
            _text("at", "Date (00:00Z) or instant with an offset; now by default.", pattern="^[0-9][ -~]{9,39}$"),
            _text("history", "1: prices of all times and all versions.", enum=("0", "1")),
            *LIMIT_AND_CURSOR,
        ],
        responses={
            200: inline_serializer("PricePage", {"results": inline_serializer("Price", _FIELDS, many=True), "next": _NEXT}),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Prices by provider, model and class: those valid at an instant in the books in force, or all there ever were."""
        cursors.known_only(request, ("provider", "model", "class", "at", "history", "limit", "cursor"))
        asked, limit = request.query_params, cursors.limit_of(request)
        price_class, history = asked.get("class"), asked.get("history", "0")
        if price_class is not None and price_class not in PRICE_CLASSES:
            raise ValidationError({"class": f"one of {', '.join(PRICE_CLASSES)}"})
        if history not in ("0", "1"):
            raise ValidationError({"history": "0 or 1"})
        place = cursors.place_of(request, [str, str, str, int])
        found = price_selectors.prices(
            provider=asked.get("provider"), model=asked.get("model"), price_class=price_class, at=_at(asked.get("at")),
            history=history == "1", after=_after(place), limit=limit + 1,
        )  # fmt: skip
        last = found[limit - 1] if len(found) > limit else None
        at = [last[name] for name in price_selectors.ORDER] if last else []
        cursor = cursors.written(request, at) if at else None
        results = [_price(row) for row in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))

    @extend_schema(
        operation_id="prices_propose", tags=["prices"], summary="Propose prices", parameters=[PARAMETER],
        request=NewPrices, responses={202: ApprovalOut, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Overrides or contract prices beside those in force: another person of finance puts them in force by accepting
        the approval, whose details say what would change by which factor, and what looks like a slip of units.
        """
        cursors.known_only(request, ())
        data = request.data
        entries = data.get("entries") if isinstance(data, dict) else None
        if not isinstance(entries, list) or set(data) != {"entries"} or not 1 <= len(entries) <= _MOST_ENTRIES:
            raise ValidationError(
                {"entries": f"the body is an object with `entries` alone, a list of 1 to {_MOST_ENTRIES}"}
            )
        try:
            asked = price_approvals.propose(entries, by=request.user.get_username())
        except PriceError as wrong:
            raise ValidationError({"entries": str(wrong)}) from None
        return Response(described(asked), status=202)


def _at(text: str | None) -> datetime:
    if text is None:
        return timezone.now()
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValidationError({"at": "a date (2026-09-01) or an instant with an offset (2026-09-01T12:00:00Z)"})
    return found


def _after(place: cursors.Place | None) -> tuple[str, str, str, int] | None:
    if place is None:
        return None
    provider, model, price_class, number = place
    return str(provider), str(model), str(price_class), int(number or 0)


def _price(row: dict[str, Any]) -> dict[str, Any]:
    window = [f"{row[name]:%H:%M}" for name in ("window_start", "window_end")] if row["window_start"] else None
    return {
        "id": str(row["id"]), "class": row["price_class"], "rate": f"{row['rate']:.12f}", "window": window,
        **{name: row[name] for name in _PLAIN},
    }  # fmt: skip
