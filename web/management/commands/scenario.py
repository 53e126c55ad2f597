"""Scenarios: list, load, run, compare and export them."""

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from finops.periods import Period, PeriodError
from forecasting import scenarios
from forecasting import scenarios_selectors as selectors
from forecasting.calc.scenario_origin import ScenarioError
from forecasting.calc.scenario_results import PERCENTS
from forecasting.models import ScenarioRun
from forecasting.scenarios_origin import NoMonth
from forecasting.scenarios_selectors import EVERYBODYS, NoScenario
from web import scenario_files
from web.downloads import xlsx_file
from web.exports.files import WrongTarget, replacing, target
from web.management.base import LedgerCommand, RefusedHere, WrongUse, as_option, json_option
from web.management.files import naming, read_yaml

FORMATS = ("xlsx", "json")
_MIDDLE = PERCENTS.index(50)


class Command(LedgerCommand):
    """``scenario list``, ``load FILE``, ``run NAME``, ``compare A B``, ``export NAME --out PATH``."""

    help = "What inference could cost: scenarios from the actual of a whole month."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        json_option(actions.add_parser("list", help="presets and saved ones, with their newest run"))
        load = actions.add_parser("load", help="save a new scenario, or the next version of one")
        load.add_argument("file", type=Path, help="YAML, as docs/scenarios.md says")
        load.add_argument("--private", action="store_true", help="others do not see it")
        as_option(load, help="whose it is, for the audit trail")
        json_option(load)
        run = actions.add_parser("run", help="run the newest version and keep what comes of it")
        run.add_argument("name")
        _asked_by(run)
        as_option(run, help="who runs it, for the audit trail")
        json_option(run)
        compare = actions.add_parser("compare", help="two to four beside each other, with the same luck")
        compare.add_argument("names", nargs="+", metavar="NAME")
        _asked_by(compare)
        json_option(compare)
        export = actions.add_parser("export", help="the newest run as files")
        export.add_argument("name")
        export.add_argument("--format", default=",".join(FORMATS), metavar="FORMAT,...", help=", ".join(FORMATS))
        export.add_argument(
            "--out", required=True, metavar="PATH", help="a folder, or a file name with the right ending"
        )
        json_option(export)

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            found: dict[str, Any] = getattr(self, f"_{options['action']}")(**options)
        except (NoMonth, scenarios.NotYours) as refused:
            raise RefusedHere(refused) from None
        except (ScenarioError, NoScenario) as wrong:
            raise WrongUse(wrong) from None
        return found

    def _list(self, **_: Any) -> dict[str, Any]:
        rows = selectors.listed(EVERYBODYS)
        for one in rows:
            said = f"run {one.run.pk} from {one.run.month:%Y-%m}" if one.run else "not run yet"
            kind = "preset" if one.preset else f"{one.owner}{'' if one.shared else ', private'}"
            number = f"v{one.version.number}" if one.version else ""
            self.stdout.write(f"{one.name:<28} {number:>4}  {kind:<18} {said:<24} {one.resolved.title}")
        return {
            "scenarios": [
                {
                    "name": one.name, "title": one.resolved.title, "owner": one.owner, "shared": one.shared,
                    "version": one.version.number if one.version else None, "run": one.run.pk if one.run else None,
                }
                for one in rows
            ]
        }  # fmt: skip

    def _load(self, **options: Any) -> dict[str, Any]:
        with naming(options["file"], ScenarioError):
            document = read_yaml(options["file"])
            version = scenarios.save(document, by=options["user"], shared=not options["private"])
        self.stdout.write(f"{version} is saved: manage.py scenario run {version.scenario}")
        return {"name": version.scenario.name, "version": version.number, "parameters": version.parameters}

    def _run(self, **options: Any) -> dict[str, Any]:
        version = selectors.to_run(options["name"], EVERYBODYS, by=options["user"])
        row = scenarios.run(version, _asked(options), by=options["user"])
        found = selectors.result(row)
        self._told(row, found)
        return {**_described(row), "currency": found["currency"], "months": scenario_files.total_of(found)}

    def _told(self, row: ScenarioRun, found: dict[str, Any]) -> None:
        out, total = self.stdout, scenario_files.total_of(found)
        out.write(f"{row.version}, {found['draws']:,} draws, seed {found['seed']}, {found['currency']} a month")
        for fan, beside in zip(total[:: _step(len(total))], found["outlook"][:: _step(len(total))], strict=True):
            low, middle, high = (Decimal(fan["quantiles"][at]) for at in (0, _MIDDLE, -1))
            if fan is total[0]:
                out.write(f"  {fan['month'][:7]} {middle:>18,.2f}   actual")
                continue
            over = "" if beside["over"] is None else f"   over budget {beside['over']:.0%}"
            out.write(f"  {fan['month'][:7]} {middle:>18,.2f}   90 % {low:>18,.2f} to {high:>18,.2f}{over}")
        for one in found["effects"][:3]:
            out.write(f"  {one['total']:.0%} of the variance: {one['parameter']}")
        for note in (*found["notes"], *row.notes):
            out.write(f"  {note}")
        out.write(f"  run {row.pk}, SHA-256 {row.digest}")

    def _compare(self, **options: Any) -> dict[str, Any]:
        found = selectors.compared(options["names"], EVERYBODYS, _asked(options))
        origin, first = found.start.origin, found.rows[0]
        self.stdout.write(f"From {origin.month:%Y-%m}, {origin.currency} {origin.total:,.2f} a month, in common draws")
        for one in found.rows:
            last = one.total[-1]
            said = f"{one.name:<28} {last.month:%Y-%m} {last.quantiles[_MIDDLE]:>18,.2f}"
            if one.over_all is not None:
                middle = one.over_all.quantiles[_MIDDLE]
                said += f"   all months {middle:>+18,.2f} over {first.name}, dearer with {one.over_all.dearer:.0%}"
            self.stdout.write(said)
        return {
            "month": f"{origin.month:%Y-%m}", "currency": origin.currency, "data": origin.digest(),
            "scenarios": [
                {
                    "name": one.name, "last": [str(value) for value in one.total[-1].quantiles],
                    "dearer_by": None if one.over_all is None else [str(value) for value in one.over_all.quantiles],
                    "dearer": None if one.over_all is None else one.over_all.dearer,
                }
                for one in found.rows
            ],
        }  # fmt: skip

    def _export(self, **options: Any) -> dict[str, Any]:
        formats = list(dict.fromkeys(name.strip() for name in options["format"].split(",") if name.strip()))
        if not formats or set(formats) - set(FORMATS):
            raise WrongUse(f"--format {options['format']}: possible: {', '.join(FORMATS)}")
        selectors.find(options["name"], EVERYBODYS)
        row = selectors.runs(options["name"], EVERYBODYS).first()
        if row is None:
            raise RefusedHere(f"{options['name']} was not run yet: manage.py scenario run {options['name']}")
        out = Path(options["out"])
        if len(formats) > 1 and out.suffix and not out.is_dir():
            raise WrongUse(f"{len(formats)} files do not fit into {out}: give a folder")
        files = []
        for form in formats:
            name = f"{scenario_files.name(row)}.{form}"
            try:
                path = target(options["out"], name)
            except WrongTarget as wrong:
                raise WrongUse(wrong) from None
            book = xlsx_file("", scenario_files.sheets(row)).content if form == "xlsx" else bytes(row.content)
            with replacing(path) as temporary:
                temporary.write_bytes(book)
            self.stdout.write(f"{path}: {row} ({len(book):,} bytes)")
            files.append({"path": str(path), "sha256": hashlib.sha256(book).hexdigest()})
        return {**_described(row), "files": files}


def _asked_by(parser: Any) -> None:
    parser.add_argument("--month", default="", metavar="YYYY-MM", help="month 0, default the newest whole one")
    parser.add_argument("--seed", type=int, default=scenarios.SEED, help=f"default {scenarios.SEED}")
    parser.add_argument(
        "--draws", type=int, default=scenarios.DRAWS, help=f"a power of two, default {scenarios.DRAWS:,}"
    )


def _asked(options: dict[str, Any]) -> scenarios.Asked:
    try:
        month = Period.month(options["month"]) if options["month"] else None
    except PeriodError as wrong:
        raise WrongUse(f"--month: {wrong}") from None
    return scenarios.Asked(month, options["seed"], options["draws"])


def _described(row: ScenarioRun) -> dict[str, Any]:
    return {
        "run": row.pk, "scenario": row.version.scenario.name, "version": row.version.number, "month": f"{row.month:%Y-%m}",
        "seed": row.seed, "draws": row.draws, "data": row.data, "parameters": row.version.parameters, "sha256": row.digest,
        "notes": row.notes,
    }  # fmt: skip


def _step(months: int) -> int:
    """Every month of a short horizon, every third of a long one."""
    return 1 if months <= 13 else 3
