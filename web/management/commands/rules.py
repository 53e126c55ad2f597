"""Load allocation rules."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation import rulebook
from allocation.calc.rules import RuleError
from web.management.base import LedgerCommand, json_option
from web.management.files import naming, read_yaml


class Command(LedgerCommand):
    """``rules load FILE``: a version is added; run ``allocate`` to apply it to a month."""

    help = "Load allocation rules from a YAML file."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load")
        load.add_argument("file", type=Path)
        load.add_argument("--as", dest="user", default="command line", help="who loads them, for the audit trail")
        json_option(load)

    def run(self, **options: Any) -> dict[str, Any]:
        with naming(options["file"], RuleError):
            version = rulebook.load(read_yaml(options["file"]), actor=options["user"])
        count = version.rules.count()
        self.stdout.write(
            f"Rules version {version.number} with {count} rules is in force. Apply it: manage.py allocate YYYY-MM"
        )
        return {"version": version.number, "rules": count}
