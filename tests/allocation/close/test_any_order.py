"""Months in any order of ingest, re-rating, rules, adjustments, disputes, closing and reopening (5 a).

After every step what verify checks holds (conservation, closed months, the audit trail among it), frozen months are what
they were, byte for byte, and what all days cost as far as is known now is what all calls cost at the price in force.
FINOPS_TEST_EXAMPLES=100 tries so many courses of events; by default 4.
"""

import os
import tempfile
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import yaml
from django.conf import settings as site
from django.db import connection
from django.db.models import Sum
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from allocation import closing, rulebook
from allocation.attribution import adjustments
from allocation.calc.closing import StepError
from allocation.calc.contracts_fields import AgreementError
from allocation.close import statements
from allocation.close.periods import is_frozen
from allocation.derived import refresh
from allocation.models import BillingPeriod, Charge, CostDaily, Statement
from allocation.reallocating import reallocate, restate
from allocation.verification import verify
from finops.periods import Period
from ingest import price_approvals
from ingest.models import PriceBookVersion
from ingest.prices import load_builtin, load_overrides
from ingest.services import Import, ingest_file
from tests.allocation.close.kept import Kept
from tests.allocation.close.months import APPROVER, PREPARER
from tests.conftest import empty_ledger
from tests.records import payload, write_lines
from web import approving

pytestmark = pytest.mark.usefixtures("ledger")
EXAMPLES = int(os.environ.get("FINOPS_TEST_EXAMPLES", "4"))
MONTHS = [Period.month(month) for month in ("2026-08", "2026-09", "2026-10")]
month = st.sampled_from(MONTHS)
day = st.integers(1, 28)
FROZEN_TABLES = ("charge", "allocated_cost", "cost_daily", "query_cost_daily", "split_cost")


def rows_of(period: Period) -> list[list[tuple[Any, ...]]]:
    """All that is kept of a frozen month."""
    found = []
    with connection.cursor() as cursor:
        for table in FROZEN_TABLES:
            key = "charge_id, part" if table == "allocated_cost" else "id"
            cursor.execute(
                f"SELECT * FROM {table} WHERE charge_date >= %s AND charge_date < %s ORDER BY {key}",
                [period.start, period.end],
            )
            found.append(cursor.fetchall())
    return found


