"""What pages read of commitments, on stored data."""

from datetime import date
from decimal import Decimal

import pytest

from allocation.costing import commitments_selectors as reads
from allocation.costing import steps
from allocation.models import CostCentre
from allocation.scope import EVERYTHING, Scope
from finops.periods import Period
from ingest.source import Line
from tests.allocation.costing.agreed import MILLION, agree, call, derive
from tests.allocation.costing.test_commitments import CREDITS, PTU, SEATS
from tests.allocation.stated import KINDS, line, state

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
SEPTEMBER = Period.month("2026-09")


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    monkeypatch.setattr(steps, "_today", lambda: date(2026, 9, 30))


def test_utilisation_and_coverage_of_a_month_come_from_what_was_charged() -> None:
    agree("commitments", PTU)
    state("gate", [call(1, 16_000)])
    derive()
    (found,) = reads.uses(EVERYTHING, SEPTEMBER)
    # 10,000 of 16,000 tokens in one of 720 hours.
    assert (found.billed, found.used, found.unused) == (720, 1, 719)
    assert (found.covered, found.uncovered) == (D("0.0125"), D("0.0075"))
    assert (found.utilisation, found.coverage) == (D("0.001388888889"), D("0.625"))
    (mine,) = reads.uses(Scope(cost_centres=frozenset({CostCentre.objects.get(code="FIN").pk})), SEPTEMBER)
    assert (mine.used, mine.unused) == (0, 719)  # the used part is not FIN's


def test_balances_of_credits_are_those_that_were_charged() -> None:
    agree("commitments", CREDITS)
    state("gate", [call(1, 24 * MILLION)])
    derive()
    rows = [(row.code, row.day.day, row.purchased, row.consumed, row.expired, row.closing)
            for row in reads.balances(date(2026, 9, 30))]  # fmt: skip
    assert rows == [
        ("late", 1, 50, 0, 0, 50), ("early", 7, 100, 0, 0, 100), ("early", 8, 0, 30, 0, 70), ("early", 11, 0, 0, 70, 0),
        ("late", 30, 0, 0, 50, 0),
    ]  # fmt: skip
    assert [one.breakage for one in reads.uses(EVERYTHING, SEPTEMBER)] == [56, 50]


def test_a_commits_spend_so_far_is_shown_before_its_end() -> None:
    agree("commitments", "[{code: a, kind: enterprise_commit, from: 2026-09-01, to: 2026-10-01, amount: '100'}]")
    state("gate", [call(1, 8 * MILLION)])
    derive()
    (found,) = reads.commits_as_of(date(2026, 9, 15))
    assert (found.spent, found.missing, found.projected, found.provisional) == (10, 90, 80, True)


def test_the_calendar_holds_contracts_and_commitments() -> None:
    agree("commitments", PTU)
    agree("contracts", "[{code: frame, valid_to: 2026-12-01}]")
    found = [(one.code, one.kind, one.warning) for one in reads.expiry_calendar(date(2026, 9, 8))]
    assert found == [("ptu", "provisioned_throughput", 30), ("frame", "contract", 90)]


def test_a_seat_is_beside_what_the_provider_reports_else_what_logs_show() -> None:
    agree("commitments", SEATS)
    state("spans", [call(n, 8 * MILLION, principal=who) for n, who in enumerate(("ada", "bob"))], account="plan")
    notional = Line(line("0", principal="ada", kind_of_cost="notional", list_cost=D(45), scope="claude_code"))
    state("costs", [notional], account="plan")
    derive()
    found = {row.who: (row.cost, row.worth, row.cheaper) for row in reads.seats(EVERYTHING, SEPTEMBER)}
    assert found == {"": (50, None, ""), "ada": (30, 45, "seat"), "bob": (10, 10, "seat")}
    scope = Scope(cost_centres=frozenset({CostCentre.objects.get(code="CC-1").pk}))
    assert {row.who for row in reads.seats(scope, SEPTEMBER)} == {"ada"}
