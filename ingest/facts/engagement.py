"""At which prompts models begin to reason: a read of the facts for vendor transparency."""

from datetime import date
from typing import Any

from finops.tokens import ALL_INPUT_CLASSES
from ingest.facts.statement import rows


def reasoning_requests(start: date, end: date) -> list[tuple[Any, ...]]:
    """Single calls of [start, end) by usage key and length: (usage_key_id, band, requests, reasoning, unsplit).

    ``band``: floor(log2) of the prompt's tokens, NULL for a prompt of none; ``reasoning``: calls with output_reasoning > 0;
    ``unsplit``: calls whose source does not tell reasoning apart. Buckets of many calls have no length and do not count.
    """
    length = " + ".join(f"coalesce({name}, 0)" for name in ALL_INPUT_CLASSES)
    return rows(
        f"SELECT usage_key_id, floor(log(2, nullif({length}, 0)::numeric))::int, count(*), "
        "count(*) FILTER (WHERE output_reasoning > 0), count(*) FILTER (WHERE output_reasoning IS NULL) FROM usage_event "
        "WHERE charge_date >= %s AND charge_date < %s AND coalesce(requests, 1) = 1 GROUP BY 1, 2",
        [start, end],
    )
