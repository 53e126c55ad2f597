"""The pages of agreements: what was bought and used, what is left, what ends, own GPUs, and charges that no call causes."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from allocation.costing import steps
from finops.models import Approval
from tests.allocation.costing.agreed import MILLION, agree, call, derive
from tests.allocation.costing.test_commitments import CREDITS, PTU, SEATS
from tests.allocation.stated import KINDS, state
from tests.web.money_pages import BLIND, READERS, client_of, page, row, text
from web import fleet_rows
from web.formats import MINUS
from web.pages import commitments

pytestmark = pytest.mark.usefixtures("ledger")
PATHS = ("/commitments/", "/commitments/commitments.csv", "/commitments/capacity/")
MONTH = "?month=2026-09"
D = Decimal
FLEET = """
- {code: lab, gpu: A100, count: 2, valid_from: 2026-09-08, valid_to: 2026-09-09, rent: "1", basis: tokens,
   utilisation: "0.5", serves: [{model: gpt-5, throughput: "100"}], idle_owner: {cost_centre: CC-IT},
   energy: {source: tdp, tdp_watts: 1000, pue: "1.5", price_per_kwh: "0.2", co2_kg_per_kwh: "0.5"}}
"""
OTHERS = """
- {code: tracing, category: licence, amount: "300", from: 2026-09-01, every: month, owner: {cost_centre: CC-1}}
- {code: model, category: training, amount: "30", from: 2026-09-08, owner: {cost_centre: CC-1}}
- {code: big, category: staff, amount: "90000", from: 2026-09-08, owner: {cost_centre: CC-1}}
"""


@pytest.fixture(autouse=True)
def september(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    monkeypatch.setattr(steps, "_today", lambda: date(2026, 9, 30))
    monkeypatch.setattr(commitments.timezone, "now", lambda: datetime(2026, 9, 30, 12, tzinfo=UTC))


@pytest.mark.parametrize("role", [*READERS, *BLIND])
def test_who_sees_everything_sees_agreements(role: str) -> None:
    client = client_of(role)
    for path in PATHS:
        assert client.get(path).status_code == (200 if role in READERS else 403), path
        assert client.post(path).status_code == 405, "no agreement is changed here"
    assert client.get("/commitments/?month=2026-13").status_code == 400, "there is no such month, whoever asks"


def test_without_agreements_the_pages_say_how_to_load_them() -> None:
    client = client_of("auditor")
    assert "No contract and no commitment is in force" in page(client, "/commitments/")
    assert "terms load capacity" in page(client, "/commitments/capacity/")
    assert "Everything is in USD: no rate is needed." in page(client, "/commitments/capacity/")


def test_a_commitment_is_told_with_its_utilisation_unused_money_and_break_even() -> None:
    agree("commitments", PTU)
    state("gate", [call(1, 16_000)])
    derive()
    client = client_of("analyst")
    found = row(page(client, f"/commitments/{MONTH}"), "<b>ptu</b>")
    # 720 paid for 720 hours, of which 10,000 of 16,000 tokens were in one: 1 used, 719 not; 0.0125 of 0.02 is covered.
    assert "$720.00 $1.00 $719.00" in found
    assert "62.5" in found
    content = client.get(f"/commitments/commitments.csv{MONTH}").content.decode()
    [exact] = list(csv.DictReader(io.StringIO(content)))
    assert {name: Decimal(exact[name]) for name in ("billed", "used", "unused", "covered", "uncovered")} == {
        "billed": 720, "used": 1, "unused": 719, "covered": Decimal("0.0125"), "uncovered": Decimal("0.0075"),
    }  # fmt: skip


def test_a_credit_burns_down_and_what_expired_is_told() -> None:
    agree("commitments", CREDITS)
    state("gate", [call(1, 24 * MILLION)])
    derive()
    markup = page(client_of("analyst"), f"/commitments/{MONTH}")
    # 24 million at 1.25 are 30 of the credit of 100; 70 expire on the 11th, 50 of the other one on the 30th.
    assert "$100.00 $30.00 $0.00 expired $70.00" in row(markup, 'title="early"><b>early</b><small>ended')
    assert MINUS not in row(markup, 'title="early"><b>early</b><small>ended'), "nothing is less than nothing"
    assert "$70.00 expired and went to its owner." in text(markup)
    assert "line-chart" in markup


def test_seats_are_beside_what_their_use_is_worth() -> None:
    agree("commitments", SEATS)
    state("spans", [call(n, 8 * MILLION, principal=who) for n, who in enumerate(("ada", "bob"))], account="plan")
    derive()
    markup = page(client_of("analyst"), f"/commitments/{MONTH}")
    # Eight million at 1.25 are worth 10.
    assert "$10.00" in row(markup, ">ada<")
    assert "give back" in row(markup, "Nobody has them")
    assert "by seat" in row(markup, "<small>seats")


def test_what_ends_is_warned_of_in_steps() -> None:
    agree(
        "contracts", "[{code: near, valid_to: 2026-10-20}, {code: far, valid_from: 2026-11-01, valid_to: 2027-09-30}]"
    )
    markup = page(client_of("analyst"), f"/commitments/{MONTH}")
    assert 'class="ends ends-30">20 days' in markup
    assert '<span class="muted">365 days' in markup
    assert "1 agreement ends soon" in text(markup)


def test_what_ends_is_counted_from_today_whichever_month_is_shown() -> None:
    agree("contracts", "[{code: near, valid_to: 2026-10-20}]")
    client = client_of("analyst")
    for month in ("2026-07", "2026-09"):
        told = text(page(client, f"/commitments/?month={month}"))
        assert "counted from today" in told
        assert "near contract 20 Oct 2026 20 days" in told


def test_a_commit_has_no_coverage_and_a_fleets_parts_add_up_to_the_cent() -> None:
    agree(
        "commitments",
        "[{code: deal, kind: enterprise_commit, provider: openai, from: 2026-09-01, to: 2026-10-01, amount: '84'}]",
    )
    state("gate", [call(1, 16_000)])
    derive()
    client = client_of("analyst")
    assert "0.0" not in row(page(client, f"/commitments/{MONTH}"), "<b>deal</b>").split("$")[0]
    month = fleet_rows.FleetMonth(None, "USD", D("10.01"), D("3.335"), D("6.675"), D(0), D(0), D(0), D(0), D(0), [])  # type: ignore[arg-type]
    assert sum(month.parts.values()) == D("10.01")


def test_a_contract_is_told_with_the_rate_its_volume_leads_to() -> None:
    agree("contracts", '[{code: frame, discount: "10", tiers: [{over: "10", discount: "30"}]}]')
    state("gate", [call(1, 16 * MILLION)])
    derive()
    found = row(page(client_of("analyst"), f"/commitments/{MONTH}"), "<b>frame</b>")
    # 20 of list cost: 10 at 10 % and 10 at 30 % off are 16, a fifth less.
    assert "$20.00" in found
    assert "20.0" in found
    assert "provisional" in found, "the month is not over on the 30th"


def test_a_fleet_is_told_in_full_with_what_is_idle_and_what_it_draws() -> None:
    agree("capacity", FLEET)
    state("gate", [call(1, 2_160_000)])
    derive()
    [found] = fleet_rows.fleets(commitments.Period.month("2026-09"))
    # 2 GPUs x 24 h x 1 = 48. 2,160,000 tokens at 100 a second are 6 of 48 GPU-hours: 6 used, 42 idle; 6 kWh x 1.5 = 9.
    assert (found.used - found.energy, found.idle, found.kwh, found.co2) == (6, 42, 9, Decimal("4.5"))
    assert (found.energy, found.charged) == (Decimal("1.8"), Decimal("49.8"))
    assert found.charged == found.used + found.idle + found.written_off
    markup = page(client_of("analyst"), f"/commitments/capacity/{MONTH}")
    assert "Charged $49.80 Used $7.80 Idle $42.00 Energy $1.80 Drawn 9 kWh CO₂e 4.50 kg" in text(markup)
    # 49.8 / 2.16 million; planned: 49.8 / 48 h / (100 x 3,600 x 0.5) tokens.
    assert "$23.06" in row(markup, "gpt-5")
    assert "$5.76" in row(markup, "gpt-5")


def test_other_charges_wait_or_are_charged_and_count_as_fixed_and_as_training() -> None:
    agree("other_charges", OTHERS)
    state("gate", [call(1, 8 * MILLION)])
    derive()
    client = client_of("finance", "fin")
    markup = page(client, f"/commitments/capacity/{MONTH}")
    assert row(markup, "<b>tracing</b>").endswith("$300.00 a month $300.00")
    assert row(markup, "<b>big</b>").endswith("waits")
    assert "$330.00" in row(markup, '<tr><th scope="row">All</th><td class="fold"></td><td class="fold"></td>')
    # 300 fixed and 10 with usage for answers, 30 fixed for training: 330 of 340.
    assert "97.1" in row(markup, '<th scope="row">All</th><td class="figure">$330.00') or "97.1" in text(markup)
    assert row(markup, '<th scope="row">Training').startswith("Training $30.00 $0.00")
    client.post(f"/approvals/{Approval.objects.get().pk}/decide", {"decision": "accept"})
    derive()
    assert row(page(client, f"/commitments/capacity/{MONTH}"), "<b>big</b>").endswith("$90,000.00")


def test_a_missing_rate_is_told_as_money_in_no_total() -> None:
    agree("other_charges", '[{code: audit, category: compliance, amount: "480", currency: CHF, from: 2026-09-08}]')
    derive()
    markup = page(client_of("analyst"), f"/commitments/capacity/{MONTH}")
    assert row(markup, '<th scope="row">CHF') == "CHF 1, 8 Sep 2026 to 8 Sep 2026 CHF\xa0480.00".replace("\xa0", " ")
    assert "fx set DAY CHF USD RATE" in markup


@pytest.mark.parametrize(("path", "most"), [("/commitments/", 40), ("/commitments/capacity/", 40)])
def test_queries_are_bounded(path: str, most: int, django_assert_max_num_queries: Any) -> None:
    many = "".join(
        f"\n- {{code: c{n}, category: licence, amount: '1', from: 2026-09-01, every: month}}" for n in range(40)
    )
    agree("other_charges", many)
    agree("commitments", PTU)
    agree("capacity", FLEET)
    state("gate", [call(1, 16_000)])
    derive()
    client = client_of("finance", "fin")
    client.get(f"{path}{MONTH}")
    with django_assert_max_num_queries(most):
        client.get(f"{path}{MONTH}")
