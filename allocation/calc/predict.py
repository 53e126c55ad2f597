"""What a query will be and cost before its call is made, from own history of the same kind; no text is looked at.

A kind is use case, effort and model, then whether it has attachments and tools, then the length of its prompt. A kind without
history is unknown: nothing is borrowed from other use cases, efforts or models, nor from prompts of another length than any
seen. Figures are statistics, not money that is booked.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from math import isnan
from typing import Any

from allocation.calc.predict_calibration import NEEDED, NOISE, UNKNOWN, Bounds, Predictor
from allocation.calc.predict_history import ANY, AT, band_of, looked_up
from finops.focus import TIERS

_DIGITS = 6


@dataclass(frozen=True)
class Request:
    """Features of a query before its call. ``feature``: its use case; ``effort`` '' = not stated, which is a kind of its own.

    ``cost_centre``: who bears it, ANY: whoever. ``tools``: whether it will call tools, None: not known.
    """

    feature: str
    prompt_tokens: int
    models: tuple[str, ...] = ()
    effort: str = ""
    attachments: bool = False
    tools: bool | None = None
    cost_centre: str = ANY


@dataclass(frozen=True)
class Candidate:
    """What is expected of one model (ANY: whichever is used). ``tier`` unknown and all else None where ``why`` says so.

    ``probabilities`` of TIERS sum to 1. ``output_tokens``, ``calls`` and ``cost`` are means of a whole query; the intervals hold
    80 % of queries. An interval is None where too few predictions were compared with what came (``interval_why``), or no query
    of the kind has a price. ``sample``: queries of use case, effort and model.
    """

    model: str
    tier: str
    why: str
    sample: int
    probabilities: dict[str, float] | None = None
    output_tokens: float | None = None
    output_interval: tuple[float, float] | None = None
    calls: float | None = None
    cost: Decimal | None = None
    cost_interval: tuple[Decimal, Decimal] | None = None
    interval_why: str = ""


@dataclass(frozen=True)
class Prediction:
    """``any_model``: as the use case is served now; ``candidates``: the models asked for, in the order of the question."""

    any_model: Candidate
    candidates: Sequence[Candidate]

    @property
    def tier(self) -> str:
        """The likeliest tier, or unknown."""
        return self.any_model.tier


def predict(predictor: Predictor, request: Request) -> Prediction:
    """Predict one query. Raises ValueError for a negative number of tokens."""
    if request.prompt_tokens < 0:
        raise ValueError(f"prompt_tokens is {request.prompt_tokens}; give 0 or more")
    key = asdict(request) | {"band": band_of(request.prompt_tokens)}
    key |= {"tools": ANY} if request.tools is None else {}
    found = [_candidate(predictor, key, model) for model in (ANY, *request.models)]
    return Prediction(found[0], found[1:])


def _candidate(predictor: Predictor, key: dict[str, Any], model: str) -> Candidate:
    known = looked_up(predictor.history, {**key, "model": model})
    if known.why:
        return Candidate(model, UNKNOWN, known.why, known.sample)
    values = known.statistics
    shares = {tier: float(values[AT[tier]]) for tier in TIERS}
    bounds = predictor.bounds(key["feature"], values)
    return Candidate(
        model, max(shares, key=lambda tier: shares[tier]), "", known.sample, shares,
        output_tokens=float(values[AT["output_tokens"]]),
        output_interval=_tokens(bounds),
        calls=float(values[AT["calls"]]),
        cost=_money(values[AT["cost"]]),
        cost_interval=_costs(bounds),
        interval_why=_why(values[AT["cost"]], bounds),
    )  # fmt: skip


def _why(cost: float, bounds: Bounds) -> str:
    if not isnan(bounds.cost_low):
        return ""
    return (
        "no query of this kind has a price"
        if isnan(cost)
        else f"fewer than {NEEDED} predictions compared with what came"
    )


def _tokens(bounds: Bounds) -> tuple[float, float] | None:
    if isnan(bounds.output_low):
        return None
    return max(10**bounds.output_low - 1, 0.0), 10**bounds.output_high - 1


def _costs(bounds: Bounds) -> tuple[Decimal, Decimal] | None:
    """Rounded outwards, so that nothing within is beyond the figures that are given."""
    if isnan(bounds.cost_low) or isnan(bounds.cost_high):
        return None
    low, high = Decimal(10**bounds.cost_low * (1 + NOISE)), Decimal(10**bounds.cost_high * (1 - NOISE))
    return _rounded(low, ROUND_FLOOR), _rounded(high, ROUND_CEILING)


def _money(value: float) -> Decimal | None:
    return None if isnan(value) else _rounded(Decimal(float(value)), ROUND_HALF_EVEN)


def _rounded(value: Decimal, way: str) -> Decimal:
    return Context(prec=_DIGITS, rounding=way).plus(value).normalize()
