#!/usr/bin/env python3
"""The one way in: `python3 manage.py COMMAND` on a machine with nothing but Python.

Installs the locked dependencies into `.venv` at the first start, starts the embedded PostgreSQL when the command needs
a database and no DATABASE_URL is set, then hands over to Django (or to pytest, for `test`). Kept to syntax that
Python 3.6 can read, so that an old one is told what it lacks.
"""

import os
import signal
import sys

OLDEST = (3, 11)
WITHOUT_DATABASE = {
    "-h", "--help", "help", "--version", "version", "check", "collectstatic", "compilemessages", "diffsettings",
    "makemessages", "spectacular", "startapp", "startproject", "test",
}  # fmt: skip


def complaint(version: "tuple[int, ...]", system: str) -> str:
    """Why this Python or system will not do; empty when it will."""
    if tuple(version[:2]) < OLDEST:
        return f"needs Python {OLDEST[0]}.{OLDEST[1]} or newer, this is {version[0]}.{version[1]}.{version[2]}"
    if system != "posix":
        return "runs on Linux and macOS; on Windows use WSL"
    return ""


def needs_database(arguments: "list[str]") -> bool:
    """Whether the command of these arguments talks to the database."""
    if not arguments or "--help" in arguments or "-h" in arguments:
        return False
    return arguments[0] not in WITHOUT_DATABASE or "--database" in arguments


def start_database(base: str) -> None:
    """Start the embedded server or attach to it, unless DATABASE_URL names another; the settings then find it."""
    from pathlib import Path

    from finops.database import binaries, embedded, url
    from finops.env import env

    try:
        if not url.given_url():
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) == signal.SIG_DFL:  # which would skip what stops the server at our end
                    signal.signal(number, lambda number, _: sys.exit(128 + number))
            data_dir = Path(env("FINOPS_DATA_DIR", os.path.join(base, ".finops")))
            embedded.ensure_running(data_dir.expanduser())
    except binaries.EmbeddedPostgresError as error:
        sys.exit(f"error: {error}")


def run_command(base: str, arguments: "list[str]") -> None:
    """Hand over to Django; a command that does not exist is wrong use, and told with the nearest that does."""
    from difflib import get_close_matches

    from django.core.management import ManagementUtility, get_commands
    from django.core.management.base import BaseCommand

    from finops.database.url import DatabaseUrlError
    from finops.env import MissingSetting

    class CommandLine(ManagementUtility):
        def fetch_command(self, subcommand: str) -> BaseCommand:
            known = [*get_commands(), "test"]
            if subcommand not in known:
                near = get_close_matches(subcommand, known, n=1)
                hint = f"; did you mean `{near[0]}`?" if near else "."
                wrong_use(f"there is no command {subcommand!r}{hint} See `manage.py help`")
            return super().fetch_command(subcommand)

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops.settings")
    try:
        if needs_database(arguments):
            start_database(base)
        CommandLine(["manage.py", *arguments]).execute()
    except (MissingSetting, DatabaseUrlError) as error:
        wrong_use(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def wrong_use(reason: str) -> None:
    """One line, and the status of wrong arguments or settings."""
    print(f"error: {reason}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


def main() -> None:
    """Bootstrap, then run the command."""
    problem = complaint(sys.version_info[:3], os.name)
    if problem:
        sys.exit(f"error: {problem}")
    from finops.bootstrap import BootstrapError, prepare

    base = os.path.dirname(os.path.abspath(__file__))
    arguments = sys.argv[1:]
    testing = arguments[:1] == ["test"]
    try:
        prepare(base, development=testing)
    except BootstrapError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    if testing:
        import pytest

        os.chdir(base)
        # On every core; a file's tests share what they set up, and files are begun in the order of tests/conftest.py.
        whole = ["-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder"]
        sys.exit(pytest.main(arguments[1:] or whole))
    run_command(base, arguments)


if __name__ == "__main__":
    main()
