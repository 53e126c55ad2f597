"""Tiers against the use case's own simple query, labels of routers, and confidence by the distance to thresholds."""

from math import inf, log
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import allocation
from allocation.calc.tier_confidence import Decided, confidence, decide
from allocation.calc.tier_relative import (
    Baseline,
    baselines,
    equivalents,
    labelled,
    parse_labels,
    parse_relative,
    relative_tiers,
)
from allocation.calc.tiers import PolicyError, parse_policy
from finops.focus import TIERS

DEFAULT = yaml.safe_load((Path(allocation.__file__).parent / "tier_policy_v1.yaml").read_text())
POLICY = parse_policy(DEFAULT)
FORM: dict[str, Any] = {
    "weights": {"output_visible": "1", "output_reasoning": 1, "input_uncached": "0.25"},
    "bands": {"moderate": 3, "complex": "10", "research": 50}, "minimum": 3,
}  # fmt: skip
RELATIVE = parse_relative({"relative": FORM})
assert RELATIVE is not None


def tokens(*outputs: int) -> dict[str, Any]:
    return {"output_visible": np.array(outputs), "input_uncached": np.full(len(outputs), 400)}


def test_a_use_case_s_median_simple_query_is_its_baseline_and_bands_are_multiples_of_it() -> None:
    """Simple ones: 100, 200, 300 output and 400 x 0.25 input each: 200, 300, 400; median 300 output-equivalents."""
    units = equivalents(tokens(100, 200, 300, 799, 800, 2_899, 2_900, 14_899, 14_900), RELATIVE)
    assert units.tolist()[:3] == [20_000, 30_000, 40_000]  # hundredths of an output token
    simple = np.array([True] * 3 + [False] * 6)
    known = baselines(["chat"] * 9, simple, units, RELATIVE)
    assert known == {"chat": Baseline(30_000.0, 3)}
    tiers, mu, sure = relative_tiers(["chat"] * 9, units, known, RELATIVE)
    assert tiers == ["simple"] * 4 + ["moderate"] * 2 + ["complex"] * 2 + ["research"]
    assert mu[[1, 4, 6, 8]].tolist() == [1, 3, 10, 50]
    assert sure[[4, 6, 8]] == pytest.approx(0.5, abs=1e-6), "on a threshold it may as well be the tier below"
    assert sure[1] > 0.99


def test_a_dear_use_case_s_plain_query_is_simple_and_too_few_give_no_baseline() -> None:
    units = equivalents(tokens(3_900, 3_900, 3_900, 50, 50), RELATIVE)
    cases = ["reports"] * 3 + ["chat"] * 2
    known = baselines(cases, np.array([True] * 5), units, RELATIVE)
    tiers, mu, sure = relative_tiers([*cases, "new"], np.append(units, 7), known, RELATIVE)
    assert known["chat"] == Baseline(None, 2)
    assert tiers == ["simple"] * 3 + [None] * 3
    assert np.isnan(mu[3:]).all()
    assert np.isnan(sure[3:]).all()


@given(st.lists(st.integers(0, 10**7), min_size=3, max_size=30), st.integers(1, 1000))
def test_a_use_case_twice_as_long_in_all_has_the_same_tiers(sizes: list[int], factor: int) -> None:
    simple, cases = np.ones(len(sizes), dtype=bool), ["a"] * len(sizes)

    def judged(times: int) -> Any:
        units = equivalents({"output_visible": np.array(sizes) * times}, RELATIVE)
        return relative_tiers(cases, units, baselines(cases, simple, units, RELATIVE), RELATIVE)[0]

    assert judged(1) == judged(factor)


@given(st.lists(st.integers(0, 10**7), min_size=3, max_size=30))
def test_more_tokens_never_lower_a_tier_and_confidence_is_a_probability(sizes: list[int]) -> None:
    units = np.sort(equivalents({"output_visible": np.array(sizes)}, RELATIVE))
    tiers, _, sure = relative_tiers(["a"] * len(units), units, {"a": Baseline(5_000.0, 9)}, RELATIVE)
    places = [TIERS.index(tier) for tier in tiers if tier is not None]
    assert places == sorted(places)
    assert ((sure >= 0) & (sure <= 1)).all()


