"""Why an anomaly cost what it did: what its node used in its days against the same weekdays of the weeks before."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from django.db.models import Sum
from django.db.models.functions import ExtractIsoWeekDay

from allocation import selectors
from allocation.models import Basis, CostDaily
from allocation.scope import EVERYTHING
from allocation.selectors import UNALLOCATED, CostQuery
from allocation.value.shares import USAGE, shares
from finops.periods import Period
from forecasting.calc.anomaly_causes import Usage, causes, leading
from forecasting.calc.series import DAY, Key

WEEKS = 4  # before it, whose mean is the usual
_WEEK = timedelta(days=DAY.season)
_MOVED = (Basis.SHARED, Basis.VARIANCE)  # rows of cost_daily that no charge stands behind
_SHARED = "shared"
_KIND = ("cost_centre__code", "feature", "provider", "model", "tier")
_STEP = Decimal(1).scaleb(-12)
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_ZERO = Decimal(0)
_Weights = Mapping[int, Fraction]  # ISO weekday -> what its days count


class Why(NamedTuple):
    """``usual``: mean cost of the weekdays before, None without any; ``effects`` lead from it to what the days cost, exactly.

    ``cause``: the effect that went furthest in the direction of the anomaly; ``feature``: the use case in which at least half
    of the difference lies. '' where none did.
    """

    usual: Decimal | None
    effects: dict[str, Decimal]
    cause: str
    feature: str


class _Side(NamedTuple):
    usage: list[Usage]
    fixed: dict[str, Decimal]

    @property
    def cost(self) -> Decimal:
        return sum((row.cost for row in self.usage), _ZERO) + sum(self.fixed.values(), _ZERO)


def why(node: CostQuery, known_from: date, *, dearer: bool) -> Why:
    """Why the days of a question cost more (``dearer``) or less than usual. ``known_from``: the first day with any cost.

    As it was charged. The cost of one kind of usage is all queries x its share x calls per query x tokens per call x price;
    a kind is a cost centre, use case, model and tier.
    """
    days = node.period
    weeks = min(WEEKS, (days.start - known_from) // _WEEK)
    here = Counter(day.isoweekday() for day in days.days())
    now = _side(node, dict.fromkeys(here, Fraction(1)))
    if weeks < 1:
        return Why(None, {}, "", "")
    past = CostQuery(Period(days.start - weeks * _WEEK, days.start), filters=node.filters, currency=node.currency)
    before = _side(past, {weekday: Fraction(count, weeks) for weekday, count in here.items()})
    effects = causes(before.usage, now.usage)
    for name in sorted(before.fixed.keys() | now.fixed.keys()):
        if change := now.fixed.get(name, _ZERO) - before.fixed.get(name, _ZERO):
            effects[name] = change
    moved = now.cost - before.cost
    along = moved != 0 and (moved > 0) == dearer
    feature = _feature(before, now, moved) if along else ""
    return Why(before.cost, effects, leading(effects) if along else "", feature)


def question(level: tuple[str, ...], key: Key, days: Period, currency: str) -> CostQuery:
    """The cost of a node, as a question."""
    named = {
        name: (value or (UNALLOCATED if name == "x_CostCentre" else ""),)
        for name, value in zip(level, key, strict=True)
    }
    return CostQuery(days, filters=named, currency=currency)


def _side(query: CostQuery, weights: _Weights) -> _Side:
    rows = shares(EVERYTHING, query).annotate(weekday=ExtractIsoWeekDay("charge_date"))
    read = rows.values("weekday", *_KIND, "price_class", "effect").annotate(
        tokens=Sum("quantity"), money=Sum("effective_cost")
    )
    counts, moved = _counts(query, weights)
    sums: dict[tuple[Key, str], list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    fixed: dict[str, Fraction] = defaultdict(Fraction)
    for row in read:
        weight = weights.get(row["weekday"], Fraction(0))
        cost = Fraction(row["money"] or 0) * weight
        if row["effect"] != USAGE:
            fixed[row["effect"]] += cost
            continue
        place = sums[_kind(row), row["price_class"]]
        place[0] += Fraction(row["tokens"]) * weight
        place[1] += cost
    fixed[_SHARED] += moved
    usage = [
        Usage(key, price_class, *counts.get(key, (Fraction(0), Fraction(0))), tokens, _money(cost))
        for (key, price_class), (tokens, cost) in sorted(sums.items())
        if tokens or cost
    ]
    return _Side(usage, {name: _money(amount) for name, amount in fixed.items() if amount})


def _counts(query: CostQuery, weights: _Weights) -> tuple[dict[Key, tuple[Fraction, Fraction]], Fraction]:
    """Queries and calls by kind of usage, and what was moved between cost centres."""
    rows = selectors.filtered(EVERYTHING, CostDaily.objects.all(), query).filter(billing_currency=query.currency)
    rows = rows.annotate(weekday=ExtractIsoWeekDay("charge_date")).order_by().values("weekday", *_KIND, "basis")
    found: dict[Key, tuple[Fraction, Fraction]] = {}
    moved = Fraction(0)
    for row in rows.annotate(asked=Sum("queries"), called=Sum("requests"), money=Sum("effective_cost")):
        weight = weights.get(row["weekday"], Fraction(0))
        key = _kind(row)
        queries, calls = found.get(key, (Fraction(0), Fraction(0)))
        found[key] = queries + row["asked"] * weight, calls + row["called"] * weight
        if row["basis"] in _MOVED:
            moved += Fraction(row["money"]) * weight
    return found, moved


def _kind(row: Mapping[str, Any]) -> Key:
    return tuple(row[name] or "" for name in _KIND)


def _feature(before: _Side, now: _Side, moved: Decimal) -> str:
    change: dict[str, Decimal] = defaultdict(Decimal)
    for side, sign in ((now, 1), (before, -1)):
        for row in side.usage:
            change[row.key[1]] += sign * row.cost
    name = max(change, key=lambda feature: change[feature] / moved, default="")
    return name if len(change) > 1 and name and change[name] / moved * 2 >= 1 else ""


def _money(amount: Fraction) -> Decimal:
    return _WIDE.quantize(_WIDE.divide(Decimal(amount.numerator), Decimal(amount.denominator)), _STEP)
