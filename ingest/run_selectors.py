"""Reads of runs and of what they could not take, in pages."""

from typing import Any

from ingest.models import IngestRun, Quarantine


def runs(*, before: int | None, limit: int) -> list[IngestRun]:
    """Runs, newest first, older than ``before``."""
    rows = IngestRun.objects.order_by("-id")
    return list((rows if before is None else rows.filter(id__lt=before))[:limit])


def run_exists(run: int) -> bool:
    """Whether there is such a run."""
    return IngestRun.objects.filter(id=run).exists()


def quarantine(run: int, *, after: int | None, limit: int) -> list[dict[str, Any]]:
    """Records that a run did not take, in the order they were found, after id ``after``; never their content."""
    rows = Quarantine.objects.filter(run_id=run, id__gt=after or 0).order_by("id")[:limit]
    return [
        {
            "id": row.pk, "run": str(run), "reason": row.reason, "detail": row.detail, "place": row.place,
            "byte_offset": row.byte_offset, "sha256": bytes(row.sha256).hex(),
        }
        for row in rows
    ]  # fmt: skip
