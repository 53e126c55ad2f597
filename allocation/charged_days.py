"""Which days have charges or usage."""

from datetime import date

from django.db import connection

from finops.periods import Period

_TABLES = ("charge", "usage_daily")
# From one day to the next by the index: DISTINCT would read every row of a month to say its thirty days.
_DAYS = (
    "WITH RECURSIVE found (day) AS (SELECT min(charge_date) FROM {table} WHERE charge_date >= %s UNION ALL "
    "SELECT (SELECT min(charge_date) FROM {table} WHERE charge_date > found.day) FROM found WHERE found.day < %s) "
    "SELECT day FROM found WHERE day < %s"
)


def charged_days(period: Period | None = None) -> set[date]:
    """Days of a period (None: of all time) that have charges or usage."""
    begin, end = (period.start, period.end) if period else (date.min, date.max)
    found: set[date] = set()
    with connection.cursor() as cursor:
        for table in _TABLES:
            cursor.execute(_DAYS.format(table=table), [begin, end, end])
            found |= {row[0] for row in cursor.fetchall()}
    return found
