"""The pages Scenarios: all of them, one with its newest run and its parameters, and several beside each other."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from allocation.models import Grant
from allocation.scope import roles_of
from finops.documents import DocumentError, read_yaml
from forecasting import scenarios
from forecasting import scenarios_selectors as selectors
from forecasting.calc.scenario_origin import ScenarioError
from forecasting.models import ScenarioRun
from forecasting.scenarios_origin import whole_months
from forecasting.scenarios_selectors import NoScenario, Shown
from web import scenario_files
from web.downloads import csv_file, xlsx_file
from web.pages import scenarios_form as form
from web.pages import scenarios_shown as shown
from web.pages.access import for_those_who_see_everything
from web.pages.wrong import posted

WRITERS = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE})
RUNS = 12  # shown of a scenario


@require_safe
@for_those_who_see_everything
def listing(request: HttpRequest) -> HttpResponse:
    """Presets and saved scenarios with what their newest run says."""
    return _listing(request)


@require_POST
@for_those_who_see_everything
def create(request: HttpRequest) -> HttpResponse:
    """A new scenario over a preset, or from a document."""
    by, typed = _writer(request), posted(request)
    try:
        document = _typed_document(typed)
        version = scenarios.save(document, by=by, shared=bool(typed.get("shared")))
    except (ScenarioError, DocumentError, RecursionError) as wrong:
        return _listing(request, wrong=_said(wrong), typed=typed, status=422)
    messages.success(request, f"{version} is saved.")
    return redirect("forecast-scenario", version.scenario.name)


@require_safe
@for_those_who_see_everything
def page(request: HttpRequest, name: str) -> HttpResponse:
    """One scenario: its newest run, or the one that the address names, and its parameters."""
    return _page(request, _find(request, name))


@require_POST
@for_those_who_see_everything
def save(request: HttpRequest, name: str) -> HttpResponse:
    """A new version, or from a preset a scenario of one's own, by the form."""
    by, one, typed = _writer(request), _find(request, name), posted(request)
    try:
        shared = bool(typed.get("shared")) if one.preset or one.owner == by else None
        version = scenarios.save(form.document(one, typed), by=by, shared=shared)
        row = scenarios.run(version, by=by) if typed.get("run") else None
    except ScenarioError as wrong:
        return _page(request, one, wrong=_said(wrong), status=422)
    messages.success(request, f"{version} is saved{' and was run' if row else ''}.")
    return _to(request, version.scenario.name, row)


@require_POST
@for_those_who_see_everything
def run(request: HttpRequest, name: str) -> HttpResponse:
    """Run the newest version from the newest whole month, with the seed that was typed; the run itself is shown."""
    by, typed, row = _writer(request), posted(request), None
    try:
        asked = scenarios.Asked(seed=form.seed(typed))
        row, new = scenarios.run_or_known(selectors.to_run(name, by, by=by), asked, by=by)
    except NoScenario as none:
        raise Http404(str(none)) from None
    except ScenarioError as wrong:
        messages.error(request, f"Nothing was run: {wrong}.")
    else:
        said = "was run" if new else f"was run so already, on {row.made_at:%Y-%m-%d at %H:%M} UTC: the same figures"
        messages.success(request, f"{row} with seed {row.seed} {said}.")
    return redirect("forecast-scenarios") if typed.get("back") == "list" else _to(request, name, row)


@require_safe
@for_those_who_see_everything
def as_csv(request: HttpRequest, name: str) -> HttpResponse:
    """Cost of every month by tier, as the run of the view has it."""
    row = _run(request, _find(request, name))
    return csv_file(scenario_files.name(row), *scenario_files.months(selectors.result(row)))


@require_safe
@for_those_who_see_everything
def as_xlsx(request: HttpRequest, name: str) -> HttpResponse:
    """All of the run."""
    row = _run(request, _find(request, name))
    return xlsx_file(scenario_files.name(row), scenario_files.sheets(row))


@require_safe
@for_those_who_see_everything
def as_json(request: HttpRequest, name: str) -> HttpResponse:
    """The stored bytes."""
    return scenario_files.as_json(_run(request, _find(request, name)))


@require_safe
@for_those_who_see_everything
def compare(request: HttpRequest) -> HttpResponse:
    """Two to four scenarios with the same luck."""
    names = request.GET.getlist("scenario")
    known = selectors.listed(_reader(request))
    context: dict[str, Any] = {"tab": "scenarios", "known": known, "names": names, "wrong": "", "most": selectors.MOST}
    status = 200
    if names:
        try:
            found = selectors.compared(names, _reader(request))
            context |= shown.comparison(found)
            context["search"] = urlencode([("scenario", name) for name in names])
            context["api"] = f"{reverse('api-scenarios-compare')}?{urlencode({'scenario': ','.join(names)})}"
        except (NoScenario, ScenarioError) as wrong:
            context["wrong"], status = _said(wrong), 422
    return render(request, "web/scenarios_compare.html", context, status=status)


