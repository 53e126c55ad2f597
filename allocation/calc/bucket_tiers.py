"""The cube's buckets over tiers: which mix parts a bucket, and how its counts, tokens and units are parted, all exactly.

A mix is what queries of each tier have: requests and tokens of each class. It is observed (queries of the same key that a
lower layer saw the same day) or one of reference (lengths that spread as recorded ones do, judged by the policy).
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa

from allocation.calc.cube import COUNTS, CUBE_SCHEMA
from allocation.calc.layers import prorated
from allocation.calc.tier_spread import MINIMUM, OBSERVED, REFERENCE, Bucket
from allocation.calc.tier_spread_reference import Shape, reference
from allocation.calc.tiers import Policy, bare
from finops import money
from finops.focus import TIERS
from finops.tokens import TOKEN_CLASSES

WHOLE = "whole"  # how a bucket is not parted: its operation decides, or its slot prices an excess of each request
ATOMS = 1_024
_FINE = 1_000  # parts of a token in which lengths of reference are added: whole numbers add up the same everywhere
_STEPS = 2**32
_PLACE, _WHO = ("provider", "billing_account", "operation"), ("api_key", "project")
_OTHER_COUNTS = ("events", "queries", "failed")

Dimensions = Mapping[str, Any]
Mix = Mapping[str, Sequence[int]]  # requests or token class -> its sum in each of TIERS


class Seen(NamedTuple):
    """What a lower layer saw of a day: a row of the cube of single calls."""

    dimensions: Dimensions
    tier: str
    queries: int
    sums: Mapping[str, int]  # requests and token classes


class Parted(NamedTuple):
    """Buckets as rows of the cube, and (usage key, source, queries seen) by which each key was parted."""

    rows: pa.Table
    sources: list[tuple[int, str, int]]


def mix_of(seen: Sequence[Seen], own: Dimensions) -> tuple[Mix, int]:
    """The mix of the queries of the same model, and how many they are: of the same API key and project where those are
    enough, else of all; layers often name keys differently. What a layer does not state agrees with everything.
    """
    alike = [row for row in seen if _model(row.dimensions) == _model(own) and _agree(row.dimensions, own, _PLACE)]
    same = [row for row in alike if _agree(row.dimensions, own, _WHO)]
    if sum(row.queries for row in same) >= MINIMUM:
        alike = same
    sums = {name: [0] * len(TIERS) for name in ("requests", *TOKEN_CLASSES)}
    for row in alike:
        for name, value in row.sums.items():
            sums[name][TIERS.index(row.tier)] += value
    return sums, sum(row.queries for row in alike)


def _agree(one: Dimensions, two: Dimensions, names: Sequence[str]) -> bool:
    return all(not one[name] or not two[name] or one[name] == two[name] for name in names)


def _model(of: Dimensions) -> str:
    return bare(of["model_served"] or of["model_requested"])


def reference_mix(bucket: Bucket, shapes: Sequence[Shape], policy: Policy, own: Dimensions) -> Mix:
    """The mix of requests of the bucket's means whose lengths spread as the shapes say."""
    model = own["model_served"] or own["model_requested"]
    samples = reference(bucket, shapes, policy, operation=own["operation"], model=model, atoms=ATOMS)
    sums = {name: [0] * len(TIERS) for name in ("requests", *bucket.tokens)}
    for sample in samples:
        for tier in range(len(TIERS)):
            mine = sample.tier == tier
            sums["requests"][tier] += int(mine.sum())
            for name, values in sample.tokens.items():
                sums[name][tier] += int((values[mine] * _FINE).astype("int64").sum())
    return sums


def part(
    buckets: pa.Table,
    policies: Mapping[int, tuple[Policy, Sequence[Shape]]],
    dimensions: Mapping[int, Dimensions],
    seen: Sequence[Seen] = (),
    whole_slots: frozenset[int] = frozenset(),
) -> Parted:
    """Part buckets over tiers.

    In: CUBE_SCHEMA and ``policy``, the version that judged the bucket's averages; ``whole_slots``: of which none is parted.
    Out: CUBE_SCHEMA, not yet summed by its key. Every measure of a bucket is the sum of its parts; NULL stays NULL.
    """
    rows, sources = [], dict[int, tuple[str, int]]()
    known = dict[int, tuple[Mix, int]]()
    for row in buckets.to_pylist():
        key, own = row["key_id"], dimensions[row["key_id"]]
        policy, shapes = policies[row["policy"]]
        if own["operation"] in policy.operations or row["slot_id"] in whole_slots:
            rows.append(row)
            sources.setdefault(key, (WHOLE, 0))
            continue
        if key not in known:
            known[key] = mix_of(seen, own)
        mix, queries = known[key]
        source = OBSERVED
        if queries < MINIMUM:
            tokens = {name: row[name] for name in TOKEN_CLASSES if row[name] is not None}
            bucket = Bucket(row["requests"], tokens)
            mix, queries, source = reference_mix(bucket, shapes, policy, own), 0, REFERENCE
        sources[key] = (source, queries)
        rows += _parts(row, mix, _chance(row["charge_date"], own))
    table = pa.Table.from_pylist(rows, schema=CUBE_SCHEMA)
    return Parted(table, sorted((key, *source) for key, source in sources.items()))


