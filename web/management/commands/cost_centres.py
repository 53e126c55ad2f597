"""Load and look at the tree of cost centres."""

from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from allocation import rule_changes
from allocation.attribution import cost_centres
from allocation.calc.rules import RuleError
from web.management.base import LedgerCommand, as_option, day, json_option
from web.management.files import naming, read_yaml


class Command(LedgerCommand):
    """``cost_centres load FILE``: a version that replaces the one before; cost centres it names are made when missing."""

    help = "Load the tree of cost centres (parent, GL account, legal entity, currency, owner) from a YAML file, or show it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="put a file in force")
        load.add_argument("file", type=Path, help="YAML: a list of cost centres")
        load.add_argument("--dry-run", action="store_true", help="change nothing; only say whether it can be used")
        as_option(load, help="who loads them, for the audit trail")
        json_option(load)
        show = actions.add_parser("show", help="the tree of a day")
        show.add_argument("--on", type=day, default=None, help="default: today")
        json_option(show)

    def run(self, **options: Any) -> dict[str, Any]:
        if options["action"] == "show":
            return self._show(options["on"] or timezone.now().date())
        document, dry = read_yaml(options["file"]) or [], options["dry_run"]
        with naming(options["file"], RuleError):
            if dry:
                cost_centres.check(document)
            else:
                rule_changes.LOADS[cost_centres.KIND](document, options["user"])
        done = "can be used; nothing was loaded." if dry else "are in force."
        self.stdout.write(f"{len(document)} entries of cost centres {done}")
        return {"cost_centres": len(document), "dry_run": dry}

    def _show(self, on: date) -> dict[str, Any]:
        tree = cost_centres.on(on)
        if not tree:
            self.stdout.write("No tree of cost centres is in force. Load one: manage.py cost_centres load FILE")
        below: dict[str, list[str]] = {}
        for one in tree.values():
            below.setdefault(one.parent, []).append(one.code)

        def told(parent: str, depth: int) -> None:
            for code in sorted(below.get(parent, [])):
                one = tree[code]
                parts = (one.name, one.gl_account, one.legal_entity, one.currency, one.owner, one.charging_on(on))
                self.stdout.write(f"{'  ' * depth}{code}  {', '.join(part for part in parts if part)}")
                told(code, depth + 1)

        told("", 0)
        return {"on": on, "cost_centres": {code: one._asdict() for code, one in tree.items()}}
