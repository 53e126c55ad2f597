"""credentials: stored secrets of providers, without the secrets."""

from typing import Any

from django.core.management.base import CommandParser

from finops import encryption
from ingest import credentials
from ingest.models import Credential
from web.management.base import Failed, LedgerCommand, WrongUse, as_option, json_option


class Command(LedgerCommand):
    help = "List stored credentials, and wrap them with a newer key."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|rotate")
        rotate = actions.add_parser("rotate", help="Wrap all with the newest key of the ring; no secret is opened.")
        rotate.add_argument("--new-key", action="store_true", help="first make a new key in the data folder's ring")
        as_option(rotate)
        for action in (rotate, actions.add_parser("list", help="All credentials, without their secrets.")):
            json_option(action)

    def run(self, **options: Any) -> dict[str, Any]:
        return self._rotate(options) if options["action"] == "rotate" else self._list()

    def _list(self) -> dict[str, Any]:
        rows = [_described(credential) for credential in credentials.credentials()]
        for row in rows:
            used = f"last used {row['last_used_at']:%Y-%m-%d %H:%M}" if row["last_used_at"] else "never used"
            self.stdout.write(f"{row['id']}  {row['kind']:<14} {row['shown']:<24} version {row['version']}  {used}")
        return {"credentials": rows}

    def _rotate(self, options: dict[str, Any]) -> dict[str, Any]:
        try:
            if options["new_key"]:
                encryption.add_key()
            done = credentials.rotate(actor=options["user"])
        except encryption.RingFromEnvironment as error:
            raise WrongUse(error) from None
        except (encryption.EncryptionError, credentials.CredentialError) as error:
            raise Failed(error) from None
        self.stdout.write(f"Key {done.ring_key} wraps {done.rewrapped} more credentials, {done.current} it did before.")
        outcome = done._asdict()
        if done.failed:
            told = "; ".join(f"{key}: {why}" for key, why in sorted(done.failed.items()))
            raise Failed(f"{len(done.failed)} could not be opened: {told}", outcome)
        return outcome


def _described(credential: Credential) -> dict[str, Any]:
    names = ("kind", "version", "reference", "last_four", "fingerprint", "ring_key", "created_at", "last_used_at")
    shown = credential.reference or (f"...{credential.last_four}" if credential.last_four else "(short)")
    by = credential.created_by.get_username() if credential.created_by else ""
    return {"id": str(credential.pk), "shown": shown, "created_by": by} | {
        name: getattr(credential, name) for name in names
    }
