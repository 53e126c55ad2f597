"""Documents of people: what YAML would swallow is refused with its line, and texts that no database holds are named."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.currencies import CODES, check_currency
from finops.documents import DocumentError, check_texts, read_yaml
from finops.money import MINOR_UNITS, MoneyError
from finops.periods import PeriodError, check_day


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", r"line 3, column 1: 'a' stands twice in one mapping, on line 1 already"),
        ("- {code: x, price: '1', price: '2'}", r"line 1, column 25: 'price' stands twice"),
        ("x:\n  - {y: 1}\n  - {z: {q: 1, q: 1}}", r"line 3, column 16: 'q' stands twice"),
        ("- valid_from: 2026-02-30", r"line 1, column 15: '2026-02-30' is none: day is out of range"),
        ("a: 2026-01-01T25:00:00Z", r"line 1, column 4: '2026-01-01T25:00:00Z' is none: hour"),
        ("a: " + "9" * 5_000, r"line 1, column 4: '999.* is none: Exceeds the limit"),
        ("- {a: 1", r"line 1, column 8: "), ("- [", r"line 1, column 4: "),
        ("a: 1\nb: \x00", r"line 2: the sign U\+0000 cannot stand in YAML"),
        ('a: {b: ["x\\0"]}', r"a.b.1: the sign U\+0000 cannot be stored"),
        ('a: "\\ud800"', r"a: the sign U\+D800 cannot be stored"), ('"\\0": 1', r"U\+0000 cannot be stored"),
        (b"a: \xff", r"no text in UTF-8: byte 3"), ("[" * 100_000, r"nested too deeply"),
        ("? [1]\n: 2", r"line 1, column 3: found unhashable key"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_one_line_with_its_place(text: str | bytes, said: str) -> None:
    with pytest.raises(DocumentError, match=said) as refused:
        read_yaml(text)
    assert "\n" not in str(refused.value)


def test_a_field_named_on_is_no_truth_value() -> None:
    """YAML 1.1 reads on, off, yes and no as true and false, as values and as names of fields."""
    assert read_yaml("{on: 1, No: 2, true: 3}") == {"on": 1, "No": 2, True: 3}
    assert read_yaml("a: yes") == {"a": True}


def test_the_same_key_in_two_mappings_and_merged_keys_are_fine() -> None:
    assert read_yaml("- {a: 1}\n- {a: 2}") == [{"a": 1}, {"a": 2}]
    assert read_yaml("base: &b {a: 1, c: 3}\nover: {<<: *b, a: 2}")["over"] == {"a": 2, "c": 3}
    assert read_yaml(b"d: 2026-02-28") == {"d": date(2026, 2, 28)}


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_texts_pass_just_where_utf8_and_postgresql_can_hold_them(value: Any) -> None:
    def holds(part: Any) -> bool:
        if isinstance(part, str):
            return "\x00" not in part and not any("\ud800" <= sign <= "\udfff" for sign in part)
        if isinstance(part, dict):
            return all(holds(key) and holds(each) for key, each in part.items())
        return all(map(holds, part)) if isinstance(part, list) else True

    try:
        check_texts(value)
    except DocumentError:
        assert not holds(value)
    else:
        assert holds(value)


def test_days_lie_in_the_years_of_months() -> None:
    for day in (date(2000, 1, 1), date(2100, 12, 31)):
        assert check_day(day) == day
    for day in (date(1999, 12, 31), date(2101, 1, 1), date.min, date.max):
        with pytest.raises(
            PeriodError, match="lies outside 2000-01-01 to 2100-12-31; for what has no end leave the end"
        ):
            check_day(day)


def test_a_currency_is_one_of_the_standard() -> None:
    assert {*MINOR_UNITS, "USD", "EUR", "HRK", "BGN"} <= CODES
    for code in ("XXQ", "usd", "", "BTC", "EURO"):
        with pytest.raises(MoneyError, match="not an ISO 4217"):
            check_currency(code)
