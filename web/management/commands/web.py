"""Serve the web application."""

from typing import Any

from django.core.management.base import CommandParser
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from web.management.base import LedgerCommand, count, tcp_port
from web.runner import end_with_stdin


class _Gunicorn(BaseApplication):  # type: ignore[misc]
    """Gunicorn inside this process, which keeps its hold on the embedded database."""

    def __init__(self, **given: Any) -> None:
        self.given = given
        super().__init__()

    def load_config(self) -> None:
        """Our settings instead of a file and the command line."""
        for name, value in self.given.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The WSGI application."""
        from finops.wsgi import application

        return application


class Command(LedgerCommand):
    """Only the web server; `up` starts the worker too."""

    help = "Serve the web application."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=tcp_port, default=8000)
        parser.add_argument("--processes", type=count, default=1)
        parser.add_argument("--threads", type=count, default=8)
        parser.add_argument("--while-stdin-open", action="store_true", help="end when standard input does")

    def run(self, **options: Any) -> None:
        if options["while_stdin_open"]:
            end_with_stdin()
        _Gunicorn(
            bind=f"{options['host']}:{options['port']}", workers=options["processes"], threads=options["threads"],
            worker_class="gthread", timeout=120, graceful_timeout=10, loglevel="warning", proc_name="finops-web",
        ).run()  # fmt: skip
