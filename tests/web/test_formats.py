from decimal import Decimal

import pytest

from web import formats


@pytest.mark.parametrize(
    ("amount", "exact", "short"),
    [
        ("0", "$0.00", "$0.00"),
        ("0.0009123", "$0.00091", "$0.00091"),
        ("12.345", "$12.34", "$12.34"),
        ("999.994", "$999.99", "$999.99"),
        ("999.996", "$1,000.00", "$1.0k"),
        ("371204.18", "$371,204.18", "$371.2k"),
        ("999949.99", "$999,949.99", "$999.9k"),
        ("999950", "$999,950.00", "$1.0M"),
        ("-29600", "\u2212$29,600.00", "\u2212$29.6k"),
        ("2500000000", "$2,500,000,000.00", "$2.5B"),
        ("0.0000000000040", "<$0.000001", "<$0.000001"),
        ("-0.0000000000040", ">\u2212$0.000001", ">\u2212$0.000001"),
        ("0.000001", "$0.0000010", "$0.0000010"),
    ],
)
def test_money(amount: str, exact: str, short: str) -> None:
    assert formats.money(Decimal(amount), "USD") == exact
    assert formats.money_short(Decimal(amount), "USD") == short


@pytest.mark.parametrize(
    ("currency", "text"),
    [("EUR", "€1,234.50"), ("JPY", "¥1,234"), ("KWD", "KWD\u00a01,234.500"), ("CHF", "CHF\u00a01,234.50")],
)
def test_a_currency_brings_its_sign_and_its_minor_unit(currency: str, text: str) -> None:
    assert formats.money(Decimal("1234.5"), currency) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [("3.744", "$3.74"), ("0.1", "$0.10"), ("0.0093", "$0.0093"), ("0.00000041", "$0.00000041"), ("0", "$0.00")],
)
def test_a_unit_cost_keeps_two_digits_that_mean_something(amount: str, text: str) -> None:
    assert formats.unit_cost(Decimal(amount), "USD") == text
    assert formats.unit_cost(None, "USD") == formats.NONE


def test_differences_carry_their_sign() -> None:
    assert formats.signed_money(Decimal(47100), "USD") == "+$47.1k"
    assert formats.signed_money(Decimal(-47100), "USD") == "\u2212$47.1k"
    assert formats.signed_money(Decimal(0), "USD") == "$0.00"
    assert formats.signed_money_exact(Decimal("0.5"), "USD") == "+$0.50"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        ("0.975", "97.5 %"),
        ("0", "0.0 %"),
        ("1", "100.0 %"),
        ("0.00001", "<0.1 %"),
        ("0.99999", ">99.9 %"),
        ("-0.02", "\u22122.0 %"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_all(share: str, text: str) -> None:
    assert formats.percent(Decimal(share)).replace(formats.THIN, " ") == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        ("126", "100", "+26 %"),
        ("98", "100", "\u22122.0 %"),
        ("100", "100", "0.0 %"),
        ("5", "0", "new"),
        ("0", "0", "\u2013"),
        ("5", "-1", "\u2013"),
        ("10000", "5", "\u00d7 2,000"),
    ],
)
def test_change(now: str, before: str, text: str) -> None:
    assert formats.change(Decimal(now), Decimal(before)).replace(formats.THIN, " ") == text


def test_counts() -> None:
    assert [formats.count(number) for number in (0, 999, 1000, 918_800, 4_112_345)] == [
        "0",
        "999",
        "1.0k",
        "918.8k",
        "4.1M",
    ]
    assert formats.whole(4_112_345) == "4,112,345"
