"""How wrong buckets over tiers are: measured on recordings of single requests, and kept as data beside the reference.

Errors are in points of a tier's share of spend, truth - estimate.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import numpy as np

from allocation.calc.bucket_tiers import reference_mix
from allocation.calc.tier_spread import Array, Bucket, Errors, SpreadError
from allocation.calc.tier_spread_reference import Shape, judged
from allocation.calc.tiers import Policy
from finops.focus import TIERS

LEVELS = (Decimal("0.80"), Decimal("0.95"))
PRICES = {"input_uncached": 2.0, "output_visible": 8.0}  # USD per million tokens, as of a model of the middle
OWN = {"operation": "chat", "model_served": "gpt-4.1", "model_requested": ""}
RUNS = 120  # of consecutive requests, into which a recording is cut


class Known(NamedTuple):
    """A bucket of which every request is known: its spend shares as estimated and as they were, by TIERS."""

    estimate: Array
    truth: Array


class Measured(NamedTuple):
    """Errors of one tier as parts of one. ``reach``: LEVELS of the buckets are not farther off."""

    mean: Decimal
    mean_absolute: Decimal
    largest: Decimal
    reach: tuple[Decimal, ...]


def known_buckets(
    tokens: Mapping[str, Array], policy: Policy, shapes: Sequence[Shape], *, runs: int = RUNS
) -> list[Known]:
    """A recording as buckets of consecutive requests. In: PRICES' classes, one value per request, in order of time."""
    size = len(tokens["input_uncached"])
    tier = judged(tokens, size, policy, operation="chat", model=str(OWN["model_served"]), reasoning_known=False)
    cost = np.sum([tokens[name] * price for name, price in PRICES.items()], axis=0)
    found = []
    for run in np.array_split(np.arange(size), runs):
        truth = np.bincount(tier[run], weights=cost[run], minlength=len(TIERS)) / cost[run].sum()
        sums = {name: int(tokens[name][run].sum()) for name in PRICES}
        mix = reference_mix(Bucket(len(run), sums), shapes, policy, OWN)
        of = np.zeros(len(TIERS))
        for name, price in PRICES.items():
            of += sums[name] * price * np.array(mix[name], dtype=float) / sum(mix[name])
        found.append(Known(of / of.sum(), truth))
    return found


def errors_of(known: Sequence[Known]) -> Errors:
    """Truth - estimate of every bucket and tier."""
    return Errors(np.array([each.truth - each.estimate for each in known]))


def covered(known: Sequence[Known], by: Errors, level: float) -> Array:
    """Per tier, which part of these buckets lies within the reach that other buckets' errors have. Raises SpreadError."""
    reach = by.reach(level)
    if reach is None:
        raise SpreadError("too few buckets to measure an error by")
    return np.asarray(np.mean(np.abs(errors_of(known).values) <= reach, axis=0))


def stated(errors: Errors) -> dict[str, dict[str, str]]:
    """Errors as the file of the reference states them: tier -> points, two decimals."""
    reaches = {f"reach_{100 * level:.0f}": errors.reach(float(level)) for level in LEVELS}
    found = {}
    for n, row in enumerate(errors.rows()):
        if not row["largest"]:
            continue  # it never occurred, nor was it thought to
        points = {name: row[name] for name in ("mean_error", "mean_absolute", "largest")}
        points |= {name: 100 * float(reach[n]) for name, reach in reaches.items() if reach is not None}
        found[str(row["tier"])] = {name: f"{value + 0.0:.2f}" for name, value in points.items()}
    return found


def parse_errors(data: Mapping[str, Mapping[str, Any]]) -> dict[str, Measured]:
    """Measured errors by tier from their YAML form, as parts of one; a tier that never occurred has none. Raises SpreadError."""
    found = {}
    for tier in (tier for tier in TIERS if tier in data):
        try:
            points = {name: Decimal(str(value)) / 100 for name, value in data[tier].items()}
            reach = tuple(points[f"reach_{100 * level:.0f}"] for level in LEVELS)
            found[tier] = Measured(points["mean_error"], points["mean_absolute"], points["largest"], reach)
        except (KeyError, InvalidOperation, AttributeError) as error:
            raise SpreadError(f"errors.{tier}: {error!s} is missing or no number") from None
    return found


def words(measured: Mapping[str, Measured]) -> str:
    """What stands beside estimated figures: how far shares of spend are off in 80 of 100 buckets."""
    return ", ".join(f"{tier} ±{100 * each.reach[0]:.1f} points" for tier, each in measured.items())