def _chance(day: Any, own: Dimensions) -> int:
    """A number below _STEPS that is always the same for a key and day, and as good as drawn among them."""
    written = json.dumps([str(day), own], sort_keys=True, default=str)
    return int.from_bytes(hashlib.blake2b(written.encode(), digest_size=4).digest())


def _parts(row: dict[str, Any], mix: Mix, chance: int) -> list[dict[str, Any]]:
    """The row in its tiers. Tokens by largest remainder; counts so that small buckets are right on the average of many.

    Were the one request of each of a thousand buckets given to its likeliest tier, the others would never have any.
    """
    requests, found = list(mix["requests"]), [dict(row, tier=tier) for tier in TIERS]
    for name in ("requests", *_OTHER_COUNTS):
        for each, value in zip(found, counted(row[name], requests, chance), strict=True):
            each[name] = value
    for name in TOKEN_CLASSES:
        if row[name] is not None:
            weights = mix[name] if any(mix.get(name, ())) else requests
            for each, value in zip(found, shared(row[name], weights), strict=True):
                each[name] = value
    if row["saved_tokens"] is not None:
        for each, value in zip(found, shared(row["saved_tokens"], requests), strict=True):
            each["saved_tokens"] = value
    if row["reported_cost"] is not None:
        tokens = [sum(each[name] or 0 for name in TOKEN_CLASSES) for each in found]
        costs = money.share(row["reported_cost"], tokens if any(tokens) else requests)
        for each, value in zip(found, costs.to_pylist(), strict=True):
            each["reported_cost"] = value
    measures = (*COUNTS, "saved_tokens", "reported_cost", *TOKEN_CLASSES)
    return [each for each in found if any(each[name] for name in measures)] or [row]


def counted(count: int, weights: Sequence[int], chance: int) -> list[int]:
    """A count over weights; each part is within one of its share, which it is on the average over ``chance``."""
    whole, done, found, before = sum(weights), 0, [], 0
    for weight in weights:
        done += weight
        here = (count * done * _STEPS + chance * whole) // (whole * _STEPS)
        found.append(here - before)
        before = here
    return found


def shared(amount: int, weights: Sequence[int]) -> list[int]:
    """Whole units over weights by largest remainder."""
    return [int(value) for value in prorated(Decimal(amount), [Decimal(weight) for weight in weights])]


def part_units(quantity: Decimal, requests: Sequence[tuple[str, int]]) -> list[tuple[str, Decimal]]:
    """What is not tokens, over the tiers (tier, requests) of its bucket. Whole quantities stay whole; no zero is kept."""
    parts = prorated(quantity, [Decimal(count) for _, count in requests])
    found = [(tier, value) for (tier, _), value in zip(requests, parts, strict=True) if value]
    return found or [(requests[0][0], quantity)]


def part_hours(hours: Sequence[Decimal], tiers: Sequence[Decimal]) -> list[list[Decimal]]:
    """Quantities by hour over quantities by tier: (hours, tiers), whose rows and columns add up to both.

    In: both with one sum. Every hour has about the mix of the day.
    """
    left, found = list(tiers), []
    for quantity in hours:
        parts = prorated(quantity, left)
        left = [rest - taken for rest, taken in zip(left, parts, strict=True)]
        found.append(parts)
    return found


def tiers_of_slots(rows: pa.Table) -> dict[tuple[int, int], list[tuple[str, int]]]:
    """(usage key, slot) -> (tier, requests) of its buckets, of the cube's rows."""
    found: dict[tuple[int, int], list[tuple[str, int]]] = defaultdict(list)
    columns = ("key_id", "slot_id", "tier", "requests", "tier_estimated")
    for key, slot, tier, requests, estimated in zip(*(rows[name].to_pylist() for name in columns), strict=True):
        if estimated:
            found[key, slot].append((tier, requests))
    return dict(found)
