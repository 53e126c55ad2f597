"""Buckets over tiers: nothing lost, exactly; reference and chance as good as their error and their deviation say."""

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import allocation
from allocation.calc.bucket_errors import Known, covered, known_buckets, parse_errors, stated, words
from allocation.calc.bucket_tiers import counted, part_hours, part_units, reference_mix
from allocation.calc.query_costs_buckets import Binned, in_tiers
from allocation.calc.tier_estimates import Group, bounds, deviations
from allocation.calc.tier_spread import Bucket, Errors, SpreadError, requests_of
from allocation.calc.tier_spread_reference import Shape, judged, parse_shapes, shape_of
from allocation.calc.tiers import parse_policy
from finops.focus import TIERS
from tests.bench.tier_error import halves, recording

ROOT = Path(allocation.__file__).parent
POLICY = parse_policy(yaml.safe_load((ROOT / "tier_policy_v1.yaml").read_text()))
OWN = {"operation": "chat", "model_served": "gpt-4.1", "model_requested": ""}
FILES = {"azure": "azure_llm_trace_2023_code.csv.gz", "mooncake": "mooncake_conversation_trace.csv.gz"}
D = Decimal


def mix(bucket: Bucket, *shapes: Shape) -> Any:
    return reference_mix(bucket, shapes, POLICY, OWN)


@cache
def requests(name: str) -> dict[str, Any]:
    return recording(ROOT.parent / "web" / "demo" / "data" / FILES[name])


COUNT = st.integers(0, 10**12)


@settings(max_examples=40, deadline=None)
@given(
    count=COUNT,
    weights=st.lists(st.integers(0, 10**9), min_size=4, max_size=4).filter(any),
    chance=st.integers(0, 2**32 - 1),
)
def test_a_count_is_parted_whole_and_within_one_of_each_share(count: int, weights: list[int], chance: int) -> None:
    parts = counted(count, weights, chance)
    assert sum(parts) == count
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - count * weight) < sum(weights)


def test_one_request_goes_to_each_tier_as_often_as_its_share_says() -> None:
    """Of 1,024 buckets of one request each, by chances that are spread evenly: three in four and one in four."""
    parts = [counted(1, [3, 0, 1, 0], n * 2**22) for n in range(1_024)]
    assert np.sum(parts, axis=0).tolist() == [768, 0, 256, 0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 10**6)] * 3), min_size=1, max_size=24))
def test_hours_in_tiers_add_up_to_every_hour_and_every_tier(table: list[tuple[int, ...]]) -> None:
    hours, tiers = [D(sum(row)) for row in table], [D(sum(column)) for column in zip(*table, strict=True)]
    parts = part_hours(hours, tiers)
    assert [sum(row) for row in parts] == hours
    assert [sum(column) for column in zip(*parts, strict=True)] == tiers
    assert all(part >= 0 for row in parts for part in row)


def test_units_of_a_bucket_stay_whole_where_they_are_and_go_to_its_tiers_by_requests() -> None:
    assert part_units(D(10), [("simple", 3), ("moderate", 1)]) == [("simple", D(8)), ("moderate", D(2))]
    assert sum(value for _, value in part_units(D("0.5"), [("simple", 1), ("moderate", 2)])) == D("0.5")
    assert part_units(D(3), [("simple", 0)]) == [("simple", D(3))]


def test_queries_and_cost_of_a_bin_are_parted_exactly_and_dearer_tiers_lie_higher() -> None:
    """9 simple queries for 0.09 and one complex for 0.91: a tenth and 9.1 times the mean of 0.1, 20 and 19 bins away."""
    found = in_tiers(Binned("moderate", -20, 10, D("1.00")), {"simple": (9, D("0.09")), "complex": (1, D("0.91"))})
    assert found == [Binned("simple", -40, 9, D("0.09")), Binned("complex", -1, 1, D("0.91"))]


def test_a_request_of_more_than_the_threshold_is_moved_up_even_where_the_average_is_below() -> None:
    """P(200 exp(z - 1/2) > 300) = P(z > ln 1.5 + 0.5 = 0.905) = 18.3 %; without a spread none is."""
    bucket = Bucket(1_000, {"input_uncached": 1_000_000, "output_visible": 200_000})
    found = mix(bucket, Shape("a", 0.0, 1.0))["requests"]
    assert found[1] / sum(found) == pytest.approx(0.183, abs=0.005)
    assert mix(bucket, Shape("a", 0.0, 0.0))["requests"][1:] == [0, 0, 0]


def test_reasoning_of_a_bucket_moves_its_requests_up_and_uncounted_ones_are_guessed() -> None:
    tokens = {"input_uncached": 1_000, "output_visible": 20_000, "output_reasoning": 250_000}
    found = mix(Bucket(100, tokens), Shape("a", 0.0, 0.0, 0.0))["requests"]
    assert found[2] == sum(found), "2,500 reasoning tokens each are complex"
    assert requests_of(Bucket(0, {"output_visible": 50_000})) == 100  # 50,000 / 500


