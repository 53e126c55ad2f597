"""What allocation keeps: owners and rules, tier policies, the cube and its ratings, charges and who bears them."""

from allocation.models.accruals import Accrual, AccrualRun, TrueUp
from allocation.models.charges import AllocatedCost, AllocatedDay, Charge
from allocation.models.cube import CUBE_COLUMNS, BucketSpread, CubeKey, DayCalls, Rating, UsageDaily, UsageDailyUnit
from allocation.models.daily import ClassDaily, CostDaily, QueryCostDaily
from allocation.models.journal import JournalEntry, JournalLine
from allocation.models.layers import LateMatch, LayerDay, LayerShare
from allocation.models.outcomes import BenchmarkRun, Benefit, Comparison, Evidence, Outcome, OutcomeHistory
from allocation.models.owners import AllocationRule, CostCentre, Grant, RuleVersion, Team
from allocation.models.periods import BillingPeriod, CloseTask, Correction, GateWaiver, PeriodManifest
from allocation.models.predictions import LearntPredictor, Prediction
from allocation.models.reconciliation import (
    Invoice,
    InvoiceLine,
    InvoiceResidual,
    Reconciliation,
    ReconciliationLine,
)
from allocation.models.splits import Adjustment, Basis, SplitCost, SplitOutcome, StaleMonth
from allocation.models.statements import Statement
from allocation.models.terms import Settled, TermsVersion
from allocation.models.tiers import RuleDay, TierDiff, TierPolicy, TierRule
from allocation.models.workflows import AgentDay, AgentTask, Runaway

__all__ = [
    "CUBE_COLUMNS",
    "Accrual",
    "AccrualRun",
    "Adjustment",
    "AgentDay",
    "AgentTask",
    "AllocatedCost",
    "AllocatedDay",
    "AllocationRule",
    "Basis",
    "BenchmarkRun",
    "Benefit",
    "BillingPeriod",
    "BucketSpread",
    "Charge",
    "ClassDaily",
    "CloseTask",
    "Comparison",
    "Correction",
    "CostCentre",
    "CostDaily",
    "CubeKey",
    "DayCalls",
    "Evidence",
    "GateWaiver",
    "Grant",
    "Invoice",
    "InvoiceLine",
    "InvoiceResidual",
    "JournalEntry",
    "JournalLine",
    "LateMatch",
    "LayerDay",
    "LayerShare",
    "LearntPredictor",
    "Outcome",
    "OutcomeHistory",
    "PeriodManifest",
    "Prediction",
    "QueryCostDaily",
    "Rating",
    "Reconciliation",
    "ReconciliationLine",
    "RuleDay",
    "RuleVersion",
    "Runaway",
    "Settled",
    "SplitCost",
    "SplitOutcome",
    "StaleMonth",
    "Statement",
    "Team",
    "TermsVersion",
    "TierDiff",
    "TierPolicy",
    "TierRule",
    "TrueUp",
    "UsageDaily",
    "UsageDailyUnit",
]
