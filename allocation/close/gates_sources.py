"""Whether what a month's sources sent is complete: the watermark of every connection, file and stream (R23)."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection

from allocation.calc.gates import Measured
from finops.periods import Period
from ingest import health_selectors
from ingest.calc.windows import Window
from ingest.source_status import COMPLETE, OUTSIDE, Status, day_states
from ingest.sources import UnknownKind, get_source

_SHOWN = 4
_BEHIND = {"failing": "is failing", "late": "is late", "never": "never answered"}


class Lacking(NamedTuple):
    """Days of the month that a source does not state whole."""

    name: str
    days: list[date]

    def __str__(self) -> str:
        first, last = self.days[0], self.days[-1]
        return f"{self.name} lacks {first}" + (f" to {last} ({len(self.days)} days)" if last > first else "")


def coverage(period: Period, statuses: Iterable[Status]) -> Measured:
    """Days x sources that lack. What is pulled has to be covered whole; of files and pushes the last day has to be known."""
    pulled = [one for one in statuses if one.connection and one.connection.enabled and one.streams]
    found = [_pulled(one, period) for one in pulled]
    named = {(one.kind, one.account) for one in pulled}
    stated = _stated(period, named)
    found += [_of_spans(place, spans, period) for place, spans in sorted(stated.items())]
    speaking = {kind for kind, _ in named} | {place[0] for place in stated}
    found += [_of_usage(*row, period) for row in _arrived(period) if row[0] not in speaking]
    lacking = [one for one in found if one.days]
    return Measured(Decimal(sum(len(one.days) for one in lacking)), _told(lacking))


def freshness(statuses: Iterable[Status]) -> Measured:
    """Connections that are enabled and do not answer as they should."""
    behind = [one for one in statuses if one.connection and one.connection.enabled and one.state in _BEHIND]
    told = [f"{one.name} {_BEHIND[one.state]}" for one in behind]
    return Measured(Decimal(len(behind)), _told(told))


def statuses(now: datetime) -> list[Status]:
    """As the page Sources sees them."""
    return health_selectors.statuses(now)


def _told(parts: list[Any]) -> str:
    more = f" and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    return "; ".join(str(part) for part in parts[:_SHOWN]) + more


def _pulled(status: Status, period: Period) -> Lacking:
    days = status.days(period.start, period.end)
    return Lacking(status.name, [each.day for each in days if each.state not in (COMPLETE, OUTSIDE)])


def _stated(period: Period, pulled: set[tuple[str, str]]) -> dict[tuple[str, str, str, str], list[Window]]:
    """What complete answers in files cover, of streams that say something of this month or the one before."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT source, account, part, stream, lower(span), upper(span) FROM ingest_coverage, unnest(covered) AS span "
            "ORDER BY 1, 2, 3, 4, 5"
        )
        found: dict[tuple[str, str, str, str], list[Window]] = defaultdict(list)
        for *place, low, high in cursor.fetchall():
            if (place[0], place[1]) not in pulled:
                found[place[0], place[1], place[2], place[3]].append(Window(low, high))
    before = period.previous().start
    return {
        place: spans
        for place, spans in found.items()
        if spans[-1].end.date() > before and spans[0].start.date() < period.end
    }


def _of_spans(place: tuple[str, str, str, str], spans: list[Window], period: Period) -> Lacking:
    kind, account, part, stream = place
    try:
        zone = get_source(kind).issuer_zone
    except UnknownKind:  # of a package that is no longer installed
        zone = "UTC"
    states = day_states(spans, period.start, period.end, zone)
    begun = spans[0].start.date()  # what lies before its first answer was never asked for
    name = " ".join(dict.fromkeys(text for text in (kind, part or account, stream) if text))
    return Lacking(
        name,
        [day for day, state in zip(period.days(), states, strict=True) if state != COMPLETE and day >= begun],
    )


_ARRIVED = (
    "SELECT k.source, k.billing_account, max(u.charge_date) FROM usage_daily u JOIN ingest_usagekey k ON k.id = u.usage_key_id "
    "WHERE u.charge_date >= %s GROUP BY 1, 2 HAVING min(u.charge_date) < %s ORDER BY 1, 2"
)


def _arrived(period: Period) -> list[tuple[str, str, date]]:
    """The last day of which usage is known, of accounts with usage in this month or the one before."""
    with connection.cursor() as cursor:
        cursor.execute(_ARRIVED, [period.previous().start, period.end])
        return [(row[0], row[1], row[2]) for row in cursor.fetchall()]


def _of_usage(kind: str, account: str, last: date, period: Period) -> Lacking:
    after = max(last + timedelta(days=1), period.start)
    days = list(Period(after, period.end).days()) if after < period.end else []
    return Lacking(f"{kind} {account}".strip(), days)
