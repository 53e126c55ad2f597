"""Queries judged anew: a dry run says what will happen, frozen months stay, labels and a use case's own size decide first."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from allocation import policies
from allocation.calc.policy_error import PolicyError
from allocation.derived import refresh
from allocation.models import BillingPeriod, RuleDay, TierDiff, TierPolicy, TierRule, UsageDaily
from allocation.reclassify import reclassify
from allocation.tier_diffs import made, written
from allocation.verification import verify
from finops.documents import read_yaml
from finops.periods import Period
from tests.allocation.stated import DAY, KINDS, NOON, state
from tests.state import dump

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
INPUT, OUTPUT = D("0.00000125"), D("0.00001")  # gpt-5
DAYS = Period.through(DAY, DAY + timedelta(days=1))


@pytest.fixture(autouse=True)
def default_policy(ledger: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    first = TierPolicy.objects.get(live=True)
    yield
    TierDiff.objects.all().delete()
    TierRule.objects.exclude(policy=first).delete()
    TierPolicy.objects.exclude(pk=first.pk).delete()
    TierPolicy.objects.filter(pk=first.pk).update(live=True)


def default(**changed: Any) -> dict[str, Any]:
    written_: dict[str, Any] = read_yaml(policies.DEFAULT.read_text(encoding="utf-8"))
    return written_ | changed


def strict() -> TierPolicy:
    """Moderate from 50 tokens of output on, complex from three calls."""
    given = default(M1={"tier": "moderate", "any": ["output>=50"]}, C1={"tier": "complex", "any": ["calls>=3"]})
    return policies.load(given, actor="test")


def call(number: int | str, output: int = 100, **given: Any) -> dict[str, Any]:
    return {"native_id": f"c{number}", "input_uncached": 1_000, "output_visible": output, **given}


def derive() -> None:
    refresh()
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


def tiers() -> dict[str, int]:
    found: dict[str, int] = {}
    for tier, queries in UsageDaily.objects.values_list("tier", "queries"):
        found[tier] = found.get(tier, 0) + queries
    return {tier: count for tier, count in found.items() if count}


def three_calls_over_midnight() -> list[dict[str, Any]]:
    return [call(f"t{n}", 10, trace="t", occurred_at=NOON + timedelta(hours=6 * n)) for n in range(3)]


def test_a_dry_run_says_what_moves_changes_nothing_and_the_run_does_just_that() -> None:
    """60 calls of 100 tokens go up by the stricter policy, 20 of 10 stay; a trace of three calls, the last tomorrow, goes up."""
    state("gate", [call(n) for n in range(60)] + [call(f"s{n}", 10) for n in range(20)])
    state("spans", three_calls_over_midnight())
    refresh()
    assert tiers() == {"simple": 80, "moderate": 1}
    policy, before = strict(), dump()
    found = reclassify(policy, DAYS, dry_run=True)
    assert dump() == before
    moved = {(row.before, row.after): (row.queries, row.cost) for row in found.diff.moved}
    assert moved == {
        ("simple", "moderate"): (60, 60 * (1_000 * INPUT + 100 * OUTPUT)),
        ("moderate", "complex"): (1, 3 * (1_000 * INPUT + 10 * OUTPUT)),
    }
    assert (found.diff.queries, found.diff.unchanged) == (81, 20)
    done = made(policy, DAYS, dry_run=False, actor="test")
    assert written(done) == written(found)
    derive()
    assert tiers() == {"simple": 20, "moderate": 60, "complex": 1}
    of_moderate = sum(ends[1][0] for place, ends in done.tiers.items() if place[0] == "moderate")
    assert of_moderate == 60 * (1_000 * INPUT + 100 * OUTPUT)
    assert reclassify(policy, DAYS, dry_run=True).diff.moved == ()
    assert TierDiff.objects.get().applied


def test_queries_of_frozen_months_keep_their_tier_and_are_counted_as_held() -> None:
    state("gate", [call(n) for n in range(3)])
    refresh()
    BillingPeriod.objects.create(month=DAY.replace(day=1), state=BillingPeriod.State.CLOSED)
    before = dump()
    found = written(reclassify(strict(), DAYS, dry_run=False))
    assert (found["moved_queries"], found["held_queries"]) == (0, 3)
    assert found["tiers"][0]["queries_before"] == found["tiers"][0]["queries_after"] == 3
    assert dump() == before


def test_buckets_are_parted_by_the_new_policy() -> None:
    state("usage", [{"native_id": "b", "requests": 1_000, "input_uncached": 500_000, "output_visible": 100_000}])
    refresh()
    before = tiers()
    found = written(reclassify(strict(), DAYS, dry_run=False))
    derive()
    assert sum(tiers().values()) == 1_000
    assert tiers()["moderate"] > 2 * before["moderate"]
    rows = {row["tier"]: (row["queries_before"], row["queries_after"]) for row in found["tiers"]}
    assert rows["moderate"] == (before["moderate"], tiers()["moderate"])


def test_what_a_router_said_of_the_first_call_decides_and_an_unknown_label_does_not() -> None:
    state("gate", [
        call(1, 10, router_label="complex"), call(2, 10, router_label="sideways"), call(3, 5_000, router_label="SIMPLE"),
    ])  # fmt: skip
    labelled = [call("t1", 10, trace="t", router_label="MEDIUM"), call("t0", 10, trace="t")]
    state("spans", [labelled[0] | {"occurred_at": NOON + timedelta(minutes=1)}, labelled[1]])
    derive()
    assert tiers() == {"complex": 1, "simple": 2, "moderate": 1}
    rules = TierRule.objects.filter(pk__in=RuleDay.objects.values("tier_rule_id"))
    assert sorted(rules.values_list("rule", "condition")) == [
        ("S1", "otherwise"), ("label", "COMPLEX"), ("label", "MEDIUM"), ("label", "SIMPLE"),
    ]  # fmt: skip
    again = default(router_labels={"COMPLEX": "research"})
    found = written(reclassify(policies.load(again, actor="test"), DAYS, dry_run=False))
    assert {(row["before"], row["after"]) for row in found["matrix"]} == {
        ("complex", "research"),
        ("simple", "complex"),
    }
    assert tiers() == {"research": 1, "simple": 1, "moderate": 1, "complex": 1}, "5,000 tokens of output are complex"
    with pytest.raises(PolicyError, match=r"router_labels.ODD: no router says it; there are: SIMPLE"):
        policies.load(default(router_labels={"ODD": "simple"}), actor="test")


RELATIVE = {
    "weights": {"output_visible": "1", "input_uncached": "0.01"},
    "bands": {"moderate": "3", "complex": "10", "research": "50"},
}


def test_a_query_is_measured_by_its_use_cases_own_simple_query_as_it_was_when_the_policy_was_loaded() -> None:
    """Thirty simple queries of search have 90 + 0.01 x 1,000 = 100; chat has too few, so that the absolute rules stand."""
    state(
        "gate",
        [call(n, 90, feature="search") for n in range(30)] + [call(f"h{n}", 90, feature="chat") for n in range(5)],
    )
    refresh()
    policy = policies.load(default(relative=RELATIVE), actor="test")
    assert policy.policy["relative"]["baselines"] == {"search": "100.000000"}
    assert policies.load(default(relative=RELATIVE), actor="test").version == policy.version
    sizes = {"a": 289, "b": 290, "c": 989, "d": 990, "e": 4_990}  # 10 are of the input: 2.99, 3, 9.99, 10 and 50 times
    state(
        "gate2", [call(name, size, feature="search") for name, size in sizes.items()] + [call("x", 290, feature="chat")]
    )
    derive()
    assert tiers() == {"simple": 37, "moderate": 2, "complex": 1, "research": 1}
    fired = dict(
        TierRule.objects.filter(policy=policy, rule="relative", estimated=False).values_list("condition", "pk")
    )
    counts = dict(RuleDay.objects.filter(tier_rule_id__in=fired.values()).values_list("tier_rule_id", "queries"))
    assert {name: counts.get(pk) for name, pk in fired.items()} == {"mu<3": 1, "mu>=3": 2, "mu>=10": 1, "mu>=50": 1}
