"""List the sources."""

from typing import Any

from ingest.sources import all_sources
from web.management.base import LedgerCommand


class Command(LedgerCommand):
    """Every kind that ``ingest_file --source`` knows."""

    help = "List the kinds of source."

    def run(self, **options: Any) -> dict[str, Any]:
        found = all_sources()
        for kind, source in found.items():
            self.stdout.write(f"{kind:<16} {source.layer:<16} {(source.__doc__ or '').splitlines()[0]}")
        return {"sources": [{"kind": kind, "layer": source.layer} for kind, source in found.items()]}
