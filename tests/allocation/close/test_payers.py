"""Another payer in the posting matrix: what was booked stays with the entity that it began with, closed months as they were."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
import yaml

from allocation import rulebook
from allocation.attribution import cost_centres
from allocation.close import accruals, freeze, gl, journal, proof, statements
from allocation.derived import refresh
from allocation.models import BillingPeriod, JournalLine
from allocation.scope import EVERYTHING
from finops.periods import Period
from tests.allocation.close import books
from tests.allocation.close.books import NOVEMBER, OCTOBER, SEPTEMBER, invoice, prepare, use
from tests.allocation.stated import KINDS

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
BEFORE, AFTER = "US01", "ZZ01"
RULES = "[{id: r1, priority: 1, when: {project: search}, to: {cost_centre: CC-1}}]"


@pytest.fixture(autouse=True)
def ruled(ledger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    rulebook.load(yaml.safe_load(RULES), actor="test")


def pays(entity: str, **given: str) -> None:
    gl.load({"payers": [{"legal_entity": entity, **given}, {"legal_entity": BEFORE}]}, actor="test")


def close(period: Period, *, noted: bool = True, state: str = "closed") -> None:
    """Frozen; ``noted``: with what it is read with, as a close does."""
    refresh()
    accruals.run(period, "ann")
    found = freeze.versions(period) if noted else {}
    BillingPeriod.objects.update_or_create(month=period.start, defaults={"state": state, "frozen_versions": found})


def owed(period: Period) -> dict[tuple[str, str, str], Decimal]:
    """(legal entity, account, billed month) -> accrual."""
    rows = accruals.of(period)
    return {(row.legal_entity, row.billing_account, f"{row.billed_month:%Y-%m}"): row.amount for row in rows}


def posted(period: Period) -> list[tuple[Any, ...]]:
    rows = accruals.true_ups(period)
    return [
        (row.legal_entity, row.billing_account, f"{row.billed_month:%Y-%m}", row.accrued, row.invoiced) for row in rows
    ]


def liabilities() -> dict[tuple[str, str], Decimal]:
    """(legal entity, account) -> debits - credits of payables and accrued liabilities over all journals."""
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in JournalLine.objects.filter(account__in=("2000", "2110")):
        found[row.legal_entity, row.account] += row.debit - row.credit
    return {at: amount for at, amount in found.items() if amount}


@pytest.mark.parametrize("noted", [True, False])
def test_a_new_payer_takes_over_no_balance_and_the_ledger_by_entity_is_the_one_written_by_hand(noted: bool) -> None:
    # September, paid by US01: a 10, invoiced at 11 and settled; b 20 and c 5, accrued.
    # Before October's close ZZ01 becomes the payer; in November b's September is invoiced at 23, and c's without an account.
    pays(BEFORE)
    for account, dollars in (("a", "10"), ("b", "20"), ("c", "5")):
        use(SEPTEMBER, account, dollars, project="search")
    invoice(SEPTEMBER, "a", "11.00")
    close(SEPTEMBER, noted=noted)
    assert owed(SEPTEMBER) == {(BEFORE, "b", "2026-09"): D(20), (BEFORE, "c", "2026-09"): D(5)}
    journal.build(SEPTEMBER, "ann")

    pays(AFTER)
    use(OCTOBER, "a", "10", project="search")
    use(OCTOBER, "b", "20", project="search")
    close(OCTOBER, noted=noted)
    journal.build(OCTOBER, "ann")
    # a's invoices were a tenth higher than computed, whoever pays them
    assert posted(OCTOBER) == []
    assert owed(OCTOBER) == {
        (BEFORE, "b", "2026-09"): D(20), (BEFORE, "c", "2026-09"): D(5), (AFTER, "a", "2026-10"): D(11),
        (AFTER, "b", "2026-10"): D(20),
    }  # fmt: skip
    assert liabilities() == {(BEFORE, "2000"): D(-11), (BEFORE, "2110"): D(-25), (AFTER, "2110"): D(-31)}

    invoice(SEPTEMBER, "b", "23.00")
    invoice(SEPTEMBER, "c", "5.00")
    close(NOVEMBER, noted=noted)
    journal.build(NOVEMBER, "ann")
    assert posted(NOVEMBER) == [
        (BEFORE, "b", "2026-09", D(20), D(23)), (BEFORE, "c", "2026-09", D(5), D(5)),
    ]  # fmt: skip
    assert owed(NOVEMBER) == {(AFTER, "a", "2026-10"): D(11), (AFTER, "b", "2026-10"): D(23)}
    # invoices 11 + 23 + 5 are payable by US01; what waits for an invoice, 11 + 23, is ZZ01's
    assert liabilities() == {(BEFORE, "2000"): D(-39), (AFTER, "2110"): D(-34)}
    assert [
        row for period in (SEPTEMBER, OCTOBER, NOVEMBER) for row in proof.of(period, EVERYTHING) if row.difference
    ] == []


def test_an_invoice_without_an_account_that_comes_later_meets_the_accruals_of_its_month() -> None:
    pays(BEFORE)
    use(SEPTEMBER, "a", "10")
    use(SEPTEMBER, "b", "20")
    close(SEPTEMBER)
    pays(AFTER)
    invoice(SEPTEMBER, "", "30.00", number="whole")
    close(OCTOBER)
    assert owed(OCTOBER) == {}
    assert posted(OCTOBER) == [
        (BEFORE, "a", "2026-09", D(10), D(10)), (BEFORE, "b", "2026-09", D(20), D(20)),
    ]  # fmt: skip


def test_a_payer_is_dated() -> None:
    use(SEPTEMBER, "a", "10")
    use(OCTOBER, "a", "20")
    pays(AFTER, valid_from="2026-10")
    close(SEPTEMBER)
    close(OCTOBER)
    assert owed(OCTOBER) == {(BEFORE, "a", "2026-09"): D(10), (AFTER, "a", "2026-10"): D(20)}


def test_the_preview_of_an_open_month_is_of_the_payer_of_now_and_balances() -> None:
    pays(BEFORE)
    use(SEPTEMBER, "a", "10", project="search")
    prepare(SEPTEMBER)
    pays(AFTER)
    lines = journal.preview(SEPTEMBER).lines
    assert {(line.legal_entity, line.account, line.debit - line.credit) for line in lines} == {
        (AFTER, "6000", D(10)), (AFTER, "2110", D(-10)),
    }  # fmt: skip


def changed() -> None:
    """Everything that the books of a month are read with becomes another."""
    gl.load({"payers": [{"legal_entity": AFTER}], "suspense": "1999", "liabilities": {
        "accrued": "1", "payable": "2", "other": "3"}}, actor="test")  # fmt: skip
    cost_centres.load(
        [{"code": "CC-1", "gl_account": "999999", "legal_entity": "FR01", "charging": "showback"}], actor="test",
        today=NOVEMBER.start,
    )  # fmt: skip
    statements.load_policy([{"cost_centre": "*", "kind": "showback", "contact": "new@example.com"}], actor="test")


@pytest.mark.parametrize("state", ["soft_closed", "closed"])
def test_journal_and_proof_of_a_frozen_month_are_what_they_were(state: str) -> None:
    pays(BEFORE)
    cost_centres.load(
        [{"code": "CC-1", "gl_account": "640100", "legal_entity": "DE01"}], actor="test", today=SEPTEMBER.start
    )
    use(SEPTEMBER, "a", "10", project="search")
    use(SEPTEMBER, "b", "20")
    invoice(SEPTEMBER, "a", "11.00")
    close(SEPTEMBER, state=state)
    shown, proved = journal.lines(SEPTEMBER, EVERYTHING), proof.of(SEPTEMBER, EVERYTHING)
    assert [(row.legal_entity, row.holds) for row in proved] == [(BEFORE, True)]
    assert {line.account for line in shown.lines} >= {"640100", "2110"}
    changed()
    invoice(SEPTEMBER, "b", "25.00")
    assert journal.lines(SEPTEMBER, EVERYTHING) == shown
    assert (proof.of(SEPTEMBER, EVERYTHING), proof.now(SEPTEMBER)) == (proved, proved)


def test_the_journal_is_built_by_the_matrix_that_the_month_was_frozen_with() -> None:
    pays(BEFORE)
    use(SEPTEMBER, "a", "10", project="search")
    close(SEPTEMBER, state="soft_closed")
    statements.issue(SEPTEMBER, "ann")
    seen = journal.preview(SEPTEMBER).lines
    changed()
    BillingPeriod.objects.filter(month=SEPTEMBER.start).update(state="closed")
    assert journal.stored(journal.build(SEPTEMBER, "ann")) == seen


def test_the_mistake_in_a_matrix_that_was_taken_back_in_time_leaves_nothing() -> None:
    pays(BEFORE)
    use(SEPTEMBER, "a", "10")
    close(SEPTEMBER)
    first = owed(SEPTEMBER)
    pays(AFTER)
    prepare(OCTOBER)
    assert owed(OCTOBER) == first
    pays(BEFORE)
    books.freeze(OCTOBER)
    assert owed(OCTOBER) == first
