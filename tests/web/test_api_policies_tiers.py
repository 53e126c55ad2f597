"""/api/v1/tier-policies: versions, one version, and proposals that another person puts in force."""

from typing import Any

import pytest

from allocation import policies, policy_changes
from allocation.close import gates
from allocation.models import TierPolicy
from finops.approvals import ApprovalError
from finops.models import Approval
from finops.periods import Period
from tests.web.money_pages import client_of, page, text
from tests.web.test_api_policies import ask, of
from web import approving

pytestmark = pytest.mark.django_db
PATH = "tier-policies"


def changed(tier: str = "complex") -> dict[str, Any]:
    """The policy in force, with another tier for what no other rule catches."""
    return dict(TierPolicy.objects.get(live=True).policy) | {"S1": {"tier": tier}}


def test_a_policy_is_proposed_accepted_by_another_person_and_judges_from_then_on() -> None:
    ann, bob = of("ann", "analyst"), of("bob", "finance")
    before = TierPolicy.objects.get(live=True)
    [first] = ask(ann, PATH, 200)["results"]
    assert (first["version"], first["in_force"], first["sha256"]) == (before.version, True, before.content_hash)
    assert ask(ann, f"{PATH}/{before.version}", 200)["entries"] == before.policy
    asked = ask(ann, PATH, 202, {"entries": changed()})
    assert (asked["kind"], asked["subject"], asked["state"]) == ("tier_policy", "tier policy: 5 rules", "proposed")
    assert TierPolicy.objects.get(live=True) == before
    ask(ann, f"approvals/{asked['id']}/decision", 403, {"accept": True})
    ask(bob, f"approvals/{asked['id']}/decision", 200, {"accept": True})
    rows = ask(ann, PATH, 200)["results"]
    assert [(row["version"], row["in_force"]) for row in rows] == [(before.version + 1, True), (before.version, False)]
    now = ask(ann, f"{PATH}/{rows[0]['version']}", 200)
    assert (now["entries"]["S1"], now["sha256"]) == ({"tier": "complex"}, rows[0]["sha256"])


def test_one_that_was_asked_for_before_another_came_in_force_is_refused() -> None:
    old, new = (policy_changes.propose(changed(tier), by="ann") for tier in ("complex", "moderate"))
    approving.decide(new, by="bob", accept=True)
    with pytest.raises(ApprovalError, match="another tier policy came in force since"):
        approving.decide(old, by="bob", accept=True)
    assert TierPolicy.objects.get(live=True).policy["S1"] == {"tier": "moderate"}


def test_pages_of_versions_join_to_the_whole() -> None:
    analyst = of("ann", "analyst")
    for tier in ("complex", "moderate"):
        policies.load(changed(tier), actor="test")
    whole = ask(analyst, PATH, 200)["results"]
    assert len(whole) == 3
    found, cursor = [], ""
    for _ in whole:
        answer = ask(analyst, f"{PATH}?limit=1{cursor}", 200)
        found += answer["results"]
        cursor = f"&cursor={answer['next']}"
    assert (found, answer["next"]) == (whole, None)


@pytest.mark.parametrize(
    ("role", "reads", "proposes"),
    [
        ("viewer", 403, 403), ("owner", 403, 403), ("analyst", 200, 202), ("finance", 200, 202), ("admin", 200, 403),
        ("auditor", 200, 403),
    ],
)  # fmt: skip
def test_analyst_and_finance_propose_and_admin_and_auditor_read(role: str, reads: int, proposes: int) -> None:
    client = of("someone", role)
    version = TierPolicy.objects.get(live=True).version
    ask(client, PATH, reads)
    ask(client, f"{PATH}/{version}", reads)
    asked = ask(client, PATH, proposes, {"entries": changed()})
    if proposes == 403:
        assert asked["detail"] == "Proposing this needs the role analyst or finance."
    if reads == 403:
        assert ask(client, PATH, 403)["detail"] == "This needs the role analyst, finance, admin or auditor."


def test_days_of_a_comparison_stand_in_their_order() -> None:
    analyst, version = of("ann", "analyst"), TierPolicy.objects.get(live=True).version
    path = f"{PATH}/{version}/diff"
    assert ask(analyst, f"{path}?start=2026-09-01&end=2026-09-02", 200)["results"] == []
    for end in ("2026-09-01", "2026-08-01"):
        assert ask(analyst, f"{path}?start=2026-09-01&end={end}", 400)["detail"].startswith("end: ")
    assert ask(analyst, f"{path}?end=", 400)["detail"].startswith("end: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": []}, "the policy has no order"),
        ({"S1": {"tier": "plain"}}, "S1: 'plain' is not a tier"),
        ({"M1": {"tier": "moderate", "any": ["colour>=2"]}}, "M1: 'colour>=2' is not FEATURE>=N"),
        ({"M2": {"tier": "moderate"}}, "M2: is a rule that order does not name"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_with_its_rule(change: Any, message: str) -> None:
    analyst = of("ann", "analyst")
    assert ask(analyst, PATH, 400, {"entries": changed() | change})["detail"].startswith(f"entries: {message}")
    body: Any
    for body in ({}, {"entries": []}, {"entries": changed(), "more": 1}, []):
        assert "the object `entries` alone" in ask(analyst, PATH, 400, body)["detail"]
    assert not Approval.objects.exists()


def test_a_version_that_is_not_there_is_a_404() -> None:
    analyst = of("ann", "analyst")
    for version in (0, 999, 2**31, 10**30):
        ask(analyst, f"{PATH}/{version}", 404)


def test_the_page_of_approvals_shows_it_and_no_month_waits_for_it() -> None:
    policy_changes.propose(changed(), by="ann")
    shown = text(page(client_of("finance"), "/approvals/"))
    assert "Tier policy" in shown
    assert "order: R1; C1" in shown
    waits = next(gate for gate in gates.of(Period.month("2026-09"), "soft_closed") if gate.code == "approvals")
    assert waits.value == 0
