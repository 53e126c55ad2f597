"""Other charges on stored data: whose they are, what a tax and a credit follow, and what waits for a second person."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from allocation import rulebook
from allocation.costing import other_charges, terms
from allocation.costing.other_charge_selectors import shares
from allocation.derived import refresh
from allocation.models import AllocatedCost, Charge
from allocation.verification import verify
from finops import approvals, fx
from finops.fx_files import Published
from finops.models import Approval, SiteMark
from finops.periods import Period
from tests.allocation.stated import DAY, KINDS, NOON, state

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
RULES = [
    {"id": "r1", "priority": 1, "when": {"project": "a"}, "to": {"cost_centre": "CC-A"}},
    {"id": "r2", "priority": 2, "when": {"project": "b"}, "to": {"cost_centre": "CC-B"}},
    {"id": "r3", "priority": 3, "when": {"layer": "other", "project": "platform"},
     "to": {"shares": {"CC-A": "0.75", "CC-B": "0.25"}}},
]  # fmt: skip


@pytest.fixture(autouse=True)
def ruled(ledger: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    settings.FINANCE_COST_CENTRE = "CC-FIN"
    SiteMark.objects.create(name="demo", value={"until": str(DAY + timedelta(days=1))})
    rulebook.load(RULES, actor="test")


def charge(*entries: dict[str, Any]) -> None:
    terms.load("other_charges", [{"from": str(DAY), **entry} for entry in entries], other_charges.parse, actor="ann")
    derive()


def derive() -> None:
    refresh()
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


def borne(day: date = DAY, column: str = "effective_cost") -> dict[tuple[str, str | None], Decimal]:
    """(subject, cost centre) -> cost of a day's other charges."""
    rows = AllocatedCost.objects.filter(charge_date=day, charge__subject__startswith="other ")
    found: dict[tuple[str, str | None], Decimal] = {}
    for subject, centre, cost in rows.values_list("charge__subject", "cost_centre__code", column):
        found[subject.removeprefix("other "), centre] = found.get((subject, centre), D(0)) + cost
    return found


def calls() -> None:
    """gpt-5 input at 1.25 per million: 5 of project a, 2.5 of project b."""
    state(
        "gate",
        [
            {"native_id": "1", "occurred_at": NOON, "project": "a", "input_uncached": 4_000_000},
            {"native_id": "2", "occurred_at": NOON, "project": "b", "input_uncached": 2_000_000},
        ],
    )


def test_an_owner_a_pool_and_rules_say_whose_a_charge_is_also_on_days_without_usage() -> None:
    charge(
        {"code": "tracing", "category": "licence", "amount": "300", "every": "month", "owner": {"cost_centre": "CC-L"}},
        {"code": "staff", "category": "staff", "amount": "40", "pool": "platform"},
        {"code": "audit", "category": "compliance", "amount": "7"},
    )
    # 300 over the 30 days from 8 September to 8 October
    day = {("tracing", "CC-L"): 10, ("staff", "CC-A"): 30, ("staff", "CC-B"): 10, ("audit", None): 7}
    assert borne() == day
    assert borne(DAY + timedelta(days=1)) == {("tracing", "CC-L"): 10}
    assert borne(DAY - timedelta(days=1)) == {}
    assert borne(column="billed_cost")["tracing", "CC-L"] == 300
    assert borne(DAY + timedelta(days=1), "billed_cost")["tracing", "CC-L"] == 0


