"""The hours of the last weeks' cost, kept for the watch: made by its task, never by ingest.

A day is made anew where its cost changed since (a fingerprint of its cost_daily), by one scan of that day's facts, whose
partition has the date first in its key. In a quiet pass nothing is scanned.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from hashlib import sha256
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Max, Q, Sum

from allocation.calc.query_costs import KEY_BITS
from allocation.models import AllocatedCost, CostDaily, TierRule
from allocation.query_costs import rates_of
from finops.copying import copy_rows
from finops.tokens import TOKEN_CLASSES
from forecasting.calc.watch_hours import Amount, Hours, Part, Used, Whose, by_hour
from forecasting.models import SpendDay, SpendHour
from ingest.facts.hours import HOUR_COLUMNS, usage_of_hours
from ingest.models import UsageKey

WINDOW = 35  # days that a watch looks back
LATE = timedelta(hours=48)  # the exports of a day come the day after
_NOTHING = Decimal(0)
_COLUMNS = (
    "charge_date", "hour", "cost_centre_id", "provider", "model", "tier", "billing_currency", "cost", "unpriced",
)  # fmt: skip
_SUMS = {
    "money": Sum("effective_cost"),
    "estimate": Sum("unpriced_estimate"),
    "used": Sum("tokens"),
    "rows": Count("id"),
}


class Refreshed(NamedTuple):
    """Days made anew, and days that wait for another pass."""

    days: int
    left: int


def refresh(now: datetime, *, most: int = WINDOW + 1) -> Refreshed:
    """Make the days of the window anew whose cost changed, the newest first and each in a transaction of its own."""
    first = now.date() - timedelta(days=WINDOW)
    stale = stale_days(first, now.date())
    SpendDay.objects.filter(charge_date__lt=first).delete()
    SpendHour.objects.filter(charge_date__lt=first)._raw_delete(using="default")
    for day, mark in stale[:most]:
        _replace(day, mark)
    return Refreshed(len(stale[:most]), max(len(stale) - most, 0))


def stale_days(first: date, last: date) -> list[tuple[date, str]]:
    """Days whose hours are not those of their cost, the newest first, with the fingerprint of their cost. Two queries."""
    rows = CostDaily.objects.filter(charge_date__range=(first, last)).order_by()
    names = ("charge_date", "billing_currency", "cost_centre_id", "provider")
    marks: dict[date, Any] = defaultdict(sha256)
    sums = {f"sum_{name}": each for name, each in _SUMS.items()}
    found_rows = rows.values(*names).annotate(**sums).values_list(*names, *sums)
    for row in sorted(tuple(map(str, each)) for each in found_rows):
        marks[date.fromisoformat(row[0])].update("|".join(row).encode() + b"\n")
    known = dict(SpendDay.objects.filter(charge_date__range=(first, last)).values_list("charge_date", "fingerprint"))
    found = {day: mark.hexdigest() for day, mark in marks.items()}
    gone = dict.fromkeys(known.keys() - found.keys(), "")
    return sorted(((day, mark) for day, mark in (found | gone).items() if known.get(day) != mark), reverse=True)


@transaction.atomic
def _replace(day: date, mark: str) -> None:
    SpendHour.objects.filter(charge_date=day)._raw_delete(using="default")
    hours = hours_of(day)
    copy_rows(
        SpendHour._meta.db_table, _COLUMNS,
        ((day, hour, *whose, amount.cost, amount.unpriced) for (hour, whose), amount in hours.items()),
    )  # fmt: skip
    last = max((hour for hour, _ in hours if hour is not None), default=None)
    if mark:
        SpendDay.objects.update_or_create(charge_date=day, defaults={"fingerprint": mark, "last_hour": last})
    else:
        SpendDay.objects.filter(charge_date=day).delete()


def hours_of(day: date) -> Hours:
    """The cost of a day by hour. Five queries, whatever the number of its calls."""
    names = ("cost_centre_id", "provider", "model", "tier", "billing_currency")
    sums = CostDaily.objects.filter(charge_date=day).order_by().values(*names)
    rows = sums.annotate(money=Sum("effective_cost"), estimate=Sum("unpriced_estimate"))
    whole = {Whose(*row[:5]): Amount(row[5], row[6]) for row in rows.values_list(*names, "money", "estimate")}
    usage = usage_of_hours(day)
    tiers = dict(TierRule.objects.values_list("id", "tier"))
    return by_hour(whole, _parts(day, whole), _used(day, usage, tiers))


def _parts(day: date, whole: Mapping[Whose, Amount]) -> list[Part]:
    """What usage keys cost whom, as it was charged; the keys' provider and model as the day's cost has them."""
    names = ("charge__usage_key_id", "cost_centre_id", "charge__tier", "charge__billing_currency")
    rows = AllocatedCost.objects.filter(charge_date=day, charge__corrects_date=None).exclude(charge__tier="").order_by()
    sums = rows.values(*names).annotate(
        money=Sum("effective_cost"), estimate=Sum("proxy_cost", filter=Q(effective_cost=None, billed_cost=None))
    )
    found = list(sums.values_list(*names, "money", "estimate"))
    keys = UsageKey.objects.filter(id__in={row[0] for row in found})
    models = {
        key: (provider, served or requested)
        for key, provider, served, requested in keys.values_list("id", "provider", "model_served", "model_requested")
    }
    parts = []
    for key, centre, tier, currency, money, estimate in found:
        whose = Whose(centre, *models.get(key, ("", "")), tier, currency)
        if whose in whole:
            parts.append(Part(key, whose, Amount(money or _NOTHING, estimate or _NOTHING)))
    return parts


def _used(day: date, usage: list[tuple[Any, ...]], tiers: Mapping[int, str]) -> list[Used]:
    """When keys were used, at list prices; a key without any by its tokens, without those by its requests.

    Of a source whose buckets of the day all lie in one hour (it states days) hours are not known.
    """
    keys = sorted({row[0] for row in usage})
    daily = _daily(usage, keys)
    rates = rates_of(day, keys) if keys else {}
    found: dict[int, list[tuple[str, datetime, tuple[Decimal, ...]]]] = defaultdict(list)
    with localcontext(prec=60):
        for row in usage:
            key, slot, rule, second = row[:4]
            if key in daily:
                continue
            of = rates.get(key << KEY_BITS | slot, {})
            tokens = dict(zip(TOKEN_CLASSES, row[len(HOUR_COLUMNS) :], strict=True))
            cost = sum((count * of[name] for name, count in tokens.items() if count and of.get(name)), _NOTHING)
            hour = datetime.fromtimestamp(second, UTC)
            size = sum(filter(None, tokens.values()), _NOTHING)
            found[key].append((tiers.get(rule, ""), hour, (cost, size, Decimal(row[5]))))
    used = []
    for key, rows in found.items():
        at = next(place for place in range(3) if place == 2 or any(row[2][place] for row in rows))
        used += [Used(key, tier, hour, sizes[at]) for tier, hour, sizes in rows]
    return used


def _daily(usage: list[tuple[Any, ...]], keys: list[int]) -> set[int]:
    """Keys of sources that state whole days: all their buckets of the day lie in one hour."""
    names = ("source", "provider", "billing_account")
    of = {row[0]: row[1:] for row in UsageKey.objects.filter(id__in=keys).values_list("id", *names)}
    hours: dict[Any, set[int]] = defaultdict(set)
    for row in usage:
        if row[4]:
            hours[of[row[0]]].add(row[3])
    return {row[0] for row in usage if row[4] and len(hours[of[row[0]]]) == 1}


def known_until(now: datetime) -> datetime | None:
    """Up to where hours are known: the end of the newest whole hour in which anything was used, or of the newest whole day.

    None: nothing is known, or nothing of the last LATE: how fast money went then is not how fast it goes now. One query.
    """
    this = now.replace(minute=0, second=0, microsecond=0)
    days = SpendDay.objects.filter(charge_date__lte=now.date())
    found = days.aggregate(hour=Max("last_hour"), day=Max("charge_date", filter=Q(charge_date__lt=now.date())))
    ends = [found["hour"] + timedelta(hours=1)] if found["hour"] else []
    if found["day"]:
        ends.append(datetime.combine(found["day"] + timedelta(days=1), datetime.min.time(), UTC))
    end = min(max(ends), this) if ends else None
    return None if end is None or now - end > LATE else end
