"""Agreements for tests, and what was charged under them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import yaml

from allocation.costing import steps, terms
from allocation.derived import refresh
from allocation.models import Charge
from allocation.verification import verify
from tests.allocation.stated import NOON

MILLION = 1_000_000


def agree(kind: str, text: str) -> None:
    """Put a document in force."""
    terms.load(kind, yaml.safe_load(text), steps.AGREEMENTS[kind], actor="test")


def derive() -> None:
    refresh()
    assert refresh() == 0  # everything that follows has followed
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


def call(number: int | str, tokens: float, days: float = 0, **given: Any) -> dict[str, Any]:
    """One call of gpt-5 (1.25 for a million tokens of input) at noon, ``days`` after the day of tests.allocation.stated."""
    at = NOON + timedelta(days=days)
    return {"native_id": f"c{number}", "occurred_at": at, "input_uncached": int(tokens), **given}


def summed(column: str, *by: str, **only: Any) -> dict[Any, Decimal]:
    """Sums of a column of the charges by others; those that are 0 or have no value left out."""
    found: dict[Any, Decimal] = {}
    for *key, value in Charge.objects.filter(**only).values_list(*by, column):
        place = key[0] if len(key) == 1 else tuple(key)
        found[place] = found.get(place, Decimal(0)) + (value or 0)
    return {place: value for place, value in found.items() if value}
