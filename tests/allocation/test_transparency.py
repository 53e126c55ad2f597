"""Vendor transparency from the ledger: what simple and complex queries cost, and when a model reasons."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from allocation.derived import refresh
from allocation.transparency import vendor_transparency
from finops.periods import Period
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")


def test_costs_by_tier_and_reasoning_by_length(tmp_path: Path) -> None:
    simple = [payload(f"s{n}", prompt=100, output=10) for n in range(8)]
    complex_ = [payload(f"c{n}", prompt=3_000, output=5_000, reasoning=4_000) for n in range(3)]
    later = [payload("l", prompt=100, output=10, at="2026-10-01T00:00:00Z")]
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", [*simple, *complex_, *later]), "litellm"))
    refresh()
    (found,) = vendor_transparency(Period(date(2026, 9, 1), date(2026, 10, 1)))
    assert (found["provider"], found["model"]) == ("openai", "gpt-5")
    small = (100 * Decimal("1.25") + 10 * Decimal(10)) / 1_000_000
    large = (3_000 * Decimal("1.25") + 5_000 * Decimal(10)) / 1_000_000
    assert {tier: (q.queries, q.p50, q.p95) for tier, q in found["tiers"].items()} == {
        "simple": (8, small, small), "complex": (3, large, large),
    }  # fmt: skip
    assert {band: share.part for band, share in found["length"].items()} == {6: Fraction(0), 11: Fraction(1)}
    assert found["engages_from"] == 2_048  # prompts of 2,048 to 4,095 tokens reason, those of 64 to 127 do not
    assert found["effort"][""].part == found["feature"][""].part == Fraction(3, 11)
