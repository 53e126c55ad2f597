"""Limits of what a person may approve (FINOPS_APPROVAL_LIMITS)."""

from decimal import Decimal
from typing import Any

import pytest

from finops import approvals
from finops.approvals import limit_of
from finops.env import MissingSetting, env_limits
from finops.models import FxRate

D = Decimal


def limits(monkeypatch: pytest.MonkeyPatch, text: str) -> dict[str, dict[str, Decimal]]:
    monkeypatch.setenv("FINOPS_APPROVAL_LIMITS", text)
    return env_limits("FINOPS_APPROVAL_LIMITS")


def test_limits_name_roles_or_people_for_every_kind_or_for_one(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.APPROVAL_LIMITS = limits(monkeypatch, "finance=50000, ann=500000.50, adjustment:finance=5000")
    assert limit_of("invoice", {"bob", "finance"}) == 50000
    assert limit_of("invoice", {"ann", "finance"}) == D("500000.50"), "the highest"
    assert limit_of("adjustment", {"ann", "finance"}) == 5000, "those of the kind go before the others"
    assert limit_of("invoice", {"eve"}) == 0, "where there are limits, nobody has none"
    settings.APPROVAL_LIMITS = limits(monkeypatch, "")
    assert limit_of("invoice", {"eve"}) is None


@pytest.mark.parametrize("text", ["finance", "finance=", "=5", "finance=-1", "finance=NaN", ":finance=5"])
def test_limits_that_say_nothing_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(MissingSetting, match="KIND:"):
        limits(monkeypatch, text)


@pytest.mark.django_db
def test_an_amount_in_another_currency_is_compared_at_the_days_rate(settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"*": {"finance": D(100)}}
    asked = approvals.propose("invoice", "ACME 1", {}, "ann", worth=approvals.Worth(D(60), "EUR"))
    FxRate.objects.create(day=asked.prepared_at.date(), base="EUR", quote="USD", rate=D(2), source="test")
    with pytest.raises(approvals.AboveLimit, match="of 60 EUR, above the limit of 100 USD"):
        approvals.decide(asked, by="bob", accept=True, roles=["finance"])
    FxRate.objects.create(day=asked.prepared_at.date(), base="EUR", quote="USD", rate=D("1.5"), source="test (2)")
    assert approvals.decide(asked, by="bob", accept=True, roles=["finance"]).state == "accepted"


@pytest.mark.django_db
def test_what_is_about_no_amount_has_no_limit_and_rejecting_needs_none(settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"*": {"finance": D(0)}}
    rules = approvals.propose("rules", "3 rules", {}, "ann")
    assert approvals.decide(rules, by="bob", accept=True).state == "accepted"
    invoice = approvals.propose("invoice", "ACME 1", {}, "ann", worth=approvals.Worth(D(60), "USD"))
    assert approvals.decide(invoice, by="bob", accept=False).state == "rejected"
