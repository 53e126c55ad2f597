"""Intervals cover on later, unseen days what they say, and tracking tells when they do not."""

import numpy as np
import pandas as pd
import pytest

from allocation.calc.predict_calibration import AHEAD, learn, predicted
from allocation.calc.predict_tracking import tracking
from finops.focus import TIERS

# use case -> shares of tiers on the first day
USE_CASES = {
    "chat": (0.75, 0.20, 0.05, 0.00),
    "support": (0.55, 0.35, 0.10, 0.00),
    "analysis": (0.00, 0.10, 0.40, 0.50),
    "code": (0.20, 0.30, 0.45, 0.05),
}
DAYS = 70


def traffic(seed: int, falling: float) -> pd.DataFrame:
    """150 queries a day whose lengths wander from day to day, whose complex share grows and whose prices fall daily.

    The tier depends on use case, effort and tools; tokens on the tier; cost on tokens, calls and model.
    """
    random = np.random.default_rng(seed)
    n = DAYS * 150
    day = np.repeat(np.arange(DAYS), 150)
    feature = random.choice(list(USE_CASES), n, p=[0.5, 0.25, 0.1, 0.15])
    effort, model = random.choice(["", "high"], n, p=[0.8, 0.2]), random.choice(["small", "large"], n, p=[0.6, 0.4])
    tools, attachments = random.random(n) < 0.3, random.random(n) < 0.1
    prompt = np.maximum(np.exp(random.normal(6.5, 1, n)), 1).astype(int)
    wander = np.cumsum(random.normal(0, 0.045, DAYS))[day]
    lift = 1 + 0.01 * day[:, None] * [0, 0, 1, 1] + tools[:, None] * [0, 0, 1, 1]
    shares = np.array([USE_CASES[name] for name in feature]) * (lift + (effort == "high")[:, None] * [0, 1, 1, 1])
    shares /= shares.sum(axis=1, keepdims=True)
    tier = (random.random(n)[:, None] > shares.cumsum(axis=1)[:, :3]).sum(axis=1)
    output = np.exp(np.array([4.5, 6.0, 7.8, 9.5])[tier] + wander + 0.6 * random.normal(size=n)).astype(int)
    calls = np.array([1, 2, 5, 25])[tier] + random.integers(0, 3, n)
    price = np.where(model == "large", 1e-5, 1e-6) * np.exp(-falling * day)
    return pd.DataFrame(
        {
            "day": day, "cost_centre": "CC-1", "feature": feature, "effort": effort,
            "prompt_tokens": prompt, "attachments": attachments,
            "tools": tools, "model": model, "tier": np.array(TIERS)[tier], "output_tokens": output, "calls": calls,
            "cost": price * (prompt * calls / 4 + output),
        }
    )  # fmt: skip


@pytest.mark.parametrize("falling", [0.0, 0.02])
def test_the_interval_covers_77_to_86_percent_of_a_later_week(falling: float) -> None:
    for seed in range(8):
        frame = traffic(seed, falling)
        seen = frame["day"] < DAYS - AHEAD
        whole, *of_use_cases = tracking(predicted(learn(frame[seen]), frame[~seen]))
        assert whole.coverage is not None
        assert 0.77 <= whole.coverage <= 0.86, f"seed {seed}: {whole}"
        assert whole.verdict == "as_stated"
        assert whole.unknown < 0.01 * whole.judged
        assert whole.hit_rate is not None
        assert whole.majority is not None
        assert whole.hit_rate > whole.majority + 0.05
        assert [each.feature for each in of_use_cases] == sorted(USE_CASES)


def test_what_comes_after_does_not_change_what_was_predicted() -> None:
    frame = traffic(1, 0)
    seen, later = frame[frame["day"] < 60], frame[frame["day"] >= 60]
    before = predicted(learn(seen), later)
    after = predicted(learn(seen), later.assign(cost=later["cost"] * 9, output_tokens=1, tier="simple", calls=1))
    pd.testing.assert_frame_equal(
        before[["predicted", "cost_low", "cost_high"]], after[["predicted", "cost_low", "cost_high"]]
    )


