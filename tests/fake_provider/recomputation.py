"""Totals of a scenario, added up from what it states in the end. Imports nothing of the product, on purpose."""

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

from tests.fake_provider.scenario import Bucket, Scenario, Values

# Of each API: our class of tokens -> what it is made of.
_CLASSES = {
    "openai": {
        "input_uncached": lambda v: v["input_tokens"] - v.get("input_cached_tokens", 0),
        "cache_read": lambda v: v.get("input_cached_tokens", 0),
        "output_visible": lambda v: v["output_tokens"],
        "requests": lambda v: v["num_model_requests"],
    },
    "anthropic": {
        "input_uncached": lambda v: v["uncached_input_tokens"],
        "cache_read": lambda v: v["cache_read_input_tokens"],
        "cache_write_5m": lambda v: v["ephemeral_5m_input_tokens"],
        "cache_write_1h": lambda v: v["ephemeral_1h_input_tokens"],
        "output_visible": lambda v: v["output_tokens"],
    },
    "calls": {
        "input_uncached": lambda v: v["input"],
        "cache_read": lambda v: v["cached"],
        "output_visible": lambda v: v["output"],
        "output_reasoning": lambda v: v["reasoning"],
        "requests": lambda v: 1,
    },
}  # fmt: skip
_KINDS = {"openai.completions": "openai", "anthropic.messages": "anthropic", "litellm": "calls", "langfuse": "calls"}


def tokens(scenario: Scenario, api: str, tick: int = 1 << 30, since: date | None = None) -> dict[tuple[date, str], int]:
    """(day, class) -> the sum of what is stated at the tick; sums of zero are left out."""
    totals: Counter[tuple[date, str]] = Counter()
    for bucket, values in _stated(scenario, api, tick, since):
        for name, of in _CLASSES[_KINDS[api]].items():
            totals[bucket.start.date(), name] += of(values)
    return {place: amount for place, amount in totals.items() if amount}


def costs(scenario: Scenario, api: str, tick: int = 1 << 30, since: date | None = None) -> dict[date, Decimal]:
    """Day -> dollars billed: OpenAI states dollars, Anthropic cents."""
    totals: dict[date, Decimal] = {}
    for bucket, values in _stated(scenario, api, tick, since):
        dollars = Decimal(values["amount"]) / (100 if api == "anthropic.cost_report" else 1)
        totals[bucket.start.date()] = totals.get(bucket.start.date(), Decimal(0)) + dollars
    return {day: amount for day, amount in totals.items() if amount}


def days(first: date, last: date) -> list[date]:
    """Every day from the first to the last."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _stated(scenario: Scenario, api: str, tick: int, since: date | None) -> list[tuple[Bucket, Values]]:
    found = [(bucket, bucket.at(tick)) for bucket in scenario.of(api) if since is None or bucket.start.date() >= since]
    return [(bucket, values) for bucket, values in found if values is not None]
