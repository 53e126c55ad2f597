"""Load a tier policy."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation import policies
from allocation.calc.tiers import PolicyError
from web.management.base import LedgerCommand, as_option, json_option
from web.management.files import naming, read_yaml


class Command(LedgerCommand):
    """``tier_policy load FILE``: a version is added; it judges the events that come from now on."""

    help = "Load a tier policy from a YAML file."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load")
        load.add_argument("file", type=Path)
        as_option(load, help="who loads it, for the audit trail")
        json_option(load)

    def run(self, **options: Any) -> dict[str, Any]:
        with naming(options["file"], PolicyError):
            policy = policies.load(read_yaml(options["file"]), actor=options["user"])
        self.stdout.write(f"Tier policy version {policy.version} is in force.")
        return {"version": policy.version}
