"""`token` and the conventions of all commands: the last line is JSON, exit codes, one line per expected error."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client

from finops.models import AuditEvent
from tests.web.ledger import person
from web.management.base import Failed, LedgerCommand, RefusedHere, WrongUse
from web.models import ApiToken

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> tuple[list[str], dict[str, Any]]:
    out = io.StringIO()
    call_command("token", *arguments, "--json", stdout=out)
    *words, last = out.getvalue().splitlines()
    return words, json.loads(last)


@pytest.mark.django_db
def test_a_token_from_creation_to_revocation() -> None:
    person("u", "finance")
    words, made = run("create", "--user", "u", "--scope", "read", "--days", "30")
    assert words == []
    assert made["token"].startswith("il_")
    headers = {"HTTP_AUTHORIZATION": f"Bearer {made['token']}"}
    assert Client().get("/api/v1/cost-centres", **headers).status_code == 200
    words, found = run("list")
    assert [(row["id"], row["state"]) for row in found["tokens"]] == [(made["id"], "active")]
    assert made["token"] not in "".join(words) + str(found)
    assert run("revoke", str(made["id"]))[1]["state"] == "revoked"
    assert Client().get("/api/v1/cost-centres", **headers).status_code == 401
    actions = AuditEvent.objects.filter(action__startswith="token.").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["token.create", "token.revoke"]


@pytest.mark.django_db
def test_for_people_the_secret_is_the_last_line() -> None:
    person("u", "finance")
    out = io.StringIO()
    call_command("token", "create", "--user", "u", "--scope", "ingest", "--days", "1", stdout=out)
    secret = out.getvalue().splitlines()[-1]
    assert ApiToken.objects.get().digest == ApiToken.digest_of(secret)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--user", "nobody", "--scope", "read", "--days", "1"),
        ("create", "--user", "u", "--scope", "read", "--days", "0"),
        ("create", "--user", "u", "--scope", "read", "--days", "367"),
        ("revoke", "999999"),
    ],
)
def test_wrong_use_makes_nothing(arguments: tuple[str, ...]) -> None:
    person("u", "finance")
    with pytest.raises(CommandError) as refusal:
        run(*arguments)
    assert refusal.value.returncode == 2
    assert ApiToken.objects.count() == 0


@pytest.mark.parametrize(
    ("error", "code"), [(Failed, 1), (WrongUse, 2), (RefusedHere, 3), (OSError, 1), (OperationalError, 1)]
)
def test_expected_errors_have_a_code_and_one_line(error: Any, code: int) -> None:
    class Command(LedgerCommand):
        def run(self, **options: Any) -> None:
            raise error("first line\nsecond line")

    with pytest.raises(CommandError) as refusal:
        call_command(Command())
    assert (refusal.value.returncode, str(refusal.value)) == (code, "first line second line")


def test_a_failure_still_tells_its_outcome_as_json() -> None:
    class Command(LedgerCommand):
        def run(self, **options: Any) -> None:
            self.stdout.write("words")
            raise Failed("2 checks failed", {"ok": False})

    out = io.StringIO()
    with pytest.raises(Failed):
        call_command(Command(), "--json", stdout=out)
    assert out.getvalue().splitlines() == ["words", '{"ok": false}']


@pytest.mark.parametrize(
    "arguments",
    [
        ("token",), ("token", "create", "--user", "u"), ("token", "create", "--scope", "all", "--user", "u", "--days", "1"),
        ("export", "statement"), ("export", "statement", "--month", "2026-13", "--out", "x"),
        ("export", "charges", "--month", "2026-09", "--out", "x", "--format", "pdf"),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_wrong_use_leaves_with_2_and_no_traceback(arguments: tuple[str, ...]) -> None:
    starter = "import sys; from django.core.management import execute_from_command_line as run; run(sys.argv)"
    found = subprocess.run(
        [sys.executable, "-c", starter, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "finops.settings"},
    )  # fmt: skip
    assert found.returncode == 2, found.stderr
    assert found.stdout == ""
    assert "Traceback" not in found.stderr
