"""Check the chain of hashes of the audit trail."""

from typing import Any

from django.core.management.base import CommandParser

from allocation.verification import audit_chain
from finops import audit
from web.management.base import Failed, LedgerCommand, WrongUse


class Command(LedgerCommand):
    """Names the first events that were changed or removed, also at the end, and prints where the trail ends.

    What it prints is to be kept elsewhere: ``--head`` compares the trail with it, whatever was done to this database since.
    """

    help = "Check the audit trail."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--head", metavar="EVENTS:LAST:SHA256", help="an end that was printed before and kept")

    def run(self, **options: Any) -> dict[str, Any]:
        check, end = audit_chain(), audit.head()
        if options["head"]:
            check.found(audit.cut(_head(options["head"]), "the end that was kept"))
        outcome = {"ok": check.ok, "checked": check.checked, "examples": check.examples, "head": end._asdict()}
        if not check.ok:
            raise Failed(_told(check.examples), outcome)
        self.stdout.write(f"{check.checked:,} audit events, unbroken.")
        if end.events:
            self.stdout.write(f"It ends so, to be kept elsewhere: {written(end)}")
        return outcome


def _told(examples: list[str]) -> str:
    events = [what for what in examples if what.removeprefix("event ").isdecimal()]
    at = " at " + ", ".join(events) if events else ""
    return f"the audit trail is broken{at}" + "".join(f"; {what}" for what in examples if what not in events)


def written(end: audit.Head) -> str:
    """A head as ``--head`` takes it."""
    return f"{end.events}:{end.last}:{end.sha256}"


def _head(text: str) -> audit.Head:
    parts = text.split(":")
    if len(parts) != 3 or not (parts[0].isdecimal() and parts[1].isdecimal() and len(parts[2]) == 64):
        raise WrongUse("--head is the end as audit_verify printed it: EVENTS:LAST:SHA256")
    return audit.Head(int(parts[0]), int(parts[1]), parts[2].lower())
