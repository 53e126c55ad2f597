"""Documents that people propose over the API: whatever JSON they are, they are read or refused in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import allocation
from allocation.calc import close_policy, gl, statement_policy, tier_policy
from allocation.calc.close_policy import PolicyError
from allocation.calc.cost_centres import within
from allocation.calc.gates import GATES
from allocation.calc.tiers import PolicyError as TierError
from finops.periods import Period

DEFAULT = yaml.safe_load((Path(allocation.__file__).parent / "tier_policy_v1.yaml").read_text())
_WORDS = (
    "R1", "S1", "tier", "any", "when", "simple", "order", "operations", "model_classes", "missing_reasoning", "reasoning",
    "calls>=2", "flag:deep_research", "gate", "unpriced", "limit", "from", "closed", "task", "rates", "title", "owner", "due",
    "gates", "step", "link", "drop", "holidays", "2026-12-25", "cost_centre", "kind", "showback", "email", "webhook",
    "dispute_days", "suspense", "payers", "entries", "liabilities", "event", "charge", "debit", "credit", "valid_from", "6000",
)  # fmt: skip
_leaves = st.none() | st.booleans() | st.integers(-5, 70) | st.floats() | st.sampled_from(_WORDS) | st.text(max_size=3)
_json = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_WORDS) | st.text(max_size=2), inner, max_size=5),
    max_leaves=25,
)  # fmt: skip
PARSERS: dict[str, Callable[[Any], Any]] = {
    "tiers": tier_policy.checked,
    "close": close_policy.parse,
    "gl": gl.parse,
    "statements": statement_policy.parse,
}


@pytest.mark.parametrize("name", PARSERS)
@given(found=_json, key=st.sampled_from(_WORDS), value=_json)
def test_any_json_is_a_document_or_a_refusal_in_one_line(name: str, found: Any, key: str, value: Any) -> None:
    near = {"tiers": DEFAULT | {key: value}, "gl": {key: value}}.get(
        name, [{key: value, "cost_centre": "*"}, {key: value}]
    )
    gate: list[Any] = [{"gate": "unpriced", key: value}, {"task": "rates", key: value}]
    for document in (found, [found], near, gate):
        told = ""
        try:
            PARSERS[name](document)
        except ValueError as wrong:
            told = str(wrong)
        assert "\n" not in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": "R1"}, "order: is a list of texts, not 'R1'"),
        ({"order": [["R1"], "S1"]}, "order: is a list of texts"),
        ({"order": [*DEFAULT["order"], "R1"]}, "order: R1 stands there twice"),
        ({"M9": {"tier": "moderate"}}, "M9: is a rule that order does not name"),
        ({"operations": ["embedding"]}, "operations: is a mapping"),
        ({"model_classes": {"reasoning": "o1*"}}, "model_classes.reasoning: is a list of texts"),
        ({"C1": {"tier": "complex", "any": "calls>=4"}}, "C1.any: is a list of texts, not 'calls>=4'"),
        ({"C1": {"tier": "complex", "any": ["calls>=4", "calls>=4"]}}, "C1: the condition calls>=4 stands there twice"),
        (
            {"C1": {"tier": "complex", "any": ["calls>=99999999999999999999"]}},
            "C1: calls>=9+: a threshold is at most 2.62",
        ),
        (
            {"order": ["x" * 21, *DEFAULT["order"]], "x" * 21: {"tier": "complex", "any": ["calls>=4"]}},
            "a rule has a name of at most 20",
        ),
        ({"operations": {"o" * 121: "simple"}}, "operations: o+[.]{3}: has at most 120 characters"),
        ({"C1": {"tier": "complex", "any": ["calls>=" + "9" * 5000]}}, "C1: a condition has at most 120 characters"),
        ({"C1": {"tier": "complex", "any": [f"calls>={n}" for n in range(501)]}}, "more than 1,000"),
    ],
)
def test_a_tier_policy_that_no_row_could_hold_is_refused_with_its_rule(change: Any, message: str) -> None:
    with pytest.raises(TierError, match=message):
        tier_policy.checked(DEFAULT | change)


def test_the_shipped_tier_policy_is_one() -> None:
    assert len(tier_policy.checked(DEFAULT).rules) == 5


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"gate": []}, "entry 1: gate '\\[\\]' is not known"), ({"gate": "unpriced", "from": {}}, "entry 1: from"),
        ({"task": "rates", "gates": 5}, "entry 1: gates: a list"),
        ({"task": "rates", "gates": "prices"}, "entry 1: gates: a list"),
        ({"task": "rates", "gates": [[]]}, "entry 1: gates"), ({"task": "rates", "drop": "yes"}, "entry 1: drop: true"),
    ],
)  # fmt: skip
def test_an_entry_of_a_close_policy_of_another_shape_is_refused_with_its_field(entry: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        close_policy.parse([entry])


_codes = st.sampled_from([task.code for task in close_policy.DEFAULT.tasks])
_entries = st.one_of(
    st.builds(
        lambda gate, limit, begins: {"gate": gate, "limit": str(limit), "from": begins},
        st.sampled_from([gate.code for gate in GATES]), st.decimals("0", "1000", places=4), st.sampled_from(["closed", "never"]),
    ),
    st.dates().map(lambda day: {"holidays": [day.isoformat()]}),
    st.builds(lambda code, due: {"task": code, "due": due}, _codes, st.integers(1, 60)),
    st.builds(
        lambda code, due: {"task": f"own-{code}", "title": "T", "owner": "ann", "due": due}, st.integers(1, 3), st.integers(1, 60)
    ),
)  # fmt: skip


@given(st.lists(_entries, max_size=8), st.sets(_codes, max_size=3))
def test_a_close_policy_written_out_is_read_as_the_same_one(entries: list[Any], dropped: set[str]) -> None:
    policy = close_policy.parse([*entries, *({"task": code, "drop": True} for code in sorted(dropped))])
    assert close_policy.parse(close_policy.entries_of(policy)) == policy


@pytest.mark.parametrize(
    ("entry", "holds"),
    [
        ({}, True), ({"from": "2026-09-30"}, True), ({"from": "2026-10-01"}, False), ({"to": "2026-09-01"}, False),
        ({"to": "2026-09-02"}, True), ({"from": "2026-08-01", "to": "2026-10-01"}, True),
    ],
)  # fmt: skip
def test_an_entry_of_the_tree_is_about_a_month_that_it_holds_on_a_day_of(entry: Any, holds: bool) -> None:
    month = Period.month("2026-09")
    assert within(entry, month.start, month.end) == holds
