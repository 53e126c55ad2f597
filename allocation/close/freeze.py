"""What a month's figures were computed with, by version: kept on the month when it is frozen, and in its manifest."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import ForeignKey, Model

from allocation import focus_around
from allocation.close import frozen, proof, statement_rates
from allocation.models import Charge, CostCentre, RuleVersion, Team, TermsVersion, TierPolicy
from allocation.selectors import freshness
from finops.periods import Period
from ingest.models import PriceBookVersion

ASSUMPTIONS = (
    "REPORT_CURRENCY", "FX", "FINANCE_COST_CENTRE", "SELF_APPROVAL", "APPROVAL_LIMIT", "MATERIALITY", "TAG_KEYS",
    "TRACE_LOOK_BACK_DAYS",
)  # fmt: skip
_USED_PRICES = ("sku_price_id", "list_unit_price", "pricing_unit", "billing_currency")
_USED_RATES = ("original_currency", "billing_currency", "fx_rate", "fx_day", "fx_source")


def versions(period: Period) -> dict[str, Any]:
    """Name -> version and hash of all that went into a month, as JSON.

    Price books in force, and the prices that its charges name; rules, tier policy, every kind of agreement (rate cards,
    splits, GL map among them), the invoices known of it, its proof, the rates its charges were converted at and those of its
    statements, cost centres and teams with their names, up to when imports are in it, settings that bear on cost.
    """
    charges = Charge.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end).order_by()
    rules = RuleVersion.objects.order_by("-number").first()
    policy = TierPolicy.objects.filter(live=True).first()
    imported = freshness().as_of
    assumed = {name: str(getattr(settings, name)) for name in ASSUMPTIONS if hasattr(settings, name)}
    return {
        "prices": dict(PriceBookVersion.objects.filter(live=True).order_by("book").values_list("book", "content_hash")),
        "prices_used": _hashed(charges.exclude(sku_price_id="").values_list(*_USED_PRICES).distinct()),
        "rules": rules and {"number": rules.number, "sha256": rules.content_hash},
        "tier_policy": policy and {"number": policy.version, "sha256": policy.content_hash},
        "terms": {
            kind: {"number": number, "sha256": digest}
            for kind, number, digest in TermsVersion.objects.filter(live=True)
            .order_by("kind").values_list("kind", "number", "content_hash")
        },
        statement_rates.FROZEN_AS: statement_rates.versions(period),
        focus_around.INVOICES: focus_around.to_keep(period),
        frozen.PROOF: proof.to_keep(period),
        frozen.NAMES: dict(CostCentre.objects.order_by("code").values_list("code", "name")),
        frozen.IMPORTS: imported.isoformat() if imported else None,
        "fx": _hashed(charges.exclude(original_currency="").values_list(*_USED_RATES).distinct()),
        "hierarchy": {"cost_centres": _hashed(_natural(CostCentre)), "teams": _hashed(_natural(Team))},
        "assumptions": {**assumed, "sha256": _sha(json.dumps(assumed, sort_keys=True))},
    }  # fmt: skip


def _natural(model: type[Model]) -> Iterable[tuple[Any, ...]]:
    """The rows of a small table with the names of what they point to in place of ids."""
    links = [field.name for field in model._meta.concrete_fields if isinstance(field, ForeignKey)]
    names = [field.name for field in model._meta.concrete_fields if not field.primary_key]
    for row in model._default_manager.select_related(*links).order_by():
        yield tuple(f"{name}={getattr(row, name)}" for name in names)


def _hashed(rows: Iterable[Iterable[Any]]) -> dict[str, Any]:
    lines = sorted(json.dumps([None if value is None else str(value) for value in row]) for row in rows)
    return {"rows": len(lines), "sha256": _sha("\n".join(lines))}


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
