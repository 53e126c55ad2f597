"""Budgets in the ledger: proposed whole, in force by a second person, compared with what was spent."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from allocation.models import Accrual, AccrualRun
from finops.approvals import AboveLimit, SelfApproval
from finops.periods import Period
from forecasting import budgets, selectors
from forecasting.calc.budget_entries import BudgetError, Row
from forecasting.calc.fiscal import Calendar
from forecasting.models import BudgetLine, BudgetVersion
from tests.web.ledger import Usage, centre, load
from web import approving

pytestmark = pytest.mark.django_db
D = Decimal
JANUARY, FEBRUARY, MARCH = (Period.month(f"2026-0{n}") for n in (1, 2, 3))


def proposed(*lines: str, asked: budgets.Asked | None = None, merge: bool = False) -> BudgetVersion:
    header = ["cost_centre", "month", "amount"]
    rows = [Row(n, dict(zip(header, line.split(), strict=True))) for n, line in enumerate(lines, start=2)]
    rows = [
        Row(row.number, {**row.cells, "cost_centre": row.cells["cost_centre"].replace("-whole-", "")}) for row in rows
    ]
    return budgets.propose(asked or budgets.Asked(2026), header, rows, by="ann", merge=merge)


def accepted(*lines: str, asked: budgets.Asked | None = None, merge: bool = False) -> BudgetVersion:
    version = proposed(*lines, asked=asked, merge=merge)
    assert version.approval is not None
    approving.decide(version.approval, by="bo", accept=True)
    version.refresh_from_db()
    return version


@pytest.fixture(autouse=True)
def centres() -> None:
    centre("CC-100")
    centre("CC-200")


def test_a_budget_counts_once_a_second_person_accepted_it() -> None:
    version = proposed("CC-100 2026-01 100")
    assert selectors.budget_of("CC-100", JANUARY) is None
    with pytest.raises(SelfApproval):
        approving.decide(version.approval, by="ann", accept=True)
    approving.decide(version.approval, by="bo", accept=True)
    assert selectors.budget_of("CC-100", JANUARY) == 100
    assert selectors.budget_of("CC-200", JANUARY) is None, "nothing budgeted is not a budget of 0"
    assert selectors.budget_of("CC-100", FEBRUARY) is None


def test_a_budget_is_worth_its_lines_and_limits_hold(settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"budget": {"bo": D("149.99")}, "*": {"bo": D(10**9)}}
    version = proposed("CC-100 2026-01 100", "CC-200 2026-02 50")
    with pytest.raises(AboveLimit, match=r"this budget is of 150 USD, above the limit of 149\.99 USD"):
        approving.decide(version.approval, by="bo", accept=True)
    assert selectors.budget_of("CC-100", JANUARY) is None
    settings.APPROVAL_LIMITS["budget"]["bo"] = D(150)
    approving.decide(version.approval, by="bo", accept=True)
    assert selectors.budget_of("CC-100", JANUARY) == 100


def test_a_rejected_version_never_counts() -> None:
    accepted("CC-100 2026-01 100")
    version = proposed("CC-100 2026-01 999")
    approving.decide(version.approval, by="bo", accept=False)
    assert selectors.budget_of("CC-100", JANUARY) == 100


def test_the_version_accepted_last_is_in_force_and_no_line_of_the_former() -> None:
    accepted("CC-100 2026-01 100", "CC-200 2026-01 50")
    accepted("CC-100 2026-01 80", asked=budgets.Asked(2026, kind="reforecast"))
    assert selectors.budgets(JANUARY) == {"CC-100": 80, None: 80}
    assert [(v.number, v.kind) for v in selectors.in_force()] == [(2, "reforecast")]
    assert BudgetLine.objects.count() == 3, "former versions stay as they were"


def test_the_whole_is_what_was_said_of_it_else_the_sum() -> None:
    accepted("CC-100 2026-01 100", "CC-200 2026-01 50")
    assert selectors.budget_of(None, JANUARY) == 150
    accepted("CC-100 2026-01 100", "-whole- 2026-01 400")
    assert selectors.budget_of(None, JANUARY) == 400
    accepted("CC-200 2026-01 7", asked=budgets.Asked(2026, "GPUs"))
    assert selectors.budget_of(None, JANUARY) == 407, "a second budget is for other money"


def test_a_merged_version_leaves_the_others_as_they_are() -> None:
    accepted("CC-100 2026-01 100", "CC-200 2026-01 50", "-whole- 2026-01 400")
    accepted("CC-100 2026-02 9", merge=True)
    assert selectors.budgets(JANUARY) == {"CC-200": 50, None: 400}
    assert selectors.budget_of("CC-100", FEBRUARY) == 9


def test_a_merge_on_what_is_no_longer_in_force_is_refused_and_stays_open() -> None:
    accepted("CC-100 2026-01 100")
    mine = proposed("CC-200 2026-01 50", merge=True)
    accepted("CC-100 2026-01 70")
    with pytest.raises(BudgetError, match="made from a version that is not in force any more"):
        approving.decide(mine.approval, by="bo", accept=True)
    assert selectors.budgets(JANUARY) == {"CC-100": 70, None: 70}


def test_a_bad_row_stores_nothing() -> None:
    with pytest.raises(BudgetError, match="row 3, column cost_centre"):
        proposed("CC-100 2026-01 100", "CC-900 2026-01 1")
    assert not BudgetVersion.objects.exists()


def test_a_year_of_weeks_against_calendar_months_adds_up_exactly() -> None:
    asked = budgets.Asked(
        2026, calendar=Calendar("4-4-5")
    )  # from Sunday 2026-01-04 (nearer to 1 January than 28 December)
    accepted("CC-100 P01 28", "CC-100 P02 28.01", asked=asked)
    assert selectors.budget_of("CC-100", JANUARY) == 28, "4 to 31 January are the 28 days of P01"
    assert selectors.budget_of("CC-100", FEBRUARY) == D("28.01")
    year = Period(date(2025, 12, 1), date(2027, 2, 1))
    assert selectors.budget_of("CC-100", year) == D("56.01")


def test_a_known_budget_keeps_its_calendar() -> None:
    accepted("CC-100 2026-01 100")
    with pytest.raises(BudgetError, match="has a year of its own"):
        proposed("CC-100 P01 100", asked=budgets.Asked(2026, calendar=Calendar("4-4-5")))


def test_budget_and_actual_side_by_side_with_the_year_to_date() -> None:
    accepted("CC-100 2026-01 100", "CC-100 2026-02 110", "CC-200 2026-02 5")
    load(
        Usage("60", "CC-100", day=date(2026, 1, 9)), Usage("120.5", "CC-100", day=date(2026, 2, 9)),
        Usage("3", None, day=date(2026, 2, 9)), Usage("8", "CC-100", day=date(2026, 3, 1)),
    )  # fmt: skip
    from allocation.scope import EVERYTHING

    whole, first, second = selectors.against_actual(EVERYTHING, FEBRUARY)
    assert whole[:7] == (None, "", "USD", 115, D("123.5"), None, D("-8.5"))
    assert first[3:] == (110, D("120.5"), None, D("-10.5"), 210, D("180.5"), D("29.5"))
    assert (second.budget, second.actual, second.left, second.ytd_left) == (5, 0, 5, 5)


def test_what_accruals_add_stands_beside_the_actual_of_the_whole() -> None:
    accepted("CC-100 2026-02 110")
    load(Usage("100", "CC-100", day=date(2026, 2, 9)))
    run = AccrualRun.objects.create(month=date(2026, 2, 1), version=1, content_hash="x", made_by="ann")
    Accrual.objects.create(run=run, issuer="openai", currency="USD", billed_month=date(2026, 2, 1), invoice_id="PROV", cost=100,
                           computed=100, share=D("0.04"), estimate=4, amount=104, reversed=0)  # fmt: skip
    from allocation.scope import EVERYTHING

    whole, centre = selectors.against_actual(EVERYTHING, FEBRUARY)
    assert (whole.actual, whole.accrual, whole.left) == (100, 4, 6)
    assert (centre.actual, centre.accrual, centre.left) == (100, None, 10)


def test_the_year_to_date_begins_with_the_fiscal_year() -> None:
    asked = budgets.Asked(2026, calendar=Calendar(first_month=3))
    with pytest.raises(BudgetError, match="2025-03 to 2026-02"):
        proposed("CC-100 2026-03 1", asked=asked)
    accepted("CC-100 P01 10", "CC-100 2026-02 5", asked=asked)
    assert selectors.to_date(FEBRUARY) == Period(date(2025, 3, 1), date(2026, 3, 1))
    assert selectors.budget_to_date("CC-100", FEBRUARY) == 15


def test_last_years_actuals_phase_a_year() -> None:
    load(Usage("30", "CC-100", day=date(2025, 1, 5)), Usage("10", "CC-100", day=date(2025, 4, 5)), Usage("7", "CC-200"))
    rows = [Row(2, {"cost_centre": "CC-100", "annual": "100", "phasing": "last_year"})]
    version = budgets.propose(budgets.Asked(2026), ["cost_centre", "annual", "phasing"], rows, by="ann")
    assert {f"{line.start:%m}": line.amount for line in version.lines.all() if line.amount} == {"01": 75, "04": 25}


def test_a_ledger_that_begins_in_the_year_is_compared_with_the_budget_of_its_months_alone() -> None:
    """A budget of 10 a month; the ledger begins on 20 February: to March 20 are budgeted, not 30, and 12 were spent."""
    accepted("CC-100 2026-01 10", "CC-100 2026-02 10", "CC-100 2026-03 10")
    load(Usage("7", "CC-100", day=date(2026, 2, 20)), Usage("5", "CC-100", day=date(2026, 3, 2)))
    from allocation.scope import EVERYTHING

    march = Period.month("2026-03")
    assert selectors.to_date(march).start == date(2026, 1, 1)
    assert selectors.compared_to_date(march) == Period(date(2026, 2, 1), date(2026, 4, 1))
    whole, _ = selectors.against_actual(EVERYTHING, march)
    assert (whole.ytd_budget, whole.ytd_actual, whole.ytd_left) == (20, 12, 8)
    assert selectors.compared_to_date(JANUARY) == JANUARY, "what is asked for is always compared"
    assert selectors.compared_to_date(march, "EUR") == selectors.to_date(march), "no ledger in it, nothing to leave out"
