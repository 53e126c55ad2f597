"""What follows when layers change: days that are derived again though none of their facts did, counts that overlap."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from allocation.calc.layers import COUNTS
from allocation.completeness import Completeness
from allocation.models import LateMatch, LayerDay, LayerShare, UsageDaily
from ingest.facts import mark_dirty
from ingest.matching import Match
from ingest.models import ALL_KEYS


def mark_stale_days() -> int:
    """Mark days that were charged when other sources stated them whole than do now; returns how many."""
    charged = dict(LayerDay.objects.order_by("charge_date").values_list("charge_date", "whole"))
    if not charged:
        return 0
    now = Completeness()
    stale = [day for day, whole in charged.items() if now.on(day).as_json() != whole]
    mark_dirty([(day, ALL_KEYS) for day in stale])
    return len(stale)


def note_late(day: date, matches: list[Match]) -> None:
    """Keep the matches of a day whose other side lies on another, and mark that day where they have changed."""
    now = {(m.traced_on, m.traced, m.gateway_on) for m in matches if m.traced_on != m.gateway_on}
    rows = LateMatch.objects.filter(charge_date=day) | LateMatch.objects.filter(gateway_date=day)
    before = set(rows.values_list("charge_date", "event_id", "gateway_date"))
    if now == before:
        return
    rows._raw_delete(using="default")
    LateMatch.objects.bulk_create(
        LateMatch(charge_date=on, event_id=event, gateway_date=gateway) for on, event, gateway in sorted(now, key=str)
    )
    others = {other for row in now ^ before for other in (row[0], row[2])} - {day}
    mark_dirty([(other, ALL_KEYS) for other in sorted(others)])


def counts_of_day(day: date, *, layered: bool) -> list[tuple[Any, ...]]:
    """(usage key, tier, estimated, slot, requests, queries) of the cube, less what another layer counts.

    Requests are then those of the layer that rules: they are negative where lower layers count more than it does.
    """
    names = ("usage_key_id", "tier", "tier_estimated", "rate_slot_id")
    rows = UsageDaily.objects.filter(charge_date=day).order_by(*names).values_list(*names, "requests", "queries")
    if not layered:
        return list(rows)
    elsewhere: dict[Any, Decimal] = defaultdict(Decimal)
    shares = LayerShare.objects.filter(charge_date=day, price_class__in=COUNTS).exclude(part=LayerShare.Part.CHARGED)
    for *key, quantity in shares.values_list(*names, "price_class", "quantity"):
        elsewhere[tuple(key)] += abs(quantity)  # what is taken back is negative
    return [(*row[:4], *(row[4 + n] - int(elsewhere[*row[:4], name]) for n, name in enumerate(COUNTS))) for row in rows]


def kept_queries(day: date) -> dict[tuple[int, str], Fraction]:
    """(usage key, tier) -> the share of its queries that no other layer counts."""
    every: dict[tuple[int, str], int] = defaultdict(int)
    kept: dict[tuple[int, str], int] = defaultdict(int)
    for row in counts_of_day(day, layered=False):
        every[row[:2]] += row[5]
    for row in counts_of_day(day, layered=True):
        kept[row[:2]] += row[5]
    return {key: Fraction(kept[key], count) for key, count in every.items() if count}
