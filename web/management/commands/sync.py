"""Pull a connected source now."""

from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from allocation.derived import refresh
from ingest.folders import sweep
from ingest.models import Connection
from ingest.sync import Busy, LeaseLost, Outcome, sync
from web.management.base import Failed, LedgerCommand, RefusedHere, WrongUse, moment
from web.management.connections import named
from web.run_summary import summary


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
        try:
            outcome = self._sync(connection, options)
        except (Busy, LeaseLost) as error:
            raise RefusedHere(error) from None
        refresh()
        told = _told(connection, outcome)
        self.stdout.write(
            f"{connection.name}: {told['stored']:,} stored, {told['changed']:,} changed, {told['vanished']:,} vanished, "
            f"{told['duplicate']:,} known, {told['quarantined']:,} quarantined in {len(outcome.runs)} windows"
            + (f"; {outcome.left} windows left for the next time" if outcome.left else "")
        )
        if outcome.errors:
            raise Failed("; ".join(f"{name}: {reason}" for name, reason in outcome.errors.items()), told)
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


def _told(connection: Connection, outcome: Outcome) -> dict[str, Any]:
    runs = [summary(run) for run in outcome.runs]
    names = ("read", "stored", "changed", "duplicate", "quarantined")
    return {
        "source": connection.name, "kind": connection.kind, **{name: sum(run[name] for run in runs) for name in names},
        "vanished": sum(run["notes"].get("vanished", 0) for run in runs), "windows": len(runs), "left": outcome.left,
        "errors": outcome.errors, "runs": [run["run"] for run in runs],
    }  # fmt: skip
