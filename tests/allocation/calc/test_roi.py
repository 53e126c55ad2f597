"""Return on spend: every amount once, ratios with their sample, and the blind share beside."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.roi import MINIMUM, Line, report
from allocation.calc.roi_gains import Claim, Worth, gains
from allocation.calc.roi_rows import SEVERAL, Gain, Outcomes, Spend, Traced, part_of

SEP, OCT = date(2026, 9, 1), date(2026, 10, 1)
D = Decimal


def spend(
    cost: str, feature: str = "chat", part: str = "effective", month: date = SEP, centre: str | None = "CC-1"
) -> Spend:
    return Spend(month, centre, None, feature, part, D(cost), 10)


def outcomes(**changes: Any) -> Outcomes:
    base = Outcomes(SEP, "CC-1", None, "chat", "", True, 100, 80, 120, D(0), 0, D(0), D(0), D(0), 0)
    return base._replace(**changes)


def claim(**changes: Any) -> Claim:
    base = Claim(
        1,
        SEP,
        "cash",
        "stated",
        "USD",
        "CC-1",
        None,
        {},
        D(500),
        D(200),
        "decrease",
        D("0.5"),
        True,
        date(2026, 12, 30),
    )
    return base._replace(**changes)


def total(*rows: Spend, told: list[Outcomes] | None = None, claims: list[Claim] | None = None, by: Any = ()) -> Line:
    return report(rows, told or [], gains(claims or [], []), by, "USD").total


def test_a_line_whose_tasks_cost_lies_in_other_lines_claims_no_cost_of_a_task() -> None:
    """80 tasks resolved in CC-1, their spend in CC-2: nothing is covered there, so none of them costs nothing."""
    found = total(spend("60", centre="CC-2", feature="mail"), told=[outcomes()])
    assert (found.resolved, found.covered) == (80, 0)
    assert (found.cost_per_resolved, found.cost_per_task, found.cost_per_resolved_with_people) == (None, None, None)


def test_return_on_loaded_and_on_direct_cost() -> None:
    """Benefit (500 - 200) x 0.5 = 150; direct 60; loaded 60 + 20 idle + 15 shared + 5 other = 100."""
    found = total(
        spend("60"), spend("20", part="idle"), spend("15", part="shared"), spend("5", part="other"), claims=[claim()]
    )
    assert (found.direct, found.loaded, found.cash) == (60, 100, 150)
    assert found.roi == D("0.5")
    assert found.roi_direct == D("1.5")


def test_failed_attempts_are_a_part_of_what_usage_costs_and_counted_once() -> None:
    found = total(spend("60"), spend("40", part="idle"), told=[outcomes(failed=D(15))])
    assert (found.effective, found.failed, found.direct, found.loaded) == (45, 15, 60, 100)
    beyond = total(spend("60"), told=[outcomes(failed=D(61))])
    assert (beyond.effective, beyond.failed, beyond.failed_beyond) == (60, 0, True)


def test_without_an_accepted_cash_benefit_there_is_no_return_and_what_is_claimed_stands_apart() -> None:
    found = total(spend("60"), claims=[claim(accepted=False), claim(number=2, kind="capacity", unit="hours")])
    assert (found.roi, found.cash, found.cash_open) == (None, 0, 150)
    assert found.other_units == {("capacity", "hours"): 150}


def test_classes_of_benefit_are_never_added_together() -> None:
    quality = claim(number=3, kind="quality", unit="complaints", baseline=D(90), actual=D(40), realisation=D(1))
    found = total(spend("60"), claims=[claim(), claim(number=2, kind="capacity", unit="hours"), quality])
    assert found.cash == 150
    assert found.other_units == {("capacity", "hours"): 150, ("quality", "complaints"): 50}


def test_cash_in_another_currency_is_told_apart() -> None:
    found = report([spend("60")], [], gains([claim(unit="EUR")], []), (), "USD")
    assert (found.total.cash, found.elsewhere) == (0, {"EUR": 150})


def test_a_benefit_may_be_a_loss() -> None:
    assert total(spend("60"), claims=[claim(actual=D(700))]).cash == -100
    grown = claim(direction="increase", baseline=D(200), actual=D(500), realisation=D(1))
    assert total(spend("60"), claims=[grown]).cash == 300


def test_spend_of_which_nobody_says_what_it_was_for_is_blind() -> None:
    rows = [spend("30"), spend("20", "mail"), spend("10", ""), spend("40", centre=None), spend("7", month=OCT)]
    assert total(*rows).blind == 107
    assert total(*rows, told=[outcomes()]).blind == 77
    assert total(*rows, told=[outcomes(cost_centre=None)]).blind == 37, "a feature, whoever pays"
    assert total(*rows, told=[outcomes(cost_centre=None, feature="")]).blind == 107, "of nothing in particular"
    assert total(*rows, told=[outcomes(known=False)]).blind == 107, "without evidence"
    assert total(*rows, claims=[claim(features={"mail": "1"})]).blind == 87
    assert total(*rows, claims=[claim(accepted=False)]).blind == 107


def test_what_names_a_cost_centre_or_team_alone_stands_apart_and_covers_no_feature() -> None:
    rows = [spend("30"), spend("20", "mail"), spend("10", ""), spend("40", centre=None)]
    for evidence in ({"told": [outcomes(feature="")]}, {"claims": [claim()]}):
        found = total(*rows, **evidence)
        assert (found.blind, found.named, found.blind_share, found.named_share) == (100, 60, 1, D("0.6"))
    one_team = total(*rows, spend("5")._replace(team="core"), told=[outcomes(team="core", feature="")])
    assert (one_team.blind, one_team.named) == (105, 5)
    both = total(*rows, told=[outcomes(feature=""), outcomes()])
    assert (both.blind, both.named) == (70, 30), "what its feature names is no longer named by the cost centre alone"


def test_outcomes_that_name_queries_speak_of_the_money_of_these_alone() -> None:
    """Queries of 30 of 120 at list: a quarter of usage 60 and of idle 20 is known, 15 of 60 without success: 7.5 failed."""
    rows = [spend("60")._replace(listed=D(120)), spend("20", part="idle"), spend("50", "mail")._replace(listed=D(50))]
    told = [outcomes(traced=True, failed=D(9))]
    traced = [Traced(SEP, "CC-1", None, "chat", D(30), D(15))]
    found = report(rows, told, [], (), "USD", traced=traced).total
    assert (found.blind, found.covered, found.failed, found.effective) == (110, 20, D("7.5"), D("102.5"))
    assert found.cost_per_resolved == D("0.25"), "20 / 80"
    whole = report(rows, [*told, outcomes()], [], (), "USD", traced=traced).total
    assert (whole.blind, whole.covered) == (50, 80), "one that names no query speaks of its feature"
    beyond = report(rows, told, [], (), "USD", traced=[traced[0]._replace(listed=D(500))]).total
    assert beyond.blind == 50, "calls that lie elsewhere make a slice no more than known"
    elsewhere = report(rows, told, [], (), "USD", traced=[traced[0]._replace(feature="none of it")]).total
    assert (elsewhere.blind, elsewhere.covered, elsewhere.failed) == (130, 0, 0)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([spend("10"), spend("-30", "mail")], "credits beyond the cost: loaded is -20"),
        ([spend("100"), spend("-30", "mail")], "the blind part is a credit: -30 of 70"),
        ([spend("-30"), spend("100", "mail")], "the known part is a credit: 100 of 70"),
        ([spend("30"), spend("-30", "mail")], "nothing is left"),
    ],
)
def test_of_credits_there_is_an_amount_and_no_share(rows: list[Spend], why: str) -> None:
    found = total(*rows, told=[outcomes()])
    assert found.blind == rows[1].cost, why
    assert (found.blind_share, found.named_share if found.loaded <= 0 else None) == (None, None), why


def test_what_is_filtered_out_still_tells_what_spend_was_for() -> None:
    found = report([spend("30")], [outcomes(cost_centre=None)], [], (), "USD", lambda row: row.cost_centre == "CC-1")
    assert (found.total.blind, found.total.tasks) == (0, 0)


def test_cost_per_resolved_task_is_of_the_spend_that_outcomes_speak_of() -> None:
    """(80 usage with retries + 20 idle) / 80 resolved of 100 tasks; people took over for 50."""
    found = total(
        spend("80"),
        spend("20", part="idle"),
        spend("900", "mail"),
        told=[outcomes(fallback=D(50), value=D(400), valued=80)],
    )
    assert (found.covered, found.blind) == (100, 900)
    assert found.cost_per_resolved == D("1.25")
    assert found.cost_per_resolved_with_people == D("1.875")
    assert found.value_per_money == 4


def test_outcomes_that_leave_unsaid_what_lines_tell_apart_claim_no_cost_of_a_task() -> None:
    """80 tasks resolved of CC-1, which spends 30 on chat, 20 on mail and 10 on nothing named: 60 / 80, in no use case."""
    rows = [spend("30"), spend("20", "mail"), spend("10", ""), spend("7", "mail", centre="CC-2")]
    told = [outcomes(feature=""), outcomes(cost_centre="CC-2", feature="mail")]

    def found(*by: str, **filters: str) -> dict[tuple[Any, ...], tuple[Decimal, int, Decimal | None]]:
        def shown(row: Any) -> bool:
            return all((getattr(row, name) or "") == value for name, value in filters.items())

        lines = report(rows, told, [], by, "USD", shown)
        return {
            key: (line.covered, line.resolved, line.cost_per_resolved)
            for key, line in [*lines.lines, (("all",), lines.total)]
        }

    assert found("cost_centre") == {
        ("CC-1",): (60, 80, D("0.75")), ("CC-2",): (7, 80, D("0.0875")), ("all",): (67, 160, D("0.41875")),
    }  # fmt: skip
    assert found("feature") == {
        ("chat",): (30, 0, None), ("mail",): (27, 80, None), ("",): (10, 80, None), ("all",): (67, 160, D("0.41875")),
    }, "of the 27 of mail 20 are of tasks that stand in the line of none"  # fmt: skip
    assert found(feature="")["all",] == (10, 80, None)
    assert found(cost_centre="CC-2")["all",] == (7, 80, D("0.0875"))


def test_below_the_minimum_sample_there_is_no_ratio() -> None:
    few = total(spend("80"), told=[outcomes(resolved=MINIMUM - 1, value=D(400), valued=9)])
    assert (few.cost_per_resolved, few.cost_per_task, few.value_per_money, few.cost_per_quality) == (None,) * 4
    assert total(spend("80"), told=[outcomes(resolved=MINIMUM)]).cost_per_resolved is not None


def test_cost_per_quality_comes_with_its_pair_and_never_of_two_rubrics() -> None:
    one = outcomes(rubric="a-v1", quality=D(75), scored=100)
    found = total(spend("50"), told=[one])
    assert (found.cost_per_task, found.quality, found.cost_per_quality) == (D("0.5"), D("0.75"), D("0.666666666667"))
    both = total(spend("50"), told=[one, outcomes(rubric="b-v1", quality=D(9), scored=40)])
    assert (both.quality, both.cost_per_quality, both.scored) == (None, None, 140)
    assert total(spend("50"), told=[outcomes(rubric="a", quality=D(9), scored=MINIMUM - 1)]).quality is None


def test_lines_add_up_to_the_total_and_benefits_of_a_whole_stand_on_a_line_of_their_own() -> None:
    claims = [claim(), claim(number=2, features={"chat": "0.7", "mail": "0.3"}, realisation=D(1))]
    found = report([spend("60"), spend("40", "mail")], [], gains(claims, []), ("feature",), "USD")
    assert [(key, line.loaded, line.cash) for key, line in found.lines] == [
        (("chat",), 60, 210), (("mail",), 40, 90), ((SEVERAL,), 0, 150),
    ]  # fmt: skip
    assert found.lines[2][1].roi is None
    assert found.total.cash == 450


def test_the_value_of_a_task_goes_to_one_benefit_alone() -> None:
    """Two features and the cost centre all claim it by outcomes: the feature's own claim comes first."""
    by = {"basis": "outcomes", "baseline": None, "actual": None, "realisation": D(1)}
    claims = [
        claim(number=1, **by),
        claim(number=2, features={"chat": ""}, **by),
        claim(number=3, features={"chat": ""}, **by),
    ]
    worth = [Worth(SEP, "CC-1", None, "chat", "USD", D(10)), Worth(SEP, "CC-1", None, "mail", "USD", D(4)),
             Worth(SEP, "CC-2", None, "chat", "USD", D(100)), Worth(OCT, "CC-1", None, "chat", "USD", D(1000))]  # fmt: skip
    found = gains(claims, worth)
    assert [(each.feature, each.amount) for each in found if each.amount] == [("chat", 10), ("mail", 4)]


