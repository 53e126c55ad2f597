"""Comparisons of policies with what stands: made, kept for pages and API, and written as text."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.db import transaction

from allocation.calc.tier_changes import Moved
from allocation.models import TierDiff, TierPolicy
from allocation.reclassify import Outcome, reclassify
from finops import audit
from finops.focus import TIERS
from finops.periods import Period

MOST_ROWS = 200  # moves that are kept one by one, the dearest first; the rest is in the matrix
ZERO = Decimal(0)


def made(policy: TierPolicy, period: Period, *, dry_run: bool, actor: str) -> Outcome:
    """Compare, or classify anew, and keep what came out; the audit trail says who did it."""
    found = reclassify(policy, period, dry_run=dry_run)
    result = written(found)
    with transaction.atomic():
        TierDiff.objects.update_or_create(
            policy=policy, start=period.start, end=period.end, applied=not dry_run, defaults={"result": result}
        )
        if not dry_run:
            details = {"from": str(period.start), "to": str(period.end), "moved": result["moved_queries"]}
            audit.record(action="tier_policy.reclassify", actor=actor, subject=f"v{policy.version}", details=details)
    return found


def written(found: Outcome) -> dict[str, Any]:
    """A comparison as it is kept: money as text with 12 decimals, counts as numbers."""
    diff = found.diff
    held = [row for row in diff.moved if row.held]
    moves = [row for row in diff.moved if not row.held]
    return {
        "version": found.policy.version,
        "queries": diff.queries, "cost": f"{diff.cost:.12f}",
        "unchanged_queries": diff.unchanged, "unchanged_cost": f"{diff.unchanged_cost:.12f}",
        "moved_queries": sum(row.queries for row in moves), "moved_cost": _sum(moves),
        "held_queries": sum(row.queries for row in held), "held_cost": _sum(held),
        "matrix": [
            {"before": before or "", "after": after or "", "queries": queries, "cost": f"{cost:.12f}"}
            for (before, after), (queries, cost) in diff.matrix().items()
        ],
        "moved": [_row(row) for row in diff.moved[:MOST_ROWS]], "more": max(len(diff.moved) - MOST_ROWS, 0),
        "tiers": _tiers(found, ("tier", "currency")), "chargeable": _tiers(found, ("tier", "team", "model", "currency")),
    }  # fmt: skip


def _sum(rows: list[Moved]) -> str:
    return f"{sum((row.cost or ZERO for row in rows), ZERO):.12f}"


def _row(row: Moved) -> dict[str, Any]:
    return {
        "before": row.before or "", "after": row.after or "", "team": row.team or "", "model": row.model or "",
        "held": row.held, "queries": row.queries, "cost": None if row.cost is None else f"{row.cost:.12f}",
    }  # fmt: skip


def _tiers(found: Outcome, by: tuple[str, ...]) -> list[dict[str, Any]]:
    """Effective cost and queries before and after, of what changes; by tier and currency alone all of it."""
    sums: dict[tuple[str, ...], list[Any]] = defaultdict(lambda: [ZERO, 0, ZERO, 0])
    for (tier, team, model, currency), ends in found.tiers.items():
        place = {"tier": tier, "team": team or "", "model": model, "currency": currency}
        total = sums[tuple(place[name] for name in by)]
        for n, value in enumerate((*ends[0], *ends[1])):
            total[n] += value
    return [
        {**dict(zip(by, place, strict=True)), "before": f"{of[0]:.12f}", "after": f"{of[2]:.12f}",
         "queries_before": of[1], "queries_after": of[3]}
        for place, of in sorted(sums.items(), key=lambda row: (TIERS.index(row[0][0]), row[0]))
        if len(by) == 2 or of[:2] != of[2:]
    ]  # fmt: skip
