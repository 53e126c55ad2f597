"""Check the invariants on live data."""

from typing import Any

from allocation.verification import verify
from web.management.base import Failed, LedgerCommand


class Command(LedgerCommand):
    """One line per check; exit 1 if any fails, with the rows that violate it."""

    help = "Check the invariants on live data."

    def run(self, **options: Any) -> dict[str, Any]:
        checks = verify()
        for check in checks:
            mark = self.style.SUCCESS("ok  ") if check.ok else self.style.ERROR("FAIL")
            self.stdout.write(f"{mark} {check.id:<18} {check.checked:>12,} checked, {check.violations:,} violations")
            for example in check.examples:
                self.stdout.write(f"       {example}")
        outcome = {
            "ok": all(check.ok for check in checks),
            "checks": [
                {
                    "id": check.id, "invariant": check.invariant, "ok": check.ok, "checked": check.checked,
                    "violations": check.violations, "examples": check.examples,
                }
                for check in checks
            ],
        }  # fmt: skip
        if not outcome["ok"]:
            raise Failed("these checks fail: " + ", ".join(check.id for check in checks if not check.ok), outcome)
        return outcome
