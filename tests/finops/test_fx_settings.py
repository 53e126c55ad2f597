"""Settings of money: words and amounts are checked at the start, not when a figure is wrong."""

from decimal import Decimal

import pytest

from finops.env import MissingSetting, env_amount, env_choice


def test_a_word_is_one_of_those_that_are_known_and_the_first_where_nothing_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ("transaction", "month_average")
    assert env_choice("FINOPS_FX", words) == "transaction"
    monkeypatch.setenv("FINOPS_FX", "Month_Average")
    assert env_choice("FINOPS_FX", words) == "month_average"
    monkeypatch.setenv("FINOPS_FX", "monthly")
    with pytest.raises(MissingSetting, match="must be one of transaction, month_average, not 'monthly'"):
        env_choice("FINOPS_FX", words)


@pytest.mark.parametrize("text", ["ten", "-1", "NaN", "Infinity", ""])
def test_an_amount_is_exact_and_not_negative(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert env_amount("FINOPS_APPROVAL_LIMIT", "10000.50") == Decimal("10000.50")
    monkeypatch.setenv("FINOPS_APPROVAL_LIMIT", text)
    with pytest.raises(MissingSetting, match="must be an amount of 0 or more"):
        env_amount("FINOPS_APPROVAL_LIMIT", "10000")
