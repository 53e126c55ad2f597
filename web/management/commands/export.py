"""export: files for finance."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management.base import CommandParser
from django.utils import timezone

from allocation import focus_selectors, selectors, statement_selectors
from allocation.calc.focus_columns import VERSIONS
from allocation.scope import EVERYTHING, Scope
from finops.periods import Period, PeriodError
from ingest.facts import dirty_days
from web.exports import charges, focus, statement
from web.exports.files import WrongTarget, safe_part, target
from web.exports.focus_files import FORMATS
from web.management.base import LedgerCommand, RefusedHere, WrongUse

KINDS = {"statement": ("xlsx",), "charges": FORMATS, "focus": FORMATS}


class Asked(NamedTuple):
    """What is exported of which month, whose, and where to."""

    period: Period
    scope: Scope
    code: str
    formats: tuple[str, ...]
    versions: tuple[str, ...]
    out: str


class Command(LedgerCommand):
    help = "Write files for finance: the monthly statement as a workbook, charges and FOCUS as CSV and Parquet."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("kinds", metavar="KIND,...", help=", ".join(KINDS))
        parser.add_argument("--month", required=True, metavar="YYYY-MM")
        parser.add_argument(
            "--format",
            default="",
            metavar="FORMAT,...",
            help="xlsx for a statement; csv, parquet for charges and focus",
        )
        parser.add_argument(
            "--focus-version", default=",".join(VERSIONS), metavar="VERSION,...", help=f"of {', '.join(VERSIONS)}"
        )
        parser.add_argument(
            "--cost-centre", default="", metavar="CODE", help="only this one; the amounts stay the same"
        )
        parser.add_argument(
            "--out", required=True, metavar="PATH", help="a folder, or a file name with the right ending"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        kinds = _chosen(options["kinds"], KINDS, "is no export")
        formats = _chosen(options["format"], ("xlsx", *FORMATS), "is no format")
        versions = _chosen(options["focus_version"], VERSIONS, "is no version of FOCUS that is written")
        _check(kinds, formats)
        try:
            period, code = Period.month(options["month"]), options["cost_centre"]
        except PeriodError as error:
            raise WrongUse(error) from None
        scope = statement_selectors.narrowed(EVERYTHING, code) if code else EVERYTHING
        if code and not scope.cost_centres:
            raise WrongUse(f"there is no cost centre {code!r}")
        if len(kinds) > 1 and Path(options["out"]).suffix and not Path(options["out"]).is_dir():
            raise WrongUse(f"{len(kinds)} exports do not fit into {options['out']}: give a folder")
        made: dict[str, Any] = {}
        for kind in kinds:
            own = tuple(name for name in formats if name in KINDS[kind]) or KINDS[kind][:1]
            asked = Asked(period, scope, safe_part(code) if code else "", own, versions, options["out"])
            with_files = made.get("files", [])
            writers: dict[str, Callable[[Asked], dict[str, Any]]] = {
                "statement": self._statement, "charges": self._charges, "focus": self._focus,
            }  # fmt: skip
            found = writers[kind](asked)
            made |= found | {"files": [*with_files, *found["files"]]}
        made["waiting_days"] = waiting = sum(day in period for day in dirty_days())
        if waiting:
            self.stdout.write(f"{waiting} days of {period} wait to be recomputed: their figures are not final.")
        return made

    def _statement(self, asked: Asked) -> dict[str, Any]:
        _has_cost(asked.period)
        (path,) = _targets(asked, [statement.file_name(asked.period, asked.code)])
        written = statement.write(path, asked.scope, asked.period, timezone.now())
        self.stdout.write(f"{path}: {written.cost_centres} cost centres, {written.rows:,} lines, {written.state}")
        for currency, totals in written.totals.items():
            self.stdout.write(f"{currency} {totals['Charged']} charged, of which {totals['unallocated']} unallocated")
        if not written.ties:
            self.stdout.write("Detail does not add up to the Summary: the workbook says so; export again.")
        return {
            "month": str(asked.period), "state": written.state, "files": [_file("statement", path)],
            "cost_centres": written.cost_centres, "rows": written.rows, "detail_sha256": written.detail_sha256,
            "ties": written.ties, "totals": written.totals,
        }  # fmt: skip

    def _charges(self, asked: Asked) -> dict[str, Any]:
        _has_cost(asked.period)
        paths = _targets(asked, [charges.file_name(asked.period, name, asked.code) for name in asked.formats])
        for path in paths:
            rows = charges.write(path, asked.scope, asked.period)
            self.stdout.write(f"{path}: {rows:,} rows")
        return {"month": str(asked.period), "files": [_file("charges", path) for path in paths]}

    def _focus(self, asked: Asked) -> dict[str, Any]:
        if not focus_selectors.has_rows(asked.scope, asked.period):
            raise RefusedHere(f"nothing is billed in {asked.period}: nothing was written")
        names = focus.file_names(asked.period, asked.versions, asked.formats, asked.code)
        files = [focus.File(*names[name], path) for name, path in zip(names, _targets(asked, list(names)), strict=True)]
        written = focus.write(files, asked.scope, asked.period)
        totals = {code: {name: f"{sums[name]:.12f}" for name in focus.COSTS} for code, sums in written.totals.items()}
        for file in files:
            self.stdout.write(f"{file.path}: FOCUS {file.version} {file.dataset}")
        self.stdout.write(
            f"{written.rows:,} rows of Cost and Usage, {written.state}; {written.unpriced:,} without a price"
        )
        for code in sorted(totals):
            self.stdout.write(f"{code} " + ", ".join(f"{name} {totals[code][name]}" for name in focus.COSTS))
        return {
            "month": str(asked.period), "focus": {
                "state": written.state, "rows": written.rows, "unpriced": written.unpriced, "totals": totals,
            }, "files": [_file("focus", file.path) for file in files],
        }  # fmt: skip


def _chosen(text: str, possible: Any, what: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in possible:
            raise WrongUse(f"{name!r} {what}; possible: {', '.join(possible)}")
    return names


def _check(kinds: tuple[str, ...], formats: tuple[str, ...]) -> None:
    if not kinds:
        raise WrongUse(f"say what to export: {', '.join(KINDS)}")
    for name in formats:
        if not any(name in KINDS[kind] for kind in kinds):
            raise WrongUse(f"nothing that is asked for is written as {name}: {_possible(kinds)}")
    for kind in kinds:
        if formats and not set(formats) & set(KINDS[kind]):
            raise WrongUse(_possible((kind,)))


def _possible(kinds: tuple[str, ...]) -> str:
    return "; ".join(
        f"{'a ' if kind == 'statement' else ''}{kind} is written as {' or '.join(KINDS[kind])}" for kind in kinds
    )


def _has_cost(period: Period) -> None:
    if str(period) not in selectors.months(EVERYTHING):
        raise RefusedHere(f"there is no cost in {period}: nothing was written")


def _targets(asked: Asked, names: list[str]) -> list[Path]:
    try:
        paths = [target(asked.out, name) for name in names]
    except WrongTarget as error:
        raise WrongUse(error) from None
    if len(set(paths)) < len(names):
        raise WrongUse(f"{len(names)} files do not fit into {asked.out}: give a folder")
    return paths


def _file(kind: str, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"kind": kind, "path": str(path), "bytes": path.stat().st_size, "sha256": digest}
