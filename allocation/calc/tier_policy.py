"""A tier policy as people write it, checked before it is kept: its shape, and what the rows of its rules can hold."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from allocation.calc.tiers import Policy, PolicyError, parse_policy

LONGEST_RULE, LONGEST_CONDITION = 20, 120
MOST_WAYS = 1_000  # tier_rule is two bytes wide, for the ways of all versions
_HIGHEST = 2**62  # thresholds are compared with 64-bit sums
_MISSING = "missing_reasoning"


def checked(data: Any) -> Policy:
    """The policy. Raises PolicyError naming the rule."""
    if not isinstance(data, Mapping):
        raise PolicyError("a tier policy is a mapping with an order and its rules")
    if not data.get("order"):
        raise PolicyError("the policy has no order")
    order = _texts("order", data["order"])
    if doubled := [name for name, count in Counter(order).items() if count > 1]:
        raise PolicyError(f"order: {doubled[0]} stands there twice")
    for name, value in data.items():
        if isinstance(value, Mapping) and "tier" in value and name not in (*order, _MISSING):
            raise PolicyError(f"{str(name)[:LONGEST_RULE]}: is a rule that order does not name")
    for name in (*order, _MISSING):
        rule = data.get(name)
        if isinstance(rule, Mapping):
            texts = _texts(f"{name[:LONGEST_RULE]}.any", rule["any"]) if "any" in rule else []
            if any(len(str(text)) > LONGEST_CONDITION for text in (*texts, rule.get("when", ""))):
                raise PolicyError(f"{name[:LONGEST_RULE]}: a condition has at most {LONGEST_CONDITION} characters")
    _mapping(data, "operations")
    for name, globs in _mapping(data, "model_classes").items():
        _texts(f"model_classes.{str(name)[:40]}", globs)
    policy = parse_policy(data)
    _storable(policy)
    return policy


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise PolicyError(f"{name}: is a mapping, not {str(found)[:40]!r}")
    return found


def _texts(where: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
        raise PolicyError(f"{where}: is a list of texts, not {str(value)[:40]!r}")
    return value


def _storable(policy: Policy) -> None:
    ways = policy.ways()
    for way in ways:
        if len(way.rule) > LONGEST_RULE:
            raise PolicyError(f"{way.rule[:LONGEST_RULE]}...: a rule has a name of at most {LONGEST_RULE} characters")
        if len(way.condition) > LONGEST_CONDITION:  # of operations
            raise PolicyError(f"operations: {way.condition[:40]}...: has at most {LONGEST_CONDITION} characters")
    if doubled := [way for way, count in Counter(ways).items() if count > 1]:
        raise PolicyError(f"{doubled[0].rule}: the condition {doubled[0].condition} stands there twice")
    if len(ways) > MOST_WAYS:
        raise PolicyError(f"the policy has {len(ways):,} ways to a tier, more than {MOST_WAYS:,}")
    for rule in policy.rules:
        if high := [each.text for each in rule.conditions if each.threshold > _HIGHEST]:
            raise PolicyError(f"{rule.name}: {high[0][:60]}: a threshold is at most 2^62")
