"""Pull a connected source now."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from allocation.derived import refresh
from ingest.folders import AT_ONCE, sweep
from ingest.health_selectors import refused_files
from ingest.lease import Busy
from ingest.models import Connection
from ingest.pull import LeaseLost
from ingest.sync import BACKFILL_AT_ONCE, Outcome, sync
from web.management.base import Failed, LedgerCommand, RefusedHere, WrongUse, moment
from web.management.connections import named
from web.run_summary import summary

_SHOWN = 3


class Command(LedgerCommand):
    """What the worker does by itself on schedule; repeating it changes nothing that is not new."""

    help = "Pull a configured source now: what is due, or [--since, --until)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="SOURCE", help="see `manage.py sources`")
        parser.add_argument("--since", type=moment, metavar="TIME", help="read again from here: a day (UTC) or a time")
        parser.add_argument(
            "--until", type=moment, metavar="TIME", help="with --since: to here, without it; default: now"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        connection = named(options["name"])
        if connection.way == Connection.Way.PUSH:
            raise WrongUse(f"{connection.name} is pushed to us; there is nothing to pull")
        if options["until"] and not options["since"]:
            raise WrongUse("--until needs --since")
        if options["until"] and options["until"] <= options["since"]:
            raise WrongUse("--until is not after --since")
        if not connection.enabled:
            name = connection.name
            raise RefusedHere(f"{name} is disabled; `manage.py connection enable {name}` has it pulled again")
        try:
            outcome = self._sync(connection, options)
        except (Busy, LeaseLost) as error:
            raise RefusedHere(error) from None
        refresh()
        told = _told(connection, outcome)
        what = "file" if connection.way == Connection.Way.FOLDER else "window"
        self.stdout.write(
            f"{connection.name}: {told['stored']:,} stored, {told['changed']:,} changed, {told['vanished']:,} vanished, "
            f"{told['duplicate']:,} known, {told['quarantined']:,} quarantined in {_number(len(outcome.runs), what)}"
        )
        if outcome.left:
            most = f"{AT_ONCE} files" if what == "file" else f"{BACKFILL_AT_ONCE} besides the newest"
            self.stdout.write(
                f"{_number(outcome.left, f'more {what}')} to come, as one sync takes {most} at most: a running worker goes on "
                f"by itself, or run `manage.py sync {connection.name}` again"
            )
        if outcome.errors or told["refused"]:
            former = {file["path"]: file["reason"] for file in told["refused"] if file["path"] not in outcome.errors}
            raise Failed("; ".join([*_reasons(outcome.errors), *_still_there(connection, former)]), told)
        return told

    def _sync(self, connection: Connection, options: dict[str, Any]) -> Outcome:
        if connection.way == Connection.Way.FOLDER:
            return sweep(connection)
        bar = tqdm(unit=" windows", disable=None, leave=False)

        def show(text: str) -> None:
            bar.set_description(text)
            bar.update()

        try:
            return sync(connection, since=options["since"], until=options["until"], progress=show)
        finally:
            bar.close()


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _reasons(errors: Mapping[str, str]) -> list[str]:
    return [f"{name}: {reason}" for name, reason in errors.items()]


def _still_there(connection: Connection, former: Mapping[str, str]) -> list[str]:
    """Files that an earlier sync refused: they are not tried again as they are."""
    if not former:
        return []
    shown = "; ".join(_reasons(former)[:_SHOWN]) + ("; ..." if len(former) > _SHOWN else "")
    how = f"mend, move or accept (`connection accept {connection.name}`)"
    return [f"{_number(len(former), 'file')} refused before and still there; {how}: {shown}"]


def _told(connection: Connection, outcome: Outcome) -> dict[str, Any]:
    runs = [summary(run) for run in outcome.runs]
    names = ("read", "stored", "changed", "duplicate", "quarantined")
    return {
        "source": connection.name, "kind": connection.kind, **{name: sum(run[name] for run in runs) for name in names},
        "vanished": sum(run["notes"].get("vanished", 0) for run in runs), "windows": len(runs), "left": outcome.left,
        "errors": outcome.errors, "runs": [run["run"] for run in runs],
        "refused": [
            {"path": file.path, "reason": file.run.reason if file.run else ""}
            for file in refused_files(connection, limit=None)
        ],
    }  # fmt: skip
