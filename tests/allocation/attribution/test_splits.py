"""Splits of a month in the database: every slice ties, running twice is running once, frozen months are refused."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import InternalError, connection, transaction
from django.db.models import Sum
from django.db.utils import IntegrityError

from allocation import rulebook
from allocation.attribution import monthly, moves, splits
from allocation.costing import terms
from allocation.derived import refresh
from allocation.models import BillingPeriod, CostCentre, CostDaily, SplitCost, SplitOutcome, StaleMonth
from allocation.scope import EVERYTHING
from allocation.selectors import CostQuery, costs
from allocation.verification import verify
from finops.periods import Period
from tests.allocation.costing.agreed import MILLION, agree, call
from tests.allocation.stated import DAY, KINDS, state

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
MONTH = Period.month_of(DAY)
RULES = [
    {
        "id": f"r{number}",
        "priority": number,
        "when": {"project": project},
        "to": {"cost_centre": f"CC-{project.upper()}"},
    }
    for number, project in enumerate(("a", "b", "p"), 1)
]
PLATFORM = {"code": "platform", "source": {"cost_centre": "CC-P"}, "method": "proportional", "driver": "tokens"}


@pytest.fixture(autouse=True)
def ruled(ledger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    rulebook.load(RULES, actor="test")


def used(*calls: dict[str, Any]) -> None:
    state("gate", list(calls))
    settle()


def settle() -> None:
    refresh()
    monthly.settle()
    sound()


def sound() -> None:
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


def share_out(*pools: dict[str, Any]) -> None:
    monthly.load("splits", list(pools), actor="ann")
    settle()


def borne(*by: str, **only: Any) -> dict[Any, Decimal]:
    rows = (
        CostDaily.objects.filter(**only)
        .order_by()
        .values_list("cost_centre__code", *by)
        .annotate(Sum("effective_cost"))
    )
    return {row[0] if len(row) == 2 else row[:-1]: row[-1] for row in rows if row[-1]}


def three() -> None:
    """gpt-5 input at 1.25 a million: 5 of a, 15 of b, 10 of the platform's."""
    used(
        call(1, 4 * MILLION, project="a"), call(2, 12 * MILLION, project="b"), call(3, 8 * MILLION, project="p"),
    )  # fmt: skip


def test_the_platforms_cost_is_shared_by_tokens_and_every_slice_still_ties() -> None:
    three()
    before = costs(EVERYTHING, CostQuery(MONTH, ("ChargeDate", "ServiceProviderName", "x_Model", "x_QueryTier")))
    share_out(PLATFORM)
    assert borne() == {"CC-A": D("7.5"), "CC-B": D("22.5")}, "10 by 4 to 12 million tokens"
    assert borne(basis="shared") == {"CC-A": D("2.5"), "CC-B": D("7.5"), "CC-P": -10}
    after = costs(EVERYTHING, CostQuery(MONTH, ("ChargeDate", "ServiceProviderName", "x_Model", "x_QueryTier")))
    assert after.equals(before)
    told = SplitOutcome.objects.get()
    assert (told.code, told.found, told.moved, told.note) == ("platform", 10, 10, "")
    assert {code: D(weight) for code, weight in told.weights.items()} == {"CC-A": 4 * MILLION, "CC-B": 12 * MILLION}


def test_ar9_running_twice_is_running_once_also_after_a_day_was_derived_anew() -> None:
    three()
    share_out(PLATFORM)
    names = [field.attname for field in SplitCost._meta.fields if field.attname != "id"]
    once = sorted(SplitCost.objects.values_list(*names), key=str)
    assert splits.run(MONTH) == len(once)
    assert sorted(SplitCost.objects.values_list(*names), key=str) == once
    terms.rate_anew([DAY])
    refresh()
    sound()  # the day's rows of splits were put back with it, before anybody split the month again
    assert borne(basis="shared") == {"CC-A": D("2.5"), "CC-B": D("7.5"), "CC-P": -10}
    monthly.settle()
    assert not StaleMonth.objects.exists()
    assert sorted(SplitCost.objects.values_list(*names), key=str) == once


def test_more_usage_and_another_document_change_the_whole_month() -> None:
    three()
    share_out(PLATFORM)
    used(call(4, 8 * MILLION, days=1, project="a"))
    assert borne(basis="shared") == {"CC-A": 5, "CC-B": 5, "CC-P": -10}, "12 to 12 million tokens now"
    share_out({"code": "platform", "source": {"cost_centre": "CC-P"}, "method": "even", "over": ["CC-B", "CC-NEW"]})
    assert borne(basis="shared") == {"CC-B": 5, "CC-NEW": 5, "CC-P": -10}
    assert CostCentre.objects.filter(code="CC-NEW").exists(), "made as rules make theirs"
    share_out()
    assert borne(basis="shared") == {}
    assert not SplitCost.objects.exists()


