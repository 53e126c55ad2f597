"""Commitments on stored data, against ledgers written by hand (AR12, AR14, AR15)."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from allocation.costing import steps
from allocation.models import Charge, Settled
from tests.allocation.costing.agreed import MILLION, agree, call, derive, summed
from tests.allocation.stated import DAY, KINDS, NOON, charges, state, total

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
INPUT = D("0.00000125")


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    monkeypatch.setattr(steps, "_today", lambda: date(2026, 9, 30))


# 10,000 tokens an hour; 720 for 30 days = 24 a day = 1 an hour.
PTU = """
- code: ptu
  kind: provisioned_throughput
  provider: openai
  model: "gpt-5*"
  from: 2026-09-01
  to: 2026-10-01
  price: "720"
  units: "10"
  capacity: "1000"
  owner: {cost_centre: FIN}
"""


def hourly(name: str, tokens: int, days: int, **given: Any) -> list[dict[str, Any]]:
    """So many tokens in each hour of a day."""
    return [call(f"{name}{hour}", tokens, days + (hour - 12) / 24, **given) for hour in range(24)]


def test_a_month_of_throughput_at_0_63_100_and_160_percent_costs_its_price_and_the_overage() -> None:
    agree("commitments", PTU)
    state("gate", hourly("a", 6_300, 0) + hourly("b", 10_000, 1) + hourly("c", 16_000, 2))
    derive()
    unused = summed("effective_cost", "charge_date", commitment_status="Unused")
    used = summed("effective_cost", "charge_date", commitment_status="Used")
    assert used == {DAY: 24 * D("0.63"), DAY + timedelta(1): 24, DAY + timedelta(2): 24}
    assert unused == {DAY: 24 * D("0.37")} | {
        date(2026, 9, day): 24 for day in range(1, 31) if date(2026, 9, day) not in used
    }
    assert summed("effective_cost", "charge_date", commitment_status="") == {DAY + timedelta(2): 24 * 6_000 * INPUT}
    # What is used and unused is what was paid, on the first day; a purchase itself has no effective cost.
    assert sum(used.values()) + sum(unused.values()) == 720
    assert charges("charge_date", "billed_cost", "effective_cost", charge_category="Purchase") == [
        (date(2026, 9, 1), 720, 0)
    ]
    assert summed("billed_cost", "charge_category") == {"Purchase": 720}
    assert summed("consumed_quantity", "commitment_status", charge_date=DAY + timedelta(2)) == {
        "Used": 240_000, "": 144_000,
    }  # fmt: skip
    assert set(Charge.objects.filter(commitment_status="Unused").values_list("owner__code", "commitment_id")) == {
        ("FIN", "ptu")
    }


def test_what_is_above_an_hours_capacity_is_not_covered_by_a_quiet_one_and_everybody_gets_the_same_share() -> None:
    agree("commitments", PTU)
    noon = [call(1, 30_000, tags='{"team":"search"}'), call(2, 10_000, tags='{"team":"legal"}')]
    state("gate", [*noon, call(3, 4_000, 1 / 24)])
    derive()
    # Noon: 40,000 of 10,000, a quarter of each; one o'clock: 4,000 of 10,000.
    used = charges("consumed_quantity", "effective_cost", commitment_status="Used")
    assert used == [(2_500, D("0.25")), (4_000, D("0.4")), (7_500, D("0.75"))]
    assert total(commitment_status="", charge_date=DAY) == 30_000 * INPUT
    assert total(commitment_status="Unused", charge_date=DAY) == 24 - D("1.4")


def test_what_is_paid_by_the_day_covers_no_more_than_each_hours_capacity() -> None:
    by_day = PTU.replace("to: 2026-10-01", "per: day").replace('"720"', '"24"')
    agree("commitments", by_day + "  step: hour\n")
    state("gate", [call(1, 40_000), call(2, 4_000, 1 / 24)])
    derive()
    # Noon: 10,000 of 40,000; one o'clock: all 4,000 of 10,000. A day as a whole (240,000) would cover all of both.
    assert charges("consumed_quantity", "effective_cost", commitment_status="Used") == [
        (10_000, D(1)),
        (4_000, D("0.4")),
    ]
    assert total(commitment_status="Unused", charge_date=DAY) == 24 - D("1.4")
    assert total(commitment_status="", charge_date=DAY) == 30_000 * INPUT
    agree("commitments", by_day + "  step: day\n")
    derive()
    assert summed("consumed_quantity", "commitment_status", charge_date=DAY) == {"Used": 44_000}


def test_a_bucket_of_a_whole_day_is_covered_up_to_the_days_capacity_and_that_is_said() -> None:
    agree("commitments", PTU)
    state("usage", [call(1, 300_000, -0.5, requests=12)])
    derive()
    # 24 hours x 10,000 = 240,000 of 300,000.
    assert summed("consumed_quantity", "commitment_status", charge_date=DAY) == {"Used": 240_000, "": 60_000}
    assert Settled.objects.get(name="day: by day").value == 240_000


def test_the_weights_of_classes_say_what_a_unit_has_room_for() -> None:
    agree("commitments", PTU + '  weights: {input: "1", cache_read: "0", output: "4"}\n')
    state("gate", [call(1, 4_000, cache_read=50_000, output_visible=1_000)])
    derive()
    # 4,000 x 1 + 1,000 x 4 = 8,000 of 10,000 in that hour.
    assert charges("price_class", "effective_cost", commitment_status="Used") == [
        ("cache_read", D(0)), ("input_uncached", D("0.4")), ("output_visible", D("0.4")),
    ]  # fmt: skip


def test_overage_is_paid_at_the_contracted_price() -> None:
    agree("commitments", PTU)
    agree("contracts", '[{code: frame, provider: openai, discount: "20"}]')
    state("gate", [call(1, 50_000)])
    derive()
    rows = charges("consumed_quantity", "list_cost", "contracted_cost", "effective_cost", "subject", tier__gt="")
    assert rows == [
        (10_000, 10_000 * INPUT, 10_000 * INPUT * D("0.8"), 1, "commitment ptu"),
        (40_000, 40_000 * INPUT, 40_000 * INPUT * D("0.8"), 40_000 * INPUT * D("0.8"), "contract frame"),
    ]


def test_a_commitment_in_another_currency_charges_its_users_beside_their_usage() -> None:
    agree("commitments", PTU + "  currency: EUR\n")
    state("gate", [call(1, 5_000, tags='{"team":"search"}')])
    derive()
    assert charges("effective_cost", "billing_currency", "consumed_quantity", commitment_status="Used") == [
        (D("0.5"), "EUR", 0), (D(0), "USD", 5_000),
    ]  # fmt: skip
    assert summed("effective_cost", "billing_currency", commitment_status__in=["Used", "Unused"]) == {"EUR": 720}


def test_two_commitments_cover_one_after_the_other_by_priority_hour_by_hour() -> None:
    second = PTU.replace("code: ptu", "code: second\n  priority: 200").replace('units: "10"', 'units: "4"')
    agree("commitments", PTU + second)
    state("gate", [call(1, 15_000), call(2, 5_000, 1 / 24)])
    derive()
    # Noon: 10,000 by the first, 4,000 of the 5,000 left by the second; one o'clock: all 5,000 by the first.
    rows = charges("commitment_id", "consumed_quantity", "effective_cost", commitment_status="Used")
    assert rows == [("ptu", 15_000, D("1.5")), ("second", 4_000, 1)]
    assert summed("consumed_quantity", "commitment_status", tier__gt="") == {"Used": 19_000, "": 1_000}


def test_only_the_hours_of_the_term_cover_usage() -> None:
    agree("commitments", PTU.replace("2026-09-01", "2026-09-08T12:00Z").replace("2026-10-01", "2026-09-09T12:00Z"))
    state("gate", [call(1, 5_000, -1 / 24), call(2, 5_000), call(3, 5_000, 23 / 24), call(4, 5_000, 1)])
    derive()
    # 720 for 24 hours, 30 each: half of the first and of the last one is used.
    used = charges("charge_date", "consumed_quantity", "effective_cost", commitment_status="Used")
    assert sorted(used) == [(DAY, 5_000, 15), (DAY + timedelta(1), 5_000, 15)]
    assert summed("effective_cost", "charge_date", commitment_status="Unused") == {
        DAY: 360 - 15, DAY + timedelta(1): 360 - 15,
    }  # fmt: skip


def test_an_early_end_charges_the_rest_to_the_owner() -> None:
    agree("commitments", PTU + "  terminated: 2026-09-11\n")
    state("gate", [call(1, 5_000, 4), call(2, 5_000, 2)])
    derive()
    assert summed("effective_cost", "price_class", commitment_status="Unused") == {
        "amortisation": 240 - D("0.5"), "termination": 480,
    }  # fmt: skip
    assert total(commitment_status="Used") == D("0.5")
    assert charges("charge_date", price_class="termination") == [(date(2026, 9, 11),)]


def test_a_clock_that_goes_back_gives_its_day_25_hours_of_capacity_and_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_today", lambda: date(2026, 10, 26))
    agree("commitments", PTU.replace("2026-09-01", "2026-10-25").replace("2026-10-01", "2026-10-26")
          + "  zone: Europe/Berlin\n")  # fmt: skip
    derive()
    assert charges("charge_date", "effective_cost", commitment_status="Unused") == [(date(2026, 10, 25), 720)]


CREDITS = """
- {code: early, kind: prepaid_credit, provider: openai, from: 2026-09-07, to: 2026-09-11, face: "100", price: "80"}
- {code: late, kind: prepaid_credit, provider: openai, from: 2026-09-01, to: 2026-09-30, face: "50",
   owner: {cost_centre: FIN}}
