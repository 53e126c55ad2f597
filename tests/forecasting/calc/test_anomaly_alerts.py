from datetime import timedelta
from decimal import Decimal

import pytest

from forecasting.calc.anomaly import SPIKE, Episode
from forecasting.calc.anomaly_alerts import (
    EXPECTED,
    REAL,
    WRONG,
    Feedback,
    alerts,
    least_impact,
    precision,
)  # fmt: skip
from tests.forecasting.calc.panels import START


def episode(key, impact, first=0, last=3):
    return Episode(
        key, SPIKE, START + timedelta(hours=first), START + timedelta(hours=last), 9.0, 1.0, 1 + impact, impact
    )


def said(verdict, key=("a",), first=0, last=3):
    return Feedback(key, START + timedelta(hours=first), START + timedelta(hours=last), verdict)


def test_an_alert_is_worth_its_triage_when_its_impact_reaches_cost_over_precision():
    """25 at a precision of 0.41: 60.98."""
    assert least_impact(Decimal(25), precision([], 0.41)) == Decimal("60.98")
    found = alerts([[episode((), 60.0), episode((), -61.0, 100, 103)]], 60.98)
    assert [one.episode.impact for one in found] == [-61.0]


def test_precision_is_what_people_said_and_until_then_what_was_assumed():
    found = precision([said(REAL)] * 6 + [said(WRONG)] * 3 + [said(EXPECTED)], 0.4)
    assert (found.share, found.judged) == (6 / 10, 10)
    assert found.used == pytest.approx((6 + 10 * 0.4) / (10 + 10))
    assert (found.low, found.high) == (pytest.approx(0.262, abs=0.001), pytest.approx(0.878, abs=0.001))
    none = precision([], 0.4)
    assert (none.share, none.low, none.high, none.used) == (None, 0, 1, 0.4)
    assert precision([said(REAL)], 0.4).high == 1


def test_feedback_moves_the_gate():
    falses, reals = ([said(verdict)] * 40 for verdict in (WRONG, REAL))
    assert least_impact(Decimal(25), precision(falses, 0.4)) > least_impact(Decimal(25), precision(reals, 0.4))


@pytest.mark.parametrize("assumed", [0, 1.5])
def test_an_assumed_precision_is_a_share(assumed):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        precision([], assumed)


def test_a_verdict_is_one_of_three():
    with pytest.raises(ValueError, match="no verdict maybe; possible: real, expected, wrong"):
        precision([said("maybe")], 0.4)


def test_an_episode_is_told_once_at_the_highest_node_with_those_below():
    whole, team, model, other = (
        episode((), 110),
        episode(("a",), 100),
        episode(("a", "x"), 90),
        episode(("b",), 70, 50, 53),
    )
    found = alerts([[whole], [team, other], [model]], 50)
    assert [(one.episode, one.below) for one in found] == [(whole, (team, model)), (other, ())]


def test_what_nets_out_above_is_told_where_it_stands():
    up, down = episode(("a",), 100), episode(("b",), -90)
    found = alerts([[episode((), 10)], [up, down]], 50)
    assert [one.episode for one in found] == [up, down]


def test_a_move_against_that_of_the_whole_is_told_beside_it():
    whole, down = episode((), 300), episode(("b",), -90)
    assert [one.episode for one in alerts([[whole], [down]], 50)] == [whole, down]


def test_what_was_said_to_be_expected_is_not_told_again_but_what_meets_another_time_is():
    one = episode(("a",), 100)
    assert alerts([[one]], 50, [said(EXPECTED, first=2, last=9)]) == []
    assert len(alerts([[one]], 50, [said(EXPECTED, first=3, last=9)])) == 1
    assert len(alerts([[one]], 50, [said(EXPECTED), said(REAL)])) == 1  # the last word counts


def test_what_lies_below_an_expected_episode_is_not_told_in_its_stead():
    whole, team, other = episode((), 110), episode(("a",), 100), episode(("b",), -90)
    found = alerts([[whole], [team, other]], 50, [said(EXPECTED, key=())])
    assert [one.episode for one in found] == [other]  # the other way: another matter
