"""A tier policy, parsed: its rules in order, what decides before them, and every way to a tier that it has."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np

from allocation.calc.policy_error import PolicyError
from allocation.calc.tier_relative import LABEL, RELATIVE, Relative, parse_labels, parse_relative
from finops.focus import TIERS
from finops.router_labels import ROUTER_LABELS

Array = np.ndarray[Any, Any]
FEATURES = ("agents", "calls", "output_reasoning", "output", "input_uncached", "tool_calls")
FLAGS = {"deep_research": 1}
_NONE = np.zeros(1, dtype=np.int64)
_CONDITION = re.compile(r"\s*(\w+)\s*(>=|>)\s*(\d+)\s*")
_MISSING = re.compile(r"\s*output\s*(>=|>)\s*(\d+)\s+and\s+model_class\s*=\s*(\w+)\s*")


class Condition(NamedTuple):
    """``feature >= threshold``, ``feature > threshold`` (strict) or a flag."""

    text: str
    feature: str
    threshold: int
    strict: bool = False

    def met(self, value: Array, divisor: Array | int = 1) -> Array:
        """Where values meet it. Of a bucket its average is compared with the threshold, without dividing."""
        if self.feature == "flags":
            return np.asarray((value & self.threshold) > 0)
        limit = self.threshold * divisor
        return np.asarray(value > limit if self.strict else value >= limit)


class Rule(NamedTuple):
    """One rule: any of its conditions leads to its tier; none stands for all queries."""

    name: str
    tier: str
    conditions: tuple[Condition, ...]
    model_class: str = ""  # holds only for models of this class whose reasoning is not reported


class Way(NamedTuple):
    """One way to a tier: what a tier_rule id stands for."""

    rule: str
    condition: str
    tier: str
    estimated: bool


@dataclass(frozen=True)
class Policy:
    """A parsed policy: rules in order, operations that decide by themselves, globs of model classes."""

    rules: tuple[Rule, ...]
    operations: Mapping[str, str]
    model_classes: Mapping[str, tuple[str, ...]]
    relative: Relative | None = None
    labels: Mapping[str, str] = field(default_factory=dict)  # of routers, in capitals -> tier

    def ways(self) -> list[Way]:
        """Every way to a tier that this policy has, in a fixed order."""
        found = [("operation", name, tier) for name, tier in sorted(self.operations.items())]
        for rule in self.rules:
            texts = [condition.text for condition in rule.conditions] or ["otherwise"]
            found += [(rule.name, text, rule.tier) for text in texts]
        found += [(RELATIVE, text, tier) for text, tier in (self.relative.ways() if self.relative else ())]
        found += [(LABEL, label, tier) for label, tier in sorted(self.labels.items())]
        return [Way(*way, estimated) for way in found for estimated in (False, True)]

    def tiers_of(self, features: Mapping[str, Array], *, operation: str, model: str, reasoning_known: bool) -> Array:
        """The tier of queries of one call each, as index into TIERS. ``features``: of FEATURES and flags; what lacks is 0."""
        size = len(next(iter(features.values())))
        if operation in self.operations:
            return np.full(size, TIERS.index(self.operations[operation]))
        found = np.full(size, -1)
        for rule in self.rules:
            if rule.model_class and (reasoning_known or not self.is_of(rule.model_class, model)):
                continue
            hit = np.full(size, not rule.conditions)
            for condition in rule.conditions:
                hit |= condition.met(features.get(condition.feature, _NONE))
            found[(found < 0) & hit] = TIERS.index(rule.tier)
        return found

    def is_of(self, model_class: str, model: str) -> bool:
        """Whether a model belongs to a class."""
        return any(fnmatchcase(bare(model), glob) for glob in self.model_classes[model_class])


def parse_policy(data: Mapping[str, Any]) -> Policy:
    """A policy from its YAML form (CONTRACTS 5). Raises PolicyError."""
    if not isinstance(data, Mapping):
        raise PolicyError("a tier policy is a mapping with an order and its rules")
    order = data.get("order")
    if not isinstance(order, list) or not order:
        raise PolicyError("the policy has no order")
    rules = tuple(_rule(name, data.get(name)) for name in order)
    missing = data.get("missing_reasoning")
    if missing is not None and "missing_reasoning" not in order:  # just before the first rule of its own tier
        rule = _rule("missing_reasoning", missing)
        place = next((n for n, other in enumerate(rules) if other.tier == rule.tier), len(rules))
        rules = (*rules[:place], rule, *rules[place:])
    if rules[-1].conditions:
        raise PolicyError(f"the last rule, {rules[-1].name}, must hold for every query")
    operations = data.get("operations") or {}
    for name, tier in operations.items():
        _tier(f"operations.{name}", tier)
    classes = {name: tuple(globs) for name, globs in (data.get("model_classes") or {}).items()}
    for rule in rules:
        if rule.model_class and rule.model_class not in classes:
            raise PolicyError(f"{rule.name}: model_classes has no {rule.model_class}")
    labels = parse_labels(data)
    if unknown := sorted(set(labels) - set(ROUTER_LABELS)):
        raise PolicyError(f"router_labels.{unknown[0]}: no router says it; there are: {', '.join(ROUTER_LABELS)}")
    return Policy(rules, dict(operations), classes, parse_relative(data), labels)


def _tier(where: str, tier: Any) -> str:
    if tier not in TIERS:
        raise PolicyError(f"{where}: {tier!r} is not a tier ({', '.join(TIERS)})")
    return str(tier)


def _rule(name: str, data: Any) -> Rule:
    if not isinstance(data, Mapping) or "tier" not in data:
        raise PolicyError(f"{name}: a rule needs a tier")
    tier = _tier(name, data["tier"])
    if "when" in data:
        found = _MISSING.fullmatch(str(data["when"]))
        if not found:
            raise PolicyError(f"{name}: `when` is written output>N and model_class=CLASS, not {data['when']!r}")
        condition = Condition(str(data["when"]), "output", int(found[2]), found[1] == ">")
        return Rule(name, tier, (condition,), found[3])
    return Rule(name, tier, tuple(_condition(name, text) for text in data.get("any", ())))


def _condition(rule: str, text: str) -> Condition:
    flag = str(text).removeprefix("flag:")
    if flag != text:
        if flag not in FLAGS:
            raise PolicyError(f"{rule}: unknown flag {flag!r}; there are: {', '.join(FLAGS)}")
        return Condition(text, "flags", FLAGS[flag])
    found = _CONDITION.fullmatch(str(text))
    if not found or found[1] not in FEATURES:
        raise PolicyError(f"{rule}: {text!r} is not FEATURE>=N; features are {', '.join(FEATURES)}")
    return Condition(str(text), found[1], int(found[3]), found[2] == ">")


def bare(model: str) -> str:
    """A model's name without who serves it, as classes of models name it."""
    return model.rsplit("/", 1)[-1].lower()
