"""List the kinds of source and the connections there are."""

from typing import Any

from django.core.management.base import CommandParser

from ingest.models import Connection
from ingest.source import Source
from ingest.sources import all_sources
from web.management.base import LedgerCommand

_HEADINGS = ("Kind", "Layer", "Ways in", "How to connect it", "Permission it needs", "Tells", "Cannot tell")


class Command(LedgerCommand):
    """Every kind that ``ingest_file --source`` and ``connect --kind`` know."""

    help = "List the kinds of source and your connections; --markdown prints the table of the README."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--markdown", action="store_true")

    def run(self, **options: Any) -> dict[str, Any]:
        found = all_sources()
        if options["markdown"]:
            self.stdout.write(markdown(found))
            return {"sources": sorted(found)}
        for kind, source in found.items():
            self.stdout.write(f"{kind:<22} {source.layer:<16} {', '.join(ways(source)):<18} {source.guide.title}")
        connections = list(Connection.objects.order_by("name"))
        if connections:
            self.stdout.write("\nConnected:")
        for item in connections:
            state = "disabled" if not item.enabled else item.last_error or (item.last_ok_at or "never pulled")
            self.stdout.write(f"{item.name:<22} {item.kind:<16} {item.way:<18} {state}")
        return {
            "sources": [
                {"kind": kind, "layer": source.layer, "ways": ways(source), "title": source.guide.title}
                for kind, source in found.items()
            ],
            "connections": [
                {
                    "name": item.name, "kind": item.kind, "way": item.way, "enabled": item.enabled,
                    "last_ok_at": item.last_ok_at and item.last_ok_at.isoformat(), "last_error": item.last_error,
                }
                for item in connections
            ],
        }  # fmt: skip


def ways(source: Source) -> list[str]:
    """How records of this kind come in."""
    return ["file", "folder", *(["pull"] if source.pulled else []), *(["push"] if source.pushed else [])]


def markdown(found: dict[str, Source]) -> str:
    """The README's table."""
    rows = [_HEADINGS, ("---",) * len(_HEADINGS)]
    for kind, source in found.items():
        guide = source.guide
        cells = (guide.connect, guide.permission or "none", guide.tells, guide.cannot)
        rows.append((f"`{kind}`: {guide.title}", source.layer.replace("_", " "), ", ".join(ways(source)), *cells))
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row) + " |" for row in rows
    )
