"""Change, switch off or remove what is connected."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from ingest.connections import WrongConnection, edit, remove, replace_secret, set_enabled
from ingest.credentials import CredentialError
from ingest.folders import NoFolder, accept
from ingest.health_selectors import refused_files
from ingest.models import Connection
from web.management import connections as shared
from web.management.base import LedgerCommand, WrongUse, json_option, named_options

_ACTIONS = {
    "edit": "Say something else of it; what is not named stays as it is.",
    "key": "Store another key; the former one is gone.",
    "disable": "Leave it alone until it is enabled again.",
    "enable": "Pull it again, from where it stopped.",
    "remove": "Forget it and its key.",
    "accept": "Take what can be read of files that were refused, with the next sync.",
}


class Command(LedgerCommand):
    """``connection edit|key|disable|enable|remove|accept NAME``. What it delivered stays, whatever is done."""

    help = "Change, switch off or remove a connection; what it delivered stays."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True, metavar="|".join(_ACTIONS))
        for name, text in _ACTIONS.items():
            action = actions.add_parser(name, help=text, description=text)
            action.add_argument("name", metavar="NAME", help="see `manage.py sources`")
            if name == "edit":
                action.add_argument("--rename", metavar="NEW", help="what you call it from now on")
                shared.changeable_options(action)
            if name in ("edit", "key"):
                shared.key_option(action)
                shared.try_option(action)
            if name == "accept":
                action.add_argument("files", nargs="*", metavar="FILE", help="as `manage.py sources` names them")
                action.add_argument("--all", action="store_true", help="all that were refused")
            shared.person_option(action)
            json_option(action)

    def run(self, **options: Any) -> dict[str, Any]:
        item, by = shared.named(options["name"]), shared.person(options["user"])
        actions = {"edit": self._edit, "key": self._key, "remove": self._remove, "accept": self._accept}
        try:
            if options["action"] in actions:
                return actions[options["action"]](item, options, by=by)
            set_enabled(item, enabled=options["action"] == "enable", by=by)
        except (WrongConnection, CredentialError, NoFolder) as error:
            raise WrongUse(error) from None
        return shared.tell(self, item, f"{options['action']}d", None)

    def _edit(self, item: Connection, options: dict[str, Any], *, by: Any) -> dict[str, Any]:
        changes = _changes(item, options)
        key = shared.secret(options["key_from"], ask=False)
        if not changes and not key:
            raise WrongUse("say what to change, e.g. --every 15; see `manage.py connection edit --help`")
        edit(item, by=by, secret=key, **changes)
        return shared.tell(self, item, "changed", shared.trial_of(item, untried=options["no_try"]))

    def _key(self, item: Connection, options: dict[str, Any], *, by: Any) -> dict[str, Any]:
        key = shared.secret(options["key_from"], ask=True)
        if not key:
            raise WrongUse("no key was given: say --key-from env:NAME, file:PATH or - (standard input)")
        replace_secret(item, key, by=by)
        item.refresh_from_db()  # the key that it holds is the former one
        return shared.tell(self, item, "given its new key", shared.trial_of(item, untried=options["no_try"]))

    def _remove(self, item: Connection, options: dict[str, Any], *, by: Any) -> dict[str, Any]:
        remove(item, by=by)
        return shared.tell(self, item, "removed", None)

    @transaction.atomic
    def _accept(self, item: Connection, options: dict[str, Any], *, by: Any) -> dict[str, Any]:
        files = options["files"]
        if options["all"] == bool(files):
            raise WrongUse(f"name files, or all of them with --all; `manage.py sources` lists those of {item.name}")
        paths = files or [file.path for file in refused_files(item, limit=None)]
        for path in paths:
            accept(item, path, by=by)
        self.stdout.write(
            f"What can be read is taken with the next sync: `manage.py sync {item.name}`, or the worker's."
        )
        return {"name": item.name, "accepted": paths}


def _changes(item: Connection, options: dict[str, Any]) -> dict[str, Any]:
    """What ``edit`` is asked to change: of the options those that are named, an empty value takes one away."""
    if item.way != Connection.Way.FOLDER and (options["folder"] or options["pattern"] is not None):
        raise WrongUse(f"{item.name} watches no folder; connect the folder under a name of its own")
    given = named_options(options["option"])
    if options["folder"]:
        given["url"] = shared.folder(options["folder"])
    if options["pattern"] is not None:
        given["pattern"] = options["pattern"]
    said = {
        "name": options["rename"], "base_url": options["url"], "begins_on": options["since"],
        "every": options["every"] and timedelta(minutes=options["every"]),
    }  # fmt: skip
    changes = {name: value for name, value in said.items() if value is not None}
    if given:
        changes["options"] = {name: value for name, value in (item.options | given).items() if value != ""}
    return changes
