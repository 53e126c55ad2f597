from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from forecasting.calc.anomaly import NEW, SPIKE
from forecasting.calc.anomaly_match import Held, matched

DAY = date(2026, 9, 1)


def held(number, first, last, key=("a",), kind=SPIKE):
    return Held(number, key, kind, DAY + timedelta(days=first), DAY + timedelta(days=last))


def test_an_episode_that_grew_is_the_one_it_was():
    assert matched([held(0, 3, 9)], [held(7, 3, 5)]) == [7]


def test_one_less_than_a_week_after_is_the_same_and_a_later_one_is_new():
    assert matched([held(0, 10, 10)], [held(7, 1, 3)]) == [7]
    assert matched([held(0, 11, 11)], [held(7, 1, 3)]) == [None]


def test_of_two_that_became_one_the_one_it_shares_most_days_with_goes_on():
    assert matched([held(0, 0, 20)], [held(7, 0, 2), held(8, 10, 19)]) == [8]


def test_the_one_that_meets_it_comes_before_a_neighbour():
    assert matched([held(0, 6, 6), held(0, 12, 12)], [held(7, 12, 12)]) == [None, 7]


def test_other_keys_and_the_beginning_of_a_key_are_others():
    assert matched([held(0, 1, 1, ("b",)), held(0, 1, 1, kind=NEW)], [held(7, 1, 1)]) == [None, None]


EPISODE = st.builds(
    lambda number, first, length, key: held(number, first, first + length, (key,)),
    st.integers(1, 9**9), st.integers(0, 60), st.integers(0, 9), st.sampled_from("ab"),
)  # fmt: skip


@given(st.lists(EPISODE, max_size=6), st.lists(EPISODE, max_size=6, unique_by=lambda one: one.number))
def test_no_number_comes_twice_and_what_is_kept_matches_itself(found, kept):
    numbers = [number for number in matched(found, kept) if number is not None]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= {one.number for one in kept}
    assert None not in matched(kept, kept)
