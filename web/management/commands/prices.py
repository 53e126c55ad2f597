"""Load and look at price books."""

from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation.comparison import compare
from allocation.derived import refresh
from finops.periods import Period
from ingest.calc.prices import PriceError
from ingest.models import PriceBookVersion
from ingest.prices import load_builtin, load_overrides
from web.management.base import LedgerCommand, WrongUse, json_option
from web.management.difference import say
from web.management.files import existing, naming


class Command(LedgerCommand):
    """``prices load``: a new version of a book, which replaces the one before; usage is priced anew and compared."""

    help = "Load price books."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="put a book in force")
        load.add_argument("file", nargs="?", type=Path, help="YAML file of overrides")
        load.add_argument("--builtin", action="store_true", help="the book that ships with the product")
        load.add_argument("--dry-run", action="store_true", help="change nothing; show who would pay what more or less")
        load.add_argument("--as", dest="user", default="command line", help="who loads it, for the audit trail")
        json_option(load)

    def run(self, **options: Any) -> dict[str, Any]:
        if options["builtin"] == (options["file"] is not None):
            raise WrongUse("say either a file or --builtin")
        path: Path | None = options["file"] and existing(options["file"])
        loaded: list[PriceBookVersion] = []

        def change() -> None:
            if path is None:
                loaded.append(load_builtin(actor=options["user"]))
            else:
                with naming(path, PriceError):
                    loaded.append(load_overrides(path, actor=options["user"]))
            refresh()

        refresh()
        rows = compare(Period(date.min, date.max), change, dry_run=options["dry_run"])
        version = loaded[0]
        if rows:
            say(self.stdout, rows, dry_run=options["dry_run"])
        count = 0 if options["dry_run"] else version.prices.count()
        if not options["dry_run"]:
            self.stdout.write(f"{version.book} book {version.content_hash[:12]} with {count:,} prices is in force.")
        return {
            "book": version.book, "version": version.content_hash, "prices": count, "dry_run": options["dry_run"],
            "cost_centres": rows,
        }  # fmt: skip
