"""Accruals: what no invoice states at a month's end, its reversal, and the true-up with its causes."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.db.models import Sum

from allocation.close import accruals
from allocation.close.accruals import AccrualError
from allocation.derived import refresh
from allocation.models import Accrual, AccrualRun, Charge, TrueUp
from finops.models import AuditEvent
from finops.periods import Period
from tests.allocation.close.books import (
    NOVEMBER,
    OCTOBER,
    SEPTEMBER,
    accrued,
    freeze,
    invoice,
    prepare,
    total,
    use,
)
from tests.allocation.stated import KINDS

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
ZERO = D(0)


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)


def charged(period: Period) -> Decimal:
    rows = Charge.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)
    return D(rows.aggregate(sum=Sum("effective_cost"))["sum"] or 0)


def expense(period: Period) -> Decimal:
    """The account of the ledger: what allocation charges, and what estimates add and take back."""
    before = sum((row.estimate for row in accruals.of(period.previous())), ZERO)
    return charged(period) + sum((row.estimate for row in accruals.of(period)), ZERO) - before


def liability(period: Period) -> Decimal:
    return total(row.amount for row in accruals.of(period))


def reversal(period: Period) -> Decimal:
    return total(row.reversed for row in accruals.of(period)) + total(row.accrued for row in accruals.true_ups(period))


# The ledger, by hand. Usage of each month: a 10, b 20, c 30, d 40 dollars.
#
#              a: invoice on day +1   b: on day +4   c: on day +40              d: never
# September    11.00                  22.00          accrued 30                 accrued 40
# October      12.00                  24.00          accrued 30; September 30   accrued 40; September 40
# November     10.50                  21.00          accrued 33; October 33;    accrued 40; October, September 40 each
#                                                    September's is 33.00
# In November the invoices of c are known to be a tenth higher: 33 for 30.
LEDGER = {
    # month: (expense, reversed on its first day, accrued liabilities at its end)
    "2026-09": (D("11.00") + D("22.00") + 30 + 40, D(0), D(30 + 40)),
    "2026-10": (D("12.00") + D("24.00") + 30 + 40, D(30 + 40), D(30 + 30 + 40 + 40)),
    "2026-11": (
        D("10.50") + D("21.00") + (D("33.00") - 30) + (33 - 30) + 33 + 40,
        D(30 + 30 + 40 + 40),
        D(33 + 33 + 40 + 40 + 40),
    ),
}
INVOICES = D("11.00") + D("22.00") + D("12.00") + D("24.00") + D("10.50") + D("21.00") + D("33.00")


def three_months() -> None:
    stated = {SEPTEMBER: ("11.00", "22.00"), OCTOBER: ("12.00", "24.00"), NOVEMBER: ("10.50", "21.00")}
    for period, (a, b) in stated.items():
        for account, dollars in (("a", "10"), ("b", "20"), ("c", "30"), ("d", "40")):
            use(period, account, dollars)
        refresh()
        if period == NOVEMBER:
            invoice(SEPTEMBER, "c", "33.00")  # day +40: September and October are closed
        invoice(period, "a", a)  # day +1
        prepare(period)
        invoice(period, "b", b)  # day +4
        freeze(period)


def test_three_months_with_invoices_on_day_1_4_40_and_never_are_the_ledger_written_by_hand() -> None:
    three_months()
    found = {
        str(period): (expense(period), reversal(period), liability(period)) for period in (SEPTEMBER, OCTOBER, NOVEMBER)
    }
    assert found == LEDGER
    # AR17, AR18: what was expensed is what was invoiced and what is accrued and open
    assert total(row[0] for row in found.values()) == INVOICES + liability(NOVEMBER)
    assert accrued(NOVEMBER) == {
        ("c", "2026-10"): D(33), ("c", "2026-11"): D(33), ("d", "2026-09"): D(40), ("d", "2026-10"): D(40),
        ("d", "2026-11"): D(40),
    }  # fmt: skip


def test_an_invoice_after_the_close_posts_the_true_up_with_its_cause_in_the_open_month() -> None:
    three_months()
    [late] = [row for row in accruals.true_ups(NOVEMBER) if row.billed_month == SEPTEMBER.start]
    assert (late.numbers, late.invoiced, late.accrued, late.amount) == (["c-2026-09"], D(33), D(30), D(3))
    assert {cause: D(amount) for cause, amount in late.causes.items()} == {"unexplained": D(3)}
    assert late.charged == D(3)  # borne as a correction
    in_time = accruals.true_ups(SEPTEMBER)
    assert [(row.billing_account, row.invoiced, row.accrued, row.amount) for row in in_time] == [
        ("a", D(11), ZERO, ZERO), ("b", D(22), ZERO, ZERO),
    ]  # fmt: skip


def test_accuracy_is_one_less_the_error_by_account_and_over_all_errors_do_not_cancel() -> None:
    three_months()
    # b was accrued at 20 on day +1 and invoiced at 21 on day +4; c accrued at 30 and invoiced at 33
    found = {row.place and row.place.billing_account: row for row in accruals.accuracies(NOVEMBER)}
    shown = {name: (row.invoiced, row.accrued, row.accuracy and round(row.accuracy, 6)) for name, row in found.items()}
    # b's history: 22 for 20 and 24 for 20 = 46 / 40: a share of 0.15, so that 23 was accrued
    assert shown == {
        "b": (D(21), D(23), D("0.904762")), "c": (D(33), D(30), D("0.909091")),
        None: (D(54), D(53), D("0.907407")),  # 1 - (2 + 3) / 54
    }  # fmt: skip


def test_an_accrual_says_what_it_is_made_of() -> None:
    use(SEPTEMBER, "acct", "30")
    prepare(SEPTEMBER)
    [row] = accruals.of(SEPTEMBER)
    assert (row.invoice_id, row.provenance) == ("PROV-2026-09-anthropic-acct", "estimated")
    assert (row.cost, row.share, row.estimate, row.amount, row.reversed) == (D(30), ZERO, ZERO, D(30), ZERO)
    assert AuditEvent.objects.get(action="accruals.run").subject == "2026-09 v1"


def test_a_preliminary_accrual_is_replaced_by_the_next_version_and_the_same_again_is_the_one_that_was() -> None:
    use(SEPTEMBER, "a", "10")
    prepare(SEPTEMBER)
    assert accruals.run(SEPTEMBER, "bob") == accruals.in_force(SEPTEMBER)
    assert AccrualRun.objects.count() == 1
    use(SEPTEMBER, "a", "5", native_id="late")
    prepare(SEPTEMBER)
    assert accrued(SEPTEMBER) == {("a", "2026-09"): D(15)}
    assert list(Accrual.objects.order_by("run__version").values_list("run__version", "amount")) == [
        (1, D(10)),
        (2, D(15)),
    ]


def test_a_soft_closed_accrual_never_changes() -> None:
    use(SEPTEMBER, "a", "10")
    freeze(SEPTEMBER)
    invoice(SEPTEMBER, "a", "12.00")
    assert accruals.run(SEPTEMBER, "bob").version == 1
    assert accrued(SEPTEMBER) == {("a", "2026-09"): D(10)}
    attempts: tuple[Any, ...] = (
        lambda: Accrual.objects.update(amount=1),
        lambda: Accrual.objects.all().delete(),
        lambda: AccrualRun.objects.create(month=SEPTEMBER.start, version=2, content_hash="", made_by="eve"),
    )
    for attempt in attempts:
        with pytest.raises(DatabaseError), transaction.atomic():
            attempt()


def test_late_usage_of_a_closed_month_without_an_invoice_raises_its_accrual_in_the_open_one() -> None:
    use(SEPTEMBER, "d", "40")
    freeze(SEPTEMBER)
    use(SEPTEMBER, "d", "2", native_id="late")
    freeze(OCTOBER)
    assert (accrued(SEPTEMBER), accrued(OCTOBER)) == ({("d", "2026-09"): D(40)}, {("d", "2026-09"): D(42)})
    assert (expense(SEPTEMBER), expense(OCTOBER)) == (D(40), D(2))
    invoice(SEPTEMBER, "d", "42.50")
    freeze(NOVEMBER)
    [row] = accruals.true_ups(NOVEMBER)
    assert (row.accrued, row.invoiced, row.amount, accrued(NOVEMBER)) == (D(42), D("42.5"), D("0.5"), {})


def test_a_credit_note_after_the_invoice_is_a_true_up_of_its_own() -> None:
    use(SEPTEMBER, "a", "10")
    invoice(SEPTEMBER, "a", "12.00")
    freeze(SEPTEMBER)
    invoice(SEPTEMBER, "a", "9.00")  # its next revision
    freeze(OCTOBER)
    [row] = accruals.true_ups(OCTOBER)
    assert (row.invoiced, row.accrued, row.amount, expense(OCTOBER)) == (D(-3), ZERO, D(-3), D(-3))


def test_an_invoice_without_an_account_covers_all_accounts_of_its_issuer() -> None:
    use(SEPTEMBER, "a", "10")
    use(SEPTEMBER, "b", "20")
    invoice(SEPTEMBER, "", "33.00", number="whole")
    freeze(SEPTEMBER)
    assert accrued(SEPTEMBER) == {}
    assert {row.billing_account: row.invoiced for row in accruals.true_ups(SEPTEMBER)} == {
        "": D(3),
        "a": D(10),
        "b": D(20),
    }
    assert expense(SEPTEMBER) == D(33)


def test_months_are_accrued_in_their_order() -> None:
    use(SEPTEMBER, "a", "10")
    freeze(SEPTEMBER)
    use(OCTOBER, "a", "10")
    refresh()
    with pytest.raises(AccrualError, match="2026-10 has cost and no accruals: close months in their order"):
        accruals.run(NOVEMBER, "ann")
    assert not TrueUp.objects.exists()