"""  # fmt: skip


def test_credits_pay_for_usage_earliest_expiry_first_and_what_is_left_expires() -> None:
    agree("commitments", CREDITS)
    # 8 million tokens at 1.25 = 10 a call.
    state("gate", [call(1, 40 * MILLION), call(2, 72 * MILLION, 2), call(3, 8 * MILLION, 5), call(4, 24 * MILLION, 6)])
    derive()
    # early: 50 on the 8th, 50 of 90 on the 10th, at 0.80 each; late: 40 on the 10th, 10 on the 13th, nothing expires.
    used = charges("charge_date", "commitment_id", "contracted_cost", "effective_cost", commitment_status="Used")
    assert sorted(used) == [
        (date(2026, 9, 8), "early", 50, 40), (date(2026, 9, 10), "early", 50, 40), (date(2026, 9, 10), "late", 40, 40),
        (date(2026, 9, 13), "late", 10, 10),
    ]  # fmt: skip
    assert charges("charge_date", "effective_cost", "billed_cost", charge_category="Usage", commitment_status="") == [
        (date(2026, 9, 14), 30, None)
    ]
    assert summed("billed_cost", "commitment_id") == {"early": 80, "late": 50}
    assert not Charge.objects.filter(commitment_status="Expired").exists()


def test_usage_that_comes_late_is_paid_by_the_credit_and_what_it_leaves_expires_to_the_owner() -> None:
    agree("commitments", CREDITS)
    state("gate", [call(1, 8 * MILLION, 5)])
    derive()
    expired = {"commitment_status": "Expired"}
    # early: all of 80 expires; late: 10 of 50 consumed.
    assert charges("charge_date", "commitment_id", "effective_cost", "owner__code", **expired) == [
        (date(2026, 9, 11), "early", 80, None), (date(2026, 9, 30), "late", 40, "FIN"),
    ]  # fmt: skip
    state("gate", [call(2, 24 * MILLION, 1)])
    derive()
    # 30 of early's 100 are consumed at 0.80 = 24 now.
    assert summed("effective_cost", "commitment_id", **expired) == {"early": 56, "late": 40}
    paid = summed("effective_cost", "commitment_id", commitment_status__in=["Used", "Expired"])
    assert paid == summed("billed_cost", "commitment_id") == {"early": 80, "late": 50}


def test_a_credit_that_runs_out_within_a_day_pays_the_same_share_of_everybodys_usage() -> None:
    agree("commitments", CREDITS)
    state("gate", [call(1, 24 * MILLION, -2, api_key="a"), call(2, 56 * MILLION, -2, api_key="b")])
    derive()
    # 30 and 70, of which 50 are paid: half of each.
    assert charges("contracted_cost", "effective_cost", commitment_status="Used") == [(15, 15), (35, 35)]
    assert charges("contracted_cost", "effective_cost", commitment_status="", tier__gt="") == [(15, 15), (35, 35)]


def test_a_commit_charges_what_is_missing_on_its_last_day() -> None:
    commit = """
    - {code: frame, kind: enterprise_commit, provider: openai, from: 2026-09-01, to: 2026-09-16, amount: "1000",
       owner: {cost_centre: FIN}}
    """
    agree("commitments", commit + PTU.replace("\n", "\n    "))
    agree("contracts", '[{code: frame, provider: openai, discount: "20"}]')
    state("gate", [call(1, 80 * MILLION, model_served="gpt-4.1"), call(2, 8 * MILLION, 20, model_served="gpt-4.1")])
    derive()
    # 80 million tokens of gpt-4.1 at 2 for a million, less 20 % = 128, and 720 for the PTU: 152 of 1,000 are missing.
    columns = ("charge_date", "charge_category", "effective_cost", "billed_cost", "list_cost", "contracted_cost")
    shortfall = {"commitment_status": "Shortfall", "owner__code": "FIN"}
    assert charges(*columns, **shortfall) == [(date(2026, 9, 15), "Adjustment", 152, 152, 152, 152)]
    state("gate", [call(3, 100 * MILLION, 3, model_served="gpt-4.1")])
    derive()
    assert charges(*columns, **shortfall) == []  # 160 more are spent


SEATS = """
- code: team
  kind: seats
  provider: anthropic
  from: 2026-09-01
  to: 2026-10-01
  price: "30"
  seats: 3
  owner: {cost_centre: FIN}
  assigned: [{who: ada, cost_centre: CC-1}, {who: bob, cost_centre: CC-2, team: red, from: 2026-09-21}]
  covers: {source: spans, principal: "*"}