@given(st.decimals("-1000000", "1000000", places=6), st.lists(st.integers(1, 99), min_size=1, max_size=6),
       st.decimals(0, 1, places=6))  # fmt: skip
def test_the_parts_of_a_benefit_add_up_to_it(change: Decimal, weights: list[int], part: Decimal) -> None:
    whole = sum(weights)
    shares = {f"f{n}": str(D(weight) / whole) for n, weight in enumerate(weights)}
    made = gains([claim(features=shares, baseline=change, actual=D(0), realisation=part)], [])
    assert sum(each.amount for each in made) == (change * part).quantize(D(1).scaleb(-12))


@given(st.lists(st.tuples(st.sampled_from(["chat", "mail", ""]), st.sampled_from(["effective", "idle", "shared", "other"]),
                          st.decimals("-5", "1000", places=12), st.sampled_from(["CC-1", "CC-2", None])), max_size=20),
       st.booleans())  # fmt: skip
def test_every_amount_is_in_one_line_and_one_part(rows: list[Any], known: bool) -> None:
    made = [Spend(SEP, centre, None, feature, part, cost) for feature, part, cost, centre in rows]
    made = [row._replace(listed=abs(row.cost)) for row in made]
    told = [outcomes(known=known, failed=D(3)), outcomes(cost_centre="CC-2", feature="")]
    traced = [Traced(SEP, "CC-2", None, "mail", D(7), D(3))]
    found = report(made, told, [], ("cost_centre", "feature"), "USD", traced=traced)
    assert found.total.loaded == sum(row.cost for row in made)
    for name in ("loaded", "blind", "named", "covered", "idle", "shared"):
        assert sum(getattr(line, name) for _, line in found.lines) == getattr(found.total, name)


