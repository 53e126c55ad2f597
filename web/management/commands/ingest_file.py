"""Import one file of usage."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from allocation.derived import refresh
from ingest.calc.mapping import MappingError
from ingest.runs import database_now
from ingest.services import Import, Refused, Stopped, Unfinished, WrongAccounts, ingest_file
from ingest.sources import UnknownKind, get_source
from web.management.base import Failed, LedgerCommand, RefusedHere, WrongUse, moment, named_options
from web.management.files import existing, read_yaml
from web.run_summary import summary


class Command(LedgerCommand):
    """Reads a file, says what became of every record, and brings the derived tables up to date."""

    help = "Import one file (plain, .gz, .zst; JSONL, JSON page, CSV, Parquet)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("path", type=Path)
        parser.add_argument("--source", required=True, metavar="KIND", help="see `manage.py sources`")
        parser.add_argument("--mapping", type=Path, help="YAML file that says which column is what (generic source)")
        parser.add_argument(
            "--account", default="default", help="whose usage it is; part of the identity of every record"
        )
        parser.add_argument(
            "--option", action="append", default=[], metavar="NAME=VALUE",
            help="of this kind; of every kind: billing_accounts=PROVIDER=ACCOUNT,..., whose bill the calls are on",
        )  # fmt: skip
        extent = parser.add_mutually_exclusive_group()
        extent.add_argument(
            "--part", action="store_true", help="of a bill in several files: replace no former delivery"
        )
        extent.add_argument(
            "--whole", action="store_true",
            help="the file states its time whole: what earlier ones said of it and this one does not has vanished",
        )  # fmt: skip
        parser.add_argument("--at", type=moment, metavar="TIME", help="time of records that carry none")
        parser.add_argument("--observed-at", type=moment, metavar="TIME", help="when the file said so; default: now")
        parser.add_argument("--accept-bad", action="store_true", help="go on when many records are rejected")
        parser.add_argument("--no-refresh", action="store_true", help="leave the derived tables to the worker")

    def run(self, **options: Any) -> dict[str, Any]:
        path, mapping = existing(options["path"]), self._mapping(options)
        if options["observed_at"] and options["observed_at"] > database_now():
            raise WrongUse("--observed-at lies in the future: every correction would lose against it")
        bar = tqdm(unit=" records", unit_scale=True, disable=None, leave=False)

        def show(count: int) -> None:
            bar.update(count - bar.n)

        job = Import(
            path, options["source"], account=options["account"], mapping=mapping, at=options["at"],
            observed_at=options["observed_at"], accept_bad=options["accept_bad"],
            options=named_options(options["option"]), part=options["part"],
            whole=options["whole"], progress=show,
        )  # fmt: skip
        try:
            run = ingest_file(job)
        except (UnknownKind, MappingError, WrongAccounts) as error:
            raise WrongUse(error) from None
        except Refused as error:
            raise RefusedHere(error, self._told(error)) from None
        except Unfinished as error:
            raise Failed(error, self._told(error)) from None
        finally:
            bar.close()
        if not options["no_refresh"]:
            refresh()
        outcome = summary(run)
        self._say(outcome)
        return outcome

    @staticmethod
    def _mapping(options: dict[str, Any]) -> Any:
        if options["mapping"] is None:
            return None
        try:
            if not get_source(options["source"]).maps:
                raise WrongUse(f"the source {options['source']} takes no mapping")
            return read_yaml(options["mapping"])
        except UnknownKind as error:
            raise WrongUse(error) from None

    def _told(self, error: Stopped) -> dict[str, Any] | None:
        """What became of what was read, also for a run that ended early."""
        if error.run is None:
            return None
        outcome = summary(error.run)
        if outcome["stored"] or outcome["changed"]:
            refresh()
        if outcome["read"]:
            self._say(outcome)
        return outcome

    def _say(self, outcome: dict[str, Any]) -> None:
        counts = ", ".join(f"{outcome[name]:,} {name}" for name in ("stored", "changed", "duplicate", "quarantined"))
        self.stdout.write(
            f"Run {outcome['run']}: {outcome['read']:,} records read: {counts}, {sum(outcome['skipped'].values()):,} skipped."
        )
        if outcome["quarantine"]:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in outcome["quarantine"].items())
            self.stdout.write(f"Quarantined: {reasons}. See `manage.py quarantine list {outcome['run']}`.")
        if vanished := outcome["notes"].get("vanished"):
            self.stdout.write(f"Vanished, because this file no longer states it: {vanished:,}.")
        if kept := outcome["notes"].get("kept_former"):
            self.stdout.write(f"What earlier files said is kept: {kept}.")
        apart = outcome["totals"].get("by_currency") or {outcome["currency"]: outcome["totals"]}
        listed = ", ".join(f"{costs['list_cost']} {code}" for code, costs in apart.items())
        self.stdout.write(f"List cost {listed}; {outcome['unpriced']:,} records unpriced.")
