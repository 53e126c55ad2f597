"""What the demo never does: touch a database that is not its own."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection

from allocation.policies import load_default
from finops import audit
from finops.models import AuditEvent, SiteMark, User
from ingest import facts
from ingest.models import FactDay
from ingest.prices import load_builtin
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from web.demo.load import NotADemo
from web.demo.reset import reset
from web.management.base import RefusedHere


def test_a_database_with_data_of_its_own_is_never_touched(ledger: None, tmp_path: Path) -> None:
    ingest_file(Import(write_lines(tmp_path / "own.jsonl", [payload(1)]), "litellm"))
    for arguments in ((), ("--reset",)):
        with pytest.raises(RefusedHere, match="holds data and is no demo") as refused:
            call_command("demo", "--no-serve", *arguments)
        assert refused.value.returncode == 3
    with pytest.raises(NotADemo):
        reset()
    assert FactDay.objects.exists()
    assert not User.objects.exists()


def test_a_reset_empties_a_demo_and_leaves_its_guards(ledger: None, tmp_path: Path) -> None:
    SiteMark.objects.create(name="demo", value={"first": "2026-08-01", "until": None})
    ingest_file(Import(write_lines(tmp_path / "one.jsonl", [payload(1)]), "litellm"))
    audit.record(action="test", actor="test", subject="test")
    try:
        reset()
        assert facts.count_facts() == 0
        assert not SiteMark.objects.exists()
        assert not AuditEvent.objects.exists()
    finally:
        load_builtin(actor="test")
        load_default(actor="test")
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("DELETE FROM finops_auditevent")
