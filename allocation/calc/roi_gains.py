"""Benefits as the parts that lines of a report hold: what is realised, shared over features, each outcome in one of them."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from allocation.calc.roi_rows import SEVERAL, ZERO, Gain
from finops.money import share

STATED, OUTCOMES = "stated", "outcomes"
_STEP, _WIDE = Decimal(1).scaleb(-12), Context(prec=80, rounding=ROUND_HALF_EVEN)


class Claim(NamedTuple):
    """A benefit as allocation.models.Benefit keeps it; ``features``: their shares, which sum to 1, or none."""

    number: int
    month: date
    kind: str
    basis: str
    unit: str
    cost_centre: str
    team: str | None
    features: Mapping[str, str]
    baseline: Decimal | None
    actual: Decimal | None
    direction: str
    realisation: Decimal
    accepted: bool
    matures_on: date


class Worth(NamedTuple):
    """What the tasks of one cohort and slice that were resolved are worth, each counted once, evidence none left out."""

    month: date
    cost_centre: str | None
    team: str | None
    feature: str
    currency: str
    value: Decimal


def gains(claims: Sequence[Claim], worths: Sequence[Worth]) -> list[Gain]:
    """Parts of the claims, rounded half-even once. A task's value goes to one claim: the narrowest, of two the older."""
    found = [part for claim in claims if claim.basis == STATED for part in _stated(claim)]
    by_outcomes = sorted(
        (claim for claim in claims if claim.basis == OUTCOMES),
        key=lambda claim: (not claim.features, claim.team is None, claim.number),
    )
    for claim in by_outcomes:
        found += [] if any(_holds(claim, worth) for worth in worths) else [_gain(claim, SEVERAL, ZERO)]
    for worth in worths:
        for claim in (claim for claim in by_outcomes if _holds(claim, worth)):
            amount = _WIDE.multiply(worth.value, claim.realisation).quantize(_STEP, context=_WIDE)
            found.append(_gain(claim, worth.feature, amount))
            break
    return found


def gross(claim: Claim) -> Decimal:
    """What changed against the baseline in the good direction, before how much of it is realised; negative: it got worse."""
    baseline, actual = claim.baseline or ZERO, claim.actual or ZERO
    return baseline - actual if claim.direction == "decrease" else actual - baseline


def _stated(claim: Claim) -> list[Gain]:
    amount = _WIDE.multiply(gross(claim), claim.realisation).quantize(_STEP, context=_WIDE)
    if not claim.features:
        return [_gain(claim, SEVERAL, amount)]
    names = sorted(claim.features)
    parts = share(amount, [Decimal(claim.features[name]) for name in names])
    return [_gain(claim, name, part) for name, part in zip(names, parts.to_pylist(), strict=True)]


def _gain(claim: Claim, feature: str, amount: Decimal) -> Gain:
    return Gain(
        claim.month, claim.cost_centre, claim.team or SEVERAL, feature, claim.kind, claim.unit, claim.accepted, amount,
        claim.matures_on,
    )  # fmt: skip


def _holds(claim: Claim, worth: Worth) -> bool:
    return (
        worth.month == claim.month
        and worth.currency == claim.unit
        and worth.cost_centre in (None, claim.cost_centre)
        and (claim.team is None or worth.team == claim.team)
        and (not claim.features or worth.feature in claim.features)
        and bool(worth.cost_centre or worth.feature in claim.features)
    )
