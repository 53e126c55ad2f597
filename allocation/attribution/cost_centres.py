"""The tree of cost centres: as a document says it, by day, and the rows of CostCentre kept in step with it."""

from datetime import date
from typing import Any

from django.conf import settings
from django.db import transaction

from allocation.calc.cost_centres import Centre, parse_centres
from allocation.calc.cost_centres import on as in_force_on
from allocation.calc.rules import RuleError
from allocation.costing import terms
from allocation.models import CostCentre, TermsVersion
from finops.models import User

KIND = "cost_centres"


def centres() -> tuple[Centre, ...]:
    """All entries of the document in force, by code and day."""
    found: tuple[Centre, ...] = terms.in_force(KIND, parse_centres)
    return found


def on(day: date) -> dict[str, Centre]:
    """The tree of a day: code -> its entry; a cost centre that the document does not name is not there."""
    return in_force_on(centres(), day)


def charging_on(code: str, day: date) -> str:
    """showback (for information) or chargeback (makes journal lines); chargeback where the document does not say."""
    found = on(day).get(code)
    return found.charging_on(day) if found else "chargeback"


@transaction.atomic
def load(document: Any, *, actor: str, today: date) -> TermsVersion:
    """Make a document the tree in force; cost centres it names are made when missing. Raises RuleError."""
    check(document)
    version = terms.load(KIND, document, parse_centres, actor=actor, charged=False)
    keep_in_step(today)
    return version


def check(document: Any) -> tuple[Centre, ...]:
    """What a document says. Raises RuleError, also for an owner that there is not."""
    found = parse_centres(document)
    known = set(User.objects.values_list("username", flat=True))
    for one in found:
        if one.owner and one.owner not in known:
            raise RuleError(f"{one.code}: owner: there is no user {one.owner!r}")
    return found


@transaction.atomic
def keep_in_step(today: date) -> None:
    """Write into CostCentre what the document says of today: of one that has ended its last entry, of a later one its first."""
    said: dict[str, Centre] = {}
    for one in centres():
        if one.code not in said or one.valid_from is None or one.valid_from <= today:
            said[one.code] = one
    for code in said:
        CostCentre.objects.get_or_create(code=code)
    rows = {row.code: row for row in CostCentre.objects.all()}
    owners = {user.username: user for user in User.objects.filter(username__in={one.owner for one in said.values()})}
    for code, row in rows.items():
        entry = said.get(code)
        row.parent = rows[entry.parent] if entry and entry.parent else None
        row.owner = owners.get(entry.owner) if entry else None
        row.gl_account, row.legal_entity = (entry.gl_account, entry.legal_entity) if entry else ("", "")
        row.valid_from, row.valid_to = (entry.valid_from, entry.valid_to) if entry else (None, None)
        if entry:
            row.name, row.currency = entry.name or row.name, entry.currency or settings.REPORT_CURRENCY
        row.save()
