"""Load, propose and look at allocation rules, and the mappings of what usage is for."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation import rule_changes, rulebook
from allocation.attribution import coverage
from allocation.calc.rules import RuleError
from allocation.calc.rules_coverage import CATCHES
from finops.periods import Period, PeriodError
from web import formats
from web.management.base import LedgerCommand, WrongUse, as_option, json_option
from web.management.difference import say
from web.management.files import naming, read_yaml


class Command(LedgerCommand):
    """``rules load FILE``: a version is added and all open months are allocated by it; frozen months stay as they are."""

    help = "Load allocation rules (or mappings of what usage is for) from a YAML file, propose them, or show what they catch."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="put a file in force, in all open months")
        load.add_argument("--dry-run", action="store_true", help="change nothing; show who would pay what more or less")
        propose = actions.add_parser("propose", help="ask for it: another person of finance puts it in force")
        for each in (load, propose):
            each.add_argument("file", type=Path, help="YAML: a list of rules, or of mappings")
            each.add_argument(
                "--mappings", action="store_true", help="the file holds mappings: key -> environment, feature, tag"
            )
            as_option(each)
            json_option(each)
        covered = actions.add_parser("coverage", help="what each rule caught in a month, and what none did")
        covered.add_argument("month", metavar="YYYY-MM")
        json_option(covered)

    def run(self, **options: Any) -> dict[str, Any]:
        if options["action"] == "coverage":
            return self._coverage(options["month"])
        document = read_yaml(options["file"]) or []
        with naming(options["file"], RuleError):
            return self._propose(document, options) if options["action"] == "propose" else self._load(document, options)

    def _load(self, document: Any, options: dict[str, Any]) -> dict[str, Any]:
        user, dry = options["user"], options["dry_run"]
        if options["mappings"]:
            rows = rule_changes.load_document(rulebook.MAPPINGS, document, actor=user, dry_run=dry)
            told: dict[str, Any] = {"mappings": len(document)}
            done = f"{len(document)} mappings are in force."
        else:
            version, rows = rule_changes.load(document, actor=user, dry_run=dry)
            told = {"version": version.number, "rules": len(document)}
            done = f"Rules version {version.number} with {len(document)} rules is in force."
        if rows:
            say(self.stdout, rows, dry_run=dry)
        self.stdout.write("It can be used; nothing was loaded." if dry else done)
        return told | {"dry_run": dry, "cost_centres": rows}

    def _propose(self, document: Any, options: dict[str, Any]) -> dict[str, Any]:
        if options["mappings"]:
            asked = rule_changes.propose_document(rulebook.MAPPINGS, document, by=options["user"])
        else:
            asked = rule_changes.propose(document, by=options["user"])
        self.stdout.write(f"Approval {asked.pk} waits for another person: manage.py approvals")
        return {"approval": asked.pk, "subject": asked.subject}

    def _coverage(self, month: str) -> dict[str, Any]:
        try:
            found = coverage.of_month(Period.month(month))
        except PeriodError as error:
            raise WrongUse(error) from None
        told = "There is no cost" if found.share is None else f"{formats.percent(found.share)} of cost has an owner"
        self.stdout.write(f"{told}, by version {found.version} of the rules.")
        for row in found.rules:
            state = "" if row.state == CATCHES else f"  {row.state.replace('_', ' ')}"
            self.stdout.write(f"  {row.rule.rule:<30} {row.cost:>20,.6f} {found.currency}  {row.keys:>6} keys{state}")
        for gap in found.gaps:
            name = f"nobody's: {gap.about or gap.reason}"
            self.stdout.write(f"  {name:<30} {gap.cost:>20,.6f} {found.currency}  {gap.keys:>6} keys")
        return coverage.as_json(found)
