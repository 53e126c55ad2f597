"""DATABASE_URL: what it means, what is refused, and that the embedded server is then left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from finops.database import databases
from finops.database.url import DatabaseUrlError, parse_url
from finops.env import MissingSetting

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgres://ann:p%40ss%2Fw%23rd@db.example:5433/ledger",
            {"USER": "ann", "PASSWORD": "p@ss/w#rd", "HOST": "db.example", "PORT": "5433", "NAME": "ledger"},
        ),
        ("postgresql://db/led%20ger", {"HOST": "db", "NAME": "led ger"}),
        ("postgresql://ann@[::1]:5432/x", {"USER": "ann", "HOST": "::1", "PORT": "5432", "NAME": "x"}),
        ("postgresql:///x?host=/run/postgresql", {"HOST": "/run/postgresql", "NAME": "x"}),
        ("postgresql://%2FVar%2FRun/x", {"HOST": "/Var/Run", "NAME": "x"}),
        ("postgresql://a:1,b:2/x", {"HOST": "a,b", "PORT": "1,2", "NAME": "x"}),
    ],
)
def test_an_address_is_read_as_libpq_reads_it(url: str, expected: dict[str, str]) -> None:
    assert parse_url(url) == expected | {"OPTIONS": {}}


def test_query_options_are_passed_on_and_win_over_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/x?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3")
    settings = databases(tmp_path)["default"]
    options = settings["OPTIONS"]
    assert isinstance(options, dict)
    assert (options["sslmode"], options["sslrootcert"], options["connect_timeout"]) == ("verify-full", "/ca.pem", "3")
    assert options["application_name"] == "finops"
    assert settings["CONN_HEALTH_CHECKS"] is True


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://db/x", "must start with postgresql://.*'mysql'"),
        ("db/x", "must start with postgresql://"),
        ("postgresql://db", "names no database"),
        ("postgresql://db:port/x", "port must be a number from 1 to 65535, not 'port'"),
        ("postgresql://db:70000/x", "not '70000'"),
        ("postgresql://db/x?pool=5", 'invalid URI query parameter: "pool"'),
        ("postgresql://[::1/x", "cannot be read"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(DatabaseUrlError, match=reason):
        parse_url(url)


@pytest.mark.parametrize("rest", ["%zz@db/x", "@[::1/x", "@db/x?nonsense=1", "@db:99999/x", "@db"])
def test_an_error_never_repeats_the_password(rest: str) -> None:
    with pytest.raises(DatabaseUrlError) as caught:
        parse_url(f"postgresql://ann:hunter2{rest}")
    assert "hunter2" not in str(caught.value)


def test_the_address_may_be_in_a_file_but_not_in_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://db/from_file\n")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL_FILE", str(secret))
    assert databases(tmp_path)["default"]["NAME"] == "from_file"
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/other")
    with pytest.raises(MissingSetting, match="not both"):
        databases(tmp_path)


def test_with_an_address_the_embedded_server_is_never_touched(tmp_path: Path) -> None:
    code = "import manage; manage.start_database('.')\nfrom finops.database import embedded; print(embedded._held)"
    data_dir = tmp_path / "data"
    environment = os.environ | {"DATABASE_URL": "postgresql://db/x", "FINOPS_DATA_DIR": str(data_dir)}
    environment.pop("DATABASE_URL_FILE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "{}"
    assert not data_dir.exists()
