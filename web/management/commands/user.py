"""Users and their roles."""

from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from allocation import people
from allocation.models import Grant
from web.management.base import LedgerCommand, WrongUse, as_option, json_option


class Command(LedgerCommand):
    """``user create``, ``grant``, ``revoke`` and ``list``. Roles are separate permissions; a person may hold several."""

    help = "Make users and give them roles."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True, metavar="create|grant|revoke|list")
        for name, text in (
            ("create", "Make a user with a random password, printed once."),
            ("grant", "Give a role."),
            ("revoke", "Take a role away."),
        ):
            action = actions.add_parser(name, help=text)
            action.add_argument("name")
            action.add_argument("--role", choices=Grant.Role.values, required=name != "create")
            action.add_argument("--cost-centre", metavar="CODE", help="for viewer and owner")
            as_option(action)
            json_option(action)
        json_option(actions.add_parser("list", help="All users and their roles."))

    def run(self, **options: Any) -> dict[str, Any]:
        if options["action"] == "list":
            return self._list()
        told = {"name": options["name"], "actor": options["user"]}
        held = told | {"role": options["role"], "cost_centre": options["cost_centre"]}
        outcome: dict[str, Any] = {"name": options["name"]}
        try:
            if options["action"] == "create":
                with transaction.atomic():  # no user whose password is lost with a refused role
                    outcome["password"] = people.create_user(**told)
                    if options["role"]:
                        people.grant(**held)
            elif options["action"] == "grant":
                people.grant(**held)
            else:
                people.revoke(**held)
        except people.PeopleError as error:
            raise WrongUse(error) from None
        if "password" in outcome and not options.get("json"):
            self.stdout.write(f"User {options['name']}; the password, which is not shown again: {outcome['password']}")
        return outcome

    def _list(self) -> dict[str, Any]:
        found = people.people()
        for person in found:
            self.stdout.write(f"{person['name']:<24} {', '.join(person['roles']) or 'no role'}")  # type: ignore[arg-type]
        return {"users": found}
