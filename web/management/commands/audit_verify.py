"""Check the chain of hashes of the audit trail."""

from typing import Any

from allocation.verification import audit_chain
from web.management.base import Failed, LedgerCommand


class Command(LedgerCommand):
    """Names the first events that were changed or removed."""

    help = "Check the audit trail."

    def run(self, **options: Any) -> dict[str, Any]:
        check = audit_chain()
        outcome = {"ok": check.ok, "checked": check.checked, "examples": check.examples}
        if not check.ok:
            raise Failed("the audit trail is broken at " + ", ".join(check.examples), outcome)
        self.stdout.write(f"{check.checked:,} audit events, unbroken.")
        return outcome
