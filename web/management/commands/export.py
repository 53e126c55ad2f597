"""export: files for finance."""

import hashlib
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from allocation import selectors, statement_selectors
from allocation.scope import EVERYTHING
from finops.periods import Period, PeriodError
from web.exports import statement
from web.exports.files import WrongTarget, safe_part, target
from web.management.base import LedgerCommand, RefusedHere, WrongUse

KINDS = ("statement", "charges", "focus")


class Command(LedgerCommand):
    help = "Write files for finance: the monthly statement as a workbook."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("kinds", metavar="KIND,...", help=", ".join(KINDS))
        parser.add_argument("--month", required=True, metavar="YYYY-MM")
        parser.add_argument("--format", default="xlsx", metavar="FORMAT,...", help="xlsx for a statement")
        parser.add_argument(
            "--cost-centre", default="", metavar="CODE", help="only this one; the amounts stay the same"
        )
        parser.add_argument(
            "--out", required=True, metavar="PATH", help="a folder, or a file name with the right ending"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        _check(options["kinds"].split(","), options["format"].split(","))
        try:
            period, code = Period.month(options["month"]), options["cost_centre"]
        except PeriodError as error:
            raise WrongUse(error) from None
        scope = statement_selectors.narrowed(EVERYTHING, code) if code else EVERYTHING
        if code and not scope.cost_centres:
            raise WrongUse(f"there is no cost centre {code!r}")
        if str(period) not in selectors.months(EVERYTHING):
            raise RefusedHere(f"there is no cost in {period}: nothing was written")
        try:
            path = target(options["out"], statement.file_name(period, safe_part(code) if code else ""))
        except WrongTarget as error:
            raise WrongUse(error) from None
        written = statement.write(path, scope, period, timezone.now())
        self.stdout.write(f"{path}: {written.cost_centres} cost centres, {written.rows:,} lines, {written.state}")
        for currency, totals in written.totals.items():
            self.stdout.write(f"{currency} {totals['Charged']} charged, of which {totals['unallocated']} unallocated")
        if not written.ties:
            self.stdout.write("Detail does not add up to the Summary: the workbook says so; export again.")
        content = path.read_bytes()
        file = {
            "kind": "statement", "path": str(path), "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip
        return {
            "month": str(period), "state": written.state, "files": [file], "cost_centres": written.cost_centres,
            "rows": written.rows, "detail_sha256": written.detail_sha256, "ties": written.ties,
            "totals": written.totals,
        }  # fmt: skip


def _check(kinds: list[str], formats: list[str]) -> None:
    for kind in kinds:
        if kind not in KINDS:
            raise WrongUse(f"{kind!r} is no export; possible: {', '.join(KINDS)}")
        if kind != "statement":
            raise WrongUse(f"{kind} is not available yet")
    if formats != ["xlsx"]:
        raise WrongUse("a statement is written as xlsx")
