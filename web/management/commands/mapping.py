"""Try a mapping on a sample."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from ingest.calc.mapping import MappingError, load_mapping
from ingest.mapping_trial import trial
from ingest.source import NotThisKind
from ingest.streams import Bomb
from web.management.base import LedgerCommand, RefusedHere, count, json_option
from web.management.files import existing, naming


class Command(LedgerCommand):
    """``mapping check FILE SAMPLE``: what the mapping makes of the first rows; nothing is stored."""

    help = "Show what a mapping makes of the first rows of a sample file."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        check = actions.add_parser("check")
        check.add_argument("file", type=Path, help="the mapping (YAML); - for the one that is used without --mapping")
        check.add_argument("sample", type=Path)
        check.add_argument("--rows", type=count, default=20, help="how many records to look at (default 20)")
        json_option(check)

    def run(self, **options: Any) -> dict[str, Any]:
        named = None
        if str(options["file"]) != "-":
            with naming(options["file"], MappingError):
                named = load_mapping(options["file"].read_text(encoding="utf-8"))
        try:
            found = trial(existing(options["sample"]), named, limit=options["rows"])
        except (NotThisKind, Bomb) as error:
            raise RefusedHere(error) from None
        for row in found["rows"]:
            self.stdout.write("  ".join(f"{name}={value}" for name, value in row.items()))
        for reject in found["rejects"]:
            self.stdout.write(f"{reject['place']}: {reject['reason']} ({reject['detail']})")
        self.stdout.write(
            f"{len(found['rows'])} rows, {len(found['rejects'])} rejected; the record is known by {found['identity']}."
        )
        if found["unused"]:
            self.stdout.write(f"Columns that the mapping does not use: {', '.join(found['unused'])}")
        if found["absent"]:
            self.stdout.write(f"Columns of the mapping that no row has: {', '.join(found['absent'])}")
        return found
