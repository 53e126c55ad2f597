"""Ways down to single queries, for the pages above them. They take a page's state as it is: pages import template tags."""

from typing import Any

from django import template
from django.urls import reverse

register = template.Library()


@register.filter
def long_exact(amount: Any) -> str:
    """A list cost with all its digits."""
    return f"{amount.normalize():f}" if amount else "0"


@register.simple_tag
def queries_of(state: Any, head: Any) -> str:
    """The queries behind a row of Explore, where it is a day or a tier; '' where it is neither."""
    value = head.names[0]
    if head.others or not value:
        return ""
    if state.granularity == "day":
        return f"{reverse('queries')}{_of(state)}&day={value}"
    if state.granularity == "total" and state.columns[0] == "x_QueryTier":
        return f"{reverse('queries')}{_of(state, {**state.filters, 'x_QueryTier': (value,)})}"
    return ""


@register.simple_tag
def queries_of_tier(state: Any, tier: str) -> str:
    """The queries behind a row of the distribution; tier '': of all tiers."""
    filters = {**state.filters, "x_QueryTier": (tier,)} if tier else state.filters
    return f"{reverse('queries')}{_of(state, filters)}"


@register.simple_tag
def query_at(number: int, day: Any) -> str:
    """The page of one query."""
    return f"{reverse('query', args=[str(number)])}?day={day}"


def _of(state: Any, filters: Any = None) -> str:
    """Month and filters of a view of Explore (web.pages.explore_state), without what else it shows."""
    kept = state.filters if filters is None else filters
    found: str = state.search(
        filters=kept, by=("cost_centre",), granularity="total", span=1, column="EffectiveCost", currency=None, compare=None,
        budget=False, effect="", drill="tier",
    )  # fmt: skip
    return found
