"""What buckets are parted over tiers by: a sample of single requests, and how wrong parted buckets were."""

from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from allocation.calc.tiers import REFERENCE_OUTPUT
from finops.focus import TIERS
from finops.tokens import ALL_OUTPUT_CLASSES

Array = np.ndarray[Any, Any]
OBSERVED, REFERENCE = "observed", "reference"
MINIMUM = 30  # observed queries of a key, and buckets whose error is known, below which nothing rests on them


class SpreadError(ValueError):
    """A bucket cannot be spread; the message says what is wrong with it or with its sample."""


class Bucket(NamedTuple):
    """Usage of one key in one period; ``requests`` 0: the provider does not count them. ``tokens``: class -> sum."""

    requests: int
    tokens: Mapping[str, int]


class Sample(NamedTuple):
    """Requests that stand for those of a bucket: one value each. ``tier``: index into TIERS."""

    tier: Array
    tokens: Mapping[str, Array]


class Errors(NamedTuple):
    """By how much shares of spend of buckets were wrong whose requests are known: (buckets, TIERS), truth - estimate."""

    values: Array

    def reach(self, level: float) -> Array | None:
        """What the share of so many buckets is not farther off than (split conformal); None of too few buckets."""
        rank = ceil((len(self.values) + 1) * level)
        if len(self.values) < MINIMUM or rank > len(self.values):
            return None
        return np.asarray(np.sort(np.abs(self.values), axis=0)[rank - 1])

    def rows(self) -> list[dict[str, Any]]:
        """Per tier: buckets, mean error, mean and largest absolute error, in points of the share of spend."""
        if not len(self.values):
            return []
        points, sizes = 100 * self.values, 100 * np.abs(self.values)
        return [
            {
                "tier": tier, "buckets": len(points), "mean_error": float(points[:, n].mean()),
                "mean_absolute": float(sizes[:, n].mean()), "largest": float(sizes[:, n].max()),
            }
            for n, tier in enumerate(TIERS)
        ]  # fmt: skip


def requests_of(bucket: Bucket) -> int:
    """The requests of a bucket; of one that does not count them as many as the classifier guesses from its output."""
    output = sum(bucket.tokens.get(name, 0) for name in ALL_OUTPUT_CLASSES)
    return bucket.requests or max(2, -(-output // REFERENCE_OUTPUT))
