"""Intervals of rates, means and ratios, vectorised: every function takes numbers or arrays of them of one shape.

Wilson (1927) and Newcombe (1998, method 10) for rates, Bonett and Price (2012) for rates of pairs, the exact test of McNemar,
strata by Agresti-Caffo variances, the delta method and Fieller (1954) for ratios. Statistics are floats; money enters as
floats here and leaves as an interval, never as an amount that is booked.
"""

from math import comb, sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

Floats = Any  # float or float array; the stubs of numpy know no "same shape as the input"
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """An estimate between two bounds; NaN bounds: nothing can be said."""

    estimate: Floats
    low: Floats
    high: Floats


def normal(confidence: float = CONFIDENCE) -> float:
    """The two-sided quantile of the normal distribution."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def student(freedom: Floats, confidence: float = CONFIDENCE) -> Floats:
    """The two-sided quantile of Student's t from the normal one (Fisher and Cornish 1960): four digits from 8 degrees on."""
    z, f = normal(confidence), np.maximum(np.asarray(freedom, dtype=float), 1.0)
    return (
        z
        + (z**3 + z) / (4 * f)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * f**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * f**3)
    )


def wilson(resolved: Floats, tried: Floats, confidence: float = CONFIDENCE) -> Interval:
    """A rate."""
    z, n = normal(confidence), np.asarray(tried, dtype=float)
    rate = np.asarray(resolved, dtype=float) / n
    middle, reach = rate + z**2 / (2 * n), z * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return Interval(rate, (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n))


def newcombe(resolved: Floats, tried: Floats, base_resolved: Floats, base_tried: Floats) -> Interval:
    """The difference of two rates of different tasks: candidate - base."""
    one, two = wilson(resolved, tried), wilson(base_resolved, base_tried)
    difference = one.estimate - two.estimate
    low = np.sqrt((one.estimate - one.low) ** 2 + (two.high - two.estimate) ** 2)
    high = np.sqrt((one.high - one.estimate) ** 2 + (two.estimate - two.low) ** 2)
    return Interval(difference, difference - low, difference + high)


def paired(gained: Floats, lost: Floats, pairs: Floats) -> Interval:
    """The difference of two rates of the same tasks. ``gained``: resolved by the candidate alone, ``lost``: by the base alone."""
    n, up, down = (np.asarray(each, dtype=float) for each in (pairs, gained, lost))
    one, two = (up + 1) / (n + 2), (down + 1) / (n + 2)
    reach = normal() * np.sqrt(np.maximum(one + two - (one - two) ** 2, 0) / (n + 2))
    middle = one - two
    return Interval((up - down) / n, np.maximum(middle - reach, -1), np.minimum(middle + reach, 1))


def mcnemar(gained: int, lost: int) -> float:
    """The two-sided p of pairs that differ: 1 where none does. Exact; of more than 1,000 by the normal distribution."""
    differ, fewer = gained + lost, min(gained, lost)
    if differ > 1_000:
        z = max(abs(gained - lost) - 1, 0) / sqrt(differ)
        return 2 * (1 - NormalDist().cdf(z))
    return min(1.0, float(2 * sum(comb(differ, k) for k in range(fewer + 1)) / 2**differ))


def standardised(resolved: Floats, tried: Floats, base_resolved: Floats, base_tried: Floats) -> Interval:
    """The difference of rates at one fixed mix: strata along the last axis, weighted by the tasks of both arms together."""
    counts = [np.asarray(each, dtype=float) for each in (resolved, tried, base_resolved, base_tried)]
    good, n, base_good, base_n = counts
    weight = (n + base_n) / (n + base_n).sum(axis=-1, keepdims=True)
    difference = (weight * (good / n - base_good / base_n)).sum(axis=-1)
    one, two = (good + 1) / (n + 2), (base_good + 1) / (base_n + 2)
    variance = (weight**2 * (one * (1 - one) / (n + 2) + two * (1 - two) / (base_n + 2))).sum(axis=-1)
    reach = normal() * np.sqrt(variance)
    return Interval(difference, np.maximum(difference - reach, -1), np.minimum(difference + reach, 1))


def mean_difference(mean: Floats, variance: Floats, n: Floats, base: tuple[Floats, Floats, Floats]) -> Interval:
    """The difference of two means (Welch); variances of single values; ``base``: mean, variance and n of the other arm."""
    base_mean, base_variance, base_n = base
    one, two = np.asarray(variance) / n, np.asarray(base_variance) / base_n
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (one + two) ** 2 / (one**2 / (np.asarray(n) - 1) + two**2 / (np.asarray(base_n) - 1))
    reach = student(np.nan_to_num(freedom, nan=1e9, posinf=1e9)) * np.sqrt(one + two)
    difference = np.asarray(mean) - base_mean
    return Interval(difference, difference - reach, difference + reach)


def cost_per_resolved(cost: Floats, resolved: Floats) -> Interval:
    """Sum of cost / sum of resolved by the delta method on the logarithm; clusters (tasks) along the last axis.

    A cluster is what is independent of the others: a task with all of its attempts, or a session with its tasks.
    """
    c, r = np.asarray(cost, dtype=float), np.asarray(resolved, dtype=float)
    n, mean = c.shape[-1], r.mean(axis=-1)
    ratio = c.mean(axis=-1) / mean
    left = c - ratio[..., None] * r
    error = np.sqrt((left**2).sum(axis=-1) / (n - 1) / n) / mean
    spread = np.exp(normal() * error / ratio)
    return Interval(ratio, ratio / spread, ratio * spread)


def fieller(over: Floats, under: Floats, over_var: Floats, under_var: Floats, covariance: Floats) -> Interval:
    """A quotient of two means, of which variances of the means and their covariance are known.

    NaN bounds where the denominator may be zero: then any quotient is possible, and none is claimed.
    """
    z = normal()
    a = np.asarray(under, dtype=float) ** 2 - z**2 * np.asarray(under_var)
    b = np.asarray(over, dtype=float) * under - z**2 * np.asarray(covariance)
    c = np.asarray(over, dtype=float) ** 2 - z**2 * np.asarray(over_var)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.where(a > 0, np.maximum(b**2 - a * c, 0), np.nan))
        return Interval(np.asarray(over) / under, (b - root) / a, (b + root) / a)
