"""Tiers: which kind of query a query is, by the default policy and by any other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import allocation
from allocation.calc.tiers import Classifier, Events, PolicyError, parse_policy

DEFAULT = yaml.safe_load((Path(allocation.__file__).parent / "tier_policy_v1.yaml").read_text())
POLICY = parse_policy(DEFAULT)
WAYS = POLICY.ways()
CLASSIFIER = Classifier(POLICY, {way: number for number, way in enumerate(WAYS, 1)}, look_back=2)


def call(**given: Any) -> dict[str, Any]:
    return {
        "query_id": 0, "day": 20_000, "at": 0, "id": 1, "requests": 1, "agent": 0, "tool_calls": 0, "flags": 0,
        "input": 10, "output": 10, "reasoning": 0, "known": True, "operation": "chat", "model": "gpt-4o",
    } | given  # fmt: skip


def events(*calls: dict[str, Any]) -> Events:
    def column(name: str) -> Any:
        return np.array([one[name] for one in calls], dtype=np.int64)

    return Events(
        query_id=column("query_id"), has_query=column("query_id") != 0, charge_date=column("day"), occurred_at=column("at"),
        event_id=np.array([one["id"].to_bytes(16, "big") for one in calls], dtype="V16"), requests=column("requests"),
        agent=column("agent"), tool_calls=column("tool_calls"), flags=column("flags"), input_uncached=column("input"),
        output=column("output"), output_reasoning=column("reasoning"), reasoning_known=column("known").astype(bool),
        key=np.arange(len(calls)), operations=[one["operation"] for one in calls], models=[one["model"] for one in calls],
    )  # fmt: skip


def judged(*calls: dict[str, Any]) -> list[tuple[str, str, int]]:
    """(tier, condition, begins) of each call."""
    rules, begins = CLASSIFIER.classify(events(*calls))
    return [
        (WAYS[rule - 1].tier, WAYS[rule - 1].condition, int(first)) for rule, first in zip(rules, begins, strict=True)
    ]


@pytest.mark.parametrize(
    ("given_call", "tier", "evidence"),
    [
        ({}, "simple", "otherwise"),
        ({"output": 300}, "simple", "otherwise"),
        ({"output": 301}, "moderate", "output>300"),
        ({"input": 4_000}, "simple", "otherwise"),
        ({"input": 4_001}, "moderate", "input_uncached>4000"),
        ({"reasoning": 1}, "moderate", "output_reasoning>=1"),
        ({"tool_calls": 1}, "moderate", "tool_calls>=1"),
        ({"reasoning": 1_999, "output": 1_999}, "moderate", "output_reasoning>=1"),
        ({"reasoning": 2_000, "output": 2_000}, "complex", "output_reasoning>=2000"),
        ({"output": 3_999}, "moderate", "output>300"),
        ({"output": 4_000}, "complex", "output>=4000"),
        ({"reasoning": 20_000, "output": 20_000}, "research", "output_reasoning>=20000"),
        ({"output": 30_000}, "research", "output>=30000"),
        ({"flags": 1}, "research", "flag:deep_research"),
        ({"output": 50_000, "operation": "embedding"}, "simple", "embedding"),
        ({"output": 1_001, "known": False, "model": "o3-mini"}, "moderate", "output>1000 and model_class=reasoning"),
        ({"output": 1_001, "known": False, "model": "gpt-4o"}, "moderate", "output>300"),
    ],
)
def test_one_call_is_judged_by_the_first_rule_that_holds(given_call: dict[str, Any], tier: str, evidence: str) -> None:
    assert judged(call(**given_call)) == [(tier, evidence, 1)]


def test_calls_of_a_trace_are_one_query_that_begins_with_its_first_call() -> None:
    trace = [call(query_id=5, at=30, id=1), call(query_id=5, at=10, id=2), call(query_id=5, at=20, id=3), call(id=4)]
    assert judged(*trace) == [
        ("moderate", "calls>=2", 0), ("moderate", "calls>=2", 1), ("moderate", "calls>=2", 0), ("simple", "otherwise", 1),
    ]  # fmt: skip


def test_four_calls_are_complex_and_twenty_are_research() -> None:
    assert {tier for tier, _, _ in judged(*(call(query_id=5, at=n, id=n) for n in range(1, 5)))} == {"complex"}
    assert {tier for tier, _, _ in judged(*(call(query_id=5, at=n, id=n) for n in range(1, 21)))} == {"research"}


def test_two_agents_are_complex_and_the_same_agent_twice_is_not() -> None:
    two = [call(query_id=5, id=1, agent=11), call(query_id=5, id=2, agent=22)]
    same = [call(query_id=5, id=1, agent=11), call(query_id=5, id=2, agent=11)]
    assert judged(*two)[0][:2] == ("complex", "agents>=2")
    assert judged(*same)[0][:2] == ("moderate", "calls>=2")


def test_a_bucket_that_does_not_count_its_requests_is_estimated_by_its_output() -> None:
    """9,000 tokens are 18 requests of 500 output each: more than 300, less than 4,000."""
    rules, _ = CLASSIFIER.classify(events(call(requests=0, output=9_000, input=50_000)))
    assert (WAYS[rules[0] - 1].tier, WAYS[rules[0] - 1].estimated) == ("moderate", True)


def test_a_bucket_is_judged_by_its_averages_and_marked_estimated() -> None:
    rules, begins = CLASSIFIER.classify(events(call(requests=10, output=3_000), call(requests=10, output=3_001)))
    assert [(WAYS[rule - 1].tier, WAYS[rule - 1].estimated) for rule in rules] == [("simple", True), ("moderate", True)]
    assert begins.tolist() == [1, 1]


def test_a_trace_with_a_gap_longer_than_the_look_back_is_two_queries() -> None:
    trace = [call(query_id=5, id=n, day=20_000 + day, at=day) for n, day in enumerate((0, 2, 5))]
    assert [begins for _, _, begins in judged(*trace)] == [1, 0, 1]


calls = st.lists(
    st.builds(
        call, query_id=st.integers(0, 4), day=st.integers(20_000, 20_008), at=st.integers(0, 5), output=st.integers(0, 9_000),
        reasoning=st.integers(0, 3_000), agent=st.integers(0, 3), requests=st.sampled_from([1, 1, 1, 0, 7]),
        known=st.booleans(), operation=st.sampled_from(["chat", "embedding"]), model=st.sampled_from(["gpt-4o", "o3"]),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


@settings(max_examples=200)
@given(calls, st.randoms(use_true_random=False))
def test_the_judgement_does_not_depend_on_the_order_of_the_calls(many: list[dict[str, Any]], chance: Any) -> None:
    numbered = [{**one, "id": n + 1} for n, one in enumerate(many)]
    shuffled = list(numbered)
    chance.shuffle(shuffled)
    of = {one["id"]: outcome for one, outcome in zip(numbered, judged(*numbered), strict=True)}
    assert {one["id"]: outcome for one, outcome in zip(shuffled, judged(*shuffled), strict=True)} == of


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": []}, "no order"),
        ({"C1": {"tier": "hard", "any": []}}, "C1: 'hard' is not a tier"),
        ({"C1": {"tier": "complex", "any": ["cost>=1"]}}, "C1: 'cost>=1'"),
        ({"C1": {"tier": "complex", "any": ["flag:odd"]}}, "C1: unknown flag"),
        ({"order": ["R1", "C1"]}, "must hold for every query"),
        ({"operations": {"embedding": "free"}}, "operations.embedding"),
        ({"model_classes": {}}, "model_classes has no reasoning"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        parse_policy(DEFAULT | change)
