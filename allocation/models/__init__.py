"""What allocation keeps: owners and rules, tier policies, the cube and its ratings, charges and who bears them."""

from allocation.models.charges import AllocatedCost, Charge, CostDaily, QueryCostDaily
from allocation.models.cube import CUBE_COLUMNS, CubeKey, Rating, UsageDaily, UsageDailyUnit
from allocation.models.layers import LateMatch, LayerDay, LayerShare
from allocation.models.owners import AllocationRule, CostCentre, Grant, RuleVersion, Team
from allocation.models.reconciliation import (
    Invoice,
    InvoiceLine,
    InvoiceResidual,
    Reconciliation,
    ReconciliationLine,
)
from allocation.models.terms import Settled, TermsVersion
from allocation.models.tiers import TierPolicy, TierRule

__all__ = [
    "CUBE_COLUMNS",
    "AllocatedCost",
    "AllocationRule",
    "Charge",
    "CostCentre",
    "CostDaily",
    "CubeKey",
    "Grant",
    "Invoice",
    "InvoiceLine",
    "InvoiceResidual",
    "LateMatch",
    "LayerDay",
    "LayerShare",
    "QueryCostDaily",
    "Rating",
    "Reconciliation",
    "ReconciliationLine",
    "RuleVersion",
    "Settled",
    "Team",
    "TermsVersion",
    "TierPolicy",
    "TierRule",
    "UsageDaily",
    "UsageDailyUnit",
]
