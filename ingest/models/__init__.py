"""What ingest keeps: connections, runs and quarantine, keys and slots, facts, billed lines, price books."""

from ingest.models.connections import Connection, Coverage, Credential, SourceName, TakenFile
from ingest.models.facts import (
    ALL_KEYS,
    FACT_COLUMNS,
    RATE_ANEW,
    DirtySlice,
    EventRequest,
    FactDay,
    UsageEvent,
    UsageEventHistory,
    UsageEventUnit,
    UsageFact,
)
from ingest.models.keys import RateSlot, UsageKey
from ingest.models.lines import LINE_COLUMNS, BilledLine, BilledLineHistory, LineFact
from ingest.models.meters import MeterReading
from ingest.models.prices import HeldPrice, Price, PriceBookVersion
from ingest.models.runs import IngestRun, Quarantine

__all__ = [
    "ALL_KEYS",
    "FACT_COLUMNS",
    "LINE_COLUMNS",
    "RATE_ANEW",
    "BilledLine",
    "BilledLineHistory",
    "Connection",
    "Coverage",
    "Credential",
    "DirtySlice",
    "EventRequest",
    "FactDay",
    "HeldPrice",
    "IngestRun",
    "LineFact",
    "MeterReading",
    "Price",
    "PriceBookVersion",
    "Quarantine",
    "RateSlot",
    "SourceName",
    "TakenFile",
    "UsageEvent",
    "UsageEventHistory",
    "UsageEventUnit",
    "UsageFact",
    "UsageKey",
]
