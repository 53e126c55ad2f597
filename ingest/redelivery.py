"""What a later statement of the same time no longer states: it is set to zero, with history."""

from collections.abc import Iterable, Sequence
from typing import Any

from ingest import facts
from ingest.models import IngestRun
from ingest.pull import Stream
from ingest.source import Context, Covered, Source

_UNREAD = {"kept_former": "some records were quarantined"}  # what could not be read may be what seems to have vanished


def retire_former(run: IngestRun, source: Source, context: Context) -> dict[str, Any]:
    """Set to zero what earlier deliveries stated of the time and the billing periods of this one; notes for the run.

    A delivery of which a record was quarantined replaces nothing: what it states of that record is not known.
    """
    if quarantined(run):
        return _UNREAD
    gone = [
        row
        for part, start, end in sorted({(c.account, c.start, c.end) for c in context.covered})
        for row in facts.zero_lines(
            run.pk, facts.Vanishing(source.kind, run.account, part or None, start, end, run.stream), its_periods=True
        )
    ]
    facts.mark_dirty(gone)
    return {"vanished": len(gone)} if gone else {}


def zero_unstated(
    run: IngestRun, source: Source, streams: Sequence[Stream], stated: Iterable[Covered]
) -> dict[str, Any]:
    """Set to zero what earlier answers stated of the time that this run states whole, and it did not; notes for the run.

    Of ``streams`` those that state all, pulled or as files; called in the transaction that ends a complete run. A run of
    which a record was quarantined zeroes nothing.
    """
    known = {stream.name: stream for stream in streams if stream.states_all}
    spans = sorted({span for span in stated if span.stream in known})
    if spans and quarantined(run):
        return _UNREAD
    gone = []
    for span in spans:
        stream = known[span.stream]
        place = facts.Vanishing(source.kind, run.account, span.account or None, span.start, span.end, stream.name)
        if stream.lines:
            gone += facts.zero_lines(run.pk, place, kinds_of_cost=stream.kinds_of_cost)
        else:
            gone += facts.zero_buckets(run.pk, place, stream.operations)
    facts.mark_dirty(gone)
    return {"vanished": len(gone)} if gone else {}


def quarantined(run: IngestRun) -> bool:
    """Whether a record of the run was not taken."""
    return IngestRun.objects.filter(pk=run.pk, quarantined__gt=0).exists()
