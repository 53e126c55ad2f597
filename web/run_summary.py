"""A run as commands and the API tell it (CONTRACTS 4)."""

from typing import Any

from django.conf import settings

from ingest.models import IngestRun
from ingest.selectors import quarantine_counts


def summary(run: IngestRun) -> dict[str, Any]:
    """The JSON object of a run."""
    totals = dict(run.totals)
    unpriced, currency = totals.pop("unpriced", 0), totals.pop("currency", settings.REPORT_CURRENCY)
    return {
        "run": str(run.pk), "source": run.source, "account": run.account, "state": run.state, "read": run.read,
        "stored": run.stored, "changed": run.changed, "duplicate": run.duplicate, "quarantined": run.quarantined,
        "skipped": run.skipped, "unpriced": unpriced, "quarantine": quarantine_counts(run.pk), "currency": currency,
        "totals": totals, "identity": run.identity, "notes": run.notes,
    }  # fmt: skip
