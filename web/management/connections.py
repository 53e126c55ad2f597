"""What `connect` and `connection` share: where a key comes from, who does it, and whether the connection answers."""

import argparse
import os
import sys
from getpass import getpass
from pathlib import Path
from typing import Any

from django.views.decorators.debug import sensitive_variables

from finops.models import User
from ingest.connections import Trial, try_out
from ingest.models import Connection
from web.management.base import Failed, LedgerCommand, WrongUse, as_option, count, day


def changeable_options(parser: argparse.ArgumentParser) -> None:
    """What is said of a connection, and may be said anew later."""
    parser.add_argument("--url", help="of the API, where it is not the provider's public one")
    parser.add_argument("--folder", metavar="PATH_OR_URL", help="watch a folder or s3://bucket/prefix instead")
    parser.add_argument("--pattern", help="with --folder: names to take, e.g. *.jsonl.gz")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of this kind")
    parser.add_argument("--every", type=count, metavar="MINUTES", help="how often; default: 60")
    parser.add_argument("--since", type=day, metavar="DAY", help="first day; default: 30 days before it was connected")


def key_option(parser: argparse.ArgumentParser) -> None:
    """`--key-from`; a key itself is never an argument: those stand in the shell's history and the list of processes."""
    parser.add_argument(
        "--key-from", metavar="WHERE", default="",
        help="env:NAME (read at every pull, not stored), file:PATH, or - for standard input; asked for when needed",
    )  # fmt: skip


def person_option(parser: argparse.ArgumentParser) -> None:
    """`--as`."""
    as_option(parser, default=None)


def try_option(parser: argparse.ArgumentParser) -> None:
    """`--no-try`."""
    parser.add_argument("--no-try", action="store_true", help="do not ask the provider now")


@sensitive_variables()
def secret(where: str, *, ask: bool) -> str:
    """The key from where `--key-from` says, else typed in where there is a terminal and ``ask``; '' for none."""
    if where.startswith("env:"):
        if where[4:] not in os.environ:
            raise WrongUse(f"--key-from: the environment has no {where[4:]}")
        return where
    if where.startswith("file:"):
        try:
            return Path(where[5:]).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
            raise WrongUse(f"--key-from: {where[5:]}: {why}") from None
    if where == "-":
        return sys.stdin.readline().strip()
    if where:
        raise WrongUse("--key-from takes env:NAME, file:PATH or -; a key itself does not belong on a command line")
    return getpass("Key (empty: none): ").strip() if ask and sys.stdin.isatty() else ""


def person(name: str | None) -> User | None:
    """The user of `--as`; None without it."""
    found: User | None = None if name is None else User.objects.get(username=name)
    return found


def named(name: str) -> Connection:
    """The connection of this name. Raises WrongUse, which lists those there are."""
    found = Connection.objects.filter(name=name).first()
    if found is None:
        names = ", ".join(Connection.objects.order_by("name").values_list("name", flat=True)) or "none"
        raise WrongUse(f"there is no connection {name}; there are: {names}")
    return found


def folder(given: str) -> str:
    """The path or URL of a folder to watch, absolute. Raises WrongUse when a path leads to none."""
    if "://" in given:
        return given
    path = Path(given).expanduser().resolve()
    if not path.is_dir():
        what = "is a file; name the folder that it lies in" if path.exists() else "does not exist; make it first"
        raise WrongUse(f"--folder: {path} {what}")
    return str(path)


def trial_of(item: Connection, *, untried: bool) -> Trial | None:
    """Whether it answers now; None where it is not to be asked, or nothing is pulled."""
    return None if untried or item.way != Connection.Way.PULL else try_out(item)


def tell(command: LedgerCommand, item: Connection, done: str, trial: Trial | None) -> dict[str, Any]:
    """Say what was done and, where it was tried, whether it answers. Raises Failed when it does not."""
    outcome: dict[str, Any] = {"name": item.name, "kind": item.kind, "way": item.way, "enabled": item.enabled}
    if trial is None:
        command.stdout.write(f"{item.name} is {done}.")
        return outcome
    outcome |= {"ok": trial.ok, "said": trial.said}
    if not trial.ok:
        raise Failed(
            f"{item.name} is {done}, but: {trial.said}; `connection key {item.name}` and `connection edit "
            f"{item.name}` change it, `connection disable {item.name}` leaves it alone", outcome,
        )  # fmt: skip
    command.stdout.write(f"{item.name} is {done}. {trial.said}. `manage.py sync {item.name}` pulls it now.")
    return outcome
