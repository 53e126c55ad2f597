"""Load and look at price books."""

from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import CommandParser

from allocation.derived import refresh
from ingest.calc.prices import PriceError
from ingest.prices import load_builtin, load_overrides
from web.management.base import LedgerCommand, WrongUse, json_option


class Command(LedgerCommand):
    """``prices load --builtin`` or ``prices load FILE``: a new version; usage is priced anew."""

    help = "Load price books."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="put a book in force")
        load.add_argument("file", nargs="?", type=Path, help="YAML file of overrides")
        load.add_argument("--builtin", action="store_true", help="the book that ships with the product")
        load.add_argument("--as", dest="user", default="command line", help="who loads it, for the audit trail")
        json_option(load)

    def run(self, **options: Any) -> dict[str, Any]:
        if options["builtin"] == (options["file"] is not None):
            raise WrongUse("say either a file or --builtin")
        try:
            if options["builtin"]:
                version = load_builtin(actor=options["user"])
            else:
                version = load_overrides(options["file"], actor=options["user"])
        except (PriceError, yaml.YAMLError) as error:
            raise WrongUse(error) from None
        refresh()
        count = version.prices.count()
        self.stdout.write(f"{version.book} book {version.content_hash[:12]} with {count:,} prices is in force.")
        return {"book": version.book, "version": version.content_hash, "prices": count}
