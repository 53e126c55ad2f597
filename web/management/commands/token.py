"""token: keys to the API."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from web import tokens
from web.management.base import LedgerCommand, WrongUse, count, json_option
from web.models import ApiToken

_ACTOR = "manage.py token"


class Command(LedgerCommand):
    help = "Make, list and revoke API tokens."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True, metavar="create|list|revoke")
        create = actions.add_parser("create", help="Make a token; its secret is printed once.")
        create.add_argument("--user", dest="holder", metavar="USER", required=True)
        create.add_argument("--scope", required=True, choices=ApiToken.Scope.values)
        create.add_argument("--days", type=count, default=90, help=f"1 to {tokens.DAYS_MAX}, default 90")
        revoke = actions.add_parser("revoke", help="End a token now.")
        revoke.add_argument("id", type=count)
        for action in (create, revoke, actions.add_parser("list", help="All tokens, without their secrets.")):
            json_option(action)

    def run(self, **options: Any) -> dict[str, Any]:
        actions = {"create": self._create, "list": self._list, "revoke": self._revoke}
        try:
            return actions[options["action"]](options)
        except tokens.TokenError as error:
            raise WrongUse(error) from None

    def _create(self, options: dict[str, Any]) -> dict[str, Any]:
        token, secret = tokens.create(
            username=options["holder"], scope=options["scope"], days=options["days"], actor=_ACTOR
        )  # fmt: skip
        if not options.get("json"):
            self.stdout.write(
                f"Token {token.pk} of {options['holder']}, scope {token.scope}, until {token.expires_at:%Y-%m-%d}."
            )
            self.stdout.write("Its secret, which is not shown again:")
            self.stdout.write(secret)
        return {**tokens.described(token, timezone.now()), "token": secret}

    def _list(self, _: dict[str, Any]) -> dict[str, Any]:
        rows = [tokens.described(token, timezone.now()) for token in tokens.tokens()]
        for row in rows:
            self.stdout.write(
                f"{row['id']:>5}  {row['prefix']}...  {row['scope']:<6}  {row['state']:<7}  {row['user']}  "
                f"until {row['expires_at']:%Y-%m-%d}"
            )
        return {"tokens": rows}

    def _revoke(self, options: dict[str, Any]) -> dict[str, Any]:
        token = tokens.revoke(token=options["id"], actor=_ACTOR)
        self.stdout.write(f"Token {token.pk} of {token.user.get_username()} is revoked.")
        return tokens.described(token, timezone.now())
