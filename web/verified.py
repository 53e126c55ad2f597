"""The invariants as last checked: kept as a mark of the site, because a check reads everything and takes its time."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from allocation.verification import verify
from finops import audit
from finops.locks import try_lock
from finops.models import SiteMark

EVERY = timedelta(days=1)
_DONE, _ASKED = "verify", "verify_asked"
_LOCK = 0x56455249  # "VERI": one check at a time


class Verified(NamedTuple):
    """What was found and when; ``asked_at``: somebody wants it checked again."""

    at: datetime | None
    seconds: float
    checks: list[dict[str, Any]]
    asked_at: datetime | None

    @property
    def failing(self) -> list[dict[str, Any]]:
        """Checks that do not hold."""
        return [check for check in self.checks if not check["ok"]]


def last() -> Verified:
    """The last check; ``at`` None: never."""
    marks = {mark.name: mark for mark in SiteMark.objects.filter(name__in=[_DONE, _ASKED])}
    asked = marks[_ASKED].at if _ASKED in marks else None
    if _DONE not in marks:
        return Verified(None, 0.0, [], asked)
    value = marks[_DONE].value
    return Verified(marks[_DONE].at, float(value.get("seconds", 0)), list(value.get("checks", [])), asked)


def check() -> list[dict[str, Any]]:
    """Check all invariants now and keep what was found."""
    begun = timezone.now()
    checks = [
        {
            "id": check.id, "invariant": check.invariant, "ok": check.ok, "checked": check.checked,
            "violations": check.violations, "examples": check.examples,
        }
        for check in verify()
    ]  # fmt: skip
    seconds = round((timezone.now() - begun).total_seconds(), 3)
    SiteMark.objects.update_or_create(name=_DONE, defaults={"value": {"checks": checks, "seconds": seconds}})
    SiteMark.objects.filter(name=_ASKED, at__lte=begun).delete()
    return checks


def ask(actor: str) -> None:
    """Have it checked with the next tick."""
    SiteMark.objects.update_or_create(name=_ASKED, defaults={"value": {"actor": actor}})
    audit.record(action="verify.asked", actor=actor, subject="invariants")


def check_if_due() -> bool:
    """Check when somebody asked, or a day after the last time; nobody twice at once. Whether it was done."""
    with try_lock(_LOCK) as mine:
        found = last()
        due = found.asked_at is not None or found.at is None or timezone.now() - found.at >= EVERY
        if not mine or not due:
            return False
        check()
        return True
