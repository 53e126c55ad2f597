"""Proposed agreements beside those in force: what accepting them would add, change and delete, and whether it still would."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from allocation.costing import commitments
from allocation.models import TermsVersion
from finops.approvals import ApprovalError, Worth
from finops.periods import Period

_MOST = 12
_YEAR = timedelta(days=364)


class Stale(ApprovalError):
    """Something else came in force since it was asked for: accepting would undo that in silence."""


def beside(kind: str, entries: Sequence[Any]) -> dict[str, Any]:
    """What a proposal keeps of the version in force: its number (0: none) and hash, and the codes that differ."""
    live = _live(kind)
    now = _by_code(live.document if live else [])
    then = _by_code(entries)
    return {
        "in_force": live.number if live else 0, "in_force_hash": live.content_hash if live else "",
        "adds": sorted(then.keys() - now.keys()), "deletes": sorted(now.keys() - then.keys()),
        "changes": sorted(code for code in then.keys() & now.keys() if then[code] != now[code]),
    }  # fmt: skip


def worth(kind: str, entries: Sequence[Any]) -> Worth | None:
    """How much money new and changed commitments come to, in their first year at most; None: no one amount can be named.

    Of several currencies the largest sum.
    """
    if kind != commitments.KIND:
        return None
    differs, sums = beside(kind, entries), defaultdict[str, Decimal](Decimal)
    for one in commitments.parse(list(entries)).commitments:
        if one.code in (*differs["adds"], *differs["changes"]):
            last = min(one.last, one.first + _YEAR)
            paid = sum((one.purchased(day) for day in Period.through(one.first, last).days()), Decimal(0))
            sums[one.currency] += max(paid, one.amount)
    return max((Worth(amount, currency) for currency, amount in sums.items()), default=None)


def in_words(details: Mapping[str, Any]) -> str:
    """``adds a, b; changes c; deletes d``; '' where the proposal does not say."""
    if "in_force" not in details:
        return ""
    told = [f"{verb} {_codes(details[verb])}" for verb in ("adds", "changes", "deletes") if details.get(verb)]
    return "; ".join(told) or "changes nothing"


def refuse_stale(kind: str, details: Mapping[str, Any]) -> None:
    """Raises Stale unless what is in force is what the proposal was compared with, or what it asks for."""
    live = _live(kind)
    digest = live.content_hash if live else ""
    if "in_force_hash" not in details or digest in (details["in_force_hash"], _digest(details["entries"])):
        return
    since = f"version {live.number} by {live.loaded_by}" if live else "their removal"
    raise Stale(f"{since} of {kind} came in force since this was asked for: reject it, and propose again")


def _live(kind: str) -> TermsVersion | None:
    return TermsVersion.objects.filter(kind=kind, live=True).first()


def _digest(entries: Any) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True, default=str).encode()).hexdigest()


def _by_code(entries: Sequence[Any]) -> dict[str, Any]:
    return {
        str(entry.get("code", number)): entry for number, entry in enumerate(entries, 1) if isinstance(entry, Mapping)
    }


def _codes(codes: Sequence[str]) -> str:
    rest = f" and {len(codes) - _MOST} more" if len(codes) > _MOST else ""
    return ", ".join(codes[:_MOST]) + rest
