"""Rate cards in the database: the centre pays the standard rate, the owner the difference, and every slice ties."""

from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from allocation import rulebook
from allocation.attribution import monthly, rate_cards
from allocation.models import CostDaily, SplitCost, SplitOutcome
from allocation.verification import verify
from finops.periods import Period
from tests.allocation.attribution.test_splits import PLATFORM, RULES, borne, settle, used
from tests.allocation.costing.agreed import MILLION, agree, call
from tests.allocation.stated import DAY, KINDS

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
MONTH = Period.month_of(DAY)
CARD = {"code": "chat", "cost_centre": "CC-A", "owner": {"cost_centre": "CC-P"}, "unit": "tokens", "rate": "2"}


@pytest.fixture(autouse=True)
def ruled(ledger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    rulebook.load(RULES, actor="test")


def cards(*entries: dict[str, Any]) -> None:
    monthly.load("rate_cards", list(entries), actor="ann")
    settle()


def test_a_cost_centre_pays_the_standard_rate_and_the_owner_what_it_costs_beyond() -> None:
    used(call(1, 4 * MILLION, project="a"), call(2, 2 * MILLION, project="b"))
    cards(CARD)
    assert borne() == {"CC-A": 8, "CC-B": D("2.5"), "CC-P": -3}, "4 million at 2 are 8; they cost 5: 3 over-recovered"
    assert borne(basis="variance") == {"CC-A": 3, "CC-P": -3}
    assert CostDaily.objects.filter(basis="variance").aggregate(Sum("billed_cost"))["billed_cost__sum"] == 0
    told = SplitOutcome.objects.get(basis="variance")
    assert (told.found, told.moved) == (5, -3)


def test_running_twice_is_running_once_and_the_last_card_ends_the_variance() -> None:
    used(call(1, 4 * MILLION, project="a"))
    cards(CARD)
    names = [field.attname for field in SplitCost._meta.fields if field.attname != "id"]
    once = sorted(SplitCost.objects.values_list(*names), key=str)
    assert rate_cards.run(MONTH) == 2
    assert sorted(SplitCost.objects.values_list(*names), key=str) == once
    cards()
    assert borne() == {"CC-A": 5}


def test_queries_of_a_tier_are_counted_once_and_what_is_shared_is_paid_for_where_the_card_says_so() -> None:
    used(
        call(1, 4 * MILLION, project="a", output_reasoning=0), call(2, 100, project="a"), call(3, 8 * MILLION, project="p"),
    )  # fmt: skip
    monthly.load("splits", [PLATFORM], actor="ann")
    cards(CARD | {"unit": "query", "rate": "3", "tier": "moderate", "owner": {"cost_centre": "CC-X"}})
    moderate = CostDaily.objects.filter(cost_centre__code="CC-A", tier="moderate", basis__in=["direct", "variance"])
    assert (
        CostDaily.objects.filter(tier="moderate", cost_centre__code="CC-A").aggregate(Sum("queries"))["queries__sum"]
        == 1
    )
    assert moderate.aggregate(Sum("effective_cost"))["effective_cost__sum"] == 3
    assert borne(basis="shared", tier="moderate")["CC-A"] == 10, "comes on top"
    both = {"unit": "query", "rate": "3", "tier": "moderate", "owner": {"cost_centre": "CC-X"}, "includes": ["shared"]}
    cards(CARD | both)
    assert borne(tier="moderate") == {"CC-A": 3, "CC-X": 12}, "5 of its own and 10 of the platform's, for 3"


def test_gpu_hours_are_the_part_of_the_fleets_hours_that_a_centre_bears() -> None:
    """24 GPU-hours at 1 an hour; 3.6 million tokens an hour: 6 hours of a's, 18 idle."""
    agree(
        "capacity",
        """
        - {code: own, gpu: H100, count: 1, valid_from: 2026-09-08, valid_to: 2026-09-09, rent: "1", basis: tokens,
           serves: [{model: llama, throughput: "1000"}], idle_owner: {cost_centre: CC-P}}
        """,
    )
    used(call(1, 3_600_000 * 6, project="a", provider="selfhosted", model_served="llama"))
    cards(CARD | {"unit": "gpu_hour", "rate": "1.5"})
    assert borne() == {"CC-A": 9, "CC-P": 15}, "6 hours at 1.5; of the 24 that are paid 15 are left"


def test_seats_are_charged_by_the_month() -> None:
    agree(
        "commitments",
        """
        - {code: seats, kind: seats, price: "30", seats: 2, from: 2026-09-01, to: 2026-10-01,
           owner: {cost_centre: CC-P}, assigned: [{who: ann, cost_centre: CC-A}]}
        """,
    )
    used(call(1, 1000, project="b"))
    cards(CARD | {"unit": "seat", "rate": "45"})
    days = CostDaily.objects.filter(cost_centre__code="CC-A", basis="direct").count()
    assert borne()["CC-A"] == D("1.5") * days, "45 over the 30 days of September, of the days that are charged"
    assert borne(basis="variance")["CC-P"] == D("-0.5") * days


def test_verify_names_a_variance_without_its_counterpart() -> None:
    used(call(1, 4 * MILLION, project="a"))
    cards(CARD)
    SplitCost.objects.filter(cost_centre__code="CC-P").delete()
    found = {check.id: check.examples for check in verify() if not check.ok}
    assert list(found) == ["conservation"]
    assert any("split_cost chat" in text for text in found["conservation"])