"""


def test_seats_are_charged_to_who_has_them_and_their_usage_is_notional() -> None:
    agree("commitments", SEATS)
    state("spans", [call(1, 8 * MILLION, principal="ada", billing_account="plan")])
    state("gate", [call(2, 16 * MILLION, billing_account="api")])
    derive()
    # 3 x 30 for 30 days: one a day for each seat. ada 30 days, bob 10, nobody 30 + 20.
    assert summed("effective_cost", "owner__code", "owner_team__code", commitment_status__in=["Used", "Unused"]) == {
        ("CC-1", None): 30, ("CC-2", "red"): 10, ("FIN", None): 50,
    }  # fmt: skip
    # The notional usage would have cost 10; of the two, only the API's 20 are spent beside the seats.
    assert charges("list_cost", "contracted_cost", "effective_cost", "commitment_status", tier__gt="") == [
        (10, 0, 0, "Used"), (20, 20, 20, ""),
    ]  # fmt: skip
    assert total() == 90 + 20
    assert total("billed_cost") == 90


def test_agreements_that_end_leave_nothing_behind() -> None:
    agree("commitments", CREDITS)
    state("gate", [call(1, 8 * MILLION)])
    derive()
    agree("commitments", "[]")
    derive()
    assert charges("effective_cost", "commitment_status", charge_date=DAY) == [(10, "")]
    assert not Settled.objects.exists()


def test_agreements_that_end_are_taken_back_on_days_without_usage_too() -> None:
    agree("commitments", PTU)
    derive()
    assert total() == 720
    agree("commitments", "[]")
    derive()
    assert total() == 0


def test_two_layers_of_the_same_calls_are_covered_once() -> None:
    agree("commitments", PTU)
    state("gate", [call(1, 6_000)])
    state("usage", [call("u", 9_000, requests=2, occurred_at=NOON.replace(minute=0))])
    derive()
    # 6,000 through the gateway, 3,000 more that only the provider knows: 9,000 of the hour's 10,000.
    assert summed("consumed_quantity", "commitment_status", charge_date=DAY) == {"Used": 9_000}
    assert total(commitment_status="Used") == D("0.9")


def test_gpu_hours_are_covered_by_reserved_gpus() -> None:
    agree("commitments", PTU.replace("provisioned_throughput", "reserved_gpu").replace('  capacity: "1000"\n', ""))
    at = datetime.combine(DAY, NOON.timetz())
    state("gate", [{"native_id": "g", "occurred_at": at, "unit_quantity": [{"unit": 10, "quantity": D("12.5")}]}])
    derive()
    # 10 GPUs, 12.5 GPU hours in one hour: 10 of them cost the hour's 1.
    rows = charges("price_class", "consumed_quantity", "effective_cost", commitment_status="Used")
    assert rows == [("gpu_hour", 10, 1)]


def test_contract_credit_and_commit_that_hang_on_each_other_are_settled_in_one_refresh() -> None:
    agree("contracts", '[{code: frame, provider: openai, tiers: [{over: "100", discount: "20"}]}]')
    agree("commitments", """
    - {code: prepaid, kind: prepaid_credit, provider: openai, from: 2026-09-01, to: 2026-09-20, face: "120"}
    - {code: commit, kind: enterprise_commit, provider: openai, from: 2026-09-01, to: 2026-09-26, amount: "400"}
    """)  # fmt: skip
    state("gate", [call(1, 80 * MILLION), call(2, 80 * MILLION, 10)])
    derive()  # asserts that nothing is left to be done
    # 200 listed are 180 contracted, 90 a day: 90 and then 30 from the credit; 60 are spent, and 120 for the credit.
    used = charges("charge_date", "contracted_cost", "effective_cost", commitment_status="Used")
    assert sorted(used) == [(DAY, 90, 90), (DAY + timedelta(10), 30, 30)]
    assert total(commitment_status="", charge_date=DAY + timedelta(10)) == 60
    assert total(commitment_status="Shortfall") == 400 - 120 - 60
