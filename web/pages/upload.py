"""The page Upload: a file of usage, what its columns mean, and a preview in which that is mended before anything is stored."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from finops.models import User
from ingest.calc.columns import Column
from ingest.calc.default_mapping import PROVIDERS, choose
from ingest.calc.mapping import MappingError
from web import uploading
from web.pages.access import for_admins
from web.uploading import UploadError

ROWS, REJECTS = 8, 20
_TIMES = {
    "iso": (["rfc3339", "epoch_s"], "2026-09-30T23:59:59Z, or seconds since 1970"),
    "ms": (["epoch_ms"], "milliseconds since 1970"),
    "plain": (["%Y-%m-%d %H:%M:%S"], "2026-09-30 23:59:59"), "dmy": (["%d.%m.%Y %H:%M:%S"], "30.09.2026 23:59:59"),
    "mdy": (["%m/%d/%Y %H:%M:%S"], "09/30/2026 23:59:59"), "day": (["%Y-%m-%d"], "2026-09-30"),
}  # fmt: skip
_NUMBERS = {
    "1234.56": {}, "1,234.56": {"thousands": ","}, "1234,56": {"decimal": ","},
    "1.234,56": {"decimal": ",", "thousands": "."},
}  # fmt: skip
# field: label, whether a mapping needs it
_COLUMNS = {
    "time": ("Time", True), "model": ("Model", True), "input": ("Input tokens", True), "cache_read": ("Cache read", False),
    "output": ("Output tokens", False), "output_reasoning": ("Reasoning", False), "requests": ("Requests", False),
    "id": ("Id", False), "provider": ("Provider", False), "reported_cost": ("Cost in USD", False), "project": ("Project", False),
    "team": ("Team", False), "feature": ("Feature", False), "environment": ("Environment", False),
}  # fmt: skip
_SHOWN = (
    "occurred_at",
    "provider",
    "model_served",
    "input_uncached",
    "cache_read",
    "output_visible",
    "output_reasoning",
)


class FileForm(forms.Form):
    """The file, and whose usage it is."""

    file = forms.FileField(
        help_text=f"CSV, JSON lines or Parquet, also gzipped; at most {uploading.BYTES_MAX // 1_000_000} MB."
    )
    account = forms.CharField(
        max_length=200, initial="default", help_text="Whose usage it is; part of the identity of every record."
    )


class MappingForm(forms.Form):
    """Which column is what. ``columns``: those of the file, with their first value."""

    kept = forms.CharField(max_length=32, widget=forms.HiddenInput)
    account = forms.CharField(max_length=200, widget=forms.HiddenInput)

    def __init__(self, columns: Mapping[str, str], *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        choices = [("", "not in the file"), *((name, f"{name}: {value}"[:60]) for name, value in columns.items())]
        for name, (label, needed) in _COLUMNS.items():
            self.fields[name] = forms.ChoiceField(
                label=label, choices=choices, required=needed, error_messages={"required": "Choose its column."}
            )
        for name, label, told in (
            ("times", "Times are written", [(key, text) for key, (_, text) in _TIMES.items()]),
            ("cached", "Cache read is", [("part", "a part of the input"), ("beside", "beside the input")]),
            ("numbers", "Numbers are written", [(key, key) for key in _NUMBERS]),
        ):
            self.fields[name] = forms.ChoiceField(label=label, choices=told)

    def mapping(self) -> dict[str, Any]:
        """As ingest.calc.mapping reads it."""
        said = self.cleaned_data
        found: dict[str, Any] = {
            name: said[name] for name in ("model", "requests", "project", "feature", "environment")
        }
        found |= {"time": {"column": said["time"], "formats": _TIMES[said["times"]][0]}, "zone": "UTC"}
        found |= {"cache_read": said["cache_read"], "output_reasoning": said["output_reasoning"]}
        inside = {"input": said["cached"] == "part" and said["cache_read"] and "cache_read",
                  "output": said["output_reasoning"] and "output_reasoning"}  # fmt: skip
        for name, part in inside.items():
            found[name] = said[name] and {"column": said[name], **({"includes": [part]} if part else {})}
        found["id"] = said["id"] and [{"column": said["id"]}]
        found["provider"] = {**({"column": said["provider"]} if said["provider"] else {}), "by_model_prefix": PROVIDERS}
        found["reported_cost"] = said["reported_cost"] and {"column": said["reported_cost"], "currency": "USD"}
        found["tags"] = said["team"] and {"team": said["team"]}
        found["csv"] = _NUMBERS[said["numbers"]]
        return {name: value for name, value in found.items() if value}


@require_http_methods(["GET", "POST"])
@never_cache
@for_admins
def page(request: HttpRequest) -> HttpResponse:
    """A file is chosen; its columns are guessed by their names and shown with what that makes of its first records."""
    form = FileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            token = uploading.keep(form.cleaned_data["file"], _user(request))
            columns = uploading.columns(uploading.kept(token, _user(request)))
        except UploadError as wrong:
            form.add_error("file", f"{str(wrong)[:1].upper()}{str(wrong)[1:]}.")
        else:
            first = {"kept": token, "account": form.cleaned_data["account"], **_guessed(columns)}
            return _previewed(request, MappingForm(columns, first), first=True)
    return render(request, "web/upload.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["POST"])
@never_cache
@for_admins
def mapped(request: HttpRequest) -> HttpResponse:
    """The preview once more with what was mended, or the import."""
    user = _user(request)
    try:
        columns = uploading.columns(uploading.kept(request.POST.get("kept", ""), user))
    except UploadError as gone:
        messages.error(request, f"Nothing was imported: {gone}.")
        return redirect("upload")
    form = MappingForm(columns, request.POST)
    if request.POST.get("do") != "import" or not form.is_valid():
        return _previewed(request, form)
    said, accept = form.cleaned_data, request.POST.get("accept") == "yes"
    try:
        run = uploading.take(said["kept"], user, mapping=form.mapping(), account=said["account"], accept_bad=accept)
    except (UploadError, MappingError) as wrong:
        messages.error(request, f"Nothing was imported: {wrong}.")
        return _previewed(request, form)
    messages.success(request, f"{run.stored:,} records are stored; a worker puts them into the figures within minutes.")
    return redirect("run", number=run.pk)


def _previewed(request: HttpRequest, form: MappingForm, *, first: bool = False) -> HttpResponse:
    context: dict[str, Any] = {"mapping_form": form, "records": uploading.RECORDS, "shown": _SHOWN}
    if form.is_valid():
        try:
            found = uploading.preview(uploading.kept(form.cleaned_data["kept"], _user(request)), form.mapping())
        except (UploadError, MappingError) as wrong:
            form.add_error(None, f"{wrong}.")
        else:
            context |= {
                "found": found, "good": len(found["rows"]), "bad": len(found["rejects"]), "rejects": found["rejects"][:REJECTS],
                "rows": [[row.get(name, "") for name in _SHOWN] for row in found["rows"][:ROWS]],
            }  # fmt: skip
    return render(request, "web/upload.html", context, status=422 if form.errors and not first else 200)


def _guessed(columns: Mapping[str, str]) -> dict[str, str]:
    """The form's first answers: columns whose names the default mapping knows."""
    known = choose(columns)
    places: dict[str, Column] = {
        "time": known.time, "model": known.texts["model_served"], "input": known.counts["input_uncached"],
        "output": known.counts["output_visible"], "id": known.id[0], "provider": known.provider,
        "reported_cost": known.reported_cost, "requests": known.numbers["requests"], "team": known.tags["team"],
        **{name: known.counts[name] for name in ("cache_read", "output_reasoning")},
        **{name: known.texts[name] for name in ("project", "feature", "environment")},
    }  # fmt: skip
    found = {name: next((each for each in place.columns if each in columns), "") for name, place in places.items()}
    beside = found["cache_read"].endswith("cache_read_input_tokens")
    return {**found, "times": "iso", "numbers": "1234.56", "cached": "beside" if beside else "part"}


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the guard let nobody else through
    return request.user
