"""Every SQL statement that touches usage facts, and nothing else.

They also run on distributed PostgreSQL (Citus), hence: no foreign key, trigger or CHECK on facts, no multi-shard FOR
UPDATE, no ROLLUP, no NOT EXISTS against temporary tables; partitions and keys are committed before the batch.
One lock order everywhere: days (advisory, ascending), facts by key, derived rows. READ COMMITTED.
"""

from ingest.facts.agent_calls import days_of_queries, tokens_of_queries, traced_calls
from ingest.facts.calls import calls_of_day
from ingest.facts.check import (
    count_facts,
    cube_differences,
    mixed_classes,
    orphans,
    repeated_events,
    torn_queries,
)
from ingest.facts.derive import (
    SUM_COLUMNS,
    dirty_days,
    is_rated_anew_alone,
    sums_of_day,
    take_dirty_keys,
    unit_sums_of_day,
)
from ingest.facts.features import features_of_day
from ingest.facts.lines import Vanishing, WrittenLines, store_lines, zero_lines
from ingest.facts.move import other_days, retire
from ingest.facts.store import (
    FEATURE_COLUMNS,
    PARTITIONED,
    Written,
    copy_direct,
    copy_staged,
    former_slices,
    known_queries,
    lock_days,
    mark_dirty,
    prepare_days,
    slot_events,
    trace_events,
    update_slots,
    update_tiers,
    write_requests,
    write_units,
)
from ingest.facts.vanish import zero_buckets

__all__ = [
    "FEATURE_COLUMNS",
    "PARTITIONED",
    "SUM_COLUMNS",
    "Vanishing",
    "Written",
    "WrittenLines",
    "calls_of_day",
    "copy_direct",
    "copy_staged",
    "count_facts",
    "cube_differences",
    "days_of_queries",
    "dirty_days",
    "features_of_day",
    "former_slices",
    "is_rated_anew_alone",
    "known_queries",
    "lock_days",
    "mark_dirty",
    "mixed_classes",
    "orphans",
    "other_days",
    "prepare_days",
    "repeated_events",
    "retire",
    "slot_events",
    "store_lines",
    "sums_of_day",
    "take_dirty_keys",
    "tokens_of_queries",
    "torn_queries",
    "trace_events",
    "traced_calls",
    "unit_sums_of_day",
    "update_slots",
    "update_tiers",
    "write_requests",
    "write_units",
    "zero_buckets",
    "zero_lines",
]
