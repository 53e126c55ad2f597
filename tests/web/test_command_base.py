"""What all commands share: a reader that leaves early, errors in one line, how days and times are written."""

import argparse
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.management.base import count, day, moment

ROOT = Path(__file__).parents[2]
STARTER = "import sys; from django.core.management import execute_from_command_line as run; run(sys.argv)"


def command(*arguments: str, stdout: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", STARTER, *arguments], cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True,
        timeout=60, env={**os.environ, "DJANGO_SETTINGS_MODULE": "finops.settings"},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_seen_enough_ends_a_command_quietly(unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        found = command("sources", "--json", stdout=writing)
    finally:
        os.close(writing)
    assert (found.returncode, found.stderr) == (141, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("up", "--port", "99999"), "a port is a number from 1 to 65535, not '99999'; see `manage.py up --help`"),
        (("web", "--port", "x"), "a port is a number from 1 to 65535, not 'x'; see `manage.py web --help`"),
        (("rerate", "--from", "1.9.2026"), "'1.9.2026' is no day (2026-09-08) and no time (2026-09-08T13:00:00Z)"),
        (("connect", "x"), "the following arguments are required: --kind; see `manage.py connect --help`"),
        (("token", "create", "--user", "u"), "required: --scope; see `manage.py token create --help`"),
        (("user", "crate"), "invalid choice: 'crate'"),
        (("nope",), "there is no command 'nope'. See `manage.py help`"),
        (("synk", "openai"), "there is no command 'synk'; did you mean `sync`? See `manage.py help`"),
        (("rules", "load", "no.yaml"), "there is no file no.yaml"),
    ],
)
def test_wrong_use_is_one_line_that_says_where_and_what_to_do(arguments: tuple[str, ...], said: str) -> None:
    found = manage(*arguments)
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.startswith("error: ")
    assert said in found.stderr
    assert found.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"FINOPS_DEBUG": "perhaps"}, "FINOPS_DEBUG must be true or false, not 'perhaps'"),
        ({"DATABASE_URL": "mysql://db/x"}, "DATABASE_URL must start with postgresql://"),
        ({"FINOPS_CURRENCY_FILE": "/nowhere"}, "FINOPS_CURRENCY_FILE: /nowhere: No such file or directory"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_line(variables: dict[str, str], said: str) -> None:
    found = manage("sources", **variables)
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert said in found.stderr


def manage(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env=os.environ | {"FINOPS_BOOTSTRAP": "0"} | variables,
    )  # fmt: skip


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)), st.integers(-23 * 60, 23 * 60))
def test_every_time_is_read_back_as_the_instant_that_was_written(clock: datetime, minutes: int) -> None:
    written = clock.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert moment(written.isoformat()) == written
    assert moment(written.isoformat(" ")) == written
    assert day(written.isoformat()) == written.astimezone(UTC).date()


@given(st.dates())
def test_a_day_is_its_beginning_in_utc(on: datetime) -> None:
    assert moment(on.isoformat()).isoformat() == f"{on.isoformat()}T00:00:00+00:00"
    assert day(on.isoformat()) == on


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-09-08T13:00:00", "says no zone"), ("2026-02-30", "there is no"), ("2026-09-08T25:00Z", "there is no"),
        ("2026-W37-2", "is no day"), ("20260908", "is no day"), ("1757289600", "is no day"), ("", "is no day"),
        ("0001-01-01T00:00+14:00", "there is no"),
    ],
)  # fmt: skip
def test_what_is_no_day_and_no_time_is_not_guessed_at(text: str, said: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=said):
        moment(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", "", "٣"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no whole number of at least 1"):
        count(text)
    assert count("12") == 12
