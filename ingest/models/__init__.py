"""What ingest keeps: runs and quarantine, keys and slots, facts, price books."""

from ingest.models.facts import (
    ALL_KEYS,
    FACT_COLUMNS,
    DirtySlice,
    FactDay,
    UsageEvent,
    UsageEventHistory,
    UsageEventUnit,
    UsageFact,
)
from ingest.models.keys import RateSlot, UsageKey
from ingest.models.prices import Price, PriceBookVersion
from ingest.models.runs import IngestRun, Quarantine

__all__ = [
    "ALL_KEYS",
    "FACT_COLUMNS",
    "DirtySlice",
    "FactDay",
    "IngestRun",
    "Price",
    "PriceBookVersion",
    "Quarantine",
    "RateSlot",
    "UsageEvent",
    "UsageEventHistory",
    "UsageEventUnit",
    "UsageFact",
    "UsageKey",
]
