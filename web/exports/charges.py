"""The month's charges as the ledger has them: one row per share of a charge, unknown costs empty."""

from pathlib import Path

import pyarrow as pa

from allocation import focus_selectors, statement_selectors
from allocation.calc.focus_ledger import LEDGER
from allocation.scope import Scope
from finops.focus import COLUMNS
from finops.periods import Period
from web.exports.focus_files import writing

_NAMES = {
    "day": "ChargeDate", "category": "ChargeCategory", "quantity": "ConsumedQuantity", "unit": "ConsumedUnit",
    "currency": "BillingCurrency", "status": "CommitmentDiscountStatus", "host": "HostProviderName",
    "charge_id": "x_ChargeId", "origin": "x_OriginChargeId", "scope": "x_Scope", "cause": "x_Reason",
    "subject": "x_Subject", "rule": "x_AllocationRule", "original_currency": "x_OriginalCurrency",
    "original_cost": "x_OriginalEffectiveCost", "fx_rate": "x_FxRate",
    "fx_day": "x_FxRateDate", "fx_source": "x_FxSource", "tier_estimated": "x_TierEstimated",
    "pricing_unit": "x_PricingUnit", "proxy_cost": "x_UnpricedEstimate", "ratio": "x_AllocatedRatio",
}  # fmt: skip
_FIELDS = [field.name for field in LEDGER if not field.name.startswith("origin_")]
SCHEMA = pa.schema([LEDGER.field(name).with_name(_NAMES.get(name) or COLUMNS[name]) for name in _FIELDS])


def file_name(period: Period, ending: str, code: str = "") -> str:
    """The name by which finance knows the file."""
    return f"charges_{period}{f'_{code}' if code else ''}.{ending}"


def write(path: Path, scope: Scope, period: Period) -> int:
    """Write the charges of a month's days, as its statement has them; returns how many rows. Raises OSError."""
    rows = 0
    with statement_selectors.snapshot(), writing(path, SCHEMA) as put:
        for batch in focus_selectors.ledger(scope, period, billed=False):
            put(batch.select(_FIELDS).rename_columns(SCHEMA.names))
            rows += len(batch)
    return rows
