"""Tiers against a use case's own baseline, labels of routers, and how sure a tier is.

mu = output-equivalents of a query / the median of them among the use case's own simple queries. A policy may carry the form
below; where it does not, or a use case has too few simple queries, the absolute rules stand.

    relative:
      weights: {output_visible: "1", output_reasoning: "1", input_uncached: "0.25", cache_read: "0.025"}
      bands: {moderate: "3", complex: "10", research: "50"}   # the least mu of each tier; below all: simple
      minimum: 30
      baselines: {search: "850"}   # the median itself, in output tokens; kept with the version when it is loaded
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from allocation.calc.policy_error import PolicyError
from finops.focus import TIERS
from finops.numbers import written
from finops.tokens import TOKEN_CLASSES

Array = np.ndarray[Any, Any]
MINIMUM = 30  # simple queries of a use case, below which it has no baseline
ERROR = 0.2  # by how much (of the logarithm) a size may be off: another tokenizer, a call that comes late
LABEL, RELATIVE = "label", "relative"
_EXACT = 2.0**53


class Relative(NamedTuple):
    """The relative part of a policy. ``weights``: class -> whole units per token, of ``scale`` to an output token."""

    weights: Mapping[str, int]
    scale: int
    bands: tuple[tuple[str, Decimal], ...]  # tier, least mu; rising
    minimum: int
    baselines: Mapping[str, int] = MappingProxyType({})  # use case -> units of its own simple query

    def ways(self) -> list[tuple[str, str]]:
        """(condition, tier) of every band, the lowest first."""
        lowest = (f"mu<{self.bands[0][1]}", TIERS[0])
        return [lowest, *((f"mu>={least}", tier) for tier, least in self.bands)]

    def place(self, units: Array, baseline: Array) -> Array:
        """Index into TIERS of each query; -1 where its use case has no baseline (0)."""
        found = np.where(baseline > 0, 0, -1)
        for n, (_, least) in enumerate(self.bands, 1):
            found[(baseline > 0) & (units >= float(least) * baseline)] = n
        return found


class Baseline(NamedTuple):
    """A use case's own simple query: median of output-equivalents in units of the policy's scale; None: too few, or nothing."""

    median: float | None
    queries: int


def parse_relative(data: Any) -> Relative | None:
    """The relative form of a policy (the whole policy is handed in); None where it has none. Raises PolicyError."""
    form = data.get("relative") if isinstance(data, Mapping) else None
    if form is None:
        return None
    if not isinstance(form, Mapping) or (
        unknown := sorted(set(map(str, form)) - {"weights", "bands", "minimum", "baselines"})
    ):
        what = f"unknown {unknown[0]!r}" if isinstance(form, Mapping) else "not a mapping"
        raise PolicyError(f"relative: {what}; there are: weights, bands, minimum, baselines")
    parsed = _weights(form.get("weights"))
    digits = max(0, *(-int(value.normalize().as_tuple().exponent) for value in parsed.values()))
    if digits > 6:
        raise PolicyError("relative.weights: no more than six decimals")
    least = _bands(form.get("bands"))
    minimum = form.get("minimum", MINIMUM)
    if not isinstance(minimum, int) or isinstance(minimum, bool) or minimum < 2:
        raise PolicyError(f"relative.minimum: {minimum!r} is no whole number of at least 2")
    whole = {name: int(value.scaleb(digits)) for name, value in parsed.items()}
    return Relative(whole, 10**digits, tuple(least), minimum, _baselines(form.get("baselines") or {}, 10**digits))


def _weights(weights: Any) -> dict[str, Decimal]:
    if not isinstance(weights, Mapping) or not weights:
        raise PolicyError("relative.weights: token classes and what a token of each counts in output tokens")
    if unknown := sorted(set(map(str, weights)) - set(TOKEN_CLASSES)):
        raise PolicyError(f"relative.weights.{unknown[0]}: not a token class ({', '.join(TOKEN_CLASSES)})")
    return {str(name): _number(f"relative.weights.{name}", value, Decimal("1e-6")) for name, value in weights.items()}


def _bands(bands: Any) -> list[tuple[str, Decimal]]:
    if not isinstance(bands, Mapping) or set(bands) != set(TIERS[1:]):
        raise PolicyError(f"relative.bands: the least mu of {', '.join(TIERS[1:])}")
    least = [(tier, _number(f"relative.bands.{tier}", bands[tier], Decimal(1))) for tier in TIERS[1:]]
    for (one, low), (two, high) in pairwise(least):
        if high <= low:
            raise PolicyError(f"relative.bands.{two}: {high} is not above {one}'s {low}")
    return least


def _baselines(own: Any, scale: int) -> dict[str, int]:
    if not isinstance(own, Mapping):
        raise PolicyError("relative.baselines: use cases and the output tokens of their own simple query")
    known = {str(name): _number(f"relative.baselines.{name}", value, Decimal(1)) for name, value in own.items()}
    return {name: int((value * scale).to_integral_value()) for name, value in known.items()}


def _number(where: str, value: Any, least: Decimal) -> Decimal:
    try:
        found = written(value)
    except InvalidOperation:
        found = Decimal("nan")
    if not found.is_finite() or found < least:
        raise PolicyError(f"{where}: {value!r} is no number of at least {least}")
    return found


def equivalents(tokens: Mapping[str, Array], relative: Relative) -> Array:
    """Output-equivalents of each query, whole units of the policy's scale. Raises PolicyError where they leave exact floats."""
    size = len(next(iter(tokens.values()))) if tokens else 0
    bound = sum(
        float(np.max(tokens[name], initial=0)) * weight for name, weight in relative.weights.items() if name in tokens
    )
    if bound >= _EXACT:
        raise PolicyError("relative.weights: a query is too large to be compared exactly; fewer decimals help")
    found = np.zeros(size, dtype=np.int64)
    for name, weight in relative.weights.items():
        found += np.asarray(tokens.get(name, np.zeros(size)), dtype=np.int64) * weight
    return found


