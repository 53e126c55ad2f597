"""Accruals by themselves: over any months, what was expensed is what was invoiced and what is still accrued."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.accruals import (
    Accrual,
    History,
    Invoiced,
    Owed,
    Place,
    Position,
    Posting,
    accuracy,
    close,
    history_share,
    provisional_number,
)

D = Decimal
ZERO = D(0)
MONTHS = [date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)]
PLACES = [Place("openai", "a", "USD", ""), Place("openai", "b", "USD", ""), Place("anthropic", "", "USD", "DE01")]
amounts = st.decimals("-100", "10000", places=12)


@st.composite
def histories(draw: Any) -> tuple[list[list[Owed]], list[list[Invoiced]]]:
    """Per close: what its charges owe (of its month, or late of one before), and the invoices in force by then."""
    owed: list[list[Owed]] = []
    stated: list[list[Invoiced]] = []
    known: dict[tuple[Place, date], Decimal] = {}
    for at in range(len(MONTHS)):
        rows = []
        for place in PLACES:
            for month in draw(st.lists(st.sampled_from(MONTHS[: at + 1]), max_size=2)):
                amount = draw(amounts)
                rows.append(Owed(place, month, "late_usage", amount, draw(st.sampled_from([ZERO, amount]))))
            for month in draw(st.lists(st.sampled_from(MONTHS[: at + 1]), max_size=2)):
                known[place, month] = draw(st.decimals("-50", "10000", places=2))
        owed.append(rows)
        stated.append([Invoiced(*at_, amount, ("n",)) for at_, amount in sorted(known.items())])
    return owed, stated


def run(
    owed: list[list[Owed]], stated: list[list[Invoiced]], shares: dict[Place, Decimal]
) -> list[tuple[list[Accrual], list[Posting]]]:
    """The closes of all months, each beginning where the one before ended."""
    found: list[tuple[list[Accrual], list[Posting]]] = []
    invoiced: dict[tuple[Place, date], Decimal] = defaultdict(lambda: ZERO)
    accruals: list[Accrual] = []
    for month, rows, invoices in zip(MONTHS, owed, stated, strict=True):
        open_ = {(row.place, row.month): row for row in accruals}
        before = [
            Position(
                *at, *((open_[at].cost, open_[at].estimate) if at in open_ else (ZERO, ZERO)), invoiced[at],
                open_[at].computed if at in open_ else ZERO,
            )
            for at in sorted({*open_, *invoiced})
        ]  # fmt: skip
        accruals, postings = close(month, rows, invoices, before, shares)
        for row in postings:
            invoiced[row.place, row.month] += row.invoiced
        found.append((accruals, postings))
    return found


@given(histories(), st.dictionaries(st.sampled_from(PLACES), st.decimals("-0.2", "0.5", places=3)))
def test_ar17_ar18_expense_over_the_months_is_what_was_invoiced_and_what_is_accrued(
    world: tuple[list[list[Owed]], list[list[Invoiced]]], shares: dict[Place, Decimal]
) -> None:
    expense, invoiced = ZERO, ZERO
    for accruals, postings in run(*world, shares):
        accrued = sum((row.amount for row in accruals), ZERO)
        taken_back = sum((row.reversed for row in accruals), ZERO) + sum((row.accrued for row in postings), ZERO)
        posted = sum((row.invoiced for row in postings), ZERO)
        expense += posted + accrued - taken_back
        invoiced += posted
        assert expense == invoiced + accrued
    assert invoiced == sum((row.amount for row in world[1][-1]), ZERO)


@given(histories(), st.dictionaries(st.sampled_from(PLACES), st.decimals("-0.2", "0.5", places=3)))
def test_ar18_every_accrual_is_taken_back_whole_at_the_next_close(
    world: tuple[list[list[Owed]], list[list[Invoiced]]], shares: dict[Place, Decimal]
) -> None:
    before: dict[tuple[Place, date], Decimal] = {}
    for accruals, postings in run(*world, shares):
        taken_back: dict[tuple[Place, date], Decimal] = defaultdict(lambda: ZERO)
        for accrual in accruals:
            taken_back[accrual.place, accrual.month] += accrual.reversed
        for posting in postings:
            taken_back[posting.place, posting.month] += posting.accrued
        assert {at: amount for at, amount in taken_back.items() if amount} == before
        before = {(row.place, row.month): row.amount for row in accruals if row.amount}


@given(histories(), st.dictionaries(st.sampled_from(PLACES), st.decimals("-0.2", "0.5", places=3)))
def test_a_true_up_of_an_earlier_month_is_invoice_less_accrual_and_the_sum_of_its_causes(
    world: tuple[list[list[Owed]], list[list[Invoiced]]], shares: dict[Place, Decimal]
) -> None:
    for month, (_, postings) in zip(MONTHS, run(*world, shares), strict=True):
        for row in postings:
            assert row.true_up == row.invoiced - (row.charged if row.month == month else row.accrued)


def test_the_share_is_that_of_the_last_three_months_by_their_weight() -> None:
    place = PLACES[0]
    rows = [History(place, month, D(computed), D(stated)) for month, computed, stated in (
        (MONTHS[0], 1000, 2000), (MONTHS[1], 100, 110), (MONTHS[2], 200, 230), (MONTHS[3], 100, 100))]  # fmt: skip
    assert history_share(rows) == D("0.1")  # (110 + 230 + 100 - 400) / 400; September is too old
    assert history_share([]) == ZERO
    assert history_share([History(place, MONTHS[0], ZERO, D(5))]) == ZERO  # nothing was computed


def test_usage_that_a_cost_report_states_needs_no_estimate() -> None:
    place, month = PLACES[0], MONTHS[0]
    shares = {place: D("0.1")}
    [computed], _ = close(month, [Owed(place, month, "", D(100), D(100))], [], [], shares)
    assert (computed.estimate, computed.amount) == (D(10), D(110))
    [reported], _ = close(month, [Owed(place, month, "", D(100), D(90))], [], [], shares)
    assert (reported.estimate, reported.amount) == (ZERO, D(100))


def test_usage_without_an_account_is_covered_by_the_account_that_is_invoiced() -> None:
    month, unnamed, named = MONTHS[0], Place("openai", "", "USD", ""), PLACES[0]
    owed = [Owed(unnamed, month, "", D(10), D(10)), Owed(named, month, "", D(3), ZERO)]
    accruals, postings = close(month, owed, [Invoiced(named, month, D(13), ("I1",))], [], {})
    assert accruals == []
    assert [(row.place, row.invoiced, row.true_up) for row in postings] == [(unnamed, D(10), ZERO), (named, D(3), ZERO)]


def test_other_accounts_of_the_issuer_wait_for_their_own_invoice() -> None:
    month = MONTHS[0]
    owed = [Owed(place, month, "", D(10), D(10)) for place in PLACES[:2]]
    accruals, postings = close(month, owed, [Invoiced(PLACES[0], month, D(10), ("I1",))], [], {})
    assert ([row.place for row in accruals], [row.place for row in postings]) == ([PLACES[1]], [PLACES[0]])


def test_a_true_up_names_tax_late_usage_and_what_is_in_no_charge() -> None:
    place = PLACES[0]
    before = [Position(place, MONTHS[0], D(100), D(5), ZERO, D(100))]
    owed = [Owed(place, MONTHS[0], "tax", D(19), ZERO), Owed(place, MONTHS[0], "late_usage", D(2), D(2))]
    _, [row] = close(MONTHS[1], owed, [Invoiced(place, MONTHS[0], D(122), ("I1",))], before, {})
    # 122 - 105 = 19 + 2 - 5 of the estimate + 1 that no charge bears
    assert dict(row.causes) == {"tax": D(19), "late_usage": D(2), "estimate": D(-5), "unexplained": D(1)}
    assert (row.accrued, row.charged, row.true_up) == (D(105), D(21), D(17))


def test_provisional_numbers_name_month_issuer_account_and_entity() -> None:
    assert provisional_number(Place("openai", "acct", "USD", ""), MONTHS[0]) == "PROV-2026-09-openai-acct"
    assert provisional_number(Place("openai", "acct", "USD", "DE01"), MONTHS[0]) == "PROV-2026-09-openai-acct-DE01"
    assert provisional_number(Place("openai", "", "USD", "ACME Inc."), MONTHS[0]) == "PROV-2026-09-openai-ACME-Inc."


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(D(100), D(90))], D("0.9")),
        ([(D(100), D(110)), (D(100), D(90))], D("0.9")),
        ([], None),
        ([(D(10), D(30))], D(-1)),
    ],
)
def test_accuracy(pairs: list[tuple[Decimal, Decimal]], expected: Decimal | None) -> None:
    assert accuracy(pairs) == expected
