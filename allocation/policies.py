"""Tier policies: loaded as data, versioned, never overwritten."""

import hashlib
import json
from pathlib import Path
from typing import Any

from django.db import transaction

from allocation import tier_baselines
from allocation.calc.tier_policy import checked
from allocation.models import TierPolicy, TierRule
from finops import audit
from finops.documents import read_yaml

DEFAULT = Path(__file__).parent / "tier_policy_v1.yaml"


def load_default(*, actor: str) -> TierPolicy:
    """The policy that ships with the product, unless another one is in force."""
    live = TierPolicy.objects.filter(live=True).first()
    return live or load(read_yaml(DEFAULT.read_text(encoding="utf-8")), actor=actor)


@transaction.atomic
def load(data: dict[str, Any], *, actor: str) -> TierPolicy:
    """Put a policy in force. Raises PolicyError. The same content twice is one version.

    Where it compares queries with their use case's own, the baselines are learnt now and kept with the version.
    """
    digest = digest_of(data)
    checked(data)
    live = TierPolicy.objects.filter(live=True).first()
    if live is not None and live.content_hash == digest:
        return live
    kept = tier_baselines.learnt(data)
    policy = checked(kept)
    TierPolicy.objects.filter(live=True).update(live=False)
    number = (TierPolicy.objects.order_by("-version").values_list("version", flat=True).first() or 0) + 1
    version = TierPolicy.objects.create(version=number, policy=kept, content_hash=digest)
    TierRule.objects.bulk_create([TierRule(policy=version, **way._asdict()) for way in policy.ways()])
    details = {"sha256": digest, "before": live and f"v{live.version} {live.content_hash}"}
    audit.record(action="tier_policy.load", actor=actor, subject=f"v{number}", details=details)
    return version


def digest_of(data: dict[str, Any]) -> str:
    """What names the content of a policy."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