def test_a_recoverable_tax_is_finances_and_another_follows_its_base() -> None:
    calls()
    charge(
        {"code": "tracing", "category": "licence", "amount": "100", "owner": {"cost_centre": "CC-L"}},
        {"code": "staff", "category": "staff", "amount": "300", "pool": "platform"},
        {"code": "vat", "category": "tax", "amount": "19", "tax": "recoverable", "owner": {"cost_centre": "CC-L"}},
        {"code": "gst", "category": "tax", "amount": "40", "tax": "non_recoverable", "base": ["tracing", "staff"]},
        {"code": "levy", "category": "tax", "amount": "3", "tax": "non_recoverable", "base": {"provider": "openai"}},
        {"code": "usage-tax", "category": "tax", "rate": "0.1", "tax": "non_recoverable", "base": {"model": "gpt-5*"}},
    )
    for approval in approvals.waiting(other_charges.APPROVAL):
        other_charges.decided(approvals.decide(approval, by="bob", accept=True))
    derive()
    found = borne()
    assert found["vat", "CC-FIN"] == 19
    # 40 by 100 to 300: 10 to the licence's owner, 30 to the pool, of which 75 % are CC-A's
    assert {place: cost for place, cost in found.items() if place[0] == "gst"} == {
        ("gst", "CC-L"): 10, ("gst", "CC-A"): D("22.5"), ("gst", "CC-B"): D("7.5"),
    }  # fmt: skip
    assert (found["levy", "CC-A"], found["levy", "CC-B"]) == (2, 1), "by 5.00 to 2.50"
    assert (found["usage-tax", "CC-A"], found["usage-tax", "CC-B"]) == (D("0.5"), D("0.25"))
    taxes = Charge.objects.filter(charge_category="Tax").values_list(
        "list_cost", "contracted_cost", "effective_cost", "billed_cost"
    )
    assert all(len(set(costs)) == 1 for costs in taxes), "all costs of a tax are equal"


def test_a_credit_is_a_line_of_its_own_for_the_charge_that_it_corrects() -> None:
    charge(
        {"code": "tracing", "category": "licence", "amount": "100", "owner": {"cost_centre": "CC-L"}},
        {"code": "sla", "category": "credit", "amount": "-25", "credit": "charge", "base": "tracing"},
        {"code": "bonus", "category": "credit", "amount": "-4", "credit": "pool", "pool": "platform"},
    )
    assert borne() == {
        ("tracing", "CC-L"): 100, ("sla", "CC-L"): -25, ("bonus", "CC-A"): -3, ("bonus", "CC-B"): -1,
    }  # fmt: skip
    assert Charge.objects.get(subject="other sla").charge_category == "Credit"


def test_what_is_above_the_limit_waits_for_another_person_and_for_its_very_content(settings: Any) -> None:
    settings.APPROVAL_LIMIT = D(1000)
    at = {"code": "licence", "category": "licence", "amount": "1000"}
    above = {"code": "run", "category": "training", "amount": "1000.01"}
    yearly = {"code": "tool", "category": "observability", "amount": "84", "every": "month"}  # 1,008 in a year
    charge(at, above, yearly)
    assert borne() == {("licence", None): 1000}
    asked = approvals.waiting(other_charges.APPROVAL)
    assert [(each.subject, each.prepared_by) for each in asked] == [("other run", "ann"), ("other tool", "ann")]
    with pytest.raises(approvals.SelfApproval):
        approvals.decide(asked[0], by="ann", accept=True)
    other_charges.decided(approvals.decide(asked[0], by="bob", accept=True))
    derive()
    assert borne() == {("licence", None): 1000, ("run", None): D("1000.01")}
    assert len(approvals.waiting(other_charges.APPROVAL)) == 1, "nobody is asked twice"
    charge(at, above | {"amount": "2000"})
    assert borne() == {("licence", None): 1000}, "what was approved is not this"
    assert Approval.objects.filter(details__entry__amount="2000", state="proposed").exists()


def test_the_limit_is_in_the_sites_currency_at_the_rate_of_the_first_day(settings: Any) -> None:
    settings.APPROVAL_LIMIT = D(1000)
    fx.load([Published(DAY, "EUR", "USD", D("1.2"))], source="ecb", actor="test")
    charge(
        {"code": "x", "category": "licence", "amount": "900", "currency": "EUR"},  # 1,080 USD
        {"code": "y", "category": "licence", "amount": "900", "currency": "CHF"},  # nobody knows
    )
    assert borne() == {("y", None): 900}
    assert [each.subject for each in approvals.waiting(other_charges.APPROVAL)] == ["other x"]


def test_shares_tell_fixed_from_variable_and_training_from_inference() -> None:
    calls()
    charge(
        {"code": "tracing", "category": "licence", "amount": "100"},
        {"code": "run", "category": "fine_tuning", "amount": "60"},
        {"code": "raters", "category": "evaluation", "amount": "40", "behaviour": "variable", "workload": "inference"},
    )
    found = {(each.workload, each.behaviour): each.cost for each in shares(Period(DAY, DAY + timedelta(days=1)))}
    assert found == {
        ("inference", "fixed"): 100, ("training", "fixed"): 60, ("inference", "variable"): 40 + D("7.5"),
    }  # fmt: skip
