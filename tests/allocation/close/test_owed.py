"""What is owed to each issuer, and what accruals each cost centre bears: by hand, and adding up to the books."""

from decimal import Decimal

import pytest

from allocation.close import accrued, owed, proof
from allocation.derived import refresh
from allocation.scope import EVERYTHING
from tests.allocation.close.books import NOVEMBER, OCTOBER, SEPTEMBER, freeze, invoice, prepare, use
from tests.allocation.stated import KINDS

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)


def test_an_issuer_is_owed_what_it_invoiced_and_what_its_other_accounts_cost() -> None:
    """a: 10 used, 11 invoiced; b: 20 used, no invoice: expected 30, owed 31."""
    use(SEPTEMBER, "a", "10")
    use(SEPTEMBER, "b", "20")
    refresh()
    (before,) = owed.of(SEPTEMBER)
    assert (before.issuer, before.expected, before.invoiced, before.to_come, before.owed) == (
        "anthropic",
        30,
        None,
        30,
        30,
    )
    invoice(SEPTEMBER, "a", "11.00")
    (row,) = owed.of(SEPTEMBER)
    assert (row.expected, row.invoiced, row.to_come, row.owed, row.difference) == (30, 11, 20, 31, 1)
    assert row.numbers == ("a-2026-09",)
    assert [(whole.issuer, whole.owed, whole.currency) for whole in owed.totals([row])] == [("", 31, "USD")]


def test_credits_of_an_invoice_are_told_and_are_in_what_it_states() -> None:
    """10 used; 12 of usage less a credit of 5 are invoiced: 7 is owed, 3 less than expected."""
    use(SEPTEMBER, "a", "10")
    lines = [
        {"description": "usage", "amount": "12.00"},
        {"description": "back", "category": "Credit", "amount": "-5.00"},
    ]
    invoice(SEPTEMBER, "a", "7.00", lines=lines)
    (row,) = owed.of(SEPTEMBER)
    assert (row.expected, row.invoiced, row.credits, row.owed, row.difference) == (10, 7, -5, 7, -3)


def test_a_month_without_usage_and_invoice_owes_nobody() -> None:
    assert owed.of(SEPTEMBER) == []
    assert owed.totals([]) == []


def test_what_is_owed_is_what_the_proof_of_the_month_has_of_invoices_and_accruals() -> None:
    use(SEPTEMBER, "a", "10")
    use(SEPTEMBER, "b", "20")
    invoice(SEPTEMBER, "a", "11.00")
    prepare(SEPTEMBER)
    (row,) = [each for each in proof.of(SEPTEMBER, EVERYTHING) if each.issuer == "anthropic"]
    (told,) = owed.of(SEPTEMBER)
    assert told.owed == row.invoices + row.accrual_movement == 31


def test_accruals_are_told_by_provider_and_by_who_bears_them() -> None:
    """September: a 10 and b 20 without an invoice. In October b's came: only a's 10 waits."""
    use(SEPTEMBER, "a", "10")
    use(SEPTEMBER, "b", "20")
    prepare(SEPTEMBER)
    (row,) = accrued.of(SEPTEMBER)
    assert (row.issuer, row.reversed, row.posted, row.to_come) == ("anthropic", 0, 30, 30)
    assert [(part.cost_centre, part.posted, part.to_come) for part in row.parts] == [("", 30, 30)]
    freeze(SEPTEMBER)
    use(OCTOBER, "a", "5")
    invoice(SEPTEMBER, "b", "22.00")
    (late,) = accrued.of(SEPTEMBER)
    assert (late.posted, late.to_come) == (30, 10)
    prepare(OCTOBER)
    (now,) = accrued.of(OCTOBER)
    # taken back 30; accrued anew 10 of September's a and 5 of October's, of which the month's charges bear 5
    assert (now.reversed, now.posted, now.to_come) == (30, 15, 15)
    assert [(part.cost_centre, part.posted) for part in now.parts] == [("", 5), (None, 10)]
    assert sum(part.posted for part in now.parts) == now.posted
    assert accrued.of(NOVEMBER) == []
