"""What a day of a frozen month costs now beyond what was posted of it: reversals and restatements in an open month.

The derivation of such a day runs as ever, but into tables of the session that stand before the ledger's (PostgreSQL looks
for names among temporary tables first), so that there is one way to compute a day and no second one for late news. What it
says then is compared with what was posted of the day: its charges with their shares, and the corrections since.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, Sum
from django.db.models.functions import TruncMonth

from allocation.calc.corrections import AMOUNTS, IDENTITY, ZERO, Change, Line, changes, material
from allocation.close.periods import frozen_months, is_frozen, posting_day
from allocation.models import Charge, Correction, CostCentre
from finops import audit
from finops.copying import copy_rows

_ASIDE = ("charge", "allocated_cost", "allocated_day", "cost_daily", "class_daily", "query_cost_daily")
_LIKE = "INCLUDING DEFAULTS INCLUDING IDENTITY"
_CHARGE = ", ".join(f"c.{name}" for name in IDENTITY[:-2])
_SHARES = (
    f"SELECT {_CHARGE}, a.cost_centre_id, a.team_id, {', '.join(f'a.{name}' for name in AMOUNTS)}, c.id AS origin "
    "FROM {schema}.charge c JOIN {schema}.allocated_cost a ON a.charge_id = c.id "
    "WHERE c.charge_date = %s AND c.correction_id IS NULL"
)
_SINCE = (
    f"SELECT {_CHARGE}, c.corrects_centre_id, c.corrects_team_id, c.consumed_quantity, "
    f"{', '.join(f'c.{name}' for name in AMOUNTS[1:])}, c.origin_id FROM public.charge c WHERE c.corrects_date = %s"
)
_COLUMNS = (
    "charge_date", "billing_period", "charge_class", *IDENTITY[:-2], "corrects_centre_id", "corrects_team_id", "owner_id",
    "owner_team_id", "consumed_quantity", *AMOUNTS[1:], "origin_id", "correction_id", "corrects_date", "reversal",
)  # fmt: skip
_CURRENCY, _EFFECTIVE = IDENTITY.index("billing_currency"), AMOUNTS.index("effective_cost")
_WHY: dict[str, str] = {
    Correction.Cause.LATE_USAGE: "usage of the day came, or was changed, after its month was frozen",
    Correction.Cause.RERATE: "usage of the day costs something else by the prices in force",
    Correction.Cause.RULES: "the rules in force give the day's cost to others",
    Correction.Cause.AGREEMENT: "an agreement that bears on the day was changed",
    Correction.Cause.BILL: "a bill states something else for the day",
}


@contextmanager
def aside(day: date) -> Iterator[list[date]]:
    """Inside, what is derived of a frozen day is written beside the ledger; at its end the difference is posted.

    Yields a list that then holds the days that bear it, whose allocation has to follow; of an open day it stays empty and
    nothing is set aside. In the caller's transaction, under the refresher's lock.
    """
    bearing: list[date] = []
    if not is_frozen(day):
        yield bearing
        return
    _sql(*(f"CREATE TEMP TABLE {table} (LIKE public.{table} {_LIKE}) ON COMMIT DROP" for table in _ASIDE))
    yield bearing
    posted = _lines(f"{_SHARES.format(schema='public')} UNION ALL {_SINCE}", [day, day])
    now = _lines(_SHARES.format(schema="pg_temp"), [day])
    _sql(*(f"DROP TABLE pg_temp.{table}" for table in _ASIDE))
    if found := changes(posted, now):
        bearing.append(_post(day, found))


def _sql(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _lines(shares: str, days: list[date]) -> list[Line]:
    names, sums = ", ".join(IDENTITY), ", ".join(f"sum({name})" for name in AMOUNTS)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {names}, {sums}, min(origin) FROM ({shares}) AS line GROUP BY {names}", days)
        size = len(IDENTITY)
        return [Line(row[:size], row[size:-1], row[-1]) for row in cursor.fetchall()]


def _post(day: date, found: Sequence[Change]) -> date:
    """Write the rows into the open month, each posting with its audit event; returns the day that bears them."""
    bearer = posting_day(day)
    for cause, rows in groupby(sorted(found, key=lambda change: change.cause), key=lambda change: change.cause):
        posting, posted = Correction.objects.create(charge_date=day, posted_on=bearer, cause=cause), list(rows)
        copy_rows("charge", _COLUMNS, (_row(change, posting) for change in posted))
        _audit(posting, posted)
    return bearer


def _audit(posting: Correction, rows: Sequence[Change]) -> None:
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for row in rows:
        sums[row.identity[_CURRENCY]] += row.amounts[_EFFECTIVE] or ZERO
    details = {
        "correction": posting.pk, "cause": posting.cause, "why": _WHY[posting.cause], "posted_on": posting.posted_on,
        "rows": len(rows), "effective_cost": {currency: f"{amount:f}" for currency, amount in sorted(sums.items())},
    }  # fmt: skip
    subject = f"{posting.charge_date} in {posting.posted_on:%Y-%m}"
    audit.record(action="correction.post", actor=audit.who(), subject=subject, details=details)


def _row(change: Change, posting: Correction) -> tuple[Any, ...]:
    *place, centre, team = change.identity
    return (
        posting.posted_on, posting.posted_on.replace(day=1), "Correction", *place, centre, team, centre, team,
        *change.amounts, change.origin, posting.pk, posting.charge_date, change.reversal,
    )  # fmt: skip


def settle() -> set[date]:
    """Let finance bear what is too small for others (FINOPS_MATERIALITY): returns the days whose bearers change.

    What counts is the net correction of one cost centre for one frozen month in one open month, however many days and
    postings it comes from; so a bearer may change as more comes, until the open month is frozen too.
    """
    finance = CostCentre.objects.filter(code=settings.FINANCE_COST_CENTRE).first()
    rows: Any = Charge.objects.filter(correction__isnull=False, corrects_centre__isnull=False)
    rows = rows.annotate(bearing=TruncMonth("charge_date"), month=TruncMonth("corrects_date"))
    rows = rows.exclude(bearing__in=frozen_months()).order_by()
    places = ("bearing", "month", "corrects_centre_id", "billing_currency")
    nets = {row[:4]: row[4] or ZERO for row in rows.values_list(*places).annotate(Sum("effective_cost"))}
    large = material(nets, settings.MATERIALITY) if finance is not None else set(nets)
    days: set[date] = set()
    for place in sorted(nets, key=str):
        theirs = rows.filter(**dict(zip(places, place, strict=True)))
        owner, team = (F("corrects_centre"), F("corrects_team")) if place in large else (finance, None)
        wrong = theirs.exclude(owner=owner)
        days |= set(wrong.values_list("charge_date", flat=True).distinct())
        wrong.update(owner=owner, owner_team=team)
    return days
