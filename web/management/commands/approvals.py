"""Look at what waits for approval, and decide."""

from typing import Any

from django.core.management.base import CommandParser

from allocation.costing.proposals import in_words
from finops.approvals import ApprovalError, SelfApproval
from finops.models import Approval
from web import approving
from web.management.base import RefusedHere, WrongUse, as_option, json_option
from web.management.people import of_finance
from web.management.refreshing import RefreshingCommand


class Command(RefreshingCommand):
    """``approvals list``, ``approvals accept ID --as USER``: nobody accepts what they prepared (exit 3).

    What is accepted is carried out, and the figures follow before the command ends.
    """

    help = "What waits for another person's approval, and the decision."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        found = actions.add_parser("list", help="what waits")
        found.add_argument("--all", action="store_true", help="what was decided too")
        json_option(found)
        for name in ("accept", "reject"):
            decide = actions.add_parser(name)
            decide.add_argument("number", type=int, metavar="ID")
            as_option(decide, required=True, help="a user with the role finance")
            decide.add_argument("--reason", default="")
            json_option(decide)

    def run(self, **options: Any) -> dict[str, Any]:
        if options["action"] == "list":
            rows = Approval.objects.order_by("pk")
            found = list(rows if options["all"] else rows.filter(state=Approval.State.PROPOSED))
            for asked in found:
                by = f", {asked.state} by {asked.decided_by}" if asked.decided_by else ""
                self.stdout.write(f"{asked.pk:>5}  {asked.kind}: {asked.subject} (prepared by {asked.prepared_by}{by})")
                if words := in_words(asked.details):
                    self.stdout.write(f"       {words}")
            if not found:
                self.stdout.write("Nothing waits for approval.")
            return {"approvals": [{"id": asked.pk, "kind": asked.kind, "subject": asked.subject} for asked in found]}
        request = Approval.objects.filter(pk=options["number"]).first()
        if request is None:
            raise WrongUse(f"there is no request {options['number']}: see `manage.py approvals list`")
        try:
            accept = options["action"] == "accept"
            decided = approving.decide(request, by=of_finance(options["user"]), accept=accept, reason=options["reason"])
        except SelfApproval as own:
            raise RefusedHere(own) from None
        except (ApprovalError, ValueError) as error:
            raise RefusedHere(error) from None
        self.refreshed()
        self.stdout.write(f"{decided.kind}: {decided.subject} is {decided.state}.")
        return {"id": decided.pk, "state": decided.state}
