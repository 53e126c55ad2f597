"""The close policy in force, and how another one comes into force: by two people."""

import json
from typing import Any

from allocation.calc.close_policy import KIND, Policy, parse
from allocation.costing import terms
from allocation.models import TermsVersion
from finops import approvals
from finops.models import Approval

APPROVAL = "period.policy"


def in_force() -> Policy:
    """Limits of the gates, holidays and tasks."""
    policy: Policy = terms.in_force(KIND, parse)
    return policy


def propose(entries: Any, *, by: str) -> Approval:
    """Ask for a close policy (the entries of its file). Raises PolicyError."""
    written = json.loads(json.dumps(entries, default=str))
    parse(written)
    return approvals.propose(APPROVAL, f"close policy: {len(written)} entries", {"entries": written}, by)


def carry_out(asked: Approval) -> TermsVersion:
    """Put in force what was accepted; months that are frozen keep the version they were frozen with."""
    return terms.load(KIND, asked.details["entries"], parse, actor=asked.prepared_by, charged=False)
