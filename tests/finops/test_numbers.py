"""Numbers that people write: what Python takes beyond them is refused."""

from decimal import Decimal, InvalidOperation

import pytest

from finops.money_columns import MoneyError, exact
from finops.numbers import written


@pytest.mark.parametrize("text", ["1", "-0.50", "1e3", " 2 ", "+7"])
def test_what_is_written_in_ascii_digits_is_the_number(text: str) -> None:
    assert written(text) == Decimal(text.strip())


@pytest.mark.parametrize("text", ["1_000", "\u0661\u0662", "\uff11", "", "one", "1,5"])
def test_other_spellings_are_none(text: str) -> None:
    with pytest.raises(InvalidOperation):
        written(text)
    with pytest.raises(MoneyError):
        exact(text)