def test_what_nobody_may_be_given_stays_and_is_reported() -> None:
    used(call(3, 8 * MILLION, project="p"))
    share_out(
        PLATFORM, {"code": "heads", "source": {"unallocated": True}, "method": "proportional", "driver": "headcount"}
    )
    assert borne() == {"CC-P": 10}
    notes = dict(SplitOutcome.objects.values_list("code", "note"))
    assert notes == {"platform": "nobody it may go to has any of what it is measured by", "heads": ""}


def test_idle_capacity_and_what_no_rule_catches_are_pools() -> None:
    """A fleet of 1 GPU at 1 an hour costs 24 a day; 1,000 tokens a second make 3.6 million an hour."""
    agree(
        "capacity",
        """
        - {code: own, gpu: H100, count: 1, valid_from: 2026-09-08, valid_to: 2026-09-09, rent: "1", basis: tokens,
           serves: [{model: llama, throughput: "1000"}], idle_owner: {cost_centre: CC-P}}
        """,
    )
    used(
        call(1, 3_600_000 * 6, project="a", provider="selfhosted", model_served="llama"),
        call(2, 4 * MILLION, project="nobody"),
    )
    assert borne() == {"CC-A": 6, "CC-P": 18, None: 5}
    share_out(
        {"code": "idle", "source": {"idle": True}, "method": "fixed", "shares": {"CC-A": "0.5", "CC-B": "0.5"}},
        {"code": "rest", "source": {"unallocated": True}, "method": "fixed", "shares": {"CC-B": "0.6"}},
    )
    assert borne() == {"CC-A": 15, "CC-B": 12, None: 2}
    assert borne(basis="idle") == {"CC-P": 18}, "idle is shown where it is, and given away beside it"
    total = CostDaily.objects.aggregate(Sum("effective_cost"))["effective_cost__sum"]
    assert total == 6 + 18 + 5, "workload, idle and what nobody bore: as before"


def test_a_commitments_unused_part_is_not_idle_capacity() -> None:
    agree(
        "commitments",
        """
        - {code: ptu, kind: provisioned_throughput, provider: openai, units: "1", price: "30", from: 2026-09-08,
           to: 2026-09-09, capacity: "1000000000", weights: {input: "1"}, owner: {cost_centre: CC-P}}
        """,
    )
    used(call(1, 1000, project="a"))
    before = borne()
    unused = CostDaily.objects.filter(basis="idle").aggregate(Sum("effective_cost"))["effective_cost__sum"]
    assert unused > 0
    share_out({"code": "idle", "source": {"idle": True}, "method": "fixed", "shares": {"CC-B": "1"}})
    assert borne() == before, "no fleet stands idle"
    share_out({"code": "unused", "source": {"unused": True}, "method": "fixed", "shares": {"CC-B": "1"}})
    assert borne()["CC-B"] == unused


def test_a_frozen_month_is_refused_by_the_service_and_by_the_database() -> None:
    three()
    share_out(PLATFORM)
    BillingPeriod.objects.create(month=MONTH.start, state="soft_closed")
    with pytest.raises(moves.FrozenMonth, match="2026-09 is soft closed"):
        splits.run(MONTH)
    for table in ("split_cost", "split_outcome"):
        for sql in (
            f"DELETE FROM {table}",
            f"UPDATE {table} SET step = 9",
            f"INSERT INTO {table} SELECT * FROM {table}",
        ):
            with pytest.raises((IntegrityError, InternalError)), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(sql)
    StaleMonth.objects.create(month=MONTH.start)
    assert monthly.settle() == 1
    assert borne(basis="shared")["CC-P"] == -10, "it stays as it was, and nothing is left to do"


@pytest.mark.parametrize(
    ("sql", "example"),
    [
        ("UPDATE split_cost SET effective_cost = effective_cost + 1 WHERE effective_cost < 0", "split_cost platform"),
        ("UPDATE cost_daily SET billed_cost = billed_cost + 1 WHERE basis = 'shared' AND effective_cost < 0", "shared"),
        ("DELETE FROM cost_daily WHERE basis = 'shared' AND effective_cost < 0", "split_cost shared"),
    ],
)
def test_verify_names_money_that_did_not_only_move(sql: str, example: str) -> None:
    three()
    share_out(PLATFORM)
    with connection.cursor() as cursor:
        cursor.execute(sql)
    found = {check.id: check.examples for check in verify() if not check.ok}
    assert list(found) == ["conservation"]
    assert any(example in text for text in found["conservation"])


def test_days_are_split_on_their_own_days() -> None:
    used(
        call(1, 4 * MILLION, project="a"), call(2, 8 * MILLION, project="p"), call(3, 8 * MILLION, days=1, project="p"),
    )  # fmt: skip
    share_out(PLATFORM | {"to": str(DAY + timedelta(days=1))})
    assert borne("charge_date", basis="shared") == {("CC-A", DAY): 10, ("CC-P", DAY): -10}
