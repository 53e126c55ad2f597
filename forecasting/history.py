"""What forecasts are made of: daily cost as it is known today, days that nobody recorded, and prices by day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import Max, Min

from allocation import cube_store
from allocation.calc import charges as charging
from allocation.models import CostDaily, UsageDaily
from allocation.scope import EVERYTHING
from allocation.selectors import CostQuery, costs
from finops.money import MONEY, total_by
from finops.periods import Period
from forecasting.calc.daily import MEMORY
from forecasting.calc.price_index import PriceIndex, Steps
from forecasting.calc.series import AT, COST, DAY, SPENT, Panel, panel
from ingest.models import RateSlot
from ingest.selectors import key_dimensions, price_book

PRICED_BY = ("ServiceProviderName", "x_Model")  # dimensions on which prices depend
MIX_DAYS = 28  # whose usage says what prices mean for a series


def recorded(currency: str, before: date, memory: int = MEMORY) -> Period | None:
    """The last ``memory`` days of which anything is known in a currency, of those ``before`` a day; None: nothing is."""
    rows = CostDaily.objects.filter(billing_currency=currency, corrects_date=None, charge_date__lt=before)
    found = rows.aggregate(first=Min("charge_date"), last=Max("charge_date"))
    if found["first"] is None:
        return None
    return Period.through(max(found["first"], found["last"] - timedelta(days=memory - 1)), found["last"])


def daily(
    days: Period, dimensions: Sequence[str], currency: str, *, signed: bool = False
) -> tuple[pd.DataFrame, Panel]:
    """Cost of days as rows and as a panel: EffectiveCost with what corrects them since; unpriced usage is not known.

    In the rows COST is that, and SPENT what usage with a price cost, also of days that have other usage without one.
    ``signed``: what a series gives away again and again is in its history (series.panel). A day on which nothing at all was
    recorded, by anybody, is a gap and no day without cost.
    """
    found = costs(EVERYTHING, CostQuery(days, ("ChargeDate", *dimensions), currency=currency, restated=True))
    rows = found[list(dimensions)].copy()
    rows[AT] = pd.to_datetime(found["ChargeDate"].astype(object), utc=True)
    without = found["x_UnpricedTokens"] > found["x_BillPricedTokens"]
    rows[COST], rows[SPENT] = found[COST].mask(without), found[COST]
    there = set(found["ChargeDate"].astype(object))
    gaps = [(_at(day), _at(day + timedelta(days=1))) for day in days.days() if day not in there]
    return rows, panel(rows, dimensions, DAY, _at(days.start), _at(days.end), gaps, signed=signed)


def prices(days: Period, until: date, dimensions: Sequence[str]) -> PriceIndex:
    """What recent usage costs at the list prices of each day from the start of ``days`` up to ``until``.

    The cube of the last MIX_DAYS is rated anew as if its calls had been made on each day on which a price changes, so that
    every condition of the price book holds as it does for charges.
    """
    by = tuple(name for name in PRICED_BY if name in dimensions)
    if not by:
        return PriceIndex((), {})
    mix = _mix(Period(max(days.start, days.end - timedelta(days=MIX_DAYS)), days.end))
    changes = [days.start, *_changes(days.start, until)]
    levels = [_rated(mix, day) for day in changes] if len(mix) else []
    found: dict[tuple[str, ...], Steps] = {}
    for key in sorted({key for level in levels for key in level}):
        costs_of = [level.get(key) for level in levels]
        known = [cost for cost in costs_of if cost]
        if known:
            starts = tuple(_at(day) for day, cost in zip(changes, costs_of, strict=True) if cost)
            found[key] = Steps(starts, tuple(known))
    places = [PRICED_BY.index(name) for name in by]
    return PriceIndex(by, found if by == PRICED_BY else _summed(found, places))


def _summed(found: dict[tuple[str, ...], Steps], places: list[int]) -> dict[tuple[str, ...], Steps]:
    """The index of a provider is that of all its models together."""
    grouped: dict[tuple[str, ...], list[Steps]] = {}
    for key, steps in found.items():
        grouped.setdefault(tuple(key[place] for place in places), []).append(steps)
    return {key: _together(each) for key, each in grouped.items()}


def _together(each: list[Steps]) -> Steps:
    starts = sorted({at for steps in each for at in steps.starts})
    return Steps(tuple(starts), tuple(sum((_level(steps, at) for steps in each), Decimal(0)) for at in starts))


def _level(steps: Steps, at: datetime) -> Decimal:
    valid = [level for start, level in zip(steps.starts, steps.levels, strict=True) if start <= at]
    return valid[-1] if valid else steps.levels[0]


def _at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _changes(first: date, until: date) -> list[date]:
    """Days after ``first`` and before ``until`` on which a price begins."""
    starts = pc.unique(price_book().book.rows["valid_from"]).to_pylist()
    return sorted({at.date() for at in starts if at is not None and first < at.date() < until})


def _mix(days: Period) -> pa.Table:
    """The cube of these days, keys, tiers and slots summed over them."""
    tables = [cube_store.stored(day) for day in days.days() if UsageDaily.objects.filter(charge_date=day).exists()]
    if not tables:
        return pa.table({"key_id": pa.array([], pa.int64())})
    whole = pa.concat_tables(tables)
    keys = ["key_id", "tier", "tier_estimated", "slot_id"]
    numbers = [name for name in whole.column_names if name not in (*keys, "charge_date") and _counted(whole[name].type)]
    summed = whole.group_by(keys).aggregate([(name, "sum") for name in numbers])
    return summed.rename_columns([*keys, *numbers])


def _counted(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind))


class _Slot(NamedTuple):
    """A rate slot without the instant at which a price changed within its day: here usage is moved to other days."""

    context_over: int
    window_start: int
    window_end: int
    crossing: int
    segment_from: None = None


def _rated(mix: pa.Table, day: date) -> dict[tuple[str, ...], Decimal]:
    """(provider, model) -> what the mix costs at the prices of a day; without what has none."""
    dimensions = key_dimensions(set(mix["key_id"].to_pylist()))
    slots = {
        slot.pk: _Slot(slot.context_over, slot.window_start, slot.window_end, slot.crossing)
        for slot in RateSlot.objects.all()
    }
    lines = mix.append_column("charge_date", pa.repeat(pa.scalar(day), len(mix)))
    ratings = charging.rate_cube(lines, price_book().book, dimensions, slots)
    names = [dimensions[key] for key in ratings["key_id"].to_pylist()]
    frame = pd.DataFrame(
        {
            "provider": [each["provider"] for each in names],
            "model": [each["model_served"] or each["model_requested"] for each in names],
            COST: pd.Series(ratings["list_cost"].combine_chunks(), dtype=pd.ArrowDtype(MONEY)),
        }
    ).dropna()
    sums = total_by(frame, ["provider", "model"], [COST])
    return {(provider, model): cost for provider, model, cost in sums.itertuples(index=False, name=None)}
