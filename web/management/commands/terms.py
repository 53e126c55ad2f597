"""Load and look at agreements: contracts, commitments, capacity, other charges."""

from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation.comparison import compare
from allocation.costing import steps, terms
from allocation.derived import refresh
from allocation.models import TermsVersion
from finops.periods import Period
from web.management.base import LedgerCommand, json_option
from web.management.difference import say
from web.management.files import naming, read_yaml


class Command(LedgerCommand):
    """``terms load KIND FILE``: a version that replaces the one before; usage is charged anew and compared."""

    help = "Load agreements (contracts, commitments, capacity, other_charges) from a YAML file, or show them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="put a file of agreements in force")
        load.add_argument("kind", choices=sorted(steps.AGREEMENTS))
        load.add_argument("file", type=Path, help="YAML: a list of entries")
        load.add_argument("--dry-run", action="store_true", help="change nothing; show who would pay what more or less")
        load.add_argument("--as", dest="user", default="command line", help="who loads them, for the audit trail")
        json_option(load)
        show = actions.add_parser("show", help="what is in force")
        show.add_argument("kind", nargs="?", choices=sorted(steps.AGREEMENTS))
        json_option(show)

    def run(self, **options: Any) -> dict[str, Any]:
        return self._load(**options) if options["action"] == "load" else self._show(options["kind"])

    def _load(self, **options: Any) -> dict[str, Any]:
        kind, path, loaded = options["kind"], options["file"], list[TermsVersion]()

        def change() -> None:
            with naming(path, ValueError):
                document = read_yaml(path) or []
                loaded.append(terms.load(kind, document, steps.AGREEMENTS[kind], actor=options["user"]))
            refresh()

        refresh()
        rows = compare(Period(date.min, date.max), change, dry_run=options["dry_run"])
        if rows:
            say(self.stdout, rows, dry_run=options["dry_run"])
        count = len(loaded[0].document)
        if not options["dry_run"]:
            self.stdout.write(f"{kind} version {loaded[0].number} with {count} entries is in force.")
        return {
            "kind": kind, "version": loaded[0].number, "entries": count, "dry_run": options["dry_run"],
            "cost_centres": rows,
        }  # fmt: skip

    def _show(self, kind: str | None) -> dict[str, Any]:
        live = TermsVersion.objects.filter(live=True).order_by("kind")
        found = list(live.filter(kind=kind) if kind else live)
        if not found:
            self.stdout.write("No agreements are in force. Load some: manage.py terms load KIND FILE")
        for version in found:
            self.stdout.write(f"{version.kind} version {version.number}, loaded by {version.loaded_by}")
            for entry in version.document:
                text = ", ".join(f"{name}: {value}" for name, value in entry.items() if name != "code")
                self.stdout.write(f"  {entry.get('code', '')}: {text}")
        return {version.kind: version.document for version in found}
