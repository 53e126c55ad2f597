"""Contracts on stored data: what is charged follows the month's volume, in whatever order usage comes."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from allocation.costing import contracts
from allocation.models import Charge, Settled
from finops.periods import Period
from tests.allocation.costing.agreed import MILLION, agree, call, derive
from tests.allocation.stated import DAY, KINDS, charges, state, total
from tests.conftest import empty_ledger

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
# gpt-5: 1.25 per million tokens of uncached input.


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)


def costs() -> list[tuple[Any, ...]]:
    return sorted(
        Charge.objects.values_list("charge_date", "list_cost", "contracted_cost", "effective_cost", "subject")
    )


TIERS = '[{code: frame, provider: openai, model: "gpt-5*", tiers: [{over: "100", discount: "20"}]}]'


def test_a_tier_reached_late_in_the_month_is_the_whole_months_blended_rate() -> None:
    agree("contracts", TIERS)
    state("gate", [call(1, 40 * MILLION), call(2, 40 * MILLION, days=3, model_served="gpt-5-2025-08-07")])
    derive()
    # 40 + 40 million at 1.25 = 50 + 50 = 100: nothing is over 100.
    assert total("contracted_cost") == 100 == total()
    state("gate", [call(3, 80 * MILLION, days=9)])
    derive()
    # Another 100, at 80 %: (100 + 80) / 200 = 90 % for everybody, also for the days before.
    assert costs() == [
        (DAY, 50, 45, 45, "contract frame"),
        (DAY + timedelta(days=3), 50, 45, 45, "contract frame"),
        (DAY + timedelta(days=9), 100, 90, 90, "contract frame"),
    ]
    assert total("billed_cost") == 0
    assert set(Charge.objects.values_list("billed_cost", flat=True)) == {None}


def test_usage_of_another_month_has_its_own_volume() -> None:
    agree("contracts", TIERS)
    state("gate", [call(1, 160 * MILLION), call(2, 80 * MILLION, days=30)])
    derive()
    # September 200: 100 + 80 = 180; October 100: 100.
    assert [row[2] for row in costs()] == [180, 100]


def test_the_order_in_which_usage_arrives_changes_nothing() -> None:
    agree("contracts", TIERS)
    rows = [call(1, 70 * MILLION), call(2, 90 * MILLION, days=2), call(3, 110 * MILLION, days=5)]
    state("gate", rows)
    derive()
    at_once = costs()
    empty_ledger()
    agree("contracts", TIERS)
    for row in reversed(rows):
        state("gate", [row])
        derive()
    assert costs() == at_once
    assert total() == 100 + D("0.8") * (270 * D("1.25") - 100)


def test_usage_outside_of_a_contract_keeps_its_list_price() -> None:
    agree("contracts", '[{code: frame, tag.team: search, discount: "50", valid_from: 2026-09-09}]')
    search = {"tags": '{"team":"search"}'}
    state(
        "gate",
        [call(1, 40 * MILLION, **search), call(2, 40 * MILLION, days=1, **search), call(3, 40 * MILLION, days=1)],
    )
    derive()
    assert sorted(row[2:] for row in costs()) == [
        (25, 25, "contract frame"), (50, 50, ""), (50, 50, ""),
    ]  # fmt: skip


def test_an_agreement_that_ends_takes_its_discount_and_its_figures_back() -> None:
    agree("contracts", TIERS)
    state("gate", [call(1, 160 * MILLION)])
    derive()
    assert total() == 180
    assert Settled.objects.count() == 2  # the day's volume and the month's
    agree("contracts", "[]")
    derive()
    assert total() == 200
    assert not Settled.objects.exists()


def test_usage_without_a_price_gets_none_by_a_contract() -> None:
    agree("contracts", '[{code: frame, discount: "50"}]')
    state("gate", [call(1, 1 * MILLION, provider="nobody", model_served="nothing")])
    derive()
    assert charges("list_cost", "contracted_cost", "effective_cost") == [(None, None, None)]


def test_the_volume_of_a_month_is_shown_with_the_rate_it_leads_to() -> None:
    agree("contracts", TIERS)
    state("gate", [call(1, 160 * MILLION)])
    derive()
    (row,) = contracts.months(Period.month("2026-09"), date(2026, 9, 30))
    assert (row["code"], row["month"], row["basis"], row["total"]) == ("frame", date(2026, 9, 1), "list_cost", 200)
    assert (row["factor"], row["provisional"], row["complete_until"]) == (D("0.9"), True, DAY)
    assert contracts.months(Period.month("2026-09"), date(2026, 10, 1))[0]["provisional"] is False
