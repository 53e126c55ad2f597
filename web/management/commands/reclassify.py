"""Judge queries of days gone by anew, by a version of the tier policy."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from allocation import policies, tier_diffs
from allocation.calc.policy_error import PolicyError
from allocation.models import TierPolicy
from allocation.reclassify import Outcome, reclassify
from finops.periods import Period, PeriodError
from web.management.base import LedgerCommand, WrongUse, as_option, day
from web.management.files import naming, read_yaml


class Command(LedgerCommand):
    """Queries that begin in these days get the tier that the policy in force gives them; those of frozen months stay.

    With ``--dry-run`` it only shows which queries would move and what each tier would cost, also by another version or by a
    file that nobody has loaded.
    """

    help = "Judge queries of days gone by anew, by the tier policy."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--from", dest="first", type=day, metavar="DAY", required=True)
        parser.add_argument("--to", dest="last", type=day, metavar="DAY", required=True, help="inclusive")
        by = parser.add_mutually_exclusive_group()
        by.add_argument("--version", dest="number", type=int, metavar="N", help="the policy; default: the one in force")
        by.add_argument("--policy", type=Path, metavar="FILE", help="a policy that is not loaded; needs --dry-run")
        parser.add_argument("--dry-run", action="store_true", help="change nothing")
        as_option(parser, help="who does it, for the audit trail")

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            period = Period.through(options["first"], options["last"])
        except PeriodError as error:
            raise WrongUse(error) from None
        dry = options["dry_run"]
        if options["policy"] is not None:
            if not dry:
                raise WrongUse("--policy needs --dry-run: load it first (manage.py tier_policy load FILE)")
            found = self._by_file(options["policy"], period, options["user"])
        else:
            policy = self._version(options["number"], dry=dry)
            found = tier_diffs.made(policy, period, dry_run=dry, actor=options["user"])
        result = tier_diffs.written(found)
        self._say(result, dry=dry)
        return {"from": str(period.start), "to": str(options["last"]), "dry_run": dry, **result}

    def _by_file(self, path: Path, period: Period, actor: str) -> Outcome:
        with naming(path, PolicyError), transaction.atomic():
            found = reclassify(policies.load(read_yaml(path), actor=actor), period, dry_run=True)
            transaction.set_rollback(True)
        return found

    def _version(self, number: int | None, *, dry: bool) -> TierPolicy:
        live = policies.load_default(actor="system")
        if number is None or number == live.version:
            return live
        if not dry:
            raise WrongUse(
                f"--version {number} is not in force, version {live.version} is: only --dry-run judges by it"
            )
        policy = TierPolicy.objects.filter(version=number).first()
        if policy is None:
            raise WrongUse(f"--version: there is no tier policy version {number}")
        return policy

    def _say(self, result: dict[str, Any], *, dry: bool) -> None:
        out = self.stdout
        out.write(f"{result['queries']:,} single queries compared with policy version {result['version']}: "
                  f"{result['moved_queries']:,} move, {result['held_queries']:,} stay as frozen months have them.")  # fmt: skip
        for row in result["matrix"]:
            out.write(
                f"  {row['before']:>9} -> {row['after']:<9} {row['queries']:>12,} queries {row['cost']:>24} at list prices"
            )
        for row in result["tiers"]:
            out.write(f"  {row['tier']:>9}: {row['before']:>24} -> {row['after']:>24} {row['currency']} effective, "
                      f"{row['queries_before']:,} -> {row['queries_after']:,} queries")  # fmt: skip
        if dry:
            out.write("Nothing was changed.")