def predictions(n: int, covered: int, hits: int, feature: str = "chat") -> pd.DataFrame:
    """n predictions of 1 to 2, so many of which came within and the others above; 40 % of tiers are complex, ``hits`` are hit."""
    number = np.arange(n)
    tier = np.where(number % 5 < 2, "complex", "simple")
    other = np.where(tier == "simple", "complex", "simple")
    return pd.DataFrame(
        {
            "cost_centre": "CC-1", "feature": feature,
            "predicted": np.where(number < hits, tier, other), "tier": tier, "cost_low": 1.0,
            "cost_high": 2.0, "cost": np.where(number < covered, 1.5, 3.0),
        }
    )  # fmt: skip


def test_tracking_counts_what_was_within_and_what_was_hit() -> None:
    whole, chat = tracking(predictions(1_000, 800, 700))
    assert chat == whole._replace(feature="chat")
    assert (whole.bounded, whole.covered, whole.below, whole.above, whole.coverage) == (1_000, 800, 0, 200, 0.8)
    assert (whole.judged, whole.hits, whole.hit_rate) == (1_000, 700, 0.7)
    assert (whole.majority_tier, whole.majority, whole.verdict) == ("simple", 0.6, "as_stated")


@pytest.mark.parametrize(("covered", "verdict"), [(700, "too_narrow"), (760, "as_stated"), (900, "too_wide")])
def test_an_interval_that_does_not_hold_what_it_says_is_named(covered: int, verdict: str) -> None:
    """Of 1,000: 70 % +- 3 lies below 77, 76 % +- 3 reaches it, 90 % +- 2 lies above 86."""
    assert tracking(predictions(1_000, covered, 0))[0].verdict == verdict


def test_each_use_case_is_judged_on_its_own() -> None:
    frame = pd.concat([predictions(200, 200, 0, "code"), predictions(200, 100, 0)])
    assert [(each.feature, each.verdict) for each in tracking(frame)] == [
        (None, "as_stated"), ("chat", "too_narrow"), ("code", "too_wide"),
    ]  # fmt: skip


def test_below_the_minimum_nothing_is_claimed_and_refusals_are_counted() -> None:
    frame = predictions(40, 30, 30)
    frame.loc[frame.index[:11], "predicted"] = "unknown"
    found = tracking(frame)[0]
    assert (found.unknown, found.judged, found.bounded) == (11, 29, 29)
    assert (found.coverage, found.hit_rate, found.majority, found.verdict) == (None, None, None, "too_few")
    assert (found.covered, found.hits) == (19, 19)


def test_what_has_no_price_yet_is_not_compared_but_its_tier_is() -> None:
    frame = predictions(100, 80, 60)
    frame.loc[frame.index[:20], "cost"] = np.nan
    frame.loc[frame.index[20:30], ["cost_low", "cost_high"]] = np.nan
    found = tracking(frame)[0]
    assert (found.bounded, found.covered, found.judged, found.hits) == (70, 50, 100, 60)


def test_unknown_kinds_are_refused_in_bulk_as_one_by_one() -> None:
    frame = traffic(1, 0)
    later = frame[frame["day"] >= 63].assign(feature="never seen")
    found = tracking(predicted(learn(frame[frame["day"] < 63]), later))[0]
    assert (found.unknown, found.judged, found.bounded) == (len(later), 0, 0)
    assert len(predicted(learn(frame), frame[:0])) == 0


def test_misses_of_other_use_cases_widen_an_interval_and_never_narrow_it() -> None:
    """Costs of 1 and 3 in turn, then 2 for four weeks: chat's own bounds move inwards, nobody else's do."""
    frame = traffic(1, 0).assign(feature="chat", model="small", effort="", tools=False)
    number = np.arange(len(frame))
    frame["cost"] = np.where(frame["day"] < DAYS - 4 * AHEAD, 1 + 2 * (number % 2), 2)
    margins = learn(frame).margins
    assert margins["chat"][0] > 0 > margins["chat"][1]
    assert tuple(margins[None][:2]) == (0, 0)
