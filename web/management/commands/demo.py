"""The demo: real sample data through the whole pipeline, then the site."""

import json
import time
from datetime import UTC, date, datetime
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandParser
from tqdm import tqdm

from finops import broker
from ingest.services import Stopped
from web import runner
from web.demo import people
from web.demo.load import NotADemo, Summary, load, marked
from web.demo.reset import reset
from web.management.base import Failed, LedgerCommand, RefusedHere, day, tcp_port


class Progress:
    """One bar per stage, on a terminal only."""

    def __init__(self) -> None:
        self.stage = ""
        self.bar: tqdm[Any] = tqdm(disable=True)

    def show(self, stage: str, done: int, total: int) -> None:
        """Move the bar of this stage; a total of 0 is not known."""
        if self.stage != stage:
            self.close()
            self.stage = stage
            self.bar = tqdm(desc=stage, total=total or None, disable=None, unit_scale=True)
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        """End the bar that is shown."""
        self.bar.close()


class Command(LedgerCommand):
    """Fills an empty database, or brings a demo up to date, and serves it."""

    help = "Load the demo's data and serve the site with it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--port", type=tcp_port, help=f"default: the first free one from {runner.FIRST_PORT}")
        parser.add_argument("--no-serve", action="store_true", help="stop after the pipeline has run")
        parser.add_argument("--reset", action="store_true", help="empty the demo first")
        parser.add_argument("--today", type=day, metavar="DATE", help="last day of data; default: today")

    def run(self, **options: Any) -> dict[str, Any] | None:
        begun, now = time.monotonic(), datetime.now(UTC)
        try:
            port = 0 if options["no_serve"] else self._port(options["port"])
            call_command("migrate", verbosity=0)
            if options["reset"] and marked() is not None:
                reset()
            found = self._load(options["today"] or now.date(), now)
            users = people.renew()
        except NotADemo as error:
            raise RefusedHere(error) from None
        except (Stopped, runner.NotServed) as error:
            raise Failed(error) from None
        outcome: dict[str, Any] = {
            "url": None, "users": [person._asdict() for person in users], "months": found.months, "events": found.events,
            "queries": found.queries, "unpriced": found.unpriced, "seconds": round(time.monotonic() - begun, 1),
        }  # fmt: skip
        self._say(found, users, outcome["seconds"])
        if options["no_serve"]:
            return outcome
        self._serve(port, outcome, as_json=bool(options.get("json")))
        return None

    @staticmethod
    def _port(wanted: int | None) -> int:
        return runner.free_port(wanted, otherwise_next=wanted is None)

    @staticmethod
    def _load(today: date, now: datetime) -> Summary:
        progress = Progress()
        try:
            return load(today, now, progress.show)
        finally:
            progress.close()

    def _say(self, found: Summary, users: list[people.Person], seconds: float) -> None:
        state = "loaded" if found.loaded else "is there already"
        self.stdout.write(
            f"The demo {state}: {found.months[0]} to {found.months[-1]}, {found.events:,} events, {found.queries:,} queries, "
            f"{found.unpriced:,} events unpriced; {seconds} s."
        )
        self.stdout.write(f"Log in as one of these, with the password {users[0].password}:")
        for person in users:
            self.stdout.write(f"  {person.name:<16} {person.role}")

    def _serve(self, port: int, outcome: dict[str, Any], *, as_json: bool) -> None:
        """Serve until stopped; the JSON is printed once the site answers, as the last line."""

        def ready(url: str) -> None:
            self.stdout.write(f"Open {url} - Ctrl-C stops it.")
            if as_json:
                self.stdout.write(json.dumps(outcome | {"url": url}))
            self.stdout.flush()

        broker.install()
        try:
            runner.serve(port, ready)
        except runner.NotServed as error:
            raise Failed(error) from None
