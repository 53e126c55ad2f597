"""A restatement that moves an event to another day: one fact stays, the latest; the key of a fact holds its day."""

from datetime import date

import numpy as np
from django.db import transaction
from django.db.models import F

from ingest import facts
from ingest.classification import Classifier, changed_tiers
from ingest.models import IngestRun

REACH = 3  # days: a corrected zone or a rounded instant; what moves further is named by `verify`


def settle_moved(run: IngestRun, days: set[date], classifier: Classifier) -> int:
    """Retire the older of two versions of an event that stand on different days; returns how many were.

    Called once at the end of a run. What the run stored in place of an older version counts as changed; what turned out
    to be the older version itself counts as duplicate.
    """
    if not days:
        return 0
    first, last = min(days), max(days)
    with transaction.atomic():
        facts.lock_days(sorted(days), max(REACH, classifier.look_back))
        # By what was read, not stored: a repeated import stores nothing and takes over every fact.
        read, stored = IngestRun.objects.values_list("read", "stored").get(pk=run.pk)
        found = facts.other_days(run.pk, (first, last), REACH, read)
        found = [row for row in found if abs((row[1] - row[3]).days) <= REACH]
        if not found:
            return 0
        observed = dict(
            IngestRun.objects.filter(pk__in={row[4] for row in found} | {run.pk}).values_list("pk", "observed_at")
        )
        wins = [(observed[mine], mine) > (observed[other], other) for _, _, mine, _, other in found]
        losers = [(row[3], row[0]) if won else (row[1], row[0]) for row, won in zip(found, wins, strict=True)]
        gone = facts.retire(losers)
        dirty = [(day, key) for day, key, _ in gone]
        queries = np.array(sorted({query for _, _, query in gone if query is not None}), dtype=np.int64)
        if len(queries):
            rows = changed_tiers(
                classifier, facts.trace_events(queries, sorted({day for day, _, _ in gone}), classifier.look_back)
            )
            facts.update_tiers([row[:4] for row in rows])
            dirty += [(row[0], row[4]) for row in rows]
        facts.mark_dirty(dirty)
        won, new = sum(wins), min(len(found), stored)  # the others were counted as duplicates: a retry of a killed run
        IngestRun.objects.filter(pk=run.pk).update(
            stored=F("stored") - new, changed=F("changed") + won, duplicate=F("duplicate") + new - won
        )
    return len(found)
