"""How FOCUS writes things: numbers, times, JSON, units and names."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from finops.focus import PROVIDER_NAMES

INTERNAL = "Internal"  # issuer of what no provider charges
DEFAULT_ACCOUNT = "default"  # of what names none
_UNITS = {
    "tokens": "Tokens", "gpu_hour": "GPU-Hours", "ptu_hour": "PTU-Hours", "gpu_active_hour": "GPU-Hours",
    "cache_storage_token_hour": "Token-Hours", "watt_hour": "Watt-Hours", "kilowatt_hour": "Kilowatt-Hours",
    "web_search": "Web Searches", "storage_search": "Storage Searches",
}  # fmt: skip
_METERS = {
    "input_uncached": "Input Tokens", "cache_read": "Cached Input Tokens", "cache_write_5m": "Cache Write Tokens",
    "cache_write_1h": "Cache Write 1h Tokens", "output_visible": "Output Tokens", "output_reasoning": "Reasoning Tokens",
}  # fmt: skip


def number(value: Decimal) -> str:
    """Digits with a point and at least one decimal: readers infer whole numbers from a column without one."""
    digits = f"{value:f}"
    if "." not in digits:
        return f"{digits}.0"
    digits = digits.rstrip("0")
    return f"{digits}0" if digits.endswith(".") else digits


def instant(value: datetime) -> str:
    """An instant in UTC to the second."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def as_json(value: Mapping[str, Any]) -> str | None:
    """A JSON object in one form, whatever order it was made in; None where it is empty."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")) if value else None


def issuer_of(provider: str) -> str:
    """The name of who sells and bills, the same in every column that names it."""
    return PROVIDER_NAMES.get(provider, provider) or INTERNAL


def midnight(day: date) -> datetime:
    """The beginning of a day of the issuer's clock, written as UTC: ``charge_date`` has no other."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def next_month(month: date) -> datetime:
    """The end of a billing period, exclusive."""
    return midnight((month + timedelta(days=32)).replace(day=1))


def unit_of(unit: str) -> str:
    """A unit of ours as FOCUS capitalises it."""
    words = unit.replace("_", " ").replace("-", " ").split()
    plural = " ".join(word.capitalize() for word in words)
    return _UNITS.get(unit) or (plural if plural.endswith("s") else f"{plural}s" if plural else "Units")


def meter_of(price_class: str) -> str | None:
    """What a price class counts, in words."""
    return _METERS.get(price_class) or price_class.replace("_", " ").title() or None
