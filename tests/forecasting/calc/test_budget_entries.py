"""Rows of a budget become amounts, or a message that names every bad row; nothing is dropped."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.calc.budget_entries import BudgetError, Entry, Row, Year, parse, phased
from forecasting.calc.fiscal import Calendar

D = Decimal


def year(pattern: str = "months", last: tuple[str, ...] = ("0",) * 12) -> Year:
    return Year(Calendar(pattern), 2026, "USD", {"CC-100", "CC-200"}, lambda *where: [D(text) for text in last])


def read(header: str, *lines: str, of: Year | None = None) -> list[Entry]:
    names = header.split(",")
    rows = [Row(n, dict(zip(names, line.split(","), strict=True))) for n, line in enumerate(lines, start=2)]
    return parse(names, rows, of or year())


def wrong(header: str, *lines: str, of: Year | None = None) -> str:
    with pytest.raises(BudgetError) as told:
        read(header, *lines, of=of)
    return str(told.value)


def test_a_row_a_month() -> None:
    found = read("cost_centre,month,amount,currency", "CC-100,2026-03,100.50,", ",P04,7,EUR")
    assert [(e.cost_centre, str(e.period), e.amount, e.currency) for e in found] == [
        ("CC-100", "2026-03", D("100.50"), "USD"), ("", "2026-04", 7, "EUR"),
    ]  # fmt: skip


def test_a_column_a_month_leaves_out_what_is_empty() -> None:
    found = read("Cost centre,model,2026-01,2026-02,P12", "CC-100,gpt-5,1,,3")
    assert [(str(e.period), e.amount, e.model) for e in found] == [("2026-01", 1, "gpt-5"), ("2026-12", 3, "gpt-5")]


def test_a_year_evenly_in_whole_cents() -> None:
    found = read("cost_centre,annual,phasing", "CC-100,1000,even")
    assert [e.amount for e in found] == [D("83.34")] * 4 + [D("83.33")] * 8
    assert sum(e.amount for e in found) == 1000


def test_a_year_by_last_years_actuals() -> None:
    last = year(last=("1", "3", *["0"] * 10))
    assert [e.amount for e in read("cost_centre,annual,phasing", "CC-100,100,last_year", of=last)][:3] == [25, 75, 0]
    assert "row 2, column phasing: last year has no cost" in wrong("cost_centre,annual,phasing", "CC-100,100,last_year")


def test_a_year_by_percentages() -> None:
    eights = "8;8;8;8;8;8;8;8;8;8;8;12"
    assert [e.amount for e in read("annual,phasing", f"50,{eights}")] == [4] * 11 + [6]
    assert "add up to 101, not to 100" in wrong("annual,phasing", f"50,{eights[:-2]}13")
    assert "twelve percentages, not 2" in wrong("annual,phasing", "50,50;50")


def test_periods_of_weeks_have_numbers_alone() -> None:
    weeks = year("4-4-5")
    assert len(read("month,amount", "P01,1", of=weeks)[0].period) == 28
    assert "'2026-01' is no period of fiscal year 2026: P01 to P12" in wrong("month,amount", "2026-01,1", of=weeks)


@pytest.mark.parametrize(
    ("header", "line", "told"),
    [
        ("cost_centre,month,amount", "CC-1,2026-01,1", "row 2, column cost_centre: there is no cost centre 'CC-1'"),
        ("month,amount", "2025-12,1", "row 2, column month: '2025-12' is no period of fiscal year 2026: 2026-01 to 2026-12"),
        ("month,amount", "2026-01,abc", "row 2, column amount: 'abc' is no number: write an amount as 1234.50"),
        ("month,amount", "2026-01,", "row 2, column amount: there is none: write an amount as 1234.50"),
        ("month,amount", "2026-01,NaN", "row 2, column amount: 'NaN' is no number"),
        ("month,amount", "2026-01,1_0", "row 2, column amount: '1_0' is no number"),
        ("month,amount", "2026-01,-1", "row 2, column amount: -1 is not between 0 and"),
        ("month,amount", "2026-01,1e13", "row 2, column amount: 1e13 is not between 0 and"),
        ("month,amount", "2026-01,0.0000000000001", "row 2, column amount: Decimal('1E-13') has more than 12 decimals"),
        ("month,amount,currency", "2026-01,1,usd", "row 2, column currency: 'usd' is not an ISO 4217 currency code"),
        ("cost_centre,P01", "CC-100,", "row 2: there is no amount"),
        ("month,sum", "2026-01,1", "column 'sum' is not known; possible: cost_centre"),
        ("month,annual", "2026-01,1", "the header has month and amount, or annual and phasing, or a column a period"),
        ("P01,2026-01", "1,1", "the header has a column twice: P01"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_row_and_column(header: str, line: str, told: str) -> None:
    assert told in wrong(header, line)


def test_every_bad_row_is_named_up_to_twenty_and_the_rest_is_counted() -> None:
    message = wrong("month,amount", *["2026-01,x"] * 23)
    assert message.count("is no number") == 20
    assert message.endswith("; and 3 more")


def test_the_same_month_twice_names_both_rows() -> None:
    told = wrong("cost_centre,month,amount", "CC-100,2026-01,1", "CC-100,P01,2")
    assert told == "row 3: row 2 has an amount for the same, 2026-01 already"


def test_an_empty_file_is_refused_and_blank_rows_are_not_rows() -> None:
    assert wrong("month,amount", ",") == "there is no amount in it"


@given(st.decimals(0, 10**11, places=2), st.lists(st.integers(0, 10**6), min_size=12, max_size=12).filter(any))
def test_phased_parts_are_whole_cents_and_add_up(annual: Decimal, weights: list[int]) -> None:
    parts = phased(annual, weights, "USD")
    assert sum(parts) == annual
    assert all(part == part.quantize(D("0.01")) and part >= 0 for part in parts)
