"""Buckets over tiers where they are kept: by which mix, and in which hours. See allocation.calc.bucket_tiers."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import yaml

from allocation.calc.bucket_tiers import Parted, Seen, part, part_hours
from allocation.calc.layers import WITNESSES
from allocation.calc.tier_spread_reference import Shape, parse_shapes
from allocation.calc.tiers import Policy, parse_policy
from allocation.models import BucketSpread, TierPolicy, TierRule, UsageDaily, UsageDailyUnit
from finops.tokens import TOKEN_CLASSES, UNITS
from ingest.facts import derive
from ingest.models import RateSlot
from ingest.selectors import KnownKeys

REFERENCE = Path(__file__).parent / "tier_reference_v1.yaml"
_SUMS = ("requests", *TOKEN_CLASSES)


@cache
def reference() -> dict[str, Any]:
    """The reference of lengths, with its measured errors, as it is written."""
    found: dict[str, Any] = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    return found


@cache
def _shapes() -> tuple[Shape, ...]:
    return parse_shapes(reference()["shapes"])


def rules() -> dict[int, tuple[str, bool, int]]:
    """Tier rule -> tier, whether of a bucket, policy version."""
    rows = TierRule.objects.values_list("id", "tier", "estimated", "policy__version")
    return {number: (tier, estimated, version) for number, tier, estimated, version in rows}


def parted(day: date, buckets: pa.Table, calls: pa.Table, keys: Sequence[int] | None, known: KnownKeys) -> Parted:
    """Part the buckets of a day. ``calls``: the cube's rows of single calls of ``keys`` (None: of all); of others as stored."""
    ids = set(buckets["key_id"].to_pylist())
    versions = set(buckets["policy"].to_pylist())
    rows = TierPolicy.objects.filter(version__in=versions).values_list("version", "policy")
    policies: dict[int, tuple[Policy, Sequence[Shape]]] = {
        version: (parse_policy(policy), _shapes()) for version, policy in rows
    }
    excess = frozenset(RateSlot.objects.exclude(crossing=0).values_list("pk", flat=True))
    return part(buckets, policies, known.of(ids), _seen(day, calls, keys, known), excess)


def _seen(day: date, calls: pa.Table, keys: Sequence[int] | None, known: KnownKeys) -> list[Seen]:
    names = ("key_id", "tier", "queries", *_SUMS)
    rows = list(zip(*(calls[name].to_pylist() for name in names), strict=True))
    if keys is not None:
        stored = UsageDaily.objects.filter(charge_date=day, tier_estimated=False).exclude(usage_key_id__in=keys)
        rows += stored.values_list("usage_key_id", "tier", "queries", *_SUMS)
    dimensions = known.of({row[0] for row in rows})
    return [
        Seen(found, tier, queries, {name: value or 0 for name, value in zip(_SUMS, sums, strict=True)})
        for key, tier, queries, *sums in rows
        if (found := dimensions[key])["layer"] in WITNESSES
    ]


def keys_of(day: date) -> set[int]:
    """Usage keys that have buckets on a day, as the cube stands."""
    rows = UsageDaily.objects.filter(charge_date=day, tier_estimated=True)
    return set(rows.order_by().values_list("usage_key_id", flat=True).distinct())


def concerned(day: date, keys: set[int], known: KnownKeys) -> set[int]:
    """Usage keys whose buckets may be parted otherwise when these keys' facts change: a lower layer's queries are a mix."""
    if not any(found["layer"] in WITNESSES for found in known.of(keys).values()):
        return set()
    return keys_of(day)


def keep(day: date, keys: Sequence[int] | None, sources: Sequence[tuple[int, str, int]]) -> None:
    """Keep by what the buckets of these keys (None: of all) were parted."""
    rows = BucketSpread.objects.filter(charge_date=day)
    (rows if keys is None else rows.filter(usage_key_id__in=keys))._raw_delete(using="default")
    BucketSpread.objects.bulk_create(
        BucketSpread(charge_date=day, usage_key_id=key, source=source, queries=queries)
        for key, source, queries in sources
    )


class Hour(NamedTuple):
    """Usage of one hour in one row of the cube. ``name``: token class, unit, or requests."""

    key_id: int
    tier: str
    tier_estimated: bool
    slot_id: int
    hour: int
    matched: bool
    name: str
    quantity: Decimal


def hours(day: date, keys: Sequence[int], table: str) -> Iterator[Hour]:
    """The facts of these keys by hour, in the tiers that the cube gives them. ``table``: see derive.hours_of_day."""
    units, known = {number: name for name, number in UNITS.items()}, rules()
    buckets: dict[tuple[int, int, str], dict[tuple[int, bool], Decimal]] = defaultdict(lambda: defaultdict(Decimal))

    def read() -> Iterator[tuple[Any, ...]]:
        for row in derive.hours_of_day(day, keys, table):
            for name, quantity in zip(_SUMS, row[5:], strict=True):
                yield (*row[:5], name, quantity)
        for *at, unit, quantity in derive.unit_hours_of_day(day, keys, table):
            yield (*at, units[unit], quantity)

    for key, rule, slot, hour, matched, name, quantity in read():
        tier, estimated, _ = known[rule]
        if not quantity:
            continue
        if estimated:
            buckets[key, slot, name][int(hour), matched] += Decimal(quantity)
        else:
            yield Hour(key, tier, False, slot, int(hour), matched, name, Decimal(quantity))
    if buckets:
        yield from _of_buckets(day, keys, buckets)


def _of_buckets(
    day: date, keys: Sequence[int], buckets: dict[tuple[int, int, str], dict[tuple[int, bool], Decimal]]
) -> Iterator[Hour]:
    tiers: dict[tuple[int, int, str], dict[str, Decimal]] = defaultdict(dict)
    place = ("usage_key_id", "rate_slot_id", "tier")
    which = {"charge_date": day, "tier_estimated": True, "usage_key_id__in": list(keys)}
    for key, slot, tier, *sums in UsageDaily.objects.filter(**which).values_list(*place, *_SUMS):
        for name, value in zip(_SUMS, sums, strict=True):
            if value:
                tiers[key, slot, name][tier] = Decimal(value)
    names = {number: name for name, number in UNITS.items()}
    for key, slot, tier, unit, quantity in UsageDailyUnit.objects.filter(**which).values_list(
        *place, "unit", "quantity"
    ):
        tiers[key, slot, names[unit]][tier] = quantity
    for at, by_hour in sorted(buckets.items()):
        of = sorted(tiers[at].items())
        ordered = sorted(by_hour.items())
        parts = part_hours([quantity for _, quantity in ordered], [quantity for _, quantity in of])
        for ((hour, matched), _), found in zip(ordered, parts, strict=True):
            for (tier, _), quantity in zip(of, found, strict=True):
                if quantity:
                    yield Hour(at[0], tier, True, at[1], hour, matched, at[2], quantity)
