"""Open a closed month again: one person asks, another accepts."""

from typing import Any

from django.core.management.base import CommandParser

from allocation import closing
from allocation.calc.closing import StepError
from finops.approvals import ApprovalError
from finops.models import Approval
from finops.periods import Period, PeriodError
from web import approving
from web.management.base import LedgerCommand, RefusedHere, WrongUse, as_option
from web.management.people import of_finance


class Command(LedgerCommand):
    """Asks with a reason; the same command by another person accepts. The month is then open as its next version."""

    help = "Open a closed month again; two people take part."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("month", metavar="YYYY-MM")
        parser.add_argument("--reason", default="", help="why; needed by who asks")
        as_option(parser, required=True, help="who asks, or accepts")

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            period = Period.month(options["month"])
        except PeriodError as error:
            raise WrongUse(error) from None
        by = of_finance(options["user"])
        waiting = Approval.objects.filter(kind=closing.REOPEN, state="proposed", details__month=str(period)).first()
        try:
            if waiting is None:
                asked = closing.propose_reopen(period, options["reason"], by=by)
                self.stdout.write(f"Asked to open {period} again: request {asked.pk}.")
                self.stdout.write(f"Another person accepts: `manage.py reopen_month {period} --as USER`.")
            else:
                asked = approving.decide(waiting, by=by, accept=True, reason=options["reason"])
                self.stdout.write(f"{period} is open again, for the reason: {asked.details['reason']}.")
                self.stdout.write(f"When it is right: `manage.py close_month {period} --to preliminary --as USER`.")
        except (StepError, ApprovalError) as error:
            raise RefusedHere(error) from None
        return {"month": str(period), "approval": asked.pk, "state": asked.state}
