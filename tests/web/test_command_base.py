"""What all commands share: a reader that leaves early, arguments that are no day and no port."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    "arguments",
    [("up", "--port", "99999"), ("up", "--port", "-1"), ("web", "--port", "x"), ("rerate", "--from", "1.9.2026")],
)
def test_a_port_or_a_day_that_is_none_is_wrong_use(arguments: tuple[str, ...]) -> None:
    found = command(*arguments, stdout=subprocess.PIPE)
    assert found.returncode == 2
    assert "Traceback" not in found.stderr
