"""Which kind of query a query is: a versioned policy over what its calls did. No text is looked at.

A query is all events of one trace that lie within the look-back of each other; an event without a trace is its own
query, and a provider's bucket is as many queries as it has requests, judged by their averages and marked estimated.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from allocation.calc.policy_error import PolicyError
from allocation.calc.tier_relative import LABEL, RELATIVE, Relative
from allocation.calc.tier_rules import Condition, Policy, Rule, Way, bare, parse_policy
from finops.router_labels import LABEL_BITS, ROUTER_LABELS

__all__ = [
    "Array",
    "Classifier",
    "Condition",
    "Events",
    "Policy",
    "PolicyError",
    "Rule",
    "Way",
    "bare",
    "groups",
    "parse_policy",
]
Array = np.ndarray[Any, Any]
# Output of one request where a bucket does not count its requests: neither plainly simple nor plainly complex.
REFERENCE_OUTPUT = 500


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
    flags: Array  # FLAGS, and above LABEL_BITS the label of a router
    input_uncached: Array
    output: Array  # visible + reasoning
    output_reasoning: Array
    reasoning_known: Array  # bool
    key: Array  # index into operations and models
    operations: list[str]
    models: list[str]
    use_cases: Sequence[str] = ()  # of key; with it and the tokens of a class a query is compared with its own kind
    tokens: Callable[[str], Array] | None = None


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
        group, first = groups(events, self.look_back)
        count = len(first)
        divisor = np.ones(count, dtype=np.int64)
        np.maximum.at(divisor, group, _requests(events))
        features = _features(events, group, count, divisor)
        way = self._ways(events, (group, first), divisor, features)
        begins = np.zeros(len(group), dtype=np.int64)
        begins[first] = 1
        return way[group], begins

    def _ways(self, events: Events, queries: tuple[Array, Array], divisor: Array, features: dict[str, Array]) -> Array:
        group, count = queries[0], len(divisor)
        found = _Ways(self.ids, divisor > 1)
        if self.policy.labels and (said := _labels(events, group, count)).any():
            for label, tier in sorted(self.policy.labels.items()):
                found.decide(said == ROUTER_LABELS[label], LABEL, label, tier)
        for operation, tier in sorted(self.policy.operations.items()):
            of_kind = np.array([name == operation for name in events.operations], dtype=bool)
            if of_kind.any():
                found.decide(_all(of_kind[events.key], group, count), "operation", operation, tier)
        if (relative := self.policy.relative) and relative.baselines and events.tokens:
            place = _relative(events, queries, relative)
            for n, (text, tier) in enumerate(relative.ways()):
                found.decide((place == n) & (divisor == 1), RELATIVE, text, tier)
        for rule in self.policy.rules:
            applies = self._applies(rule, events, group, count)
            for condition in rule.conditions:
                hit = condition.met(features[condition.feature], divisor)
                found.decide(applies & hit, rule.name, condition.text, rule.tier)
            if not rule.conditions:
                found.decide(applies, rule.name, "otherwise", rule.tier)
        return found.way

    def _applies(self, rule: Rule, events: Events, group: Array, count: int) -> Array:
        """The queries that a rule is for: of models of its class, where none of their calls reports its reasoning."""
        if not rule.model_class:
            return np.ones(count, dtype=bool)
        known = {model: self.policy.is_of(rule.model_class, model) for model in set(events.models)}
        of_class = np.array([known[model] for model in events.models], dtype=bool)
        return np.asarray(_any(of_class[events.key], group, count) & ~_any(events.reasoning_known, group, count))


class _Ways:
    """The way to its tier of every query: the first that is decided stands."""

    def __init__(self, ids: Mapping[Way, int], estimated: Array) -> None:
        self.ids, self.estimated = ids, estimated
        self.way = np.zeros(len(estimated), dtype=np.int64)
        self.undecided = np.ones(len(estimated), dtype=bool)

    def decide(self, mask: Array, rule: str, condition: str, tier: str) -> None:
        """Give these queries this way, where they have none."""
        for flag in (False, True):
            self.way[mask & self.undecided & (self.estimated == flag)] = self.ids[Way(rule, condition, tier, flag)]
        self.undecided[mask] = False


def _requests(events: Events) -> Array:
    """The requests of each event; of a bucket that does not count them (Anthropic's) as many as its output suggests."""
    uncounted = (events.requests == 0) & ~events.has_query & (events.output > 0)
    guess = np.maximum(2, -(-events.output // REFERENCE_OUTPUT))
    return np.where(uncounted, guess, np.maximum(events.requests, 1))


def _any(mask: Array, group: Array, count: int) -> Array:
    return np.bincount(group[mask], minlength=count) > 0


def _all(mask: Array, group: Array, count: int) -> Array:
    return ~_any(~mask, group, count)


def _labels(events: Events, group: Array, count: int) -> Array:
    """The number of the label that a query's first labelled call has; 0: none."""
    found = np.zeros(count, dtype=np.int64)
    some = np.flatnonzero(events.flags >> LABEL_BITS)
    words = np.ascontiguousarray(events.event_id).view(">u8").reshape(-1, 2)[some]
    order = some[np.lexsort((words[:, 1], words[:, 0], events.occurred_at[some]))[::-1]]
    found[group[order]] = events.flags[order] >> LABEL_BITS  # of equal places the last is kept: the earliest call
    return found


def _relative(events: Events, queries: tuple[Array, Array], relative: Relative) -> Array:
    """Index into TIERS by a query's size against that of its use case's own simple query; -1: it has no baseline.

    Sizes are whole numbers, exact as floats: their sum does not depend on the order of calls.
    """
    (group, first), tokens = queries, events.tokens
    assert tokens is not None
    units = np.zeros(len(first))
    for name, weight in relative.weights.items():
        np.add.at(units, group, tokens(name).astype(float) * weight)
    own = np.array([relative.baselines.get(name, 0) for name in events.use_cases], dtype=float)
    return relative.place(units, own[events.key[first]])


def groups(events: Events, look_back: int) -> tuple[Array, Array]:
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
