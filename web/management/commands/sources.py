"""List the kinds of source and the connections there are."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from ingest.health_selectors import refused_files, statuses
from ingest.models import Connection
from ingest.source import Source
from ingest.source_status import Status
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
        connected = [(status.connection, status) for status in statuses(timezone.now()) if status.connection]
        if connected:
            self.stdout.write("\nConnected:")
        for item, status in connected:
            self.stdout.write(f"{item.name:<22} {item.kind:<16} {item.way:<18} {_state(item, status)}")
            for file in refused_files(item) if status.refused else ():
                self.stdout.write(f"    {file.path}: {file.run.reason if file.run else ''}")
        return {
            "sources": [
                {"kind": kind, "layer": source.layer, "ways": ways(source), "title": source.guide.title}
                for kind, source in found.items()
            ],
            "connections": [
                {
                    "name": item.name, "kind": item.kind, "way": item.way, "enabled": item.enabled,
                    "last_ok_at": item.last_ok_at and item.last_ok_at.isoformat(), "last_error": item.last_error,
                    "refused": status.refused.number if status.refused else 0,
                }
                for item, status in connected
            ],
        }  # fmt: skip


def _state(item: Connection, status: Status) -> str:
    """One line: what is wrong with it, else when it was pulled."""
    if not item.enabled:
        return "disabled"
    if status.refused:
        number = status.refused.number
        files = "a file" if number == 1 else f"{number:,} files"
        return f"{files} refused and still there; `connection accept {item.name} FILE` takes what can be read:"
    return item.last_error or (f"{item.last_ok_at:%Y-%m-%d %H:%M} UTC" if item.last_ok_at else "never pulled")


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
