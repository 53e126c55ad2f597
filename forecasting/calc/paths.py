"""Sample paths: whole futures, so that totals of days, months and hierarchies have true quantiles.

Quantiles of a month are not sums of quantiles of days: errors of one forecast go together. A path takes the order of its
errors (which cell is high, which low) from one past forecast, the same for all series, so that what moved together does so
again; how far each cell goes is then read from the series' conformal errors. At every single cell the paths have exactly the
quantiles of the intervals.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np

from forecasting.calc.baseline import LAUNCH, Baseline
from forecasting.calc.intervals import Marginals
from forecasting.calc.series import Floats, Ints, Key

DRAWS = 1_000


def paths(marginals: Marginals, seed: int, draws: int = DRAWS) -> Iterator[tuple[int, Floats]]:
    """(row, its paths of shape (draws, horizon)) for every row that is served, one at a time.

    The same seed, history and key give the same paths, whatever other series stand beside it (but for the pool's errors).
    """
    baseline = marginals.baseline
    chosen = np.random.default_rng(seed).integers(max(len(baseline.origins), 1), size=draws)
    for row in baseline.served:
        own = np.random.default_rng([seed, _number(baseline.panel.keys[row])])
        levels = (_ranks(_orders(baseline, row, own), chosen, own) + 1 / 2) / draws
        yield row, marginals.at(row, levels)


def totals(
    marginals: Marginals, windows: Sequence[slice], seed: int, draws: int = DRAWS, factors: Floats | None = None
) -> dict[Key, Floats]:
    """Sums over windows of cells, by served series: key -> (draws, windows).

    For months of a cost centre take the marginals of that level (hierarchy.aggregate). ``factors`` (series, horizon): what a
    cell is multiplied with first, such as a price index.
    """
    found = {}
    for row, mine in paths(marginals, seed, draws):
        priced = mine if factors is None else mine * factors[row]
        found[marginals.baseline.panel.keys[row]] = np.stack([priced[:, one].sum(axis=1) for one in windows], axis=1)
    return found


def exceeding(sums: Floats, limit: float, already: float = 0.0) -> float:
    """Share of paths whose total, with what was spent already, is above the limit: the probability of a breach."""
    return float((np.asarray(sums) + already > limit).mean())


def _orders(baseline: Baseline, row: int, own: np.random.Generator) -> Floats:
    """(origins, horizon): the errors that order the paths; of the series itself, else at that origin those of another."""
    if baseline.methods[row] == LAUNCH:
        futures = baseline.launched[row].futures
        return futures[own.integers(len(futures), size=max(len(baseline.origins), 1))]
    errors = baseline.errors[:, row].copy()
    for number in np.flatnonzero(np.isnan(errors).any(axis=1)):
        whole = np.flatnonzero(~np.isnan(baseline.errors[number]).any(axis=1))
        errors[number] = baseline.errors[number, own.choice(whole)] if len(whole) else own.permutation(errors.shape[1])
    return errors


def _ranks(orders: Floats, chosen: Ints, own: np.random.Generator) -> Ints:
    """(draws, horizon): the rank of each draw in each cell. Draws of one origin are told apart by one number each."""
    draws = len(chosen)
    apart = own.permutation(draws)
    dense = np.argsort(np.argsort(orders, axis=0, kind="stable"), axis=0, kind="stable")
    standing = dense[chosen] * draws + apart[:, None]
    return np.argsort(np.argsort(standing, axis=0), axis=0)


def _number(key: Key) -> int:
    return int.from_bytes(blake2b("\x1f".join(key).encode(), digest_size=8).digest(), "big")
