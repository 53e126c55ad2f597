"""Load and look at business metrics that costs are shared by."""

import csv
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation import rule_changes
from allocation.attribution import drivers
from allocation.calc.rules import RuleError
from allocation.calc.rules_targets import USAGE_DRIVERS
from finops.periods import Period, PeriodError
from web.management.base import LedgerCommand, WrongUse, as_option, json_option
from web.management.difference import say
from web.management.files import naming, read_yaml


class Command(LedgerCommand):
    """``drivers load FILE``: replaces the metrics in force; rules that share by them are run again in open months."""

    help = "Load business metrics (headcount, orders) by month and cost centre from CSV or YAML, or show what weighs in a month."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="put a file in force")
        load.add_argument("file", type=Path, help="CSV (month, name, cost_centre, value) or YAML: a list of entries")
        load.add_argument("--dry-run", action="store_true", help="change nothing; show who would pay what more or less")
        as_option(load, help="who loads them, for the audit trail")
        json_option(load)
        show = actions.add_parser("show", help="the weights of a month by every driver")
        show.add_argument("month", metavar="YYYY-MM")
        json_option(show)

    def run(self, **options: Any) -> dict[str, Any]:
        return self._show(options["month"]) if options["action"] == "show" else self._load(options)

    def _load(self, options: dict[str, Any]) -> dict[str, Any]:
        path, dry = options["file"], options["dry_run"]
        with naming(path, RuleError, csv.Error):
            document = _read(path)
            rows = rule_changes.load_document(drivers.KIND, document, actor=options["user"], dry_run=dry)
        if rows:
            say(self.stdout, rows, dry_run=dry)
        self.stdout.write("It can be used; nothing was loaded." if dry else f"{len(document)} values are in force.")
        return {"values": len(document), "dry_run": dry, "cost_centres": rows}

    def _show(self, month: str) -> dict[str, Any]:
        try:
            period = Period.month(month)
        except PeriodError as error:
            raise WrongUse(error) from None
        found = {name: drivers.weights(name, period) for name in (*USAGE_DRIVERS, *drivers.metrics().names)}
        for name, weighed in found.items():
            self.stdout.write(name if weighed else f"{name}: nobody has any")
            for code, value in weighed.items():
                self.stdout.write(f"  {code:<24} {value:>24,f}")
        return {"month": str(period), "drivers": found}


def _read(path: Path) -> list[Any]:
    if path.suffix.lower() != ".csv":
        return read_yaml(path) or []
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, strict=True))
