"""Tier policies asked for by one person and put in force by another: they judge the usage that comes from then on."""

import json
from typing import Any

from django.db import transaction

from allocation import policies
from allocation.calc.tier_policy import checked
from allocation.costing.proposals import Stale
from allocation.models import TierPolicy
from finops import approvals
from finops.models import Approval

KIND = "tier_policy"


def propose(data: Any, *, by: str) -> Approval:
    """Ask for a tier policy, as in its file. Raises PolicyError. Accepting it is refused once another one is in force."""
    written = json.loads(json.dumps(data, default=str))
    rules = len(checked(written).rules)
    details = {"entries": written, "in_force_hash": _in_force()}
    return approvals.propose(KIND, f"tier policy: {rules} {'rule' if rules == 1 else 'rules'}", details, by=by)


@transaction.atomic
def carry_out(asked: Approval) -> TierPolicy:
    """Put in force what was accepted. Raises Stale."""
    written, live = asked.details["entries"], _in_force()
    if live not in (asked.details["in_force_hash"], policies.digest_of(written)):
        raise Stale("another tier policy came in force since this was asked for: reject it, and propose again")
    return policies.load(written, actor=asked.prepared_by)


def _in_force() -> str:
    return TierPolicy.objects.filter(live=True).values_list("content_hash", flat=True).first() or ""
