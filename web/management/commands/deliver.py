"""What is delivered on a schedule: the plan, what is due, the log, another try."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from finops.periods import Period, PeriodError
from web import approving, delivery, delivery_log, delivery_plan, delivery_runs
from web.delivery_plan import PlanError
from web.management.base import Failed, LedgerCommand, RefusedHere, WrongUse, as_option, json_option
from web.management.files import naming, read_yaml
from web.models import Delivery

_SHOWN = 100


class Command(LedgerCommand):
    """``deliver plan FILE``, ``deliver now CODE --month``, ``deliver due``, ``deliver list``, ``deliver retry ID``."""

    help = "Deliver workbook and statements by e-mail, into folders or object stores, and look at what became of it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        plan = actions.add_parser("plan", help="ask for a plan: on which working day which files go where")
        plan.add_argument("file", type=Path, help="YAML: a list of entries (fields: web.delivery_plan)")
        as_option(plan, help="who loads it, for the audit trail")
        now = actions.add_parser("now", help="build and send one entry of the plan for a month, whatever the day")
        now.add_argument("code")
        now.add_argument("--month", required=True, metavar="YYYY-MM")
        due = actions.add_parser("due", help="build and send what is due; a worker does so every minute")
        listing = actions.add_parser("list", help="the newest deliveries")
        retry = actions.add_parser("retry", help="another try of one that failed or is unsure")
        retry.add_argument("number", type=int, metavar="ID")
        as_option(retry)
        for each in (plan, now, due, listing, retry):
            json_option(each)

    def run(self, **options: Any) -> dict[str, Any]:
        action = options["action"]
        if action == "plan":
            return self._plan(options["file"], options["user"])
        if action == "list":
            return self._told(list(Delivery.objects.defer("file__content").order_by("-pk")[:_SHOWN]))
        if action == "retry":
            return self._retry(options["number"], options["user"])
        made = self._now(options["code"], options["month"]) if action == "now" else delivery_runs.make_due()
        for each in made:
            delivery.send(each)
        if action == "due":
            delivery.send_due()
        found = list(Delivery.objects.filter(pk__in=[each.pk for each in made]).order_by("pk"))
        told = self._told(found)
        if failed := [each for each in found if each.state != Delivery.State.SENT]:
            raise Failed(f"{len(failed)} of {len(found)} were not sent; they are tried again: {failed[0].error}", told)
        return told

    def _plan(self, file: Path, user: str) -> dict[str, Any]:
        with naming(file, PlanError):
            document = read_yaml(file) or []
            asked = approving.propose_document(delivery_plan.KIND, document, by=user)
        entries = delivery_plan.parse(asked.details["entries"])
        for one in entries:
            self.stdout.write(
                f"{one.code}: {', '.join(one.files)}, {one.stage}, on working day {one.working_day} to {one.address}"
            )
        self.stdout.write(f"{asked.subject} waits for another person: manage.py approvals accept {asked.pk} --as USER")
        return {"approval": asked.pk, "entries": [one.code for one in entries]}

    def _now(self, code: str, month: str) -> list[Delivery]:
        try:
            period = Period.month(month)
        except PeriodError as error:
            raise WrongUse(error) from None
        one = next((each for each in delivery_plan.in_force() if each.code == code), None)
        if one is None:
            raise WrongUse(f"the plan has no entry {code!r}")
        made = delivery_runs.make(one, period, again=True)
        if not made:
            raise RefusedHere(f"{period} has no cost, or is soft-closed: preliminary no more, final once it is closed")
        return made

    def _retry(self, number: int, user: str) -> dict[str, Any]:
        found = Delivery.objects.filter(pk=number).first()
        if found is None:
            raise WrongUse(f"there is no delivery {number}")
        if not delivery_log.retry(found, user):
            raise RefusedHere(f"delivery {number} is {found.state}: only what failed or is unsure is tried again")
        delivery.send(found, timezone.now())
        found.refresh_from_db()
        return self._told([found])

    def _told(self, found: list[Delivery]) -> dict[str, Any]:
        for each in found:
            why = f" ({each.error})" if each.error else ""
            stage = f", {each.stage} {each.number}" if each.stage else ""
            self.stdout.write(f"{each.pk}: {each.kind} {each.subject}{stage} to {each.address}: {each.state}{why}")
        if not found:
            self.stdout.write("Nothing.")
        names = ("kind", "subject", "stage", "number", "channel", "address", "state", "attempts", "error", "sha256")
        return {"deliveries": [{"id": each.pk} | {name: getattr(each, name) for name in names} for each in found]}