@require_safe
@for_those_who_see_everything
def compare_csv(request: HttpRequest) -> HttpResponse:
    """The comparison of the very view, month by month."""
    return _compared(request, lambda table: csv_file("scenarios", *table))


@require_safe
@for_those_who_see_everything
def compare_xlsx(request: HttpRequest) -> HttpResponse:
    """The same as a workbook."""
    return _compared(request, lambda table: xlsx_file("scenarios", {"Scenarios": table}))


def _compared(request: HttpRequest, file: Callable[[scenario_files.Table], HttpResponse]) -> HttpResponse:
    try:
        found = selectors.compared(request.GET.getlist("scenario"), _reader(request))
    except (NoScenario, ScenarioError) as wrong:
        context = {"wrong": _said(wrong), "back": "forecast-scenarios-compare"}
        return render(request, "400.html", context, status=400)
    return file(scenario_files.comparison(found))


def _said(wrong: Exception) -> str:
    """A message without its full stop, which the page puts."""
    return str(wrong).rstrip(".")


def _listing(request: HttpRequest, *, wrong: str = "", typed: Any = None, status: int = 200) -> HttpResponse:
    found = [shown.line(one) for one in selectors.listed(_reader(request))]
    context = {
        "tab": "scenarios",
        "groups": [
            ("Saved", [each for each in found if not each["one"].preset]),
            ("Shipped with the product", [each for each in found if each["one"].preset]),
        ],
        "writes": _writes(request), "wrong": wrong,
        "typed": typed or {}, "over": form.presets(), "month": next(iter(whole_months()), None), "most": selectors.MOST,
    }  # fmt: skip
    return render(request, "web/scenarios.html", context, status=status)


def _page(request: HttpRequest, one: Shown, *, wrong: str = "", status: int = 200) -> HttpResponse:
    reader = _reader(request)
    runs = list(selectors.runs(one.name, reader)[:RUNS])
    row = _chosen(request, one)
    tier = request.GET.get("tier", "")
    context: dict[str, Any] = {
        "tab": "scenarios", "one": one, "row": row, "runs": runs, "versions": selectors.versions(one.name, reader)[:RUNS],
        "writes": _writes(request), "wrong": wrong, "month": next(iter(whole_months()), None),
        "lines": form.rows(one, request.POST if wrong else None), "choices": form.choices(),
        "ends": form.ENDS, "seed": scenarios.SEED, "typed": request.POST if wrong else {},
        "steps": one.resolved.steps, "policy": one.resolved.policy, "mine": one.preset or one.owner == reader,
    }  # fmt: skip
    if row is not None:
        context |= shown.run(row, tier)
        search = f"?{urlencode({'run': row.pk})}" if request.GET.get("run") else ""
        kept = {"run": row.pk} if search else {}
        context |= {
            "search": search, "tabs": [(name, text, f"?{urlencode({**kept, 'tier': name})}") for name, text in context["tiers"]],
            "old": one.run is None or row.pk != one.run.pk, "api": f"{reverse('api-scenario-result', args=[one.name])}{search}",
        }  # fmt: skip
    return render(request, "web/scenario.html", context, status=status)


def _to(request: HttpRequest, name: str, row: ScenarioRun | None) -> HttpResponse:
    """The page of a scenario, on the run that was asked for: one that is stored already may not be the newest."""
    address = reverse("forecast-scenario", args=[name])
    newest = selectors.find(name, _reader(request)).run
    return redirect(address if row is None or row == newest else f"{address}?{urlencode({'run': row.pk})}")


def _chosen(request: HttpRequest, one: Shown) -> ScenarioRun | None:
    """The run that the address names, else the newest of any version. Raises Http404."""
    rows = selectors.runs(one.name, _reader(request))
    number = request.GET.get("run", "")
    if not number:
        return one.run or rows.first()
    found = rows.filter(pk=int(number)).first() if number.isascii() and number.isdigit() and len(number) < 18 else None
    if found is None:
        raise Http404("There is no such run.")
    return found


def _run(request: HttpRequest, one: Shown) -> ScenarioRun:
    row = _chosen(request, one)
    if row is None:
        raise Http404(f"{one.name} was not run yet.")
    return row


def _find(request: HttpRequest, name: str) -> Shown:
    try:
        return selectors.find(name, _reader(request))
    except NoScenario as none:
        raise Http404(str(none)) from None


def _typed_document(typed: Any) -> Any:
    """What the form of a new scenario says. Raises ScenarioError, DocumentError."""
    if text := typed.get("document", "").strip():
        return read_yaml(text)
    name = typed.get("name", "").strip()
    return {"name": name, "title": typed.get("title", "").strip() or name, "over": typed.get("over", "")}


def _writes(request: HttpRequest) -> bool:
    return bool(roles_of(request.user) & WRITERS)


def _writer(request: HttpRequest) -> str:
    if not _writes(request):
        raise PermissionDenied
    return _reader(request)


def _reader(request: HttpRequest) -> str:
    name: str = request.user.get_username()
    return name
