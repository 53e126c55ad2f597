"""Bounded memory: what an import needs does not depend on the size of its file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.bench import payloads

pytestmark = [pytest.mark.usefixtures("ledger"), pytest.mark.slow]


def peak_megabytes(path: Path) -> float:
    """Peak RSS of a process that imports the file, its children included."""
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    command = [sys.executable, "-m", "tests.bench.ingest", "--child", "import", "--path", str(path)]
    env = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "finops.settings"}
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return float(answer.stdout.split()[1])


def test_200_megabytes_of_gzipped_lines_need_less_than_256_over_an_idle_import(tmp_path: Path) -> None:
    idle = payloads.write(tmp_path / "idle.jsonl", 1, seed=1)
    size = idle.stat().st_size
    big = payloads.write(tmp_path / "big.jsonl.gz", 200_000_000 // size + 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert peak_megabytes(big) - peak_megabytes(idle) < 256
