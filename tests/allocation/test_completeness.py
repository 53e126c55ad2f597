"""Who states a day whole: by account, so that one account's gaps say nothing of another."""

from datetime import UTC, date, datetime

import pytest
from django.db import connection

from allocation.completeness import LINES, USAGE, Completeness

pytestmark = pytest.mark.usefixtures("ledger")

KEY = {"source": "openai", "billing_account": ""}


def cover(account: str, month: int, source: str = "openai", stream: str = "usage.completions") -> None:
    spans = f"{{[2026-{month:02}-01 00:00Z,2026-{month + 1:02}-01 00:00Z)}}"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ingest_coverage (source, account, part, stream, covered, observed_at) "
            "VALUES (%s, %s, '', %s, %s::tstzmultirange, %s)",
            [source, account, stream, spans, datetime(2026, 11, 20, tzinfo=UTC)],
        )


def whole(day: date, account: str) -> bool:
    return Completeness().on(day).states(KEY | {"billing_account": account}, USAGE, "tokens.standard", "chat")


def test_a_second_account_of_january_leaves_the_october_of_the_first_whole() -> None:
    cover("default", 10)
    assert whole(date(2026, 10, 7), "")
    cover("o1", 1)
    assert whole(date(2026, 10, 7), "")
    assert whole(date(2026, 1, 7), "o1")
    assert not whole(date(2026, 1, 7), "")


def test_one_named_account_says_nothing_of_another() -> None:
    cover("o1", 10)
    cover("o2", 1)
    assert whole(date(2026, 10, 7), "o1")
    assert not whole(date(2026, 10, 7), "o2")


def test_a_stream_of_would_be_costs_says_nothing_about_a_bill() -> None:
    key = {"source": "anthropic", "billing_account": ""}
    cover("default", 9, "anthropic", "claude_code")
    assert not Completeness().on(date(2026, 9, 7)).states(key, LINES, "tokens.standard")
    cover("default", 10, "anthropic", "cost_report")
    assert Completeness().on(date(2026, 10, 7)).states(key, LINES, "tokens.standard"), "without claude_code in October"
