"""The page Budgets: what was meant to be spent against what was, and the form by which a budget is proposed."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from allocation.scope import scope_of
from finops.periods import Period
from forecasting import budgets, selectors
from forecasting.calc.budget_entries import BudgetError, Row
from forecasting.calc.fiscal import PATTERNS, Calendar
from forecasting.models import BudgetVersion
from web.budget_files import BYTES_MAX, rows_of
from web.downloads import csv_file
from web.pages.access import sees_everything
from web.pages.approvals import asked_for, deciding
from web.pages.months import Chosen, of_month

_CSV = ("code", "name", "currency", "budget", "actual", "accrual", "left", "ytd_budget", "ytd_actual", "ytd_left")
_AS_KNOWN = ""


class BudgetForm(forms.Form):
    """A file, or one cost centre's year. What is wrong in it, forecasting.calc.budget_entries says."""

    fiscal_year = forms.IntegerField(min_value=2001, max_value=2099)
    version = forms.ChoiceField(choices=BudgetVersion.Kind.choices)
    name = forms.CharField(max_length=100, initial=budgets.DEFAULT, help_text="Budgets of several names add up.")
    pattern = forms.ChoiceField(
        required=False, choices=[(_AS_KNOWN, "as it is known"), *((name, name) for name in PATTERNS)],
        help_text="How the fiscal year is cut; of a new budget: months.",
    )  # fmt: skip
    first_month = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=12,
        help_text="Of a new budget: the month in which its year begins, 1 to 12.",
    )
    file = forms.FileField(
        required=False, allow_empty_file=True,
        help_text="CSV or Excel: cost_centre, and month and amount, or annual and phasing, or a column a month.",
    )  # fmt: skip
    cost_centre = forms.CharField(required=False, max_length=60, help_text="Without a file: whose. Empty: the whole.")
    annual = forms.CharField(required=False, max_length=40, widget=forms.TextInput(attrs={"inputmode": "decimal"}))
    phasing = forms.CharField(
        required=False, max_length=300, initial="even", help_text="even, last_year, or twelve percentages."
    )

    def content(self) -> tuple[list[str], list[Row], bool]:
        """Header, rows, and whether only the named cost centre changes. Raises BudgetError."""
        said, file = self.cleaned_data, self.cleaned_data["file"]
        if file is not None and said["annual"]:
            raise BudgetError("give a file or an annual amount, not both")
        if file is not None:
            if file.size > BYTES_MAX:
                raise BudgetError(f"{file.name} is larger than {BYTES_MAX // 1_000_000} MB")
            return *rows_of(file.name, file.read()), False
        header = ["cost_centre", "annual", "phasing"]
        return header, [Row(1, {name: said[name] for name in header})], True

    def asked(self) -> budgets.Asked:
        """Which budget."""
        said = self.cleaned_data
        calendar = None
        if said["pattern"] or said["first_month"]:
            calendar = Calendar(said["pattern"] or "months", said["first_month"] or 1)
        return budgets.Asked(said["fiscal_year"], said["name"], said["version"], calendar)


@require_safe
@of_month("budgets")
def page(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """Of a month and of the fiscal year to its end."""
    return _shown(request, chosen, BudgetForm(initial={"fiscal_year": _period(chosen).end.year}))


@require_safe
@of_month("budgets")
def as_csv(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """The table of the very view, exact."""
    rows = selectors.against_actual(scope_of(request.user), _period(chosen))
    return csv_file(f"budgets_{_period(chosen)}", _CSV, ([getattr(row, name) for name in _CSV] for row in rows))


@require_POST
@of_month("budgets")
def propose(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """A version, for another person to accept."""
    scope = budgets.may_propose_for(request.user)
    if not (scope.everything or scope.cost_centres):
        raise PermissionDenied
    form = BudgetForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            header, rows, merge = form.content()
            made = budgets.propose(form.asked(), header, rows, by=request.user.get_username(), scope=scope, merge=merge)
        except BudgetError as wrong:
            form.add_error(None, f"{wrong}.")
        else:
            messages.success(request, f"{made} waits for another person of finance to accept it.")
            return redirect("budgets")
    return _shown(request, chosen, form, status=422)


def _shown(request: HttpRequest, chosen: Chosen, form: BudgetForm, status: int = 200) -> HttpResponse:
    period, scope = _period(chosen), scope_of(request.user)
    may = budgets.may_propose_for(request.user)
    everything = sees_everything(request)
    year, compared = selectors.to_date(period), selectors.compared_to_date(period)
    rows = selectors.against_actual(scope, period, year=compared)
    context: dict[str, Any] = {
        "period": period, "months": chosen.months, "rows": rows, "form": form, "currency": settings.REPORT_CURRENCY,
        "tab": "budgets", "versions": selectors.in_force(), "year": year, "compared": compared,
        "uncovered": compared.start > year.start, "before": compared.start - timedelta(days=1),
        "accrued": any(row.accrual is not None for row in rows),
        "budgeted": any(row.ytd_budget is not None for row in rows),
        "proposes": may.everything or bool(may.cost_centres), "csv": f"/budgets/budgets.csv?month={period}",
        "waiting": asked_for(request, {budgets.KIND}) if everything else [], **deciding(request),
    }  # fmt: skip
    return render(request, "web/budgets.html", context, status=status)


def _period(chosen: Chosen) -> Period:
    return chosen.period or Period.month_of(timezone.now().date())
