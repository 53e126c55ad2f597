"""Connect a source that is pulled, or a folder that is watched."""

import os
import sys
from datetime import date, timedelta
from getpass import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from finops.models import User
from ingest.connections import Settings, WrongConnection, connect, try_out
from ingest.credentials import CredentialError
from ingest.models import Connection
from web.management.base import Failed, LedgerCommand, WrongUse, named_options


class Command(LedgerCommand):
    """Stores the settings and, sealed, the key; then asks once whether it works."""

    help = "Connect a source: `connect NAME --kind openai --key-from env:OPENAI_ADMIN_KEY`."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", help="what you call it: letters, digits, hyphens")
        parser.add_argument("--kind", required=True, help="see `manage.py sources`")
        parser.add_argument("--folder", metavar="PATH_OR_URL", help="watch a folder or s3://bucket/prefix instead")
        parser.add_argument("--pattern", default="", help="with --folder: names to take, e.g. *.jsonl.gz")
        parser.add_argument(
            "--key-from", metavar="WHERE", default="",
            help="env:NAME (read at every pull, not stored), file:PATH, or - for standard input; asked for when needed",
        )  # fmt: skip
        parser.add_argument("--url", default="", help="of the API, where it is not the provider's public one")
        parser.add_argument("--account", default="default", help="part of the identity of its records")
        parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of this kind")
        parser.add_argument("--every", type=int, default=60, metavar="MINUTES")
        parser.add_argument("--since", type=date.fromisoformat, metavar="DAY", help="first day; default: 30 days ago")
        parser.add_argument("--as", dest="actor", metavar="USER", help="who does it, for the audit trail")
        parser.add_argument("--no-try", action="store_true", help="do not ask the provider now")

    def run(self, **options: Any) -> dict[str, Any]:
        given = named_options(options["option"])
        if options["folder"]:
            folder = options["folder"] if "://" in options["folder"] else str(Path(options["folder"]).resolve())
            given |= {"url": folder, "pattern": options["pattern"]}
        settings = Settings(
            options["name"], options["kind"], Connection.Way.FOLDER if options["folder"] else Connection.Way.PULL,
            options["account"], options["url"], given, timedelta(minutes=options["every"]), options["since"],
        )  # fmt: skip
        try:
            made = connect(settings, secret=_secret(options), by=_user(options["actor"]))
        except (WrongConnection, CredentialError) as error:
            raise WrongUse(error) from None
        outcome: dict[str, Any] = {"name": made.name, "kind": made.kind, "way": made.way}
        if options["folder"] or options["no_try"]:
            self.stdout.write(f"{made.name} is connected.")
            return outcome
        trial = try_out(made)
        outcome |= {"ok": trial.ok, "said": trial.said}
        if not trial.ok:
            raise Failed(f"{made.name} is stored, but: {trial.said}", outcome)
        self.stdout.write(f"{made.name} is connected. {trial.said}. `manage.py sync {made.name}` pulls it now.")
        return outcome


def _secret(options: dict[str, Any]) -> str:
    """The key, never an argument: arguments stand in the shell's history and in the list of processes."""
    where = options["key_from"]
    if where.startswith("env:"):
        if where[4:] not in os.environ:
            raise WrongUse(f"the environment has no {where[4:]}")
        return str(where)
    if where.startswith("file:"):
        try:
            return Path(where[5:]).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise WrongUse(f"{where[5:]}: {error.strerror}") from None
    if where == "-":
        return sys.stdin.readline().strip()
    if where:
        raise WrongUse("--key-from takes env:NAME, file:PATH or -; a key itself does not belong on a command line")
    if options["folder"] or not sys.stdin.isatty():
        return ""
    return getpass("Key (empty: none): ").strip()


def _user(name: str | None) -> User | None:
    if name is None:
        return None
    found: User | None = User.objects.filter(username=name).first()
    if found is None:
        raise WrongUse(f"there is no user {name}")
    return found
