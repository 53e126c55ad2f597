"""The database refuses a charge that is there already, whatever in it is NULL."""

from pathlib import Path

import pytest
from django.db import IntegrityError, connection

from allocation.derived import refresh
from allocation.models import Charge
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")


def test_the_same_charge_is_refused_and_one_that_differs_in_any_part_of_its_identity_is_not(tmp_path: Path) -> None:
    ingest_file(Import(write_lines(tmp_path / "usage.jsonl", [payload(1)]), "litellm"))
    refresh()
    columns = [str(field.column) for field in Charge._meta.concrete_fields if field.column != "id"]
    # the columns of two kinds: what tells charges apart, and what they cost
    assert Charge.objects.filter(owner=None, origin=None, correction=None).exists()
    for again in ({}, {"list_cost": "list_cost + 1"}):
        with pytest.raises(IntegrityError, match="charge_is_unique"):
            _copy(columns, again)
    for other in ({"cause": "'other'"}, {"reversal": "true"}, {"owner_id": "7"}, {"usage_key_id": "NULL"}):
        _copy(columns, other)


def _copy(columns: list[str], changed: dict[str, str]) -> None:
    values = ", ".join(changed.get(name, name) for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO charge ({', '.join(columns)}) SELECT {values} FROM charge WHERE id = (SELECT min(id) FROM charge)"
        )
