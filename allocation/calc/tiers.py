"""Which kind of query a query is: a versioned policy over what its calls did. No text is looked at.

A query is all events of one trace that lie within the look-back of each other; an event without a trace is its own
query, and a provider's bucket is as many queries as it has requests, judged by their averages and marked estimated.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np

from finops.focus import TIERS

Array = np.ndarray[Any, Any]
FEATURES = ("agents", "calls", "output_reasoning", "output", "input_uncached", "tool_calls")
FLAGS = {"deep_research": 1}
_CONDITION = re.compile(r"\s*(\w+)\s*(>=|>)\s*(\d+)\s*")
_MISSING = re.compile(r"\s*output\s*(>=|>)\s*(\d+)\s+and\s+model_class\s*=\s*(\w+)\s*")


class PolicyError(ValueError):
    """The policy cannot be used; the message names the rule."""


class Condition(NamedTuple):
    """``feature >= threshold``, ``feature > threshold`` (strict) or a flag."""

    text: str
    feature: str
    threshold: int
    strict: bool = False


class Rule(NamedTuple):
    """One rule: any of its conditions leads to its tier; none stands for all queries."""

    name: str
    tier: str
    conditions: tuple[Condition, ...]
    model_class: str = ""  # holds only for models of this class whose reasoning is not reported


# Output of one request where a bucket does not count its requests: neither plainly simple nor plainly complex.
REFERENCE_OUTPUT = 500


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

    def ways(self) -> list[Way]:
        """Every way to a tier that this policy has, in a fixed order."""
        found = [("operation", name, tier) for name, tier in sorted(self.operations.items())]
        for rule in self.rules:
            texts = [condition.text for condition in rule.conditions] or ["otherwise"]
            found += [(rule.name, text, rule.tier) for text in texts]
        return [Way(*way, estimated) for way in found for estimated in (False, True)]


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
    return Policy(rules, dict(operations), classes)


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


class Events(NamedTuple):
    """Events to be classified together: all of each trace. One value per event; tokens are int64, NULL as 0."""

    query_id: Array
    has_query: Array  # bool
    charge_date: Array  # days since 1970
    occurred_at: Array  # us since 1970
    event_id: Array  # V16, the tie-break of equal times
    requests: Array
    agent: Array  # hash of the agent's name, 0: none
    tool_calls: Array
    flags: Array
    input_uncached: Array
    output: Array  # visible + reasoning
    output_reasoning: Array
    reasoning_known: Array  # bool
    key: Array  # index into operations and models
    operations: list[str]
    models: list[str]


class Classifier:
    """Gives every event its tier rule, and says with which events queries begin.

    ``ids`` maps ways of the policy to the numbers that events store; ``look_back`` in days parts a trace where its calls
    lie further than that from each other.
    """

    def __init__(self, policy: Policy, ids: Mapping[Way, int], look_back: int) -> None:
        self.policy, self.ids, self.look_back = policy, ids, look_back
        self.tier_of = {number: (way.tier, way.estimated) for way, number in ids.items()}

    def classify(self, events: Events) -> tuple[Array, Array]:
        """(tier_rule, begins) per event, int64; begins is 1 on the first event of each query.

        Depends on the set of events only, not on their order.
        """
        if not len(events.query_id):
            return np.array([], dtype=np.int64), np.array([], dtype=np.int64)
        group, first = _groups(events, self.look_back)
        count = len(first)
        divisor = np.ones(count, dtype=np.int64)
        np.maximum.at(divisor, group, _requests(events))
        features = _features(events, group, count, divisor)
        way = self._ways(events, group, count, divisor, features)
        begins = np.zeros(len(group), dtype=np.int64)
        begins[first] = 1
        return way[group], begins

    def _ways(self, events: Events, group: Array, count: int, divisor: Array, features: dict[str, Array]) -> Array:
        estimated = divisor > 1
        way = np.zeros(count, dtype=np.int64)
        undecided = np.ones(count, dtype=bool)

        def decide(mask: Array, rule: str, condition: str, tier: str) -> None:
            for flag in (False, True):
                way[mask & undecided & (estimated == flag)] = self.ids[Way(rule, condition, tier, flag)]
            undecided[mask] = False

        for operation, tier in sorted(self.policy.operations.items()):
            of_kind = np.array([name == operation for name in events.operations], dtype=bool)
            if of_kind.any():
                decide(_all(of_kind[events.key], group, count), "operation", operation, tier)
        for rule in self.policy.rules:
            applies = np.ones(count, dtype=bool)
            if rule.model_class:
                globs = self.policy.model_classes[rule.model_class]
                known = {model: any(fnmatchcase(_bare(model), glob) for glob in globs) for model in set(events.models)}
                of_class = np.array([known[model] for model in events.models], dtype=bool)
                applies = _any(of_class[events.key], group, count) & ~_any(events.reasoning_known, group, count)
            for condition in rule.conditions:
                value = features[condition.feature]
                if condition.feature == "flags":
                    hit = (value & condition.threshold) > 0
                else:  # of a bucket: average against threshold, without dividing
                    limit = condition.threshold * divisor
                    hit = value > limit if condition.strict else value >= limit
                decide(applies & hit, rule.name, condition.text, rule.tier)
            if not rule.conditions:
                decide(applies, rule.name, "otherwise", rule.tier)
        return way


def _requests(events: Events) -> Array:
    """The requests of each event; of a bucket that does not count them (Anthropic's) as many as its output suggests."""
    uncounted = (events.requests == 0) & ~events.has_query & (events.output > 0)
    guess = np.maximum(2, -(-events.output // REFERENCE_OUTPUT))
    return np.where(uncounted, guess, np.maximum(events.requests, 1))


def _bare(model: str) -> str:
    return model.rsplit("/", 1)[-1].lower()


def _any(mask: Array, group: Array, count: int) -> Array:
    return np.bincount(group[mask], minlength=count) > 0


def _all(mask: Array, group: Array, count: int) -> Array:
    return ~_any(~mask, group, count)


def _groups(events: Events, look_back: int) -> tuple[Array, Array]:
    """The query number of each event, and the position of each query's first event."""
    rows = len(events.query_id)
    own = ~events.has_query | (events.requests > 1)
    words = np.ascontiguousarray(events.event_id).view(">u8").reshape(rows, 2)
    order = np.lexsort((words[:, 1], words[:, 0], events.occurred_at, events.query_id, own))
    query, days, alone = events.query_id[order], events.charge_date[order], own[order]
    begins = np.ones(rows, dtype=bool)
    begins[1:] = (query[1:] != query[:-1]) | alone[1:] | alone[:-1] | (np.diff(days) > look_back)
    number = np.cumsum(begins) - 1
    group = np.empty(rows, dtype=np.int64)
    group[order] = number
    return group, order[begins]


def _features(events: Events, group: Array, count: int, divisor: Array) -> dict[str, Array]:
    def sums(values: Array) -> Array:
        total = np.zeros(count, dtype=np.int64)
        np.add.at(total, group, values)
        return total

    flags = np.zeros(count, dtype=np.int64)
    np.bitwise_or.at(flags, group, events.flags)
    named = events.agent != 0
    pairs = np.unique(np.stack([group[named], events.agent[named]], axis=1), axis=0)[:, 0]
    calls = np.bincount(group, minlength=count)
    return {
        # Counts of a bucket are not averages of anything: they are compared as they stand.
        "agents": np.bincount(np.asarray(pairs, dtype=np.int64), minlength=count) * divisor,
        "calls": calls * divisor,
        "output_reasoning": sums(events.output_reasoning),
        "output": sums(events.output),
        "input_uncached": sums(events.input_uncached),
        "tool_calls": sums(events.tool_calls),
        "flags": flags,
    }
