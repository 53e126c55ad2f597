"""Exchange rates: what was published, and the rate that holds for a day.

A rate between two currencies is the published one, its inverse, or that of both to the EUR: exact, rounded half-even once at
12 decimals. Which day's rates hold says FINOPS_FX: *transaction*, the last published on or before the day, at most REACH
days old; *month_average*, the mean of all days published in the month of the day, so far.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from finops import audit
from finops.fx_files import Published
from finops.models import FxRate
from finops.periods import Period

PIVOT, REACH = "EUR", 5
TRANSACTION, MONTH_AVERAGE = "transaction", "month_average"
MANUAL = "manual"
_WIDE = Context(prec=60)
Place = tuple[date, str, str]  # day, base, quote
Table = Mapping[Place, Decimal]


class Rate(NamedTuple):
    """Units of one currency for one of another. ``day``: of the last publication it is made of; ``source``: who published it."""

    rate: Decimal
    day: date
    source: str


class Loaded(NamedTuple):
    """What became of rates: new ones, known ones, and those that correct another of the same day and pair."""

    added: int
    known: int
    corrected: int
    days: tuple[date, date] | None  # first and last day of what is new


def rate_for(base: str, quote: str, day: date) -> Rate | None:
    """The rate that holds for a day by the setting; None where none was published."""
    return month_average(base, quote, day) if settings.FX == MONTH_AVERAGE else on_or_before(base, quote, day)


def on_or_before(base: str, quote: str, day: date) -> Rate | None:
    """The last rate published on or before a day, at most REACH days old."""
    table, sources = _table(base, quote, day - timedelta(days=REACH), day)
    for age in range(REACH + 1):
        then = day - timedelta(days=age)
        if (found := between(table, base, quote, then)) is not None:
            return Rate(_rounded(found), then, _named(sources, base, quote, [then]))
    return None


def month_average(base: str, quote: str, day: date) -> Rate | None:
    """The mean of the rates of the days published in the month of a day."""
    month = Period.month_of(day)
    table, sources = _table(base, quote, month.start, month.end - timedelta(days=1))
    found = [(each, rate) for each in month.days() if (rate := between(table, base, quote, each)) is not None]
    if not found:
        return None
    mean, days = sum((rate for _, rate in found), Fraction(0)) / len(found), [each for each, _ in found]
    return Rate(_rounded(mean), days[-1], f"month average of {_named(sources, base, quote, days)}")


def between(table: Table, base: str, quote: str, day: date) -> Fraction | None:
    """The rate of one day, exactly: the published one, its inverse, or both currencies' to the pivot."""
    if base == quote:
        return Fraction(1)
    if (direct := _published(table, base, quote, day)) is not None:
        return direct
    legs = [_published(table, PIVOT, currency, day) for currency in (quote, base)]
    return legs[0] / legs[1] if legs[0] is not None and legs[1] is not None else None


def _published(table: Table, base: str, quote: str, day: date) -> Fraction | None:
    if (rate := table.get((day, base, quote))) is not None:
        return Fraction(rate)
    if (rate := table.get((day, quote, base))) is not None:
        return 1 / Fraction(rate)
    return None


def _named(sources: Mapping[tuple[date, str, str], str], base: str, quote: str, days: Iterable[date]) -> str:
    """Who published what the rates of these days are made of."""
    found = set()
    for day in days:
        pairs = [(base, quote)] if _source(sources, base, quote, day) else [(PIVOT, base), (PIVOT, quote)]
        found |= {_source(sources, *pair, day) for pair in pairs}
    return " + ".join(sorted(found))


def _source(sources: Mapping[tuple[date, str, str], str], base: str, quote: str, day: date) -> str:
    return sources.get((day, base, quote)) or sources.get((day, quote, base)) or ""


def _table(
    base: str, quote: str, first: date, last: date
) -> tuple[dict[tuple[date, str, str], Decimal], dict[tuple[date, str, str], str]]:
    """What was published of these currencies, and by whom; of several rates of a day and pair the one that came last."""
    among = {base, quote, PIVOT}
    rows = FxRate.objects.filter(day__range=(first, last), base__in=among, quote__in=among).order_by("pk")
    found = list(rows.values_list("day", "base", "quote", "rate", "source"))
    return {row[:3]: row[3] for row in found}, {row[:3]: row[4] for row in found}


def _rounded(rate: Fraction) -> Decimal:
    return Decimal(round(rate * 10**12)).scaleb(-12, _WIDE)


@transaction.atomic
def load(rates: Sequence[Published], *, source: str, actor: str) -> Loaded:
    """Keep rates. Another rate of a known day and pair becomes a row of its own and holds from now on."""
    known, sources = _known(rates)
    new = [rate for rate in rates if known.get(rate[:3]) != rate.rate]
    FxRate.objects.bulk_create(
        [FxRate(**rate._asdict(), source=_name(source, sources.get(rate[:3], ()))) for rate in new], batch_size=5_000
    )
    corrected = sum(rate[:3] in known for rate in new)
    found = Loaded(len(new), len(rates) - len(new), corrected, _span(new))
    if new:
        details: dict[str, Any] = {
            "added": found.added,
            "known": found.known,
            "corrected": corrected,
            "days": found.days,
        }
        if len(new) == 1:
            details["rate"] = f"{new[0].day} {new[0].base}/{new[0].quote} {new[0].rate}"
        audit.record(action="fx.load", actor=actor, subject=source, details=details)
    return found


def unknown(rates: Sequence[Published]) -> tuple[list[Published], int]:
    """Those of some rates that ``load`` would keep, and how many of them correct another of their day and pair."""
    known, _ = _known(rates)
    new = [rate for rate in rates if known.get(rate[:3]) != rate.rate]
    return new, sum(rate[:3] in known for rate in new)


def _known(rates: Sequence[Published]) -> tuple[dict[Place, Decimal], dict[Place, set[str]]]:
    """Of the days of some rates: the rate that holds of each day and pair, and who published any."""
    known: dict[Place, Decimal] = {}
    sources: dict[Place, set[str]] = {}
    if not rates:
        return known, sources
    days = [rate.day for rate in rates]
    rows = FxRate.objects.filter(day__range=(min(days), max(days))).order_by("pk")
    for day, base, quote, rate, of in rows.values_list("day", "base", "quote", "rate", "source"):
        known[day, base, quote] = rate
        sources.setdefault((day, base, quote), set()).add(of)
    return known, sources


def _span(rates: Iterable[Published]) -> tuple[date, date] | None:
    days = [rate.day for rate in rates]
    return (min(days), max(days)) if days else None


def _name(source: str, taken: Iterable[str]) -> str:
    """The source of a row; of a correction, with its number: a row never changes."""
    names = set(taken)
    return next(
        name for n in range(1, len(names) + 2) if (name := source if n == 1 else f"{source} ({n})") not in names
    )


def days_touched(first: date, last: date) -> Period:
    """The days for which rates published from ``first`` to ``last`` may hold."""
    if settings.FX == MONTH_AVERAGE:
        return Period(Period.month_of(first).start, Period.month_of(last).end)
    return Period.through(first, last + timedelta(days=REACH))
