"""Which days have charges or usage: found from day to day by the index, the same as all rows say."""

import random
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db import connection

from allocation import charged_days as finding
from allocation.charged_days import charged_days
from allocation.derived import refresh
from allocation.models import Charge, UsageDaily
from finops.periods import Period
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")
FIRST = date(2026, 8, 20)


def test_days_of_any_period_are_those_that_some_row_is_of(tmp_path: Path) -> None:
    dice = random.Random(1)
    days = dice.sample([FIRST + timedelta(days=number) for number in range(40)], 15)
    rows = [payload(number, at=f"{day}T12:00:00.000000Z") for number, day in enumerate(days * 2)]
    assert charged_days() == set()
    ingest_file(Import(write_lines(tmp_path / "usage.jsonl", rows), "litellm"))
    refresh()
    Charge.objects.filter(charge_date=days[0])._raw_delete(using="default")
    UsageDaily.objects.filter(charge_date=days[1])._raw_delete(using="default")
    assert charged_days() == set(days), "of one table or of the other"
    for _ in range(30):
        period = Period.through(*sorted(FIRST + timedelta(days=dice.randrange(-3, 43)) for _ in range(2)))
        assert charged_days(period) == {day for day in days if day in period}


def test_a_day_is_found_without_reading_its_rows() -> None:
    with connection.cursor() as cursor:
        for table in finding._TABLES:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {finding._DAYS.format(table=table)}", [FIRST, FIRST, FIRST])
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert plan.count("Index") >= 2, plan
            assert "Seq Scan" not in plan
