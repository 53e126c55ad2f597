"""Connect a source that is pulled, or a folder that is watched."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from ingest.connections import Settings, WrongConnection
from ingest.credentials import CredentialError
from ingest.models import Connection
from web.connecting import NotTried, connect_tried
from web.management import connections as shared
from web.management.base import Failed, LedgerCommand, WrongUse, named_options


class Command(LedgerCommand):
    """Asks once whether it works; then stores the settings and, sealed, the key. Nothing is kept of what does not answer."""

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
        key, by = shared.secret(options["key_from"], ask=not watched), shared.person(options["user"])
        untried = options["no_try"] or settings.way != Connection.Way.PULL
        try:
            made, trial = connect_tried(settings, key, by=by, untried=untried)
        except (WrongConnection, CredentialError) as error:
            raise WrongUse(error) from None
        except NotTried as failed:
            outcome = {
                "name": settings.name,
                "kind": settings.kind,
                "way": settings.way,
                "ok": False,
                "said": str(failed),
            }
            raise Failed(f"{settings.name} was not saved: {failed} (--no-try saves it unseen)", outcome) from None
        return shared.tell(self, made, "connected", trial)
