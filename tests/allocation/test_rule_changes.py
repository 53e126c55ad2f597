"""Rules over a real ledger: shares by a driver, mappings, metrics, frozen months, and who pays what more or less."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from allocation import rule_changes, rulebook
from allocation.attribution import drivers
from allocation.calc.rules import RuleError
from allocation.derived import refresh
from allocation.models import AllocatedCost, BillingPeriod, CostCentre, CostDaily, RuleVersion
from allocation.reallocating import reallocate
from finops.approvals import SelfApproval
from finops.models import Approval
from finops.periods import Period
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.state import dump
from web import approving

pytestmark = pytest.mark.usefixtures("ledger")
SEPTEMBER = Period.month("2026-09")
CALL = Decimal("0.000225")  # gpt-5: 100 input at 1.25 and 10 output at 10 per million
SEARCH = {"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-1"}}
CHAT = {"id": "r2", "priority": 2, "when": {"tag.team": "chat"}, "to": {"cost_centre": "CC-2", "team": "chat"}}


def by(driver: str, **more: Any) -> dict[str, Any]:
    to = {"proportional": {"driver": driver, "over": ["CC-1", "CC-2"], **more}}
    return {"id": "r3", "priority": 3, "when": {"tag.team": "platform"}, "to": to}


def calls(folder: Path, name: str, *groups: tuple[str, int], at: str = "2026-09-08", **given: Any) -> None:
    """As many calls of each team."""
    rows = [
        payload(f"{name}-{team}-{n}", team=team, at=f"{at}T13:00:00.000000Z", **given)
        for team, count in groups
        for n in range(count)
    ]
    ingest_file(Import(write_lines(folder / f"{name}.jsonl", rows), "litellm"))
    refresh()


def borne(field: str = "effective_cost", **only: Any) -> dict[str | None, Any]:
    found: dict[str | None, Any] = {}
    for code, value in CostDaily.objects.filter(**only).values_list("cost_centre__code", field):
        found[code] = found.get(code, 0) + value
    return found


def test_a_shared_cost_follows_the_direct_queries_of_its_month_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    calls(tmp_path, "a", ("search", 3), ("chat", 1), ("platform", 4))
    rule_changes.load([SEARCH, CHAT, by("queries")], actor="test")
    assert drivers.weights("queries", SEPTEMBER) == {"CC-1": 3, "CC-2": 1}
    assert borne() == {"CC-1": 6 * CALL, "CC-2": 2 * CALL}  # 3 + 4 x 3/4 and 1 + 4 x 1/4 calls
    assert borne("queries") == {"CC-1": 6, "CC-2": 2}
    before, rows = (
        dump(),
        list(AllocatedCost.objects.order_by("charge_id", "part").values_list("charge_id", "part", "effective_cost")),
    )
    reallocate()
    assert drivers.weights("queries", SEPTEMBER) == {"CC-1": 3, "CC-2": 1}, "what was shared does not weigh"
    assert dump() == before
    assert (
        list(AllocatedCost.objects.order_by("charge_id", "part").values_list("charge_id", "part", "effective_cost"))
        == rows
    )


@pytest.mark.parametrize("driver", ["cost", "tokens", "requests", "queries"])
def test_every_driver_of_usage_weighs_what_is_used_directly_of_one_tier_if_named(tmp_path: Path, driver: str) -> None:
    # a call of 5,000 output tokens is complex; its cost is 0.000125 + 0.05
    calls(tmp_path, "a", ("search", 1), ("platform", 1))
    calls(tmp_path, "b", ("chat", 3), output=5_000)
    rule_changes.load([SEARCH, CHAT, by(driver)], actor="test")
    one = {"cost": CALL, "tokens": 110, "requests": 1, "queries": 1}[driver]
    three = {"cost": 3 * Decimal("0.050125"), "tokens": 15_300, "requests": 3, "queries": 3}[driver]
    assert drivers.weights(driver, SEPTEMBER) == {"CC-1": one, "CC-2": three}
    assert drivers.weights(driver, SEPTEMBER, ["CC-1", "CC-2"], "complex") == {"CC-1": 0, "CC-2": three}
    assert drivers.weights(driver, Period.month("2026-08"), ["CC-1"]) == {"CC-1": 0}


def test_when_more_usage_comes_the_days_of_the_month_are_shared_again(tmp_path: Path) -> None:
    calls(tmp_path, "a", ("search", 3), ("chat", 1), ("platform", 4))
    rule_changes.load([SEARCH, CHAT, by("queries")], actor="test")
    calls(tmp_path, "b", ("chat", 2), at="2026-09-20")
    reallocate()
    assert borne(charge_date="2026-09-08") == {"CC-1": 5 * CALL, "CC-2": 3 * CALL}  # 3 + 4/2 and 1 + 4/2


def test_a_metric_of_which_the_month_has_none_leaves_the_cost_to_nobody_until_it_is_loaded(tmp_path: Path) -> None:
    calls(tmp_path, "a", ("platform", 4))
    rule_changes.load([SEARCH, CHAT, by("headcount")], actor="test")
    assert borne() == {None: 4 * CALL}
    assert AllocatedCost.objects.values_list("rule__rule", flat=True).distinct().get() == "r3"
    people = [
        {"month": "2026-09", "name": "headcount", "cost_centre": code, "value": value}
        for code, value in (("CC-1", "1"), ("CC-2", "3"))
    ]
    told = rule_changes.load_document("drivers", people, actor="test")
    assert borne() == {"CC-1": CALL, "CC-2": 3 * CALL}
    assert {row["cost_centre"]: Decimal(row["difference"]) for row in told} == {
        "(unallocated)": -4 * CALL, "CC-1": CALL, "CC-2": 3 * CALL,
    }  # fmt: skip
    assert {tuple(row["causes"]) for row in told} == {("rules",)}


def test_a_metric_of_a_cost_centre_that_there_is_not_is_refused() -> None:
    entry = {"month": "2026-09", "name": "headcount", "cost_centre": "CC-9", "value": 1}
    with pytest.raises(RuleError, match="there is no cost centre CC-9"):
        rule_changes.load_document("drivers", [entry], actor="test")


def test_a_mapping_wins_over_the_callers_tag_in_rules_and_in_what_pages_read(tmp_path: Path) -> None:
    calls(tmp_path, "a", ("search", 2), key="key-ci")
    calls(tmp_path, "b", ("search", 1), key="key-app")
    rule_changes.load([SEARCH, CHAT], actor="test")
    assert borne() == {"CC-1": 3 * CALL}
    mapping = {
        "id": "m1",
        "when": {"api_key": "key-ci"},
        "set": {"tag.team": "chat", "environment": "test", "feature": "ci"},
    }
    rule_changes.load_document("mappings", [mapping], actor="test")
    assert borne() == {"CC-1": CALL, "CC-2": 2 * CALL}
    assert set(CostDaily.objects.values_list("cost_centre__code", "environment", "feature")) == {
        ("CC-2", "test", "ci"), ("CC-1", "", ""),
    }  # fmt: skip


def test_rules_hold_back_through_open_months_and_frozen_ones_keep_what_they_have(tmp_path: Path) -> None:
    calls(tmp_path, "a", ("search", 1), at="2026-08-08")
    calls(tmp_path, "b", ("search", 2), at="2026-09-08")
    calls(tmp_path, "c", ("search", 3), at="2026-10-08")
    rule_changes.load([SEARCH], actor="test")
    BillingPeriod.objects.create(month="2026-08-01", state="soft_closed")
    moved = [SEARCH | {"to": {"cost_centre": "CC-2"}}]
    before = dump()
    _, dry = rule_changes.load(moved, actor="test", dry_run=True)
    assert dump() == before
    assert RuleVersion.objects.count() == 1
    _, told = rule_changes.load(moved, actor="test")
    assert told == dry
    assert {row["cost_centre"]: (Decimal(row["before"]), Decimal(row["after"])) for row in told} == {
        "CC-1": (5 * CALL, 0), "CC-2": (0, 5 * CALL),
    }  # fmt: skip
    assert borne() == {"CC-1": CALL, "CC-2": 5 * CALL}


def test_a_proposal_is_in_force_when_another_person_accepts_it_and_not_before(tmp_path: Path) -> None:
    calls(tmp_path, "a", ("search", 1))
    asked = rule_changes.propose([SEARCH], by="ann")
    assert rulebook.in_force().number == 0
    with pytest.raises(SelfApproval):
        approving.decide(asked, by="ann", accept=True)
    approving.decide(asked, by="bob", accept=True)
    refresh()
    assert borne() == {"CC-1": CALL}
    assert RuleVersion.objects.get().loaded_by == "ann"


def test_a_proposal_against_a_version_that_is_not_in_force_any_more_is_refused_and_stays_open() -> None:
    asked = rule_changes.propose([SEARCH], by="ann")
    rule_changes.load([CHAT], actor="test")
    with pytest.raises(RuleError, match="version 1 is in force: propose them again"):
        approving.decide(asked, by="bob", accept=True)
    asked.refresh_from_db()
    assert asked.state == Approval.State.PROPOSED
    assert rule_changes.described(asked.details) == [
        "new: r1, priority 1: tag team is search → CC-1", "gone: r2, priority 2: tag team is chat → CC-2, chat",
    ]  # fmt: skip


def test_one_more_rule_is_added_to_whatever_is_in_force_when_it_is_accepted() -> None:
    rule_changes.load([SEARCH], actor="test")
    asked = rule_changes.propose_rule(CHAT, by="ann")
    rule_changes.load([by("queries")], actor="test")
    approving.decide(asked, by="bob", accept=True)
    assert [rule.rule for rule in rulebook.in_force().rules] == ["r2", "r3"]


def test_cost_centres_are_kept_in_step_with_their_document() -> None:
    tree = [
        {"code": "CC", "name": "All", "currency": "EUR", "gl_account": "6400", "legal_entity": "ACME"},
        {"code": "CC-1", "parent": "CC", "to": "2026-10-01"},
    ]
    rule_changes.load_document("cost_centres", tree, actor="test")
    child = CostCentre.objects.get(code="CC-1")
    assert child.parent is not None
    assert (child.parent.code, child.parent.currency, child.parent.gl_account) == ("CC", "EUR", "6400")
    assert str(child.valid_to) == "2026-10-01"
    rule_changes.load_document("cost_centres", tree[:1], actor="test")
    child.refresh_from_db()
    assert child.parent_id is None
    assert child.valid_to is None
    with pytest.raises(RuleError, match="CC: owner: there is no user 'nobody'"):
        rule_changes.load_document("cost_centres", [tree[0] | {"owner": "nobody"}], actor="test")