def test_which_part_of_the_loaded_cost_a_row_is() -> None:
    cases = {("direct", "simple"): "effective", ("direct", ""): "other", ("idle", ""): "idle", ("shared", "complex"): "shared",
             ("variance", ""): "shared", ("adjustment", ""): "other", ("correction", "simple"): "correction"}  # fmt: skip
    assert {case: part_of(*case) for case in cases} == cases


def test_a_line_of_nothing_has_no_ratio() -> None:
    empty = Line()
    assert (empty.roi, empty.roi_direct, empty.blind_share, empty.cost_per_resolved, empty.quality) == (None,) * 5


@pytest.mark.parametrize("cash", ["0", "0.000000000001"])
def test_a_return_needs_a_benefit(cash: str) -> None:
    line = Line(effective=D(10), cash=D(cash))
    assert line.roi == (None if cash == "0" else D("-1.000000"))


def test_a_gain_of_capacity_tells_what_spend_was_for_too() -> None:
    gain = Gain(SEP, "CC-1", SEVERAL, SEVERAL, "capacity", "hours", True, D(3), OCT)
    assert report([spend("5")], [], [gain], (), "USD").total.named == 5
    assert report([spend("5")], [], [gain._replace(feature="chat")], (), "USD").total.blind == 0


def test_the_example_of_the_documentation_is_right() -> None:
    """docs/roi.md: usage 80, idle 20, 50 without outcomes; 80 of 100 resolved at 5, half of it realised."""
    rows = [spend("80"), spend("20", part="idle"), spend("50", "mail")]
    told = [outcomes(value=D(400), valued=80, failed=D(6), fallback=D(30))]
    by = claim(basis="outcomes", baseline=None, actual=None, realisation=D("0.5"), features={"chat": ""})
    found = report(rows, told, gains([by], [Worth(SEP, "CC-1", None, "chat", "USD", D(400))]), (), "USD").total
    assert (found.effective, found.failed, found.loaded, found.direct, found.cash) == (124, 6, 150, 130, 200)
    assert (found.roi, found.roi_direct, found.blind_share) == (D("0.333333"), D("0.538462"), D("0.333333"))
    assert (found.cost_per_resolved, found.cost_per_resolved_with_people) == (D("1.25"), D("1.625"))
    assert found.value_per_money == 4
