"""How sure the tier of a query is, and what decides it."""

from collections.abc import Mapping
from math import log
from typing import NamedTuple

from allocation.calc.tier_relative import ERROR, LABEL, RELATIVE, tier_of_label, within
from allocation.calc.tiers import Policy, PolicyError


class Confidence(NamedTuple):
    """How sure a tier is, and the factors by which a size would have to grow or shrink to leave it (inf: by none)."""

    value: float
    up: float
    down: float


def confidence(
    policy: Policy, features: Mapping[str, int], tier: str, rule: str, *, error: float = ERROR
) -> Confidence:
    """How sure the absolute rules are of a query's tier, from the distance to their thresholds.

    ``features``: FEATURES of the query (flags are certain). It moves up if one condition of an earlier rule of another tier is
    met, down if none is left of those that give it its tier. Rules on a class of models are left out: they rest on its name.
    Raises PolicyError for a rule that the policy does not have.
    """
    names = [each.name for each in policy.rules]
    if rule == "operation":
        return Confidence(1.0, float("inf"), float("inf"))
    if rule not in names:
        raise PolicyError(f"the policy has no rule {rule}; there are: operation, {', '.join(names)}")
    up, held = float("inf"), 0.0
    for each in policy.rules[: names.index(rule) + 1]:
        for condition in each.conditions:
            if condition.feature == "flags" or each.model_class:
                continue
            least = condition.threshold + condition.strict  # whole numbers: above N is N + 1 and more
            ratio = features.get(condition.feature, 0) / least
            if each.tier != tier and ratio < 1:
                up = min(up, 1 / ratio if ratio else float("inf"))
            elif each.tier == tier and ratio >= 1:
                held = max(held, ratio)
    fired = policy.rules[names.index(rule)]
    by_flag = any(
        condition.feature == "flags" and features.get("flags", 0) & condition.threshold
        for condition in fired.conditions
    )
    down = float("inf") if by_flag or not fired.conditions or fired.model_class else max(held, 1.0)
    high, low = (log(factor) if factor < float("inf") else float("inf") for factor in (up, down))
    return Confidence(within(0.0, -low, high, error), up, down)


class Decided(NamedTuple):
    """A query's tier, by what, on which evidence, how sure. A router's label is as sure as the router: None."""

    tier: str
    rule: str
    evidence: str
    confidence: float | None


def decide(
    label: str | None,
    own: tuple[str | None, float, float],
    rules: tuple[str, str, str, float],
    known: Mapping[str, str],
) -> Decided:
    """What stands: a mapped label of the router, else the relative tier, else the absolute one.

    ``own``: (tier, mu, confidence) of relative_tiers. ``rules``: (tier, rule, condition, confidence) of the absolute policy.
    """
    if label is not None and (tier := tier_of_label(label, known)) is not None:
        return Decided(tier, LABEL, f"router said {label.strip()}", None)
    if own[0] is not None:
        return Decided(own[0], RELATIVE, f"{own[1]:.3g} x the use case's own simple query", own[2])
    return Decided(rules[0], rules[1], rules[2], rules[3])
