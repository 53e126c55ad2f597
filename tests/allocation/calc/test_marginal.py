"""What an upgrade brings: intervals that cover what was planted, the mix told apart, and nothing claimed of too few."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc import marginal_rates as rates
from allocation.calc.marginal import MINIMUM, Found, Trial, compare
from allocation.calc.marginal_effort import Effort, advise, plan

REPETITIONS = 20_000


def covered(interval: rates.Interval, truth: float) -> float:
    """In how many per cent of the repetitions the interval holds the truth; NaN bounds are no claim and do not count."""
    said = ~np.isnan(interval.low)
    inside = (interval.low <= truth) & (truth <= interval.high)
    return 100 * float(inside[said].mean())


def test_published_intervals_are_reproduced() -> None:
    """Newcombe 1998: 81/263 by method 3, and 56/70 - 48/80 by method 10."""
    one = rates.wilson(81, 263)
    assert (round(float(one.low), 4), round(float(one.high), 4)) == (0.2553, 0.3662)
    two = rates.newcombe(56, 70, 48, 80)
    assert (round(float(two.low), 4), round(float(two.high), 4)) == (0.0524, 0.3339)
    assert rates.mcnemar(5, 15) == pytest.approx(2 * sum(math.comb(20, k) for k in range(6)) / 2**20)
    assert rates.mcnemar(0, 0) == 1
    assert rates.mcnemar(600, 700) == pytest.approx(math.erfc(99 / math.sqrt(1300) / math.sqrt(2)))
    assert [round(float(rates.student(f)), 3) for f in (10, 30, 1e9)] == [2.228, 2.042, 1.960]


@pytest.mark.parametrize(("rate", "base", "n", "m"), [(0.7, 0.6, 400, 400), (0.9, 0.55, 60, 80), (0.5, 0.5, 200, 90)])
def test_a_simulated_ab_test_is_covered_by_its_interval(rate: float, base: float, n: int, m: int) -> None:
    random = np.random.default_rng(1)
    found = rates.newcombe(random.binomial(n, rate, REPETITIONS), n, random.binomial(m, base, REPETITIONS), m)
    assert covered(found, rate - base) == pytest.approx(95, abs=2)


@pytest.mark.parametrize(("gained", "lost", "pairs"), [(0.12, 0.05, 389), (0.08, 0.08, 100), (0.3, 0.1, 60)])
def test_the_interval_of_pairs_covers_the_planted_difference(gained: float, lost: float, pairs: int) -> None:
    random = np.random.default_rng(2)
    drawn = random.multinomial(pairs, [gained, lost, 1 - gained - lost], REPETITIONS)
    assert covered(rates.paired(drawn[:, 0], drawn[:, 1], pairs), gained - lost) == pytest.approx(95, abs=2)


def test_the_interval_at_one_mix_covers_the_planted_difference_whatever_mix_each_arm_had() -> None:
    """Three strata, 10 points better in each; the candidate got the hard ones."""
    random = np.random.default_rng(3)
    easy, n, m = np.array([0.9, 0.6, 0.3]), np.array([40, 80, 200]), np.array([220, 90, 50])
    good = random.binomial(n, easy + 0.1, (REPETITIONS, 3)).astype(float)
    base = random.binomial(m, easy, (REPETITIONS, 3)).astype(float)
    found = rates.standardised(good, n, base, m)
    assert covered(found, 0.1) == pytest.approx(95, abs=2)
    crude = rates.newcombe(good.sum(axis=1), n.sum(), base.sum(axis=1), m.sum())
    assert covered(crude, 0.1) < 5, "the difference without the mix is another question"


def test_cost_per_resolved_task_covers_the_truth_with_tasks_of_several_attempts() -> None:
    """Up to three attempts at lognormal cost, each succeeds with 0.6: expected cost / expected resolved."""
    random = np.random.default_rng(4)
    shape = (4_000, 300, 3)
    good, price = random.random(shape) < 0.6, np.exp(random.normal(0, 0.6, shape))
    tried = np.cumsum(good, axis=-1) - good == 0  # until the first success
    cost, resolved = (price * tried).sum(axis=-1), good.any(axis=-1)
    truth = math.exp(0.6**2 / 2) / 0.6
    assert covered(rates.cost_per_resolved(cost, resolved), truth) == pytest.approx(95, abs=2)


def test_the_return_of_an_upgrade_covers_the_truth() -> None:
    """Fieller: (value x difference of rates) / (difference of cost), from moments of both arms."""
    random = np.random.default_rng(5)
    n, value = 800, 5.0
    new, old = random.random((4_000, n)) < 0.8, random.random((4_000, n)) < 0.6
    dear, cheap = random.gamma(4, 0.1, (4_000, n)) + 0.3 * new, random.gamma(4, 0.05, (4_000, n))
    gain, more = value * (new.mean(1) - old.mean(1)), dear.mean(1) - cheap.mean(1)
    spread = lambda a: a.var(1, ddof=1) / n  # noqa: E731
    both = ((new - new.mean(1, keepdims=True)) * (dear - dear.mean(1, keepdims=True))).sum(1) / (n - 1) / n
    both += ((old - old.mean(1, keepdims=True)) * (cheap - cheap.mean(1, keepdims=True))).sum(1) / (n - 1) / n
    found = rates.fieller(
        gain, more, value**2 * (spread(new) + spread(old)), spread(dear) + spread(cheap), value * both
    )
    truth = value * 0.2 / (0.4 + 0.3 * 0.8 - 0.2)
    assert covered(found, truth) == pytest.approx(95, abs=2)


def test_the_difference_of_means_covers_the_truth_with_unequal_arms() -> None:
    random = np.random.default_rng(6)
    one, two = random.normal(3, 2, (8_000, 40)), random.normal(2, 1, (8_000, 90))
    found = rates.mean_difference(one.mean(1), one.var(1, ddof=1), 40, (two.mean(1), two.var(1, ddof=1), 90))
    assert covered(found, 1) == pytest.approx(95, abs=2)


def arm(
    candidate: bool, counts: dict[str, tuple[int, int]], cost: float | None = None, same: bool = False
) -> list[Trial]:
    """(resolved, tried) by stratum; with ``same`` both arms have the same tasks."""
    name = "" if same else str(candidate)
    return [
        Trial(f"{stratum}-{n}{name}", candidate, stratum, n < good, None if cost is None else cost * (1 + n % 3 / 10))
        for stratum, (good, tried) in counts.items()
        for n in range(tried)
    ]


def test_the_simpson_case_is_flagged_and_claims_nothing() -> None:
    """Charig 1986, kidney stones: better in both strata, worse in sum, as it got the hard ones."""
    new = arm(True, {"small": (81, 87), "large": (192, 263)})
    old = arm(False, {"small": (234, 270), "large": (55, 80)})
    found = compare([*new, *old])
    assert float(found.crude.estimate) == pytest.approx(273 / 350 - 289 / 350)
    weights = {"small": 357 / 700, "large": 343 / 700}
    expected = weights["small"] * (81 / 87 - 234 / 270) + weights["large"] * (192 / 263 - 55 / 80)
    assert float(found.difference.estimate) == pytest.approx(expected)
    assert (found.simpson, found.verdict) == (True, "mix")


def test_a_difference_of_which_the_mix_is_most_is_flagged_too() -> None:
    """No difference in any stratum, all of it mix."""
    found = compare([*arm(True, {"a": (180, 200), "b": (25, 50)}), *arm(False, {"a": (90, 100), "b": (100, 200)})])
    assert (found.simpson, found.verdict) == (True, "mix")
    same = compare([*arm(True, {"a": (180, 200), "b": (45, 90)}), *arm(False, {"a": (120, 200), "b": (20, 90)})])
    assert (same.simpson, same.verdict) == (False, "better")


def test_what_few_tasks_have_in_common_claims_neither_a_difference_nor_a_mix() -> None:
    """One shared kind of 40 of 240 tasks: whatever the others are, it is not said that the mix explains it."""
    new = arm(True, {"a": (36, 40), "hard": (60, 200)}, 1.0)
    old = arm(False, {"a": (34, 40), "easy": (190, 200)}, 1.0)
    found = compare([*new, *old])
    assert (found.verdict, found.simpson, found.enough) == ("little_overlap", False, False)
    assert (found.overlap.shared, found.overlap.kinds) == (1, 3)
    assert (found.overlap.base_tasks, found.overlap.candidate_tasks) == (40 / 240, 40 / 240)
    assert math.isnan(found.difference.estimate)
    assert math.isnan(found.cost.estimate)


def test_one_shared_kind_has_no_mix_however_large_it_is() -> None:
    """Most tasks are alike and differ by nothing, the others make the sum differ: no claim, not one of the mix."""
    new = arm(True, {"a": (180, 200), "hard": (10, 100)})
    old = arm(False, {"a": (180, 200), "easy": (99, 100)})
    assert compare([*new, *old]).verdict == "little_overlap"
    two = compare(
        [*arm(True, {"a": (180, 200), "b": (10, 100)}), *arm(False, {"a": (180, 200), "b": (2, 20), "c": (80, 80)})]
    )
    assert (two.verdict, two.overlap.shared, two.overlap.base_tasks) == ("mix", 2, 220 / 300)
    only = compare([*arm(True, {"a": (180, 200)}), *arm(False, {"a": (140, 200)})])
    assert (only.verdict, only.overlap.tasks) == ("better", 1), "one kind of all tasks is the whole"


def test_how_much_is_compared_is_said_in_tasks_and_in_cost() -> None:
    """Costs 1.0, 1.1, 1.2 in turn: 60 tasks cost 66; the candidate has 30 others at five times that."""
    new = [*arm(True, {"a": (50, 60)}, 1.0), *arm(True, {"b": (20, 30)}, 5.0)]
    found = compare([*new, *arm(False, {"a": (40, 60)}, None)]).overlap
    assert (found.base_tasks, found.candidate_tasks) == (1, 60 / 90)
    assert found.candidate_cost == pytest.approx(66 / (66 + 165))
    assert math.isnan(found.base_cost), "no cost is known"
    pairs = compare([*arm(True, {"a": (50, 60)}, 1.0, same=True), *arm(False, {"a": (40, 80)}, 1.0, same=True)])
    assert (pairs.method, pairs.overlap.shared, pairs.overlap.base_tasks) == ("paired", 0, 60 / 80)


@pytest.mark.parametrize("side", [True, False])
def test_below_the_minimum_sample_nothing_is_claimed(side: bool) -> None:
    few = arm(side, {"a": (MINIMUM - 1, 500)}, 0.1)
    found = compare([*few, *arm(not side, {"a": (400, 500)}, 0.2)], value=10, margin=0.05)
    assert (found.enough, found.verdict, found.no_worse) == (False, "too_few", None)
    for each in (found.difference, found.crude, found.cost, found.extra, found.net, found.returned):
        assert math.isnan(each.estimate)
    enough = [*few, Trial("one more", side, "a", True, 0.1)]
    assert compare([*enough, *arm(not side, {"a": (400, 500)}, 0.2)]).enough


def test_tasks_that_are_not_alike_are_not_compared() -> None:
    found = compare([*arm(True, {"a": (90, 100)}), *arm(False, {"b": (40, 100)})])
    assert (found.method, found.verdict) == ("none", "not_comparable")
    few = compare([*arm(True, {"a": (MINIMUM - 1, 100)}), *arm(False, {"b": (40, 100)})])
    assert (few.method, few.verdict, compare([]).verdict) == ("none", "too_few", "too_few"), "whatever else"


def test_pairs_are_preferred_and_need_fewer_tasks() -> None:
    """The same 200 tasks: 18 more are resolved, none is lost; unpaired it would not be shown."""
    new, old = arm(True, {"a": (118, 200)}, 0.5, same=True), arm(False, {"a": (100, 200)}, 0.1, same=True)
    found = compare([*new, *old], value=20.0)
    assert (found.method, found.used, found.verdict) == ("paired", 200, "better")
    assert found.p is not None
    assert found.p < 1e-5
    assert float(found.crude.low) < 0 < float(found.difference.low)
    assert float(found.difference.estimate) == pytest.approx(0.09)
    cost = found.candidate.cost_per_task - found.base.cost_per_task
    assert float(found.cost.estimate) == pytest.approx(cost)
    assert float(found.extra.estimate) == pytest.approx(cost / 0.09)
    assert float(found.net.estimate) == pytest.approx(20 * 0.09 - cost)
    assert float(found.returned.estimate) == pytest.approx(20 * 0.09 / cost - 1)


def test_the_return_is_the_equation_of_the_field_in_its_special_case() -> None:
    """Five times the value at ten times the cost: 0.5 of what was spent more comes back, so that half of it is lost."""
    assert rates.fieller(5 - 0.0, 10 - 0.0, 1e-12, 1e-12, 0.0).estimate == pytest.approx(0.5)


def test_no_worse_is_said_only_of_a_margin_that_was_declared() -> None:
    trials = [*arm(True, {"a": (880, 1000)}, 0.1), *arm(False, {"a": (885, 1000)}, 0.5)]
    assert (compare(trials).no_worse, compare(trials).verdict) == (None, "not_shown")
    assert (compare(trials, margin=0.05).no_worse, compare(trials, margin=0.05).verdict) == (True, "no_worse")
    assert (compare(trials, margin=0.01).no_worse, compare(trials, margin=0.01).verdict) == (False, "not_shown")


def test_what_is_cheaper_has_no_return_on_what_it_costs_more() -> None:
    found = compare([*arm(True, {"a": (90, 100)}, 0.1), *arm(False, {"a": (50, 100)}, 0.5)], value=3)
    assert float(found.cost.high) < 0
    assert math.isnan(found.returned.estimate)
    assert float(found.net.low) > 0


@given(st.lists(st.tuples(st.integers(0, 99), st.booleans(), st.sampled_from("ab"), st.booleans(),
                          st.one_of(st.none(), st.floats(0, 10))), max_size=250, unique_by=lambda t: t[:2]))  # fmt: skip
def test_any_trials_give_an_answer_and_intervals_hold_their_estimates(rows: list[Any]) -> None:
    found: Found = compare([Trial(str(t[0]), *t[1:]) for t in rows], value=2.0, margin=0.1)
    assert found.verdict
    for each in (found.difference, found.cost, found.extra, found.net, found.returned):
        if not math.isnan(each.low):
            assert each.low - 1e-9 <= each.estimate <= each.high + 1e-9


def effort(name: str, score: float, cost: float, tasks: int = 225) -> Effort:
    return Effort("gpt-5", name, tasks, score, cost, "USD", "measured")


def test_more_effort_is_advised_while_it_is_worth_its_cost_and_not_beyond() -> None:
    """Low to medium 16 points for 10 cents; medium to high 1.3 points more, which chance explains."""
    ladder = [effort("high", 0.88, 0.13), effort("low", 0.71, 0.046), effort("medium", 0.867, 0.146 / 1.9)]
    [found] = advise("coding", ladder, 2.0)
    assert (found.effort.effort, found.reason) == ("medium", "pays")
    first, second = found.steps
    assert first.worth_from == pytest.approx((0.146 / 1.9 - 0.046) / (0.867 - 0.71))
    assert (second.shown, second.candidate.effort) == (False, "high")
    [poor] = advise("coding", ladder, 0.1)
    assert (poor.effort.effort, poor.reason, poor.steps[0].pays) == ("low", "cheapest", False)
    [unknown] = advise("coding", ladder, None)
    assert (unknown.effort.effort, unknown.reason, unknown.steps[0].pays) == ("medium", "better", None)


def test_an_effort_that_costs_more_and_scores_less_is_never_advised() -> None:
    [found] = advise("coding", [effort("low", 0.8, 0.05), effort("high", 0.6, 0.5)], 1e6)
    assert (found.effort.effort, found.steps[0].worth_from, found.steps[0].pays) == ("low", None, False)


def test_a_plan_of_retries_and_people() -> None:
    """p = 0.6, three tries at 0.5: 1.56 tries, 93.6 % resolved, 0.8333 each, and people at 20 for the other 6.4 %."""
    found = plan(0.5, 0.6, 3, 20)
    assert found.tries == pytest.approx(1.56)
    assert found.resolved == pytest.approx(0.936)
    assert found.machine == pytest.approx(0.5 * found.tries / found.resolved) == pytest.approx(0.5 / 0.6)
    assert found.people == pytest.approx(20 * 0.064 / 0.936)
    assert found.cost == pytest.approx(0.833333 + 1.367521, abs=1e-5)
    assert plan(0.5, 1, 1, 20).cost == 0.5
    with pytest.raises(ValueError, match="a rate lies above 0"):
        plan(1, 0, 3)
