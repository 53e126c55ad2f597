"""The demo's budget: made up, by cost centre and month of the calendar year, with growth; original and in force."""

from allocation.models import CostCentre
from forecasting import budgets
from forecasting.calc.budget_entries import Row
from forecasting.models import Budget
from web import approving
from web.demo.agreements import APPROVER, PREPARER
from web.demo.window import Window

NAME = "example"
_MONTHLY = {
    "CC-210": 18_000, "CC-220": 45_000, "CC-310": 75_000, "CC-330": 5_000, "CC-390": 2_000, "CC-410": 30_000,
}  # fmt: skip


def load(window: Window) -> None:
    """Propose the budget of the running month's year and accept it, once."""
    year = window.until.year
    if Budget.objects.filter(name=NAME, fiscal_year=year).exists():
        return
    known = set(CostCentre.objects.values_list("code", flat=True))
    rows = [
        Row(number, {"cost_centre": code, "annual": str(12 * amount), "phasing": "even"})
        for number, (code, amount) in enumerate(_MONTHLY.items(), start=2)
        if code in known
    ]
    asked = budgets.Asked(year, NAME)
    version = budgets.propose(asked, ("cost_centre", "annual", "phasing"), rows, by=PREPARER)
    assert version.approval is not None
    approving.decide(version.approval, by=APPROVER, accept=True, reason="example")
