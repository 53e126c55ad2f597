"""Connect a source that is pulled, or a folder that is watched."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from ingest.connections import Settings, WrongConnection, connect
from ingest.credentials import CredentialError
from ingest.models import Connection
from web.management import connections as shared
from web.management.base import LedgerCommand, WrongUse, named_options


class Command(LedgerCommand):
    """Stores the settings and, sealed, the key; then asks once whether it works."""

    help = "Connect a source: `connect NAME --kind openai --key-from env:OPENAI_ADMIN_KEY`."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", help="what you call it: letters, digits, hyphens")
        parser.add_argument("--kind", required=True, help="see `manage.py sources`")
        parser.add_argument("--account", default="default", help="part of the identity of its records")
        shared.changeable_options(parser)
        shared.key_option(parser)
        shared.person_option(parser)
        shared.try_option(parser)

    def run(self, **options: Any) -> dict[str, Any]:
        given, watched = named_options(options["option"]), options["folder"]
        if watched:
            given |= {"url": shared.folder(watched), "pattern": options["pattern"] or ""}
        elif options["pattern"]:
            raise WrongUse("--pattern needs --folder")
        settings = Settings(
            options["name"], options["kind"], Connection.Way.FOLDER if watched else Connection.Way.PULL,
            options["account"], options["url"] or "", given, timedelta(minutes=options["every"] or 60), options["since"],
        )  # fmt: skip
        key, by = shared.secret(options["key_from"], ask=not watched), shared.person(options["actor"])
        try:
            made = connect(settings, secret=key, by=by)
        except (WrongConnection, CredentialError) as error:
            raise WrongUse(error) from None
        return shared.tell(self, made, "connected", untried=options["no_try"])
