"""Start everything."""

from typing import Any

from django.core.management.base import CommandParser

from web import runner
from web.first_start import greeting, prepare
from web.management.base import Failed, LedgerCommand, tcp_port


class Command(LedgerCommand):
    """Database, migrations, price book, then web server, worker and scheduler until Ctrl-C."""

    help = "Start the web server, worker and scheduler."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--port", type=tcp_port, help=f"default: {runner.FIRST_PORT}")

    def run(self, **options: Any) -> None:
        try:
            port = runner.free_port(options["port"], otherwise_next=False)
            if password := prepare("up"):
                self.stdout.write(greeting(password))
            runner.serve(port, self._ready)
        except runner.NotServed as error:
            raise Failed(error) from None

    def _ready(self, url: str) -> None:
        self.stdout.write(f"Open {url} - Ctrl-C stops it.")
        self.stdout.flush()
