"""A later delivery of a billing period replaces the lines of the former one."""

from typing import Any

from ingest import facts
from ingest.models import IngestRun
from ingest.source import Context, Source


def retire_former(run: IngestRun, source: Source, context: Context) -> dict[str, Any]:
    """Set to zero what earlier deliveries stated of the time that this one covers; returns notes for the run."""
    gone = [
        row
        for part, start, end in sorted({(c.account, c.start, c.end) for c in context.covered})
        for row in facts.zero_lines(
            run.pk, facts.Vanishing(source.kind, run.account, part or None, start, end)
        )
    ]  # fmt: skip
    facts.mark_dirty(gone)
    return {"vanished": len(gone)} if gone else {}
