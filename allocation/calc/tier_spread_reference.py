"""Samples to part buckets by where no lower layer saw their queries.

The reference is lognormal in each direction: the bucket gives the mean, a workload of reference how far lengths spread.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from allocation.calc.tier_spread import Bucket, Sample, SpreadError, requests_of
from allocation.calc.tiers import Array, Policy
from finops.tokens import OUTPUT_CLASSES, TOKEN_CLASSES

ATOMS = 4_096
_INPUT, _OUTPUT, _REASONING = range(3)


class Shape(NamedTuple):
    """How far lengths of requests of one workload spread: variances of their logarithms, and input's correlation with output."""

    name: str
    input: float
    output: float
    reasoning: float = 0.0
    correlation: float = 0.0


def shape_of(name: str, tokens: Mapping[str, Array]) -> Shape:
    """The shape of single requests, by their moments: ln(1 + variance / mean^2), which keeps the mean. Raises SpreadError.

    In: input_uncached, output_visible and perhaps output_reasoning, one value per request.
    """
    values = [
        np.asarray(tokens.get(c, ()), dtype=float) for c in ("input_uncached", "output_visible", "output_reasoning")
    ]
    if len(values[0]) < 2 or len(values[0]) != len(values[1]):
        raise SpreadError(f"{name}: a shape needs input and output of two requests or more")
    spreads = [float(np.log1p(each.var() / each.mean() ** 2)) if each.any() else 0.0 for each in values]
    logs = [np.log(np.maximum(each, 1.0)) for each in values[:2]]
    rho = float(np.corrcoef(*logs)[0, 1]) if min(each.std() for each in logs) > 0 else 0.0
    return Shape(name, spreads[0], spreads[1], spreads[2], rho)


def parse_shapes(data: Any) -> tuple[Shape, ...]:
    """Shapes from their YAML form, ``NAME: {input, output, reasoning, correlation}``. Raises SpreadError."""
    if not isinstance(data, Mapping) or not data:
        raise SpreadError("reference shapes are a mapping of names to input, output, reasoning and correlation")
    found = []
    for name, given in data.items():
        if not isinstance(given, Mapping) or not {"input", "output"} <= set(given) <= set(Shape._fields[1:]):
            raise SpreadError(f"{name}: a shape has input and output, and may have reasoning and correlation")
        try:
            shape = Shape(str(name), **{key: float(value) for key, value in given.items()})
        except (TypeError, ValueError) as error:
            raise SpreadError(f"{name}: {error}") from None
        if not all(0 <= each <= 10 for each in shape[1:4]) or not -1 <= shape.correlation <= 1:
            raise SpreadError(f"{name}: log variances lie between 0 and 10, the correlation between -1 and 1")
        found.append(shape)
    return tuple(found)


def reference(
    bucket: Bucket, shapes: Sequence[Shape], policy: Policy, *, operation: str, model: str, atoms: int = ATOMS
) -> list[Sample]:
    """A sample for each shape: requests of the bucket's means, judged one by one as calls of their own.

    A bucket's agents, tools and traces are not known: no request is moved up by them.
    """
    requests = requests_of(bucket)
    normal = _normals(atoms)
    found = []
    for shape in shapes:
        rho = shape.correlation
        z = normal.copy()
        z[_OUTPUT] = rho * normal[_INPUT] + np.sqrt(1 - rho**2) * normal[_OUTPUT]
        lengths = [np.exp(np.sqrt(s) * z[n] - s / 2) for n, s in enumerate(shape[1:4])]
        tokens = {}
        for name, count in bucket.tokens.items():
            own = _REASONING if name == "output_reasoning" else _OUTPUT if name.startswith("output") else _INPUT
            tokens[name] = count / requests * lengths[own] / lengths[own].mean()
        reports = "output_reasoning" in bucket.tokens
        tier = judged(tokens, atoms, policy, operation=operation, model=model, reasoning_known=reports)
        found.append(Sample(tier, tokens))
    return found


def judged(
    tokens: Mapping[str, Array],
    count: int,
    policy: Policy,
    *,
    operation: str,
    model: str,
    reasoning_known: bool,
) -> Array:
    """The tier of single requests, as index into TIERS, by the policy that judges facts."""
    if unknown := sorted(set(tokens) - set(TOKEN_CLASSES)):
        raise SpreadError(f"{unknown[0]!r} is no token class")

    def of(*names: str) -> Array:
        return np.floor(sum((tokens.get(name, np.zeros(count)) for name in names), np.zeros(count))).astype(np.int64)

    features = {
        "calls": np.ones(count, dtype=np.int64), "input_uncached": of("input_uncached"), "output": of(*OUTPUT_CLASSES),
        "output_reasoning": of("output_reasoning"),
    }  # fmt: skip
    return policy.tiers_of(features, operation=operation, model=model, reasoning_known=reasoning_known)


@cache
def _normals(atoms: int) -> Array:
    """(3, atoms): normal values that fill space evenly (Halton), each with its negative, of variance one.

    Not of a random generator: its stream may change with the library, and what is spread must stay as it was.
    """
    half = [[_halton(n, base) for n in range(1, atoms // 2 + 1)] for base in (2, 3, 5)]
    normal = np.array([[NormalDist().inv_cdf(value) for value in row] for row in half])
    normal = np.concatenate([normal, -normal], axis=1)
    return np.asarray(normal / normal.std(axis=1, keepdims=True))


def _halton(number: int, base: int) -> float:
    value, part = 0.0, 1.0
    while number:
        part /= base
        value += part * (number % base)
        number //= base
    return value
