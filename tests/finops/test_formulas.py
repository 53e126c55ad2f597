"""Text in CSV: no spreadsheet runs it, and what was written comes back."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from finops.formulas import FORMULA, guarded, unguarded


@given(st.text(alphabet=st.one_of(st.sampled_from("'=+-@\t\r\n\uff1d"), st.characters(codec="utf-8"))))
@example("'=1+1")
@example("''-x")
@example("'tis")
def test_guarded_text_is_no_formula_and_comes_back_as_it_was(text: str) -> None:
    assert not guarded(text).startswith(FORMULA) or re.fullmatch(r"-[0-9.]+([eE][-+]?[0-9]+)?", text)
    assert unguarded(guarded(text)) == text


@given(st.text(alphabet="abc 'x"))
def test_text_that_looks_like_no_formula_is_left_alone(text: str) -> None:
    assert guarded(text) == unguarded(text) == text


@pytest.mark.parametrize("text", ["-1", "-0.50", "-9007199254740993", "-1.5E-7"])
def test_a_negative_number_stays_the_number_it_is(text: str) -> None:
    assert guarded(text) == unguarded(text) == text
    assert guarded(f"'{text}") == f"''{text}", "text that began with an apostrophe comes back as it was"
    assert unguarded(guarded(f"'{text}")) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["-1+1", "-", "-a", "-1\n", "-1 ", "--1", "-1.", "-\u0661", "+1", "+49 30 1", "=-1", "@-1", "\t-1"]
)
def test_what_only_begins_like_a_number_is_guarded(text: str) -> None:
    assert guarded(text) == f"'{text}"