class Books(RuleBasedStateMachine):
    """What people and sources do to three months."""

    begun: tuple[Kept, list[dict[str, Any]]] | None = None

    def __init__(self) -> None:
        super().__init__()
        empty_ledger()
        self.folder = Path(tempfile.mkdtemp())
        self.calls: list[dict[str, Any]] = []
        self.price = Decimal(10)
        self.kept: dict[Period, list[list[tuple[Any, ...]]]] = {}

    @initialize()
    def begin(self) -> None:
        """Three months with a call each: made once, then put back."""
        if Books.begun is None:
            self.load_rules("CC-1", "0.7")
            self.calls = [self.call(number, period, 3, "search") for number, period in enumerate(MONTHS)]
            self.load_price(10)
            self.again()
            Books.begun = Kept(), self.calls
            return
        kept, calls = Books.begun
        kept.put_back()
        self.calls = list(calls)
        self.load_price(10)  # price books outlive an example

    @staticmethod
    def call(number: int, period: Period, day: int, team: str) -> dict[str, Any]:
        """A million input tokens."""
        return payload(number, at=f"{period}-{day:02}T12:00:00.000000Z", team=team, prompt=1_000_000, output=0)

    @rule(period=month, number=day, team=st.sampled_from(["search", "chat", "nobody"]))
    def use(self, period: Period, number: int, team: str) -> None:
        """Usage, late or not."""
        self.calls.append(self.call(len(self.calls), period, number, team))
        self.again()

    @rule()
    def again(self) -> None:
        """All of it is sent once more."""
        path = write_lines(self.folder / "calls.jsonl", self.calls)
        ingest_file(Import(path, "litellm"))
        refresh()

    @rule(price=st.sampled_from([8, 10, 12]))
    def load_price(self, price: int) -> None:
        path = self.folder / "prices.yaml"
        path.write_text(yaml.safe_dump([{"provider": "openai", "model": "gpt-5", "prices": {"input": str(price)}}]))
        load_overrides(path, actor=PREPARER)
        for asked in price_approvals.pending():
            price_approvals.approve(asked["id"], by=APPROVER)
        self.price = Decimal(price)
        refresh()

    @rule(centre=st.sampled_from(["CC-1", "CC-3"]), share=st.sampled_from(["0.7", "0.2"]))
    def load_rules(self, centre: str, share: str) -> None:
        rest = str(1 - Decimal(share))
        rulebook.load(
            [
                {
                    "id": "r1",
                    "priority": 1,
                    "when": {"tag.team": "search"},
                    "to": {"shares": {centre: share, "CC-2": rest}},
                },
                {"id": "r2", "priority": 2, "when": {"tag.team": "chat"}, "to": {"cost_centre": centre}},
            ],
            actor=PREPARER,
        )
        reallocate()

    @rule(period=month)
    def allocate(self, period: Period) -> None:
        if is_frozen(period.start):
            restate(period, by=PREPARER)
        else:
            reallocate([period.start])

    @rule(period=month)
    def step(self, period: Period) -> None:
        """The next step of its close, past what may be waived."""
        to = closing.next_of(period)
        if to is None:
            return
        by = PREPARER if to == "preliminary" else APPROVER
        try:
            closing.close_step(period, to, by=by)
        except StepError:
            return
        if to == "soft_closed":
            self.kept[period] = rows_of(period)

    @rule(data=st.data(), accepted=st.booleans())
    def answer(self, data: Any, accepted: bool) -> None:
        """An owner accepts or disputes a statement that was issued."""
        issued = list(Statement.objects.filter(state="issued").order_by("pk"))
        if not issued:
            return
        statement = data.draw(st.sampled_from(issued))
        if accepted:
            statements.accept(statement, by="owner")
        else:
            statements.dispute(statement, by="owner", reason="not ours")

    @rule(period=month, amount=st.integers(1, 50))
    def adjust(self, period: Period, amount: int) -> None:
        """Money moves from CC-2 to CC-1, as another person approves."""
        document = {
            "month": str(period), "currency": "USD", "reason": "moved", "evidence": {"text": "mail"},
            "parts": [{"cost_centre": "CC-1", "amount": str(amount)}, {"cost_centre": "CC-2", "amount": str(-amount)}],
        }  # fmt: skip
        try:
            asked = adjustments.propose(document, by=PREPARER)
            approving.decide(asked, by=APPROVER, accept=True)
        except AgreementError:
            return  # a cost centre that no rule has named yet
        refresh()

    @rule(period=month)
    def reopen(self, period: Period) -> None:
        try:
            asked = closing.propose_reopen(period, "wrong invoice", by=PREPARER)
            approving.decide(asked, by=APPROVER, accept=True)
        except StepError:
            return
        self.kept.pop(period, None)
        refresh()

    @invariant()
    def frozen_months_are_what_they_were(self) -> None:
        """Invariant 8."""
        for period, before in self.kept.items():
            assert rows_of(period) == before

    @precondition(lambda self: self.calls)
    @invariant()
    def everything_is_charged_once_and_borne_by_somebody_or_nobody(self) -> None:
        """Invariants 3 and 5, and R2: corrections make up what the frozen months lack."""
        last = MONTHS[-1].end + timedelta(days=60)
        known = Charge.objects.as_is(MONTHS[0].start, last).aggregate(cost=Sum("effective_cost"))["cost"] or 0
        assert known == len(self.calls) * self.price
        assert (CostDaily.objects.aggregate(cost=Sum("effective_cost"))["cost"] or 0) == known

    @invariant()
    def verify_finds_nothing(self) -> None:
        assert [(check.id, check.examples) for check in verify() if not check.ok] == []

    def teardown(self) -> None:
        """Leave the price book as other tests want it."""
        BillingPeriod.objects.exists()


@pytest.fixture(autouse=True)
def own_prices_and_one_currency(ledger: None) -> object:
    assert site.REPORT_CURRENCY == "USD"
    yield
    PriceBookVersion.objects.exclude(book="builtin").delete()
    load_builtin(actor="test")


def test_in_any_order_of_what_people_and_sources_do_the_books_hold() -> None:
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
