"""The rules in force, and how a rules file becomes them."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from allocation.calc.rules import Rule, RuleError, parse_rules
from allocation.models import AllocationRule, CostCentre, RuleVersion, Team
from finops import audit


@dataclass(frozen=True)
class Rulebook:
    """Parsed rules in firing order, and the database ids of what they name."""

    number: int
    rules: list[Rule]
    rule_ids: dict[str, int]
    cost_centres: dict[str, int]
    teams: dict[tuple[str, str], int]


def in_force() -> Rulebook:
    """The newest version; without one no rule holds and everything is unallocated."""
    version = RuleVersion.objects.order_by("-number").first()
    rows = list(AllocationRule.objects.filter(version=version)) if version else []
    return Rulebook(
        number=version.number if version else 0,
        rules=parse_rules([_written(row) for row in rows]),
        rule_ids={row.rule: row.pk for row in rows},
        cost_centres=dict(CostCentre.objects.values_list("code", "id")),
        teams={(centre, code): pk for centre, code, pk in Team.objects.values_list("cost_centre__code", "code", "id")},
    )


def _written(row: AllocationRule) -> dict[str, Any]:
    return {
        "id": row.rule, "priority": row.priority, "valid_from": row.valid_from, "valid_to": row.valid_to,
        "when": row.conditions, "to": row.targets,
    }  # fmt: skip


@transaction.atomic
def load(data: Any, *, actor: str) -> RuleVersion:
    """Make a rules file the version in force; cost centres and teams it names are made when missing.

    Raises RuleError. The same content twice is one version. Charges are assigned anew by ``allocate``.
    """
    rules = parse_rules(data)
    _refuse_tags_not_kept(rules)
    digest = hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()
    newest = RuleVersion.objects.order_by("-number").first()
    if newest is not None and newest.content_hash == digest:
        return newest
    version = RuleVersion.objects.create(
        number=newest.number + 1 if newest else 1, content_hash=digest, loaded_by=actor[:150]
    )
    written = {item["id"]: item for item in data}
    for rule in rules:
        for target in rule.targets:
            centre, _ = CostCentre.objects.get_or_create(code=target.cost_centre)
            if target.team:
                Team.objects.get_or_create(cost_centre=centre, code=target.team)
        AllocationRule.objects.create(
            version=version, rule=rule.rule, priority=rule.priority, valid_from=rule.valid_from, valid_to=rule.valid_to,
            conditions=written[rule.rule]["when"], targets=written[rule.rule]["to"],
        )  # fmt: skip
    audit.record(
        action="rules.load", actor=actor, subject=f"v{version.number}", details={"sha256": digest, "rules": len(rules)}
    )
    return version


def _refuse_tags_not_kept(rules: list[Rule]) -> None:
    for rule in rules:
        for dimension, _ in rule.when:
            if dimension.startswith("tag.") and dimension[4:] not in settings.TAG_KEYS:
                raise RuleError(f"{rule.rule}: {dimension} can never match: FINOPS_TAG_KEYS does not keep that tag")
