"""Adjustments in the database: nobody approves their own, what was approved is charged, and frozen months are referred to."""

from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from allocation import rulebook
from allocation.attribution import adjustments, monthly
from allocation.calc.contracts_fields import AgreementError
from allocation.close import manifest
from allocation.costing import terms
from allocation.models import Adjustment, BillingPeriod, Charge, CostDaily, Grant
from finops import approvals
from finops.approvals import AboveLimit, SelfApproval
from finops.models import Approval, User
from finops.periods import Period
from tests.allocation.attribution.test_splits import PLATFORM, RULES, borne, settle, three, used
from tests.allocation.calc.test_adjustments import ASKED
from tests.allocation.costing.agreed import MILLION, call
from tests.allocation.stated import DAY, KINDS
from web import approving

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
MOVED = ASKED | {"parts": [{"cost_centre": "CC-A", "amount": "2"}, {"cost_centre": "CC-B", "amount": "-2"}]}


@pytest.fixture(autouse=True)
def ruled(ledger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    rulebook.load(RULES, actor="test")


def approved(document: dict[str, Any], by: str = "bob") -> Adjustment:
    asked = adjustments.propose(document, by="ann")
    approving.decide(asked, by=by, accept=True)
    settle()
    return Adjustment.objects.get(approval=asked)


def test_an_approved_adjustment_is_charged_in_its_month_and_survives_a_refresh_of_its_day() -> None:
    three()
    posted = approved(MOVED)
    assert borne() == {"CC-A": 7, "CC-B": 13, "CC-P": 10}
    assert borne(basis="adjustment") == {"CC-A": 2, "CC-B": -2}
    assert (posted.charge_date.isoformat(), posted.late) == ("2026-09-30", False), (
        "the last day of a month that is over"
    )
    rows = Charge.objects.filter(subject=f"adjustment {posted.pk}")
    assert set(rows.values_list("charge_category", "charge_class", "provenance")) == {("Adjustment", "", "allocated")}
    assert all(
        len(set(costs)) == 1
        for costs in rows.values_list("list_cost", "contracted_cost", "effective_cost", "billed_cost")
    )
    terms.rate_anew([posted.charge_date])
    used(call(9, 4 * MILLION, days=22, project="a"))
    assert borne(basis="adjustment") == {"CC-A": 2, "CC-B": -2}
    assert CostDaily.objects.filter(basis="adjustment").aggregate(Sum("billed_cost"))["billed_cost__sum"] == 0


def test_nobody_approves_their_own_and_what_is_rejected_moves_nothing() -> None:
    three()
    asked = adjustments.propose(MOVED, by="ann")
    with pytest.raises(SelfApproval):
        approving.decide(asked, by="ann", accept=True)
    approving.decide(asked, by="bob", accept=False)
    settle()
    assert (Adjustment.objects.count(), borne(basis="adjustment")) == (0, {})


def test_a_pool_funds_what_the_parts_leave_and_shares_out_the_less() -> None:
    three()
    monthly.load("splits", [PLATFORM], actor="ann")
    settle()
    approved(ASKED | {"parts": [{"cost_centre": "CC-B", "amount": "4"}], "pool": "platform"})
    assert borne(basis="adjustment") == {"CC-B": 4, "CC-P": -4}
    assert borne(basis="shared") == {"CC-A": D("1.5"), "CC-B": D("4.5"), "CC-P": -6}, "10 less 4, by 4 to 12"
    with pytest.raises(AgreementError, match="pool 'none' is not in force"):
        adjustments.propose(ASKED | {"parts": [{"cost_centre": "CC-B", "amount": "4"}], "pool": "none"}, by="ann")


def test_against_a_frozen_month_it_is_posted_into_the_open_one_with_the_reference() -> None:
    three()
    BillingPeriod.objects.create(month=DAY.replace(day=1), state="closed")
    manifest.write(Period.month_of(DAY))
    posted = approved(MOVED)
    assert (posted.month.isoformat(), posted.late) == ("2026-09-01", True)
    assert posted.charge_date.replace(day=1) > posted.month
    assert borne(charge_date__lt="2026-10-01") == {"CC-A": 5, "CC-B": 15, "CC-P": 10}
    assert borne(basis="adjustment") == {"CC-A": 2, "CC-B": -2}
    rows = Charge.objects.filter(subject=f"adjustment {posted.pk}").values_list("charge_class", flat=True)
    assert set(rows) == {"Correction"}


def test_who_is_written_wrong_is_refused() -> None:
    three()
    with pytest.raises(AgreementError, match="there is no cost centre 'CC-X'"):
        adjustments.propose(MOVED | {"parts": [{"cost_centre": "CC-X", "amount": "1"}], "pool": "p"}, by="ann")
    with pytest.raises(AgreementError, match="CC-A has no team 'search'"):
        adjustments.propose(ASKED, by="ann")


def test_a_limit_holds_for_whom_it_names_by_role_or_by_name(settings: Any) -> None:
    three()
    for name, role in (("bob", "finance"), ("eve", "finance")):
        Grant.objects.create(user=User.objects.create(username=name), role=role)
    settings.APPROVAL_LIMITS = {"*": {"finance": D(1), "eve": D(100)}, "rules": {"finance": D(0)}}
    asked = adjustments.propose(MOVED, by="ann")
    with pytest.raises(AboveLimit, match=r"adjustment is of 2 USD, above the limit of 1 USD"):
        approving.decide(asked, by="bob", accept=True)
    with pytest.raises(AboveLimit, match="limit of 0 USD"):
        approving.decide(asked, by="nobody", accept=True)
    assert Approval.objects.get(pk=asked.pk).state == "proposed"
    approving.decide(asked, by="eve", accept=True)


@pytest.mark.parametrize(("month", "told"), [("2019-01", "lies before the books, which begin with 2026-09"),
                                             ("2050-01", "has not begun")])  # fmt: skip
def test_a_month_outside_the_books_is_refused_when_asked_for_and_again_when_decided(month: str, told: str) -> None:
    three()
    with pytest.raises(AgreementError, match=told):
        adjustments.propose(MOVED | {"month": month}, by="ann")
    assert not Approval.objects.exists()
    # one that was asked for before this was looked at
    waits = approvals.propose("adjustment", "x", {"adjustment": MOVED | {"month": month}}, "ann")
    with pytest.raises(AgreementError, match=told):
        approving.decide(waits, by="bob", accept=True)
    assert (Approval.objects.get(pk=waits.pk).state, Adjustment.objects.count()) == ("proposed", 0)


def test_less_than_a_cent_does_not_move() -> None:
    three()
    parts = [{"cost_centre": "CC-A", "amount": "0.001"}, {"cost_centre": "CC-B", "amount": "-0.001"}]
    with pytest.raises(AgreementError, match=r"give CC-A 0.001: USD has 2 decimals"):
        adjustments.propose(MOVED | {"parts": parts}, by="ann")
