"""Rate slots: prices with per-request conditions are exact on the cube, also when the condition comes later."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import Sum

from allocation.derived import refresh
from allocation.models import Charge, UsageDaily
from allocation.verification import verify
from ingest.models import PriceBookVersion
from ingest.prices import load_builtin, load_overrides
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture(autouse=True)
def builtin_prices_only(ledger: None) -> object:
    yield
    PriceBookVersion.objects.exclude(book="builtin").delete()
    load_builtin(actor="test")


def cost() -> Decimal:
    refresh()
    assert all(check.ok for check in verify()), [check for check in verify() if not check.ok]
    return Charge.objects.aggregate(cost=Sum("list_cost"))["cost"]


def test_a_band_that_a_price_brings_later_rebuilds_the_slots_of_the_facts(tmp_path: Path) -> None:
    records = [payload(n, prompt=prompt, output=0) for n, prompt in enumerate((100, 1_000, 1_001, 5_000))]
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", records), "litellm"))
    assert cost() == (100 + 1_000 + 1_001 + 5_000) * Decimal("1.25") / 1_000_000
    assert UsageDaily.objects.count() == 2  # moderate above 4,000 tokens of input, simple below: one slot
    book = tmp_path / "prices.yaml"
    book.write_text(
        '- {provider: openai, model: gpt-5, prices: {input: "2"}}\n'
        '- {provider: openai, model: gpt-5, context_over: 1000, prices: {input: "3"}}\n'
    )
    load_overrides(book, actor="test")
    # More than 1,000 tokens: the whole request costs 3; up to 1,000 it costs 2.
    assert cost() == (1_100 * Decimal(2) + 6_001 * Decimal(3)) / 1_000_000
    assert UsageDaily.objects.count() == 3


def test_a_price_that_changes_within_the_day_holds_from_that_instant(tmp_path: Path) -> None:
    records = [
        payload(n, prompt=1_000, output=0, at=f"2026-09-08T{hour}:00Z")
        for n, hour in enumerate(("11:59", "12:00", "12:01"))
    ]
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", records), "litellm"))
    book = tmp_path / "prices.yaml"
    book.write_text(
        '- {provider: openai, model: gpt-5, prices: {input: "2"}, valid_to: "2026-09-08T12:00:00Z"}\n'
        '- {provider: openai, model: gpt-5, prices: {input: "3"}, valid_from: "2026-09-08T12:00:00Z"}\n'
    )
    load_overrides(book, actor="test")
    assert cost() == (1_000 * Decimal(2) + 2_000 * Decimal(3)) / 1_000_000
