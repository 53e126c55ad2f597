"""focus_lint: is a FOCUS file what it says?"""

from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation.calc.focus_columns import VERSIONS
from allocation.calc.focus_lint import ERROR, LintError, dataset_of, lint
from web.exports.focus_reading import Unreadable, rows_of
from web.management.base import Failed, LedgerCommand, WrongUse

SHOWN = 50


class Command(LedgerCommand):
    help = (
        "Check a FOCUS file (CSV or Parquet) against the rules of FOCUS 1.2 or 1.4; names row and column of each break."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--focus-version", default="", choices=("", *VERSIONS), metavar="VERSION", help="default: by the header"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        path, counts, rules = options["file"], Counter[str](), Counter[str]()
        if not path.is_file():
            raise WrongUse(f"there is no file {path}")
        shown: list[dict[str, Any]] = []
        try:
            with rows_of(path) as (columns, rows):
                version, dataset = dataset_of(columns, options["focus_version"])
                for found in lint(columns, rows, options["focus_version"]):
                    counts[found.level] += 1
                    rules[found.rule] += 1
                    if found.level == ERROR and len(shown) < SHOWN:
                        shown.append(found._asdict())
                        self.stdout.write(f"{path.name}: {found}")
        except (LintError, Unreadable) as error:
            raise WrongUse(error) from None
        errors = counts[ERROR]
        notes = f", {counts.total() - errors:,} notes on costs that nobody knows" if counts.total() > errors else ""
        text = f"{path.name}: FOCUS {version} {dataset}, {errors:,} breaks{notes}"
        outcome = {
            "file": str(path), "focus_version": version, "dataset": dataset, "errors": errors,
            "notes": counts.total() - errors, "rules": dict(sorted(rules.items())), "findings": shown,
        }  # fmt: skip
        if errors:
            raise Failed(text, outcome)
        self.stdout.write(text)
        return outcome
