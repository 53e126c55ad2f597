"""What every command shares: `--json`, exit codes, one line per expected error.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused (with the reason).
"""

import argparse
import json
import os
import re
import sys
from datetime import UTC, date, datetime
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, ProgrammingError, connections
from psycopg.errors import UndefinedTable

from allocation.failed_days import DaysFailed
from finops import audit
from finops.models import User
from ingest.sources import WrongSource, all_sources

SIGPIPE_STATUS = 141  # what a shell says of a program that ended because nobody read on


class ExpectedError(CommandError):
    """An error that is told in one line. ``outcome``: what `--json` still prints, e.g. which checks failed."""

    code = 1

    def __init__(self, reason: object, outcome: dict[str, Any] | None = None) -> None:
        super().__init__(" ".join(str(reason).split()), returncode=self.code)
        self.outcome = outcome


class Failed(ExpectedError):
    """It could not finish; a retry may."""


class WrongUse(ExpectedError):
    """Wrong arguments, kind or mapping."""

    code = 2


class RefusedHere(ExpectedError):
    """Understood and not done; nothing was kept."""

    code = 3


class Parser(CommandParser):
    """argparse, whose complaints are wrong use like any other: one line, also of a sub-command."""

    def error(self, message: str) -> NoReturn:
        """Raises WrongUse."""
        raise WrongUse(f"{message}; see `{self.prog.strip()} --help`")


class LedgerCommand(BaseCommand):
    """A command is ``run``: it prints for people with ``self.stdout`` and returns what `--json` prints as last line."""

    requires_system_checks: list[str] = []  # those of pages and URLs would cost a start of Dash
    failed: DaysFailed | None = None  # told once all else is done

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Parser:
        """Django's options still work and are left out of the help."""
        prog = f"{os.path.basename(prog_name)} {subcommand}"
        parser = Parser(prog=prog, description=self.help or None, **kwargs)
        parser.add_argument("-v", "--verbosity", type=int, default=1, help=argparse.SUPPRESS)
        for name in ("--settings", "--pythonpath"):
            parser.add_argument(name, help=argparse.SUPPRESS)
        for name in ("--traceback", "--no-color", "--force-color"):
            parser.add_argument(name, action="store_true", help=argparse.SUPPRESS)
        self.add_arguments(parser)
        return parser

    def run_from_argv(self, argv: list[str]) -> None:
        """The command line: an expected error is one line on stderr, and its code the exit status."""
        try:
            self.execute(**vars(self.create_parser(argv[0], argv[1]).parse_args(argv[2:])))
        except CommandError as error:
            if "--traceback" in argv:
                raise
            self.stderr.write(f"error: {error}")
            sys.exit(error.returncode)
        finally:
            connections.close_all()

    def add_arguments(self, parser: CommandParser) -> None:
        """Override and call super(); a sub-command's parser gets `--json` by ``json_option``."""
        json_option(parser)

    def run(self, **options: Any) -> dict[str, Any] | None:
        """Do it. Raises Failed, WrongUse or RefusedHere for what can be expected to go wrong."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        """Run; end quietly when whoever reads our output, such as `head`, has seen enough."""
        try:
            try:
                self._run_and_tell(options)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at exit
            sys.exit(SIGPIPE_STATUS)

    def _outcome(self, options: dict[str, Any]) -> dict[str, Any] | None:
        try:
            if settings.SOURCE_PACKAGES:
                all_sources()  # before anything is done with some of them only
            _refuse_unknown(options)
            with audit.acting(options.get("user") or audit.SYSTEM):
                outcome = self.run(**options)
        except WrongSource as error:
            raise WrongUse(error) from None
        except DaysFailed as error:
            raise Failed(error) from None
        if self.failed is not None:
            raise Failed(self.failed, outcome)
        return outcome

    def _run_and_tell(self, options: dict[str, Any]) -> None:
        """Run, then print the outcome where it was asked for, also that of a failure which has one."""
        outcome = None
        try:
            outcome = self._outcome(options)
        except ExpectedError as error:
            outcome = error.outcome
            raise
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Failed(f"{error.filename}: {error.strerror}" if error.filename else error) from error
        except OperationalError as error:
            raise Failed(error) from error
        except ProgrammingError as error:
            if isinstance(error.__cause__, UndefinedTable):
                raise Failed("this database has no tables yet: run `manage.py setup` first") from None
            raise
        finally:
            if options.get("json") and outcome is not None:
                self.stdout.write(json.dumps(outcome, default=str))


COMMAND_LINE = "command line"  # who does it where no `--as` says


def as_option(parser: argparse.ArgumentParser, *, required: bool = False, default: str | None = COMMAND_LINE,
              help: str = "who does it, for the audit trail") -> None:  # fmt: skip
    """`--as USER`, whom every command refuses where there is no such user."""
    parser.add_argument("--as", dest="user", metavar="USER", required=required, default=default, help=help)


def _refuse_unknown(options: dict[str, Any]) -> None:
    """Raises WrongUse where `--as` names nobody who may log in."""
    name = options.get("user")
    if name not in (None, "", COMMAND_LINE) and not User.objects.filter(username=name, is_active=True).exists():
        raise WrongUse(f"--as: there is no user {name}; `manage.py user list` shows those there are")


_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)([Zz]|[+-]\d{2}:\d{2})?)?")


def moment(text: str) -> datetime:
    """An instant in UTC, for argparse: a time with an offset, or a day for its beginning in UTC."""
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no day (2026-09-08) and no time (2026-09-08T13:00:00Z)")
    on, clock, offset = match.groups("")
    if clock and not offset:
        raise argparse.ArgumentTypeError(f"{text!r} says no zone: end it with Z or an offset such as +02:00")
    try:
        zone = "+00:00" if offset in ("", "Z", "z") else offset
        return datetime.fromisoformat(f"{on}T{clock or '00:00'}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"there is no {text!r} in the calendar or on the clock") from None


def day(text: str) -> date:
    """A date, for argparse; of a time, the day in UTC that it lies in."""
    return moment(text).date()


def count(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def tcp_port(text: str) -> int:
    """A TCP port, for argparse."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


def json_option(parser: argparse.ArgumentParser) -> None:
    """`--json`; without a default, so that a sub-command's parser does not undo what stood before the sub-command."""
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="Print one JSON object as the last line."
    )


def named_options(texts: list[str]) -> dict[str, str]:
    """``NAME=VALUE`` of repeated --option. Raises WrongUse."""
    pairs = [text.partition("=") for text in texts]
    if wrong := [name for name, equals, _ in pairs if not (equals and name)]:
        raise WrongUse(f"--option {wrong[0]}: write NAME=VALUE")
    return {name: value for name, _, value in pairs}