def test_confidence_of_the_absolute_rules_is_by_how_far_the_nearest_threshold_is() -> None:
    """Output 1,000: moderate by output>300 (301 is 3.32 times less), complex from 4,000 (4 times more)."""
    found = confidence(POLICY, {"output": 1_000, "calls": 1}, "moderate", "M1")
    assert (found.up, found.down) == (4, pytest.approx(1_000 / 301))
    normal = NormalDist()
    assert found.value == pytest.approx(normal.cdf(log(4) / 0.2) - normal.cdf(-log(1_000 / 301) / 0.2))
    near = confidence(POLICY, {"output": 301}, "moderate", "M1")
    assert near.value == pytest.approx(0.5)
    assert confidence(POLICY, {"output": 300}, "simple", "S1").value == pytest.approx(normal.cdf(log(301 / 300) / 0.2))
    both = confidence(POLICY, {"output": 301, "output_reasoning": 100}, "moderate", "M1")
    assert both.value > 0.99, "a second condition holds it up"


@pytest.mark.parametrize(
    ("features", "tier", "rule"),
    [({"flags": 1}, "research", "R1"), ({}, "simple", "S1"), ({"output": 9_999}, "simple", "operation")],
)
def test_what_rests_on_no_size_is_certain(features: dict[str, int], tier: str, rule: str) -> None:
    found = confidence(POLICY, features, tier, rule)
    assert (found.value, found.down) == (1, inf)


def test_labels_of_routers_are_tiers_and_one_that_is_not_mapped_decides_nothing_and_is_counted() -> None:
    known = parse_labels(DEFAULT)
    assert known == {"SIMPLE": "simple", "MEDIUM": "moderate", "COMPLEX": "complex", "REASONING": "complex"}
    tiers, unmapped = labelled(["simple", " Medium ", "REASONING", None, "TURBO", "TURBO"], known)
    assert tiers == ["simple", "moderate", "complex", None, None, None]
    assert unmapped == {"TURBO": 2}
    assert parse_labels({}) == {}


def test_a_label_goes_before_the_baseline_and_this_before_the_rules() -> None:
    rules, known = ("simple", "S1", "otherwise", 0.9), {"COMPLEX": "complex"}
    assert decide("Complex", ("moderate", 4.0, 0.8), rules, known) == Decided(
        "complex", "label", "router said Complex", None
    )
    assert decide("TURBO", ("moderate", 4.0, 0.8), rules, known)[:2] == ("moderate", "relative")
    assert decide(None, (None, float("nan"), float("nan")), rules, known) == Decided(*rules)


def form(**changed: Any) -> Any:
    return {"relative": FORM | changed}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"relative": 3}, "relative: not a mapping"),
        (form(band={}), "relative: unknown 'band'"),
        (form(weights={}), "relative.weights: token classes"),
        (form(weights={"output": 1}), "relative.weights.output: not a token class"),
        (form(weights={"output_visible": 0}), "relative.weights.output_visible: 0 is no number of at least"),
        (form(weights={"output_visible": "1.0000001"}), "no more than six decimals"),
        (form(bands={"complex": 10}), "relative.bands: the least mu of moderate, complex, research"),
        (form(bands={"moderate": 3, "complex": "many", "research": 50}), "relative.bands.complex: 'many' is no number"),
        (
            form(bands={"moderate": 3, "complex": 3, "research": 50}),
            "relative.bands.complex: 3 is not above moderate's 3",
        ),
        (form(minimum=1), "relative.minimum: 1 is no whole number"),
    ],
)
def test_a_wrong_form_is_refused_by_place(data: Any, says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        parse_relative(data)


def test_a_policy_without_the_form_has_none_and_wrong_labels_are_refused() -> None:
    assert parse_relative(DEFAULT) is None
    with pytest.raises(PolicyError, match=r"router_labels\.EASY: 'easy' is not a tier"):
        parse_labels({"router_labels": {"EASY": "easy"}})
    with pytest.raises(PolicyError, match=r"router_labels\.easy: stands twice, for simple and complex"):
        parse_labels({"router_labels": {"EASY": "simple", "easy": "complex"}})
    with pytest.raises(PolicyError, match="router_labels: a mapping"):
        parse_labels({"router_labels": ["SIMPLE"]})
    with pytest.raises(PolicyError, match="no rule X9"):
        confidence(POLICY, {}, "simple", "X9")
    with pytest.raises(PolicyError, match="too large to be compared exactly"):
        equivalents({"output_visible": np.array([10**15])}, RELATIVE)
