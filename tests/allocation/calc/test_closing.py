"""Which step follows which, who may take it, and working days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.closing import ORDER, STEPS, OnePerson, StepError, following, permitted, reached, working_day


def allowed(state: str, to: str, by: str = "bob", *, alone: bool = False) -> bool:
    try:
        permitted("2026-09", state, to, by=by, prepared_by="ann", self_approval=alone)
    except StepError:
        return False
    return True


def test_only_the_next_step_is_permitted_and_preliminary_again() -> None:
    assert {(state, to) for state in ORDER for to in STEPS if allowed(state, to)} == {
        ("open", "preliminary"), ("preliminary", "preliminary"), ("preliminary", "soft_closed"), ("soft_closed", "closed"),
    }  # fmt: skip


@pytest.mark.parametrize(("state", "to"), [("preliminary", "soft_closed"), ("soft_closed", "closed")])
def test_who_prepared_a_month_neither_freezes_nor_closes_it_unless_the_site_allows_that(state: str, to: str) -> None:
    with pytest.raises(OnePerson, match="ann prepared 2026-09: another person"):
        permitted("2026-09", state, to, by="ann", prepared_by="ann", self_approval=False)
    assert permitted("2026-09", state, to, by="ann", prepared_by="ann", self_approval=True)
    assert not permitted("2026-09", state, to, by="bob", prepared_by="ann", self_approval=True)


@given(
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(["ann", "bob"])), max_size=12),
)
def test_no_sequence_of_steps_of_one_person_reaches_a_frozen_month(steps: list[tuple[str, str]]) -> None:
    state, prepared_by, took_part = "open", "", set[str]()
    for to, by in steps:
        try:
            permitted("2026-09", state, to, by=by, prepared_by=prepared_by, self_approval=False)
        except StepError:
            continue
        state = to
        took_part.add(by)
        prepared_by = by if to == "preliminary" else prepared_by
    if reached(state, "soft_closed"):
        assert took_part == {"ann", "bob"}


def test_a_step_needs_a_name_and_has_to_be_one() -> None:
    with pytest.raises(StepError, match="name one"):
        permitted("2026-09", "open", "preliminary", by=" ", prepared_by="", self_approval=True)
    with pytest.raises(StepError, match="'open' is no step"):
        permitted("2026-09", "closed", "open", by="bob", prepared_by="", self_approval=True)
    assert [following(state) for state in ORDER] == ["preliminary", "soft_closed", "closed", None]


def test_working_days_leave_out_week_ends_and_holidays() -> None:
    # 1 October 2026 is a Thursday
    assert [working_day(date(2026, 10, 1), n).day for n in (1, 2, 3, 5)] == [1, 2, 5, 7]
    assert working_day(date(2026, 8, 1), 1) == date(2026, 8, 3)  # a Saturday
    assert working_day(date(2026, 10, 1), 3, {date(2026, 10, 2), date(2026, 10, 5)}) == date(2026, 10, 7)
    with pytest.raises(ValueError, match="from 1"):
        working_day(date(2026, 10, 1), 0)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 60), st.sets(st.integers(0, 100), max_size=10))
def test_so_many_working_days_lie_up_to_the_nth(start: date, number: int, off: set[int]) -> None:
    holidays = {start + timedelta(days=n) for n in off}
    found = working_day(start, number, holidays)
    days = [start + timedelta(days=n) for n in range((found - start).days + 1)]
    assert sum(day.weekday() < 5 and day not in holidays for day in days) == number
    assert found.weekday() < 5
    assert found not in holidays
