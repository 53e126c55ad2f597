"""The proof: both sides are read from different tables, agree where nothing is wrong and differ where something is."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import connection

from allocation import rulebook
from allocation.calc.proof import Proof
from allocation.close import invoiced, proof
from allocation.costing import steps
from allocation.derived import refresh
from allocation.models import Charge
from allocation.scope import EVERYTHING, Scope
from finops import fx
from finops.periods import Period
from tests.allocation.close.books import NOVEMBER, OCTOBER, SEPTEMBER, freeze, invoice, prepare, use
from tests.allocation.costing.agreed import agree
from tests.allocation.costing.test_month_by_hand import ORDER, stated_as
from tests.allocation.stated import KINDS

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
RULES = "[{id: r1, priority: 1, when: {project: search}, to: {cost_centre: CC-1}}]"


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)


def proofs(period: Period = SEPTEMBER) -> dict[str, Proof]:
    return {row.issuer: row for row in proof.of(period, EVERYTHING)}


def differences(period: Period = SEPTEMBER) -> list[tuple[str, Decimal]]:
    return [(row.issuer, row.difference) for row in proof.of(period, EVERYTHING) if row.difference]


def months() -> None:
    """Search's 10 of account a and nobody's 20 of b; a is invoiced at 11, b of September in November at 23."""
    rulebook.load(yaml.safe_load(RULES), actor="test")
    for period in (SEPTEMBER, OCTOBER, NOVEMBER):
        use(period, "a", "10", project="search")
        use(period, "b", "20")
        refresh()
        if period == NOVEMBER:
            invoice(SEPTEMBER, "b", "23.00")
        prepare(period)
        invoice(period, "a", "11.00")
        freeze(period)


def test_each_term_is_a_column_and_the_difference_is_nothing() -> None:
    months()
    zero = D(0)
    assert proofs(SEPTEMBER)["anthropic"] == Proof(
        "anthropic", "", "USD", statements=D(10), central=D(1 + 20), estimated=zero, invoices=D(11), accrual_movement=D(20),
        amortisation=zero, prepayments=zero,
    )  # fmt: skip
    # b's September is invoiced at 23 for 20: 15 % more are expected of October and November
    assert proofs(NOVEMBER)["anthropic"] == Proof(
        "anthropic", "", "USD", statements=D(10), central=D(1 + 20 + 3), estimated=D(3 + 3), invoices=D(11 + 23),
        accrual_movement=D(23 + 23 - 20 - 20), amortisation=zero, prepayments=zero,
    )  # fmt: skip
    assert [differences(period) for period in (SEPTEMBER, OCTOBER, NOVEMBER)] == [[], [], []]


def test_only_who_sees_everything_sees_it() -> None:
    use(SEPTEMBER, "a", "10")
    refresh()
    assert proof.of(SEPTEMBER, Scope()) == []
    assert len(proof.of(SEPTEMBER, EVERYTHING)) == 1


def change(statement: str, table: str) -> None:
    """A cent that somebody changes past all guards."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(statement)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.mark.parametrize(
    ("table", "statement", "found"),
    [
        ("allocated_cost", "UPDATE allocated_cost SET effective_cost = effective_cost + 0.01 WHERE effective_cost = 10",
         [("(pages)", D("-0.01")), ("anthropic", D("0.01"))]),
        ("cost_daily", "UPDATE cost_daily SET effective_cost = effective_cost - 0.01 WHERE effective_cost = 10",
         [("(pages)", D("-0.01"))]),
        ("true_up", "UPDATE true_up SET invoiced = invoiced + 0.01", [("anthropic", D("-0.01"))]),
        ("accrual", "UPDATE accrual SET cost = cost + 0.01, amount = amount + 0.01", [("anthropic", D("-0.01"))]),
    ],
)  # fmt: skip
def test_a_planted_cent_shows(table: str, statement: str, found: list[Any]) -> None:
    rulebook.load(yaml.safe_load(RULES), actor="test")
    use(SEPTEMBER, "a", "10", project="search")
    use(SEPTEMBER, "b", "20")
    invoice(SEPTEMBER, "a", "11.00")
    freeze(SEPTEMBER)
    assert differences() == []
    change(statement, table)
    assert differences() == found


def test_a_purchase_is_prepaid_and_its_use_amortised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_today", lambda: date(2026, 9, 30))
    agree("commitments", """
    - {code: credit, kind: prepaid_credit, provider: anthropic, from: 2026-09-01, to: 2026-11-01, face: "100", price: "80"}
    """)  # fmt: skip
    use(SEPTEMBER, "", "30")
    refresh()
    row = proofs()["anthropic"]
    # 30 of the credit's face cost 24; its price is owed and paid ahead
    assert (row.central, row.amortisation, row.prepayments, row.accrual_movement) == (D(24), D(24), D(80), D(80))
    assert differences() == []


def test_a_month_with_everything_that_money_can_be_is_proved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    from tests.allocation.costing.test_month_by_hand import RULES as EVERYTHING_RULES

    monkeypatch.undo()
    monkeypatch.setattr(steps, "_today", lambda: date(2026, 9, 30))
    settings.FINANCE_COST_CENTRE = "CC-FIN"
    rulebook.load(EVERYTHING_RULES, actor="test")
    stated = stated_as(tmp_path)
    for name in ORDER:
        stated[name]()
    refresh()
    assert [(row.issuer, row.difference) for row in proof.of(SEPTEMBER, EVERYTHING) if not row.holds] == []
    assert sum(row.statements + row.central for row in proof.of(SEPTEMBER, EVERYTHING)) == sum(
        Charge.objects.filter(charge_date__gte=SEPTEMBER.start).exclude(effective_cost=None).values_list(
            "effective_cost", flat=True
        )
    )  # fmt: skip


def test_an_invoice_by_hand_in_another_currency_is_worth_what_its_residual_is_charged_at() -> None:
    """Its lines bear days, but what it charges is charged on the last day of the month: at 2 dollars, not at 1."""
    rates = [fx.Published(date(2026, 9, day), "EUR", "USD", D(rate)) for day, rate in ((2, "1"), (30, "2"))]
    fx.load(rates, source="test", actor="test")
    lines = [{"day": "2026-09-02", "amount": "30", "description": "usage"}]
    invoice(SEPTEMBER, "main", "30", currency="EUR", lines=lines)
    (row,) = invoiced.stated([SEPTEMBER.start], SEPTEMBER)
    assert (row.amount, row.place.currency) == (D(60), "USD")
    assert differences() == []