def baselines(use_case: Sequence[str], simple: Array, units: Array, relative: Relative) -> dict[str, Baseline]:
    """Every use case's baseline, of the queries that the absolute rules call simple (bool) and that used anything."""
    cases, found = np.array(use_case, dtype=object), {}
    for name in sorted(set(use_case)):
        own = units[(cases == name) & simple & (units > 0)]
        found[name] = Baseline(float(np.median(own)) if len(own) >= relative.minimum else None, len(own))
    return found


def relative_tiers(
    use_case: Sequence[str], units: Array, known: Mapping[str, Baseline], relative: Relative, *, error: float = ERROR
) -> tuple[list[str | None], Array, Array]:
    """(tier, mu, confidence) of each query; None and NaN where its use case has no baseline."""
    medians = [known[name].median if name in known else None for name in use_case]
    mu = units / np.array([np.nan if median is None else median for median in medians], dtype=float)
    edges = np.array([float(least) for _, least in relative.bands])
    place = np.searchsorted(edges, np.nan_to_num(mu, nan=-1.0), side="right")
    tiers = [None if median is None else TIERS[n] for median, n in zip(medians, place.tolist(), strict=True)]
    low, high = np.append(-np.inf, np.log(edges)), np.append(np.log(edges), np.inf)
    with np.errstate(divide="ignore"):
        logs = np.log(mu)
    logs = np.where(np.isneginf(logs), -100.0, logs)
    sure = [within(at, low[n], high[n], error) for at, n in zip(logs.tolist(), place.tolist(), strict=True)]
    return tiers, mu, np.where(np.isnan(mu), np.nan, sure)


def within(at: float, low: float, high: float, error: float = ERROR) -> float:
    """How likely a value stays between its thresholds (logarithms all) if it may be off by a normal error."""
    normal = NormalDist()
    return normal.cdf((high - at) / error) - normal.cdf((low - at) / error)


def parse_labels(data: Any) -> dict[str, str]:
    """A policy's router labels (the whole policy is handed in), by label in capitals -> tier. Raises PolicyError."""
    form = (data.get("router_labels") if isinstance(data, Mapping) else None) or {}
    if not isinstance(form, Mapping):
        raise PolicyError("router_labels: a mapping of labels to tiers")
    found: dict[str, str] = {}
    for label, tier in form.items():
        name = _label(str(label))
        if tier not in TIERS:
            raise PolicyError(f"router_labels.{label}: {tier!r} is not a tier ({', '.join(TIERS)})")
        if found.setdefault(name, tier) != tier:
            raise PolicyError(f"router_labels.{label}: stands twice, for {found[name]} and {tier}")
    return found


def labelled(labels: Sequence[str | None], known: Mapping[str, str]) -> tuple[list[str | None], Counter[str]]:
    """(tier or None of each label, how often labels came that the policy does not map). An unmapped label decides nothing."""
    tiers = [None if label is None else known.get(_label(label)) for label in labels]
    unmapped = [label for label, tier in zip(labels, tiers, strict=True) if label is not None and tier is None]
    return tiers, Counter(unmapped)


def tier_of_label(label: str, known: Mapping[str, str]) -> str | None:
    """The tier to which a policy maps a label of a router."""
    return known.get(_label(label))


def _label(label: str) -> str:
    return label.strip().upper()
