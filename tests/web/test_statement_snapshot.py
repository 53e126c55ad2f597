"""All sheets of a workbook see one state of the database, also while others write."""

from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest
from django.db import OperationalError, connection
from django.db.utils import InternalError

from allocation import statement_selectors
from allocation.models import CostCentre
from allocation.scope import EVERYTHING
from finops.periods import Period
from tests.web.ledger import Usage, load
from web.exports import statement


def test_a_workbook_is_read_from_one_snapshot(ledger: None, tmp_path: Path) -> None:
    load(Usage("1.25"), Usage("2", None))
    path = tmp_path / "s.xlsx"
    result = statement.write(path, EVERYTHING, Period.month("2026-09"), datetime(2026, 9, 20, tzinfo=UTC))
    assert result.ties
    assert openpyxl.load_workbook(path)["Detail"].max_row == 3


def test_the_snapshot_reads_only_and_stays(ledger: None) -> None:
    with statement_selectors.snapshot(), connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("repeatable read",)
    with pytest.raises((InternalError, OperationalError)), statement_selectors.snapshot():
        CostCentre.objects.create(code="CC-1")
