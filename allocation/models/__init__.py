"""What allocation keeps: owners and rules, tier policies, the cube and its ratings, charges and who bears them."""

from allocation.models.charges import AllocatedCost, Charge, CostDaily, QueryCostDaily
from allocation.models.cube import CUBE_COLUMNS, CubeKey, Rating, UsageDaily, UsageDailyUnit
from allocation.models.layers import LateMatch, LayerDay, LayerShare
from allocation.models.owners import AllocationRule, CostCentre, Grant, RuleVersion, Team
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
    "LateMatch",
    "LayerDay",
    "LayerShare",
    "QueryCostDaily",
    "Rating",
    "RuleVersion",
    "Team",
    "TierPolicy",
    "TierRule",
    "UsageDaily",
    "UsageDailyUnit",
]
