"""Tier policies: loaded as data, versioned, never overwritten."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction

from allocation.calc.tiers import parse_policy
from allocation.models import TierPolicy, TierRule
from finops import audit

DEFAULT = Path(__file__).parent / "tier_policy_v1.yaml"


def load_default(*, actor: str) -> TierPolicy:
    """The policy that ships with the product, unless another one is in force."""
    live = TierPolicy.objects.filter(live=True).first()
    return live or load(yaml.safe_load(DEFAULT.read_text(encoding="utf-8")), actor=actor)


@transaction.atomic
def load(data: dict[str, Any], *, actor: str) -> TierPolicy:
    """Put a policy in force. Raises PolicyError. The same content twice is one version."""
    policy = parse_policy(data)
    content = json.dumps(data, sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    live = TierPolicy.objects.filter(live=True).first()
    if live is not None and live.content_hash == digest:
        return live
    TierPolicy.objects.filter(live=True).update(live=False)
    number = (TierPolicy.objects.order_by("-version").values_list("version", flat=True).first() or 0) + 1
    version = TierPolicy.objects.create(version=number, policy=data, content_hash=digest)
    TierRule.objects.bulk_create([TierRule(policy=version, **way._asdict()) for way in policy.ways()])
    audit.record(action="tier_policy.load", actor=actor, subject=f"v{number}", details={"sha256": digest})
    return version
