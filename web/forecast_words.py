"""Forecasts in words: what levels, methods and scores are called, the same on pages, in commands and in files."""

from collections.abc import Sequence

from web import formats
from web.dimensions import FILTERS, called

LEVEL_NAMES = {
    "x_CostCentre": "cost centre", "ServiceProviderName": "provider", "x_Model": "model", "x_QueryTier": "tier",
    "x_Feature": "feature", "x_Team": "team", "x_Environment": "environment",
}  # fmt: skip
IN_URL = {column: name for name, column in FILTERS.items()}


def level_name(level: Sequence[str]) -> str:
    """``the whole``, or dimensions with a sign between."""
    return f" {formats.TIMES} ".join(LEVEL_NAMES[name] for name in level) or "the whole"


def key_name(level: Sequence[str], key: Sequence[str]) -> str:
    """A series for people: the values that tell it apart."""
    named = (called(name, value or None) for name, value in zip(level, key, strict=True))
    return " · ".join(named) or "The whole"


def scored(value: float | None, *, share: bool = False) -> str:
    """A score: two decimals, or as a share in per cent; an en dash where it was not measured."""
    if value is None:
        return formats.NONE
    text = f"{value * 100:.1f}{formats.THIN}%" if share else f"{value:.2f}"
    return text.replace("-", formats.MINUS)
