"""In which hours a day's usage came, for commitments whose capacity is one of hours."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from allocation import bucket_tiers
from allocation.calc.amortisation import midnight
from allocation.calc.layers import REQUESTS
from ingest.matching import matched_table

_CALLS = ("gateway", "trace")  # layers whose facts are single calls
_UTC = ZoneInfo("UTC")


class Place(NamedTuple):
    """What the hours are of: the columns that the cube and the charges of usage share."""

    key_id: int
    tier: str
    tier_estimated: bool
    price_class: str


def hours_of(
    day: date, key_ids: Sequence[int], dimensions: Mapping[int, Mapping[str, Any]], zone: ZoneInfo
) -> dict[Place, dict[int, Decimal]]:
    """Quantity by hour (since 1970) of the facts of these keys; nothing of a key of which nobody knows the hours.

    These are keys with a provider's buckets of whole days: all their facts lie at the midnight of the day.
    """
    if not key_ids:
        return {}
    found: dict[Place, dict[int, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in bucket_tiers.hours(day, key_ids, matched_table(day, [])):  # nothing is told apart by its match here
        name = "request" if row.name == REQUESTS else row.name
        found[Place(row.key_id, row.tier, row.tier_estimated, name)][row.hour] += row.quantity
    midnights = {int(midnight(day, clock).timestamp()) // 3600 for clock in (_UTC, zone)}
    of_key: dict[int, set[int]] = defaultdict(set)
    for place, hours in found.items():
        of_key[place.key_id] |= hours.keys()
    unknown = {
        key
        for key, hours in of_key.items()
        if dimensions[key]["layer"] not in _CALLS and len(hours) == 1 and hours <= midnights
    }
    return {place: dict(hours) for place, hours in found.items() if place.key_id not in unknown}


def hours_between(first: date, zone: ZoneInfo) -> int:
    """How many hours a day has on a clock, rounded down."""
    return (midnight(first + timedelta(days=1), zone) - midnight(first, zone)) // timedelta(hours=1)
