"""What every command shares: `--json`, exit codes, one line per expected error.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused (with the reason). argparse's own errors leave with 2.
"""

import argparse
import json
import os
import sys
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, ProgrammingError
from psycopg.errors import UndefinedTable

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


class LedgerCommand(BaseCommand):
    """A command is ``run``: it prints for people with ``self.stdout`` and returns what `--json` prints as last line."""

    requires_system_checks: list[str] = []  # those of pages and URLs would cost a start of Dash

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

    def _run_and_tell(self, options: dict[str, Any]) -> None:
        """Run, then print the outcome where it was asked for, also that of a failure which has one."""
        outcome = None
        try:
            outcome = self.run(**options)
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


def day(text: str) -> date:
    """A date, for argparse."""
    return date.fromisoformat(text)


def tcp_port(text: str) -> int:
    """A TCP port, for argparse."""
    if not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text}")
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
