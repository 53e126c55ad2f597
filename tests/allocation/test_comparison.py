"""Dry runs: they say what will happen and change nothing."""

from decimal import Decimal
from pathlib import Path

import pytest

from allocation import rulebook
from allocation.comparison import compare
from allocation.derived import allocate_days, refresh
from finops.periods import Period
from ingest.selectors import days_with_facts
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.state import dump

pytestmark = pytest.mark.usefixtures("ledger")
SEPTEMBER = Period.month("2026-09")


def rules(centre: str) -> list[dict[str, object]]:
    return [{"id": "r", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": centre}}]


def test_a_dry_run_says_what_the_real_run_then_does_and_changes_nothing(tmp_path: Path) -> None:
    # gpt-5: 100 uncached input at 1.25 and 10 output at 10 per million: 0.000125 + 0.0001 for each of ten calls.
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", [payload(n) for n in range(10)]), "litellm"))
    rulebook.load(rules("CC-1"), actor="test")
    refresh()
    rulebook.load(rules("CC-2"), actor="test")
    before = dump()
    days = days_with_facts(SEPTEMBER)
    dry = compare(SEPTEMBER, lambda: allocate_days(days), dry_run=True)
    assert dump() == before
    cost = Decimal("0.00225")
    assert [(row["cost_centre"], Decimal(row["difference"])) for row in dry] == [("CC-1", -cost), ("CC-2", cost)]
    assert compare(SEPTEMBER, lambda: allocate_days(days), dry_run=False) == dry
    assert {row[1] for row in dump()["daily"]} == {"CC-2"}
    assert all(
        Decimal(row["difference"]) == 0 for row in compare(SEPTEMBER, lambda: allocate_days(days), dry_run=False)
    )
