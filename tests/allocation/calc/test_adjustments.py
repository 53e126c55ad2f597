"""Adjustments as they are asked for: they sum to zero, say why, and show evidence."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.adjustments import Part, parse, refuse_outside
from allocation.calc.contracts_fields import AgreementError

D = Decimal
ASKED: dict[str, Any] = {
    "month": "2026-09", "currency": "USD", "reason": "the evaluation ran on the wrong key",
    "evidence": {"text": "mail of 2 September", "link": "https://mail.example/1"},
    "parts": [{"cost_centre": "CC-A", "team": "search", "amount": "250.00"}, {"cost_centre": "CC-B", "amount": "-250"}],
}  # fmt: skip


def test_a_request_says_whose_what_why_and_how_it_is_known() -> None:
    found = parse(ASKED)
    assert found.parts == (Part("CC-A", "search", D(250)), Part("CC-B", "", D(-250)))
    assert (str(found.month), found.currency, found.worth, found.pool) == ("2026-09-01", "USD", 250, "")


def test_what_the_parts_leave_is_borne_by_the_pools_cost_centre() -> None:
    found = parse(ASKED | {"parts": [{"cost_centre": "CC-A", "amount": "-30"}], "pool": "platform"})
    assert found.funded_by("CC-P") == (Part("CC-A", "", D(-30)), Part("CC-P", "", D(30)))
    assert found.worth == 30


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"month": "2026"}, "adjustment: month is wrong: a month is written YYYY-MM"),
        ({"currency": None}, "adjustment: currency is missing"),
        ({"currency": "euro"}, "currency is wrong"),
        ({"reason": " "}, "adjustment: reason is a text"),
        ({"evidence": None}, "adjustment: evidence is missing"),
        ({"evidence": {"text": "mail"}}, "evidence needs a link, or the sha256"),
        ({"evidence": {"link": "https://a.example"}}, "evidence needs a text"),
        ({"evidence": {"text": "x", "link": "javascript:alert(1)"}}, "begins with no http"),
        ({"evidence": {"text": "x", "sha256": "abc"}}, "64 hexadecimal digits"),
        ({"parts": []}, "adjustment: parts are 1 to 200"),
        (
            {"parts": [{"cost_centre": "CC-A", "amount": "1"}]},
            "parts sum to 1, not to zero; name the pool",
        ),
        ({"pool": "platform"}, "pool has nothing to bear"),
        ({"parts": [{"cost_centre": "CC-A", "amount": 1.5}]}, "amounts in quotes"),
        ({"parts": [{"cost_centre": "CC-A", "amount": "NaN"}]}, "an amount that is none"),
        ({"parts": [{"cost_centre": "CC-A", "amount": "0"}]}, "give CC-A nothing"),
        (
            {"parts": [{"cost_centre": "CC-A", "amount": "0.005"}, {"cost_centre": "CC-B", "amount": "-0.005"}]},
            "give CC-A 0.005: USD has 2 decimals",
        ),
        (
            {
                "currency": "JPY",
                "parts": [{"cost_centre": "A", "amount": "1.5"}, {"cost_centre": "B", "amount": "-1.5"}],
            },
            "give A 1.5: JPY has 0 decimals",
        ),
        ({"parts": [{"amount": "1"}]}, "parts name a cost_centre each"),
        ({"parts": [{"cost_centre": "CC-A", "amount": "1"}, {"cost_centre": "CC-A", "amount": "-1"}]}, "twice"),
        ({"colour": "red"}, "unknown field 'colour'"),
    ],
)
def test_a_request_that_cannot_be_posted_is_refused_with_its_field(change: dict[str, Any], told: str) -> None:
    with pytest.raises(AgreementError) as refused:
        parse({name: value for name, value in (ASKED | change).items() if value is not None})
    assert told in str(refused.value)


@given(
    st.lists(st.integers(-(10**9), 10**9).filter(bool).map(lambda cents: D(cents).scaleb(-2)), min_size=1, max_size=9)
)
def test_every_adjustment_sums_to_zero(amounts: list[Decimal]) -> None:
    parts = [{"cost_centre": f"CC-{number}", "amount": str(amount)} for number, amount in enumerate(amounts)]
    rest = sum(amounts, D(0))
    found = parse(ASKED | {"parts": parts} | ({"pool": "p"} if rest else {}))
    assert sum((part.amount for part in found.funded_by("CC-P")), D(0)) == 0
    assert found.worth <= sum((abs(amount) for amount in amounts), D(0))


def test_a_dinar_has_three_decimals() -> None:
    parts = [{"cost_centre": "CC-A", "amount": "0.005"}, {"cost_centre": "CC-B", "amount": "-0.005"}]
    assert parse(ASKED | {"currency": "KWD", "parts": parts}).worth == D("0.005")


@pytest.mark.parametrize(
    ("month", "first", "told"),
    [
        ("2026-12", "2026-08", "month 2026-12 has not begun: write 2026-11"),
        ("2019-01", "2026-08", "lies before the books, which begin with 2026-08: write the running month 2026-11"),
        ("2026-10", None, "lies before the books, which begin with 2026-11"),
    ],
)
def test_a_month_that_is_to_come_or_before_the_books_is_refused_with_the_remedy(
    month: str, first: str | None, told: str
) -> None:
    begins = date.fromisoformat(f"{first}-01") if first else None
    with pytest.raises(AgreementError, match=told):
        refuse_outside(date.fromisoformat(f"{month}-01"), begins, date(2026, 11, 1))


@pytest.mark.parametrize("month", ["2026-08", "2026-09", "2026-11"])
def test_every_month_from_the_first_with_cost_to_the_running_one_is_taken(month: str) -> None:
    refuse_outside(date.fromisoformat(f"{month}-01"), date(2026, 8, 1), date(2026, 11, 1))
