"""The page Before the call, of Tiers & agents: what a query will be and cost by own history, and how such predictions fared."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from allocation.calc.predict import Request
from allocation.calc.predict_history import ANY
from allocation.calc.predict_tracking import MINIMUM
from allocation.scope import Scope, scope_of
from allocation.value import predictions
from allocation.value.predictions import Answer, AskError, Kind
from web import prediction_words as words
from web.downloads import csv_file, xlsx_file
from web.pages import predictions_shown as shown

MODELS, USE_CASES = 9, 9
MOST_TOKENS = 10**9
_TOOLS = {"": None, "yes": True, "no": False}


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """A form, what it asks, and tracking by use case."""
    scope = scope_of(request.user)
    asked = _asked(request, scope)
    standing = predictions.standing(scope, USE_CASES)
    learnt = standing.learnt
    currency = learnt.currency if learnt else str(settings.REPORT_CURRENCY)
    search = urlencode({name: value for name, value in request.GET.items() if name in asked.fields})
    rows = shown.rows(asked.answer) if asked.answer else []
    context: dict[str, Any] = {
        "asked": asked, "learnt": learnt, "currency": currency, "minimum": MINIMUM,
        "rows": rows, "known": any(row["known"] for row in rows), "sentence": shown.sentence(asked.answer, currency),
        "tracking": shown.tracking(standing), "standing": standing, "band": shown.BAND,
        "api": request.build_absolute_uri(reverse("api-tiers-predict")), "body": shown.body(asked.question),
        **{kind: f"{reverse(f'tiers-predict-{kind}')}?{search}" for kind in ("csv", "xlsx")},
    }  # fmt: skip
    return render(request, "web/predictions.html", context)


@require_safe
def as_csv(request: HttpRequest) -> HttpResponse:
    """The prediction of the very view."""
    return csv_file("prediction", *_table(request))


@require_safe
def as_xlsx(request: HttpRequest) -> HttpResponse:
    """The same as a workbook, with how predictions fared."""
    return xlsx_file("prediction", {"Prediction": _table(request), "Predicted and came": _tracking(request)})


@require_safe
def tracking_csv(request: HttpRequest) -> HttpResponse:
    """How predictions fared, by use case: all of them."""
    return csv_file("predictions", *_tracking(request))


def _table(request: HttpRequest) -> tuple[tuple[str, ...], list[list[Any]]]:
    found = _asked(request, scope_of(request.user)).answer
    return shown.FILE, shown.file_rows(found) if found else []


def _tracking(request: HttpRequest) -> tuple[list[str], list[list[Any]]]:
    rows = [words.tracked(*row) for row in predictions.standing(scope_of(request.user)).rows()]
    return list(rows[0]), [list(row.values()) for row in rows]


class Asked:
    """What the address asks for, as it is typed, with its answer; ``wrong``: field -> what is wrong."""

    fields = ("feature", "effort", "prompt_tokens", "cost_centre", "attachments", "tools")

    def __init__(self) -> None:
        self.kinds: list[Kind] = []
        self.centres: list[str] = []
        self.any_centre = False
        self.typed: dict[str, str] = {}
        self.wrong: dict[str, str] = {}
        self.question: Request | None = None
        self.answer: Answer | None = None

    @property
    def features(self) -> list[str]:
        """Use cases, the commonest first."""
        return list(dict.fromkeys(kind.feature for kind in self.kinds))

    @property
    def efforts(self) -> list[str]:
        """Efforts that any use case states."""
        return sorted({kind.effort for kind in self.kinds})


def _asked(request: HttpRequest, scope: Scope) -> Asked:
    """The question of the address; what it leaves out is that of the commonest kind."""
    found = Asked()
    found.centres, found.any_centre = predictions.cost_centres(scope), scope.everything
    first = ANY if scope.everything or not found.centres else found.centres[0]
    centre = request.GET.get("cost_centre") or first
    found.kinds = predictions.kinds(scope, centre if scope.everything or centre in found.centres else ANY)
    if not found.kinds and not request.GET.get("feature"):
        return found
    kind = _kind(found.kinds, request)
    effort = request.GET.get("effort", kind.effort)
    typed = request.GET.get("prompt_tokens", "").strip() or str(kind.prompt_tokens)
    found.typed = {
        "feature": kind.feature, "effort": effort, "prompt_tokens": typed, "cost_centre": centre,
        "attachments": request.GET.get("attachments", ""), "tools": request.GET.get("tools", ""),
    }  # fmt: skip
    number = typed.replace(",", "")
    if not (
        number.isascii() and number.isdigit() and len(number) <= len(str(MOST_TOKENS)) and int(number) <= MOST_TOKENS
    ):
        found.wrong["prompt_tokens"] = f"a whole number from 0 to {MOST_TOKENS:,}"
        return found
    found.question = Request(
        kind.feature, int(number), kind.models[:MODELS], effort, found.typed["attachments"] == "yes",
        _TOOLS.get(found.typed["tools"]), centre,
    )  # fmt: skip
    try:
        found.answer = predictions.ask(scope, found.question, by=request.user.get_username(), now=timezone.now())
    except AskError as wrong:
        found.wrong[wrong.field] = str(wrong)
    return found


def _kind(kinds: list[Kind], request: HttpRequest) -> Kind:
    """The kind asked for; of a use case without an effort its commonest; of none the commonest of all."""
    feature, effort = request.GET.get("feature"), request.GET.get("effort")
    same = [kind for kind in kinds if feature in (None, kind.feature)]
    exact = [kind for kind in same if effort in (None, kind.effort)]
    if exact or same:
        return (exact or same)[0]
    return Kind(feature or "", effort or "", 0, 1_000, ())
