"""Check the invariants on live data."""

from typing import Any

from web import verified
from web.management.base import Failed, LedgerCommand


class Command(LedgerCommand):
    """One line per check; exit 1 if any fails, with the rows that violate it. Data health shows the same."""

    help = "Check the invariants on live data."

    def run(self, **options: Any) -> dict[str, Any]:
        checks = verified.check()
        for check in checks:
            mark = self.style.SUCCESS("ok  ") if check["ok"] else self.style.ERROR("FAIL")
            self.stdout.write(
                f"{mark} {check['id']:<18} {check['checked']:>12,} checked, {check['violations']:,} violations"
            )
            for example in check["examples"]:
                self.stdout.write(f"       {example}")
        outcome = {"ok": all(check["ok"] for check in checks), "checks": checks}
        if not outcome["ok"]:
            failing = ", ".join(check["id"] for check in checks if not check["ok"])
            raise Failed(f"these checks fail: {failing}", outcome)
        return outcome