@pytest.mark.parametrize("name", FILES)
def test_of_each_recording_the_errors_of_every_other_bucket_cover_those_between(name: str) -> None:
    """At the nominal rate within five points, of each tier that occurs."""
    shapes = parse_shapes(yaml.safe_load((ROOT / "tier_reference_v1.yaml").read_text())["shapes"])
    known = known_buckets(requests(name), POLICY, shapes)
    occurs = np.any([each.truth > 0 for each in known], axis=0)
    assert occurs.sum() >= 2
    for level, rates in halves(known).items():
        assert np.all(np.abs(rates[occurs] - level) <= 0.05), (level, rates)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [40, 400])
def test_by_an_observed_mix_the_interval_covers_the_truth_of_unseen_requests(name: str, size: int) -> None:
    """500 requests were seen, a bucket of others came past: its tiers' shares of spend lie within z deviations."""
    tokens, random = requests(name), np.random.default_rng(size)
    tier = judged(
        tokens, len(tokens["input_uncached"]), POLICY, operation="chat", model="gpt-4.1", reasoning_known=False
    )
    cost = tokens["input_uncached"] * 2e-6 + tokens["output_visible"] * 8e-6
    bins = np.floor(20 * np.log10(cost)).astype(int)
    off = []
    for _ in range(600):
        order = random.permutation(len(tier))
        seen, unseen = order[:500], order[500 : 500 + size]
        kinds, at = np.unique(np.stack([tier[seen], bins[seen]]), axis=1, return_inverse=True)
        sums, counts = np.bincount(at.reshape(-1), weights=cost[seen]), np.bincount(at.reshape(-1))
        rows = [(TIERS[t], int(b), int(n), D(c)) for (t, b), n, c in zip(kinds.T, counts, sums, strict=True)]
        found = deviations(rows, 500, size)
        share, truth = (np.bincount(tier[of], weights=cost[of], minlength=4) / cost[of].sum() for of in (seen, unseen))
        off.append([(truth[n] - share[n]) / (found[tier_] or 1) for n, tier_ in enumerate(TIERS)])
    rates = [100 * np.mean(np.abs(off) <= z, axis=0) for z in (1.2816, 1.9600)]
    print(f"\n{name}, buckets of {size}: 80 % covers {rates[0].round(1)}, 95 % covers {rates[1].round(1)}")  # noqa: T201
    material = np.bincount(tier, weights=cost, minlength=4) / cost.sum() > 0.01
    assert rates[0][material] == pytest.approx(80, abs=5)
    assert rates[1][material] == pytest.approx(95, abs=5)


def test_bounds_add_errors_up_and_claim_none_that_was_not_measured() -> None:
    """100 by the reference, 40 of it simple: +- 6 points are 6; a tier of no measured error has no bounds."""
    measured = parse_errors(
        {"simple": {"mean_error": 0, "mean_absolute": 4, "largest": 20, "reach_80": 6, "reach_95": 50}}
    )
    group = Group({"simple": D(40), "research": D(60)}, D(1), D(0), {})
    simple, research = bounds([group], measured)
    assert (simple.low, simple.high) == ((D(34), D(0)), (D(46), D(90)))
    assert (research.share, research.low, research.high) == (D("0.6"), (None, None), (None, None))
    seen = Group({"simple": D(50), "complex": D(50)}, D(0), D(1), {"simple": 0.1, "complex": 0.1})
    both = {row.tier: row for row in bounds([group, seen], measured)}
    low = both["simple"].low[0]
    assert low is not None
    assert float(low) == pytest.approx(90 - 6 - 100 * 0.1 * 1.2816, abs=0.001)
    assert bounds([], measured) == []
    assert words(measured) == "simple ±6.0 points"


def test_errors_are_stated_as_measured_and_too_few_buckets_say_nothing() -> None:
    errors = Errors(np.tile([[0.10, -0.10, 0.0, 0.0]], (40, 1)))
    assert stated(errors)["simple"] == {
        "mean_error": "10.00", "mean_absolute": "10.00", "largest": "10.00", "reach_80": "10.00", "reach_95": "10.00",
    }  # fmt: skip
    assert set(stated(errors)) == {"simple", "moderate"}, "what never occurs has no error"
    assert Errors(errors.values[:29]).reach(0.8) is None
    known = [Known(np.zeros(4), row) for row in errors.values]
    assert covered(known, errors, 0.8).tolist() == [1, 1, 1, 1]
    with pytest.raises(SpreadError, match="too few buckets"):
        covered(known, Errors(errors.values[:9]), 0.8)
    with pytest.raises(SpreadError, match=r"errors.simple: 'reach_80' is missing"):
        parse_errors({"simple": {}})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], "mapping of names"),
        ({"x": {"input": 1}}, "x: a shape has input and output"),
        ({"x": {"input": 1, "output": "wide"}}, "x: could not convert"),
        ({"x": {"input": 1, "output": 1, "correlation": 2}}, "x: log variances lie between"),
    ],
)
def test_shapes_are_read_from_data_and_refused_by_name(data: Any, says: str) -> None:
    assert parse_shapes({"chat": {"input": "1.4", "output": 0.4}}) == (Shape("chat", 1.4, 0.4),)
    with pytest.raises(SpreadError, match=says):
        parse_shapes(data)
    with pytest.raises(SpreadError, match="x: a shape needs input and output"):
        shape_of("x", {"input_uncached": np.array([1])})
