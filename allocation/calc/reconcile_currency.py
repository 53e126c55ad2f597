"""One currency for all levels of an account, and what the issuer's rate of exchange adds to ours."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from allocation.calc.reconcile_rows import LEVELS, Evidence, Offer, Row, mask_of, money

_HALF_CENT = Decimal("0.005")
_MOST = 30  # amounts that are tried as a bill's rate, the largest first


def in_one_currency(rows: list[Row], evidence: Evidence) -> tuple[str, list[Row], Evidence]:
    """The currency of an account's lines, its rows in it, and the evidence as it gives it.

    It is that of the highest level (of most of its rows). Other rows are converted at our rate of their day, those
    without a day at that of the period's last. Of rows of the highest level whose usage is priced in another currency,
    ``exchange`` is what another rate than ours adds: the rate that the row states, else the one on which most of the
    bill's amounts agree. Raises what ``evidence.rate`` raises.
    """
    top = max((row.level for row in rows), key=LEVELS.index)
    upper = [row for row in rows if row.level == top]
    lower = [row for row in rows if row.level != top]
    currency = _most(upper)
    base = _most(lower) if lower else currency
    converted = [_converted(row, currency, evidence) for row in rows]
    if base == currency:
        return currency, converted, evidence
    implied = _implied(upper, [row for row in lower if row.currency == base], base, evidence)
    exchanged = [_exchanged(row, base, evidence, row.rate or implied) if row.level == top else row for row in converted]
    return currency, exchanged, _in(evidence, base, currency)


def _in(evidence: Evidence, base: str, currency: str) -> Evidence:
    """Evidence whose prices and costs are in another currency than usage's."""

    def price(offer: Offer) -> Decimal | None:
        found = evidence.price(offer)
        return None if found is None else found * evidence.rate(base, currency, offer.day)

    def copies(provider: str, account: str, day: date) -> list[Row]:
        return [_converted(row, currency, evidence) for row in evidence.copies(provider, account, day)]

    def hours(level: str, provider: str, account: str, day: date) -> list[tuple[int, Row]]:
        found = evidence.hours(level, provider, account, day)
        return [(hour, _converted(row, currency, evidence)) for hour, row in found]

    late = [_converted(row, currency, evidence) for row in evidence.late]
    return evidence._replace(price=price, copies=copies, hours=hours, late=late)


def _most(rows: Iterable[Row]) -> str:
    return min(Counter(row.currency for row in rows).items(), key=lambda item: (-item[1], item[0]))[0]


def _converted(row: Row, currency: str, evidence: Evidence) -> Row:
    if row.currency == currency:
        return row
    rate = evidence.rate(row.currency, currency, _day(row, evidence))
    return row._replace(cost=None if row.cost is None else money(row.cost * rate), currency=currency, rate=rate)


def _exchanged(row: Row, base: str, evidence: Evidence, stated: Decimal | None) -> Row:
    if stated is None or row.cost is None or row.category != "Usage":
        return row
    ours = evidence.rate(base, row.currency, _day(row, evidence))
    return row._replace(exchange=row.cost - money(row.cost / stated * ours))


def _day(row: Row, evidence: Evidence) -> date:
    return row.day or evidence.end - timedelta(days=1)


class _Pair(NamedTuple):
    """Of one model and day (of bills without days: class, if they state it): the bill's amount, its rounding, ours."""

    stated: Decimal
    room: Decimal
    base: Decimal
    at_our_rate: Decimal


def _implied(upper: list[Row], lower: list[Row], base: str, evidence: Evidence) -> Decimal | None:
    """The rate that most usage amounts of a bill agree on; None where that is ours, or none."""
    level = max((row.level for row in lower), key=LEVELS.index, default="")
    mask = mask_of(row for row in upper if row.category == "Usage")
    sums: dict[tuple[str, date | str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 4)
    for row in [*upper, *lower]:
        if row.category != "Usage" or row.cost is None:
            continue
        found = sums[row.model if mask.model else "", mask.key(row).day or mask.key(row).price_class]
        if row.level == level:
            found[2] += row.cost
            found[3] += row.cost * evidence.rate(base, upper[0].currency, _day(row, evidence))
        elif row in upper:
            found[0] += row.cost
            found[1] += _HALF_CENT * row.lines
    pairs = [_Pair(*found) for found in sums.values() if found[0] > 0 and found[2] > 0]
    best = [pair for pair in pairs if abs(pair.stated - pair.at_our_rate) <= pair.room]
    ours = True
    for candidate in sorted(pairs, reverse=True)[:_MOST]:
        rate = candidate.stated / candidate.base
        agreeing = [pair for pair in pairs if abs(pair.stated - rate * pair.base) <= 2 * pair.room]
        if len(agreeing) > len(best):
            best, ours = agreeing, False
    if ours or len(best) * 2 < len(pairs) or len(best) < 2:
        return None
    low = max((pair.stated - pair.room) / pair.base for pair in best)
    high = min((pair.stated + pair.room) / pair.base for pair in best)
    return (low + high) / 2
