"""Statements that check facts for ``manage.py verify``."""

from typing import Any

from finops.tokens import TOKEN_CLASSES
from ingest.facts.derive import REQUESTS
from ingest.facts.statement import rows


def cube_differences() -> list[tuple[Any, ...]]:
    """(charge_date, usage_key_id, tier, estimated, slot, column) where the cube is not the sum of the facts.

    Buckets, which the cube parts over tiers, are compared in all tiers together. Slices that are marked dirty are on their
    way and left out.
    """
    names = ("saved_tokens", "reported_cost", *TOKEN_CLASSES)
    measures = ("events", "requests", "queries", "failed", *names)
    key = "charge_date, usage_key_id, tier, tier_estimated, rate_slot_id"
    counts, sums = (", ".join(f"sum({name}) AS {name}" for name in of) for of in (measures[:4], names))
    differing = ", ".join(f"CASE WHEN f.{name} IS DISTINCT FROM u.{name} THEN '{name}' END" for name in measures)
    return rows(
        "WITH f AS (SELECT e.charge_date, e.usage_key_id, CASE WHEN t.estimated THEN '' ELSE t.tier END AS tier, "
        "t.estimated AS tier_estimated, e.rate_slot_id, "
        f"count(*) AS events, sum({REQUESTS}) AS requests, "
        f"coalesce(sum({REQUESTS}) FILTER (WHERE begins), 0) AS queries, coalesce(sum(failed), 0) AS failed, {sums} "
        "FROM usage_event e JOIN allocation_tierrule t ON t.id = e.tier_rule GROUP BY 1, 2, 3, 4, 5), "
        "u AS (SELECT charge_date, usage_key_id, CASE WHEN tier_estimated THEN '' ELSE tier END AS tier, tier_estimated, "
        f"rate_slot_id, {counts}, {sums} FROM usage_daily GROUP BY 1, 2, 3, 4, 5), "
        f"d AS (SELECT {key}, concat_ws(',', {differing}) AS columns FROM f FULL JOIN u USING ({key})) "
        "SELECT d.* FROM d WHERE columns <> '' AND NOT EXISTS (SELECT 1 FROM ingest_dirtyslice s "
        "WHERE s.charge_date = d.charge_date AND s.usage_key_id IN (0, d.usage_key_id)) ORDER BY 1, 2, 3, 4, 5"
    )


def count_facts() -> int:
    """How many facts there are."""
    return int(rows("SELECT count(*) FROM usage_event")[0][0])


def repeated_events() -> list[tuple[Any, ...]]:
    """(event_id, dates) of events that stand on more than one date."""
    return rows(
        "SELECT event_id, array_agg(charge_date ORDER BY charge_date) FROM usage_event "
        "GROUP BY event_id HAVING count(*) > 1 ORDER BY event_id"
    )


def mixed_classes() -> list[tuple[Any, ...]]:
    """(charge_date, event_id) of facts that count tokens both as saved by a gateway's cache and as billable."""
    billable = " + ".join(f"coalesce({name}, 0)" for name in TOKEN_CLASSES)
    return rows(
        f"SELECT charge_date, event_id FROM usage_event WHERE saved_tokens > 0 AND {billable} > 0 ORDER BY 1, 2"
    )


def orphans() -> list[tuple[Any, ...]]:
    """(charge_date, event_id) of facts whose usage key, rate slot or run does not exist: there are no foreign keys."""
    return rows(
        "SELECT charge_date, event_id FROM usage_event e LEFT JOIN ingest_usagekey k ON k.id = e.usage_key_id "
        "LEFT JOIN ingest_rateslot s ON s.id = e.rate_slot_id LEFT JOIN ingest_ingestrun r ON r.id = e.run_id "
        "WHERE k.id IS NULL OR s.id IS NULL OR r.id IS NULL ORDER BY 1, 2"
    )


def torn_queries(look_back: int) -> list[tuple[Any, ...]]:
    """(query_id, charge_date) of queries whose events disagree: other tier rules, or not one beginning, within a stretch.

    A stretch is what the classifier takes for one query: events no further than the look-back from the next.
    """
    return rows(
        "WITH o AS (SELECT query_id, charge_date, tier_rule, begins, charge_date - lag(charge_date) OVER w AS gap "
        "FROM usage_event WHERE query_id IS NOT NULL AND coalesce(requests, 1) <= 1 "
        "WINDOW w AS (PARTITION BY query_id ORDER BY charge_date)), "
        "n AS (SELECT *, sum(CASE WHEN gap > %s THEN 1 ELSE 0 END) OVER "
        "(PARTITION BY query_id ORDER BY charge_date RANGE UNBOUNDED PRECEDING) AS stretch FROM o) "
        "SELECT query_id, min(charge_date) FROM n GROUP BY query_id, stretch "
        "HAVING count(DISTINCT tier_rule) > 1 OR count(*) FILTER (WHERE begins) <> 1 ORDER BY 1, 2",
        [look_back],
    )
