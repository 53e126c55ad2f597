"""Splits and rate cards see usage keys as an admin's mappings show them, as cost_daily does."""

from typing import Any

import pytest
from django.db.models import Sum

from allocation import rule_changes, rulebook
from allocation.attribution import moves
from allocation.models import CostDaily
from finops.periods import Period
from tests.allocation.attribution.test_rate_cards import CARD, cards
from tests.allocation.attribution.test_splits import RULES, borne, share_out, used
from tests.allocation.costing.agreed import agree, call
from tests.allocation.stated import DAY, KINDS

pytestmark = pytest.mark.usefixtures("ledger")
MONTH = Period.month_of(DAY)
FLEET = """
- {code: own, gpu: H100, count: 1, valid_from: 2026-09-08, valid_to: 2026-09-09, rent: "1", basis: tokens,
   serves: [{model: llama, throughput: "1000"}], idle_owner: {cost_centre: CC-P}}
"""
UNITS = """
- {code: ptu, kind: provisioned_throughput, provider: openai, units: "1", price: "30", from: 2026-09-08,
   to: 2026-09-09, capacity: "1000000000", weights: {input: "1"}, owner: {cost_centre: CC-P}}
"""


@pytest.fixture(autouse=True)
def mapped(ledger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever sources say, all that OpenAI serves and the own fleet is live, and for search."""
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    rulebook.load(RULES, actor="test")
    entry: dict[str, Any] = {
        "id": "m1", "when": {"provider": ["openai", "selfhosted"]}, "set": {"environment": "live", "feature": "search"}
    }  # fmt: skip
    rule_changes.load_document(rulebook.MAPPINGS, [entry], actor="test")


def test_what_a_commitment_left_unused_lies_where_cost_daily_has_it() -> None:
    agree("commitments", UNITS)
    used(call(1, 1000, project="a"))
    assert set(CostDaily.objects.values_list("environment", "feature")) == {("live", "search")}
    places = moves.cost(MONTH, without=[])
    assert {(place.environment, place.feature) for place in places} == {("live", "search")}
    assert all(amounts[2] >= 0 for amounts in places.values()), "nothing is taken from where nothing was"
    unused = CostDaily.objects.filter(basis="idle").aggregate(Sum("effective_cost"))["effective_cost__sum"]
    assert unused > 0
    share_out({"code": "unused", "source": {"unused": True}, "method": "fixed", "shares": {"CC-B": "1"}})
    assert borne("environment", basis="shared") == {("CC-P", "live"): -unused, ("CC-B", "live"): unused}


def test_a_rate_per_gpu_hour_is_charged_where_cost_daily_has_the_cost() -> None:
    """24 GPU-hours at 1 an hour, 6 of them a's, at 1.5."""
    agree("capacity", FLEET)
    used(call(1, 3_600_000 * 6, project="a", provider="selfhosted", model_served="llama"))
    cards(CARD | {"unit": "gpu_hour", "rate": "1.5"})
    assert borne("environment", "feature", cost_centre__code="CC-A") == {("CC-A", "live", "search"): 9}
