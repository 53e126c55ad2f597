"""A later delivery of a billing period replaces the lines of the former one."""

from typing import Any

from ingest import facts
from ingest.models import IngestRun
from ingest.source import Context, Source


def retire_former(run: IngestRun, source: Source, context: Context) -> dict[str, Any]:
    """Set to zero what earlier deliveries stated of the time and the billing periods of this one; notes for the run.

    A delivery of which a record was quarantined replaces nothing: what it states of that record is not known.
    """
    if quarantined(run):
        return {"kept_former": "some records were quarantined"}
    gone = [
        row
        for part, start, end in sorted({(c.account, c.start, c.end) for c in context.covered})
        for row in facts.zero_lines(
            run.pk, facts.Vanishing(source.kind, run.account, part or None, start, end), its_periods=True
        )
    ]
    facts.mark_dirty(gone)
    return {"vanished": len(gone)} if gone else {}


def quarantined(run: IngestRun) -> bool:
    """Whether a record of the run was not taken."""
    return IngestRun.objects.filter(pk=run.pk, quarantined__gt=0).exists()
