"""A workbook of 100,000 lines is streamed: what it needs hardly grows with them, and it says how far it is."""

import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection

pytestmark = [pytest.mark.usefixtures("ledger"), pytest.mark.slow]
LINES = 100_000
CHARGES = """
INSERT INTO charge (charge_date, billing_period, usage_key_id, tier, tier_estimated, charge_category, charge_class, sku_id,
    sku_price_id, price_class, consumed_quantity, consumed_unit, list_unit_price, pricing_unit, list_cost, contracted_cost,
    effective_cost, billing_currency, provenance, scope, cause)
SELECT charge_date, billing_period, usage_key_id, tier, tier_estimated, charge_category, charge_class, sku_id, 'p' || n,
    price_class, consumed_quantity, consumed_unit, list_unit_price, pricing_unit, 0.01, 0.01, 0.010000001 + n * 1e-9,
    billing_currency, provenance, scope, cause
FROM charge, generate_series(1, %s) n"""
SHARES = """
INSERT INTO allocated_cost (charge_id, charge_date, part, cost_centre_id, quantity, list_cost, contracted_cost, effective_cost)
SELECT id, charge_date, 0, (SELECT min(cost_centre_id) FROM allocated_cost), 1000, list_cost, contracted_cost, effective_cost
FROM charge WHERE id NOT IN (SELECT charge_id FROM allocated_cost)"""
DAILY = "UPDATE cost_daily SET effective_cost = (SELECT sum(effective_cost) FROM allocated_cost)"


def child(path: Path) -> None:
    """Write the workbook in a process of its own; prints its peak and the last progress."""
    import django

    django.setup()
    from allocation.scope import EVERYTHING
    from finops.periods import Period
    from web.exports import statement

    told: list[tuple[int, int]] = []
    at = datetime(2026, 10, 1, tzinfo=UTC)
    result = statement.write(path, EVERYTHING, Period.month("2026-09"), at, progress=lambda *now: told.append(now))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"{result.rows} {result.ties} {told[-1][0]} {told[-1][1]} {peak}\n")


def peak_megabytes(path: Path, rows: int) -> float:
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    env = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "finops.settings"}
    command = [sys.executable, "-m", "tests.web.test_workbook_memory", str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    written, ties, done, total, peak = answer.stdout.split()
    assert (int(written), ties, int(done), int(total)) == (rows, "True", rows, rows)
    return float(peak)


def test_100_000_lines_need_little_more_memory_than_one(tmp_path: Path) -> None:
    from tests.web.ledger import Usage, load  # models, which the child may only import once Django is set up

    load(Usage("0.02"))
    one = peak_megabytes(tmp_path / "one.xlsx", 1)
    with connection.cursor() as cursor:
        cursor.execute(CHARGES, [LINES - 1])
        cursor.execute(SHARES)
        cursor.execute(DAILY)
        cursor.execute(
            "ANALYZE charge, allocated_cost, cost_daily"
        )  # else plans are those of one row until autovacuum comes by
    many = peak_megabytes(tmp_path / "many.xlsx", LINES)
    assert many - one < 96


if __name__ == "__main__":
    child(Path(sys.argv[1]))
