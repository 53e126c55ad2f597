"""Text in CSV: no spreadsheet runs it, and what was written comes back."""

from hypothesis import example, given
from hypothesis import strategies as st

from finops.formulas import FORMULA, guarded, unguarded


@given(st.text(alphabet=st.one_of(st.sampled_from("'=+-@\t\r\n\uff1d"), st.characters(codec="utf-8"))))
@example("'=1+1")
@example("''-x")
@example("'tis")
def test_guarded_text_is_no_formula_and_comes_back_as_it_was(text: str) -> None:
    assert not guarded(text).startswith(FORMULA)
    assert unguarded(guarded(text)) == text


@given(st.text(alphabet="abc 'x"))
def test_text_that_looks_like_no_formula_is_left_alone(text: str) -> None:
    assert guarded(text) == unguarded(text) == text
