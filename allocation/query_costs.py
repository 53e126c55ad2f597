"""How dear the queries of a day were: query_cost_daily."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from typing import Any, NamedTuple

import pyarrow as pa
from django.conf import settings
from django.db import connection
from django.db.models import Sum

from allocation import cube_store, day_calls, layer_changes, rulebook
from allocation.calc import assign as assigning
from allocation.calc.cell_rates import bucket_costs, rates_in, rates_of_cells
from allocation.calc.query_costs import KEY_BITS, Rates, of_keys, query_costs
from allocation.calc.query_costs_buckets import Binned, in_tiers
from allocation.models import LayerDay, QueryCostDaily, Rating, TierRule, UsageDaily
from finops.copying import copy_table, table_of
from finops.money import MONEY
from finops.tokens import TOKEN_CLASSES
from ingest.selectors import KnownKeys

_CELL = "usage_key_id::bigint << %s | rate_slot_id"
_RATES = (  # cells of one price together: there are thousands of cells and few prices
    "SELECT price_class, list_rate, CASE WHEN list_rate IS NOT NULL THEN per END, "
    "CASE WHEN list_rate IS NULL THEN sum(list_cost) END, "
    f"CASE WHEN list_rate IS NULL THEN sum(quantity) END, array_agg({_CELL}) FROM rating WHERE charge_date = %s "
    "AND usage_key_id = ANY(%s::int[]) AND price_class = ANY(%s) GROUP BY 1, 2, 3, "
    f"CASE WHEN list_rate IS NULL THEN {_CELL} END ORDER BY 2 NULLS FIRST"  # calc.cell_rates, in its order
)
_WHOLE = Fraction(1)
_STEP = Decimal(1).scaleb(-12)
_PRECISION = 60
_SCHEMA = pa.schema(
    [
        ("charge_date", pa.date32()), ("cost_centre_id", pa.int64()), ("provider", pa.string()), ("model", pa.string()),
        ("environment", pa.string()), ("tier", pa.string()), ("bin", pa.int16()), ("queries", pa.int64()), ("cost", MONEY),
    ]
)  # fmt: skip


def replace(day: date, known: KnownKeys) -> None:
    """The distribution of cost per query of the day's queries; of layers that overlap, the part that is charged.

    Of the calls as they are kept (allocation.day_calls) at the ratings as they are.
    """
    book = rulebook.holding_on(day)
    of_day(day, book, lambda keys: book.on(day, known.of(keys))).write()


def of_day(
    day: date, book: rulebook.Rulebook, on: Callable[[list[int]], rulebook.OfDay], ratings: pa.Table | None = None
) -> "Distribution":
    """The same, with all that the database has to do but the writing: its rows are worked out while it takes in others.

    ``on``: what the rules make of usage keys that day. ``ratings``: all of the day's, where they are not written yet.
    """
    QueryCostDaily.objects.filter(charge_date=day)._raw_delete(using="default")
    parts = day_calls.begun(day)
    return _read(day, parts, book, on(keys_of(parts)), ratings=ratings)


def move(day: date, book: rulebook.Rulebook, seen: rulebook.OfDay, centres: Collection[int | None]) -> None:
    """The same where nothing but the rules changed, of the cost centres (None: nobody) that gain or lose by it."""
    stored = QueryCostDaily.objects.filter(charge_date=day)
    stored.filter(cube_store.borne_by(centres))._raw_delete(using="default")
    theirs = {key for key in seen.dimensions if book.cost_centres.get(owner_of(seen, key)) in centres}
    _read(day, [of_keys(calls, theirs) for calls in day_calls.begun(day)], book, seen, centres).write()


class Distribution(NamedTuple):
    """What the distribution of a day is made of, read; ``centres``: it is of these cost centres (None: of all)."""

    day: date
    parts: Sequence[pa.Table]
    places: Mapping[int, tuple[Any, ...]]  # usage key -> _places
    tiers: Mapping[int, tuple[str, bool]]  # tier rule -> tier, estimated
    kept: Mapping[tuple[int, str], Fraction]
    buckets: Mapping[int, Mapping[str, tuple[int, Decimal]]]
    rates: Rates
    later: Sequence[tuple[pa.Table, Rates]]
    centres: Collection[int | None] | None

    def write(self) -> None:
        """Work it out and COPY it."""
        numbers = {place: at for at, place in enumerate(dict.fromkeys(self.places.values()))}
        of_key, of_number = {key: numbers[place] for key, place in self.places.items()}, list(numbers)
        summed: dict[tuple[Any, ...], list[Any]] = {}
        with localcontext(prec=_PRECISION):
            for calls in self.parts:
                for at, rule, bin_, queries, cost in query_costs(calls, self.rates, self.later, of_key):
                    *place, key = of_number[at]
                    tier, estimated = self.tiers[rule]
                    if self.centres is not None and place[0] not in self.centres:
                        continue
                    row = Binned(tier, bin_, queries, cost)
                    bucketed = estimated and key in self.buckets
                    for each in in_tiers(row, self.buckets[key]) if bucketed else [row]:
                        part = self.kept.get((key, each.tier), _WHOLE)
                        if part == 0:
                            continue
                        total = summed.setdefault((*place, each.tier, each.bin), [0, Decimal(0)])
                        total[0] += each.queries if part is _WHOLE else round(each.queries * part)
                        total[1] += each.cost if part is _WHOLE else each.cost * part.numerator / part.denominator
            rows = [
                (self.day, *place, count, whole.quantize(_STEP, ROUND_HALF_EVEN))
                for place, (count, whole) in summed.items()
            ]
        copy_table("query_cost_daily", _SCHEMA.names, table_of(rows, _SCHEMA))


def _read(
    day: date, parts: Sequence[pa.Table], book: rulebook.Rulebook, seen: rulebook.OfDay,
    centres: Collection[int | None] | None = None, ratings: pa.Table | None = None,
) -> Distribution:  # fmt: skip
    layered = LayerDay.objects.filter(charge_date=day).exists()
    kept, buckets = layer_changes.kept_queries(day) if layered else {}, _buckets(day, ratings)
    places = _places(book, seen, apart=set(seen.dimensions) if layered else set(buckets))
    tiers = {pk: (tier, estimated) for pk, tier, estimated in TierRule.objects.values_list("pk", "tier", "estimated")}
    rates = rates_of(day, keys_of(parts)) if ratings is None else rates_in(ratings)
    return Distribution(day, parts, places, tiers, kept, buckets, rates, later_calls(day), centres)


def _buckets(day: date, ratings: pa.Table | None) -> dict[int, dict[str, tuple[int, Decimal]]]:
    """Usage key -> tier -> (queries, list cost) of its buckets as the cube parts them."""
    found: dict[int, dict[str, tuple[int, Decimal]]] = {}
    counts = UsageDaily.objects.filter(charge_date=day, tier_estimated=True).order_by("usage_key_id", "tier")
    if ratings is None:
        of_key = Rating.objects.filter(charge_date=day, tier_estimated=True).order_by()
        costs = {row[:2]: row[2] for row in of_key.values_list("usage_key_id", "tier").annotate(Sum("list_cost"))}
    else:
        costs = bucket_costs(ratings)
    for key, tier, queries in counts.values_list("usage_key_id", "tier").annotate(Sum("queries")):
        found.setdefault(key, {})[tier] = (queries, costs.get((key, tier)) or Decimal(0))
    return found


def _places(book: rulebook.Rulebook, seen: rulebook.OfDay, *, apart: Collection[int]) -> dict[int, tuple[Any, ...]]:
    """Usage key -> (cost centre, provider, model, environment, key or None): where its queries are counted.

    ``apart``: keys each for itself, because another layer counts some of its queries, or it has buckets.
    """
    return {
        key: (
            book.cost_centres.get(owner_of(seen, key)), found["provider"], found["model_served"] or found["model_requested"],
            found["environment"], key if key in apart else None,
        )
        for key, found in seen.dimensions.items()
    }  # fmt: skip


def owner_of(seen: rulebook.OfDay, key: int) -> str:
    """Who bears most of a usage key, and so is said to have its queries."""
    return max(assigning.targets_of(seen.assignment[key]), key=lambda target: target.weight).cost_centre


def later_calls(day: date) -> list[tuple[pa.Table, Rates]]:
    """Calls of the days after that go on with queries, and the rates of their days."""
    days = [day + timedelta(days=number) for number in range(1, settings.TRACE_LOOK_BACK_DAYS + 1)]
    return [(calls, rates_of(on, keys_of([calls]))) for on in days for calls in day_calls.going_on(on)]


def keys_of(parts: Sequence[pa.Table]) -> list[int]:
    """Usage keys of calls."""
    cells = [cell for calls in parts for cell in calls["cell"].combine_chunks().dictionary.to_pylist()]
    return sorted({cell >> KEY_BITS for cell in cells})


def rates_of(day: date, keys: Sequence[int]) -> Rates:
    """Prices of a token in the cells of a day. A rating at several rates (an excess band) has none of its own: its average
    is what its cell's calls cost."""
    with connection.cursor() as cursor:
        cursor.execute(_RATES, [KEY_BITS, day, list(keys), list(TOKEN_CLASSES), KEY_BITS])
        return rates_of_cells(cursor.fetchall())
