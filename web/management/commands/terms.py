"""Load and look at agreements and what is split: contracts, commitments, capacity, other charges, splits, rate cards."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation.attribution import comparison as of_splits
from allocation.attribution import monthly
from allocation.comparison import compare
from allocation.costing.proposals import in_words, worth
from allocation.models import TermsVersion
from finops.periods import Period
from web import approving
from web.management.base import as_option, json_option
from web.management.difference import say
from web.management.files import naming, read_yaml
from web.management.people import acting
from web.management.refreshing import RefreshingCommand


class Command(RefreshingCommand):
    """``terms load KIND FILE``: a version that replaces the one before; usage is charged anew and compared."""

    help = "Load agreements, splits or rate cards from a YAML file, or show them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="put a file of agreements in force")
        load.add_argument("kind", choices=sorted(monthly.DOCUMENTS))
        load.add_argument("file", type=Path, help="YAML: a list of entries")
        load.add_argument("--dry-run", action="store_true", help="change nothing; show who would pay what more or less")
        as_option(load, default=None, help="a user with the role finance; without it, the command line")
        json_option(load)
        show = actions.add_parser("show", help="what is in force")
        show.add_argument("kind", nargs="?", choices=sorted(monthly.DOCUMENTS))
        json_option(show)

    def run(self, **options: Any) -> dict[str, Any]:
        return self._load(**options) if options["action"] == "load" else self._show(options["kind"])

    def _load(self, **options: Any) -> dict[str, Any]:
        kind, path, loaded = options["kind"], options["file"], list[TermsVersion]()
        by = acting(options["user"])

        def change() -> None:
            with naming(path, ValueError):
                document = read_yaml(path) or []
                loaded.append(monthly.load(kind, document, actor=by))
            self.refreshed()

        if not options["dry_run"] and (kind in monthly.NEED_APPROVAL or _above_limit(kind, path, by)):
            return self._propose(kind, path, by)
        self.refreshed()
        if kind in monthly.OWN:
            rows = of_splits.compare(change, kind, dry_run=options["dry_run"])
        else:
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

    def _propose(self, kind: str, path: Path, user: str) -> dict[str, Any]:
        with naming(path, ValueError):
            asked = approving.propose_agreements(kind, read_yaml(path) or [], by=user)
        told = f"{asked.subject} ({in_words(asked.details)})"
        self.stdout.write(f"{told} wait for another person: manage.py approvals accept {asked.pk} --as USER")
        return {"kind": kind, "approval": asked.pk, "entries": len(asked.details["entries"]), "dry_run": False}

    def _show(self, kind: str | None) -> dict[str, Any]:
        live = TermsVersion.objects.filter(live=True, kind__in=monthly.DOCUMENTS).order_by("kind")
        found = list(live.filter(kind=kind) if kind else live)
        if not found:
            self.stdout.write("No agreements are in force. Load some: manage.py terms load KIND FILE")
        for version in found:
            self.stdout.write(f"{version.kind} version {version.number}, loaded by {version.loaded_by}")
            for entry in version.document:
                text = ", ".join(f"{name}: {value}" for name, value in entry.items() if name != "code")
                self.stdout.write(f"  {entry.get('code', '')}: {text}")
        return {version.kind: version.document for version in found}


def _above_limit(kind: str, path: Path, by: str) -> bool:
    with naming(path, ValueError):
        entries = json.loads(json.dumps(read_yaml(path) or [], default=str))
        return approving.above_limit(approving.AGREEMENTS, worth(kind, entries), by)
