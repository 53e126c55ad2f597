"""The tier table: what a query of each tier cost in a period and in a base period, and by which factors it changed.

cost per query = calls per query x work per call without reasoning x (all work / work without reasoning) x price. Work is
usage at the prices that its classes had in the base period, so that a cheap cached token and a dear reasoning token are
not one "token", and more reasoning is no dearer price. The ratios of the four between the periods are the factors; their
product is the net change of cost per query exactly, all being Fractions.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import prod
from typing import NamedTuple

from allocation.calc.tier_levels import Count, Level, Usage, levels, together
from finops.focus import TIERS

FACTORS = ("reasoning", "calls_per_query", "tokens_per_call", "price")
REASONING = "output_reasoning"
MINIMUM = 30  # queries of each period below which no factor is claimed
ZERO = Fraction(0)

COMPARED, NEW, STOPPED, FEW, NONE, BROKEN = "compared", "new", "stopped", "too_few", "none", "not_comparable"
POSITIVE, MARGINAL, NEGATIVE, NO_EVIDENCE = "positive", "marginal", "negative", "no_evidence"


class Evidence(NamedTuple):
    """Marginal return of a tier with its interval, and how many outcomes it rests on; a return of 0 pays for itself."""

    low: Fraction | Decimal | float
    high: Fraction | Decimal | float
    sample: int


class Row(NamedTuple):
    """One tier. ``factors`` (FACTORS) and their product ``net`` only where ``status`` is compared; ``why`` says what lacks.

    ``spend_share``, ``estimated_share``: of all money of the chosen period, which these shares of all tiers exhaust;
    ``query_share`` likewise of the queries whose tier is known. None: there is nothing to have a share of.
    """

    tier: str
    base: Level
    chosen: Level
    status: str
    why: str
    factors: Mapping[str, Fraction] | None
    net: Fraction | None
    spend_share: Fraction | None
    estimated_share: Fraction | None
    query_share: Fraction | None
    roi: str


class Mix(NamedTuple):
    """Net change of cost per query of all tiers together = mix (more queries of dear tiers) x within (tiers got dearer).

    ``mix`` and ``within`` None: a tier is not in both periods, or has too few queries to say.
    """

    net: Fraction
    mix: Fraction | None
    within: Fraction | None


class Table(NamedTuple):
    """Rows in the order of TIERS, others by name after them. ``why``: what ``mix`` lacks; None: nothing can be compared."""

    rows: list[Row]
    mix: Mix | None
    why: str

    @property
    def base(self) -> Level:
        """All tiers of the base period together."""
        return together([row.base for row in self.rows])

    @property
    def chosen(self) -> Level:
        """All tiers of the chosen period together."""
        return together([row.chosen for row in self.rows])


class Point(NamedTuple):
    """Cost per query of one tier in one month, with its pair; None: no query, the line has a gap."""

    month: str
    tier: str
    cost_per_query: Fraction | None
    spend: Decimal
    queries: int
    estimated_spend: Decimal
    estimated_queries: int

    @property
    def estimated_cost_per_query(self) -> Fraction | None:
        """Of the queries whose tier is estimated; None without any."""
        return Fraction(self.estimated_spend) / self.estimated_queries if self.estimated_queries else None


def roi_signal(evidence: Evidence | None, minimum: int = MINIMUM) -> str:
    """Positive or negative only where the whole interval is; marginal around 0; no evidence below the minimum sample."""
    if evidence is None or evidence.sample < minimum:
        return NO_EVIDENCE
    if evidence.low > 0:
        return POSITIVE
    return NEGATIVE if evidence.high < 0 else MARGINAL


def tier_table(
    usage: Iterable[Usage], counts: Iterable[Count], base: str, chosen: str,
    evidence: Mapping[str, Evidence] | None = None, minimum: int = MINIMUM,
) -> Table:  # fmt: skip
    """The table of period ``chosen`` against period ``base``. Tiers that neither has are left out; months: see lines()."""
    found = levels(usage, counts)
    tiers = _in_order(tier for period, tier in found if period in (base, chosen))
    pairs = {tier: (found.get((base, tier), Level()), found.get((chosen, tier), Level())) for tier in tiers}
    money = sum((Fraction(new.spend) + Fraction(new.estimated_spend) for _, new in pairs.values()), ZERO)
    queries = sum(new.queries for _, new in pairs.values())
    rows = []
    for tier, (old, new) in pairs.items():
        status, why = _status(old, new, minimum)
        factors = _factors(old, new) if status == COMPARED else None
        shares = (_part(new.spend, money), _part(new.estimated_spend, money), _part(new.queries, queries))
        net = None if factors is None else prod(factors.values(), start=Fraction(1))
        rows.append(Row(tier, old, new, status, why, factors, net, *shares, roi_signal((evidence or {}).get(tier))))
    return Table(rows, *_mix(pairs, minimum))


def lines(usage: Iterable[Usage], counts: Iterable[Count]) -> dict[str, list[Point]]:
    """Tier -> its points, one for every period that any row has, in the order of their names (months: YYYY-MM)."""
    found = levels(usage, counts)
    months, tiers = sorted({month for month, _ in found}), _in_order(tier for _, tier in found)
    empty = Level()
    return {
        tier: [
            Point(
                month, tier, level.cost_per_query, level.spend, level.queries, level.estimated_spend,
                level.estimated_queries,
            )
            for month in months
            for level in (found.get((month, tier), empty),)
        ]
        for tier in tiers
    }  # fmt: skip


def _in_order(tiers: Iterable[str]) -> Sequence[str]:
    return sorted(set(tiers), key=lambda tier: (TIERS.index(tier) if tier in TIERS else len(TIERS), tier))


def _part(of: Decimal | int, whole: Fraction | int) -> Fraction | None:
    return Fraction(of) / whole if whole else None


def _status(old: Level, new: Level, minimum: int) -> tuple[str, str]:
    if not (old.queries or new.queries):
        return NONE, "no query whose tier is known"
    if not old.queries:
        return NEW, "no query in the base period"
    if not new.queries:
        return STOPPED, "no query in the chosen period"
    if min(old.queries, new.queries) < minimum:
        return FEW, f"{old.queries} and {new.queries} queries, {minimum} needed of each"
    for name, level in (("base", old), ("chosen", new)):
        if level.spend <= 0:
            return BROKEN, f"{'no price' if level.unpriced else 'no cost'} in the {name} period"
        if not level.calls:
            return BROKEN, f"no calls in the {name} period"
    works = [_work(level, _prices(old, new)) for level in (old, new)]
    for name, (total, reasoning) in zip(("base", "chosen"), works, strict=True):
        if total - reasoning <= 0:
            return BROKEN, f"no usage with a price but reasoning in the {name} period"
    return COMPARED, ""


def _factors(old: Level, new: Level) -> dict[str, Fraction]:
    prices = _prices(old, new)
    before, after = ([*_measures(level, prices).values()] for level in (old, new))
    return {name: late / early for name, early, late in zip(FACTORS, before, after, strict=True)}


def _measures(level: Level, prices: Mapping[str, Fraction]) -> dict[str, Fraction]:
    total, reasoning = _work(level, prices)
    single = total - reasoning
    calls_per_query, per_call = Fraction(level.calls, level.queries), single / level.calls
    values = (total / single, calls_per_query, per_call, Fraction(level.spend) / total)
    return dict(zip(FACTORS, values, strict=True))


def _work(level: Level, prices: Mapping[str, Fraction]) -> tuple[Fraction, Fraction]:
    """All work and that of reasoning."""
    work = {name: Fraction(quantity) * prices.get(name, ZERO) for name, (quantity, _) in level.usage.items()}
    return sum(work.values(), ZERO), work.get(REASONING, ZERO)


def _prices(old: Level, new: Level) -> dict[str, Fraction]:
    """Prices of the base period by class; a class that it lacks: its price now, less what those of both rose by."""
    prices = {name: Fraction(spend) / Fraction(of) for name, (of, spend) in old.usage.items() if of}
    both = [name for name, (quantity, _) in new.usage.items() if quantity and name in prices]
    at_base = sum((Fraction(new.usage[name][0]) * prices[name] for name in both), ZERO)
    rise = sum((Fraction(new.usage[name][1]) for name in both), ZERO) / at_base if at_base else ZERO
    for name, (quantity, spend) in new.usage.items():
        if quantity and name not in prices:
            prices[name] = Fraction(spend) / Fraction(quantity) / (rise or 1)
    return prices


def _mix(pairs: Mapping[str, tuple[Level, Level]], minimum: int) -> tuple[Mix | None, str]:
    known = {tier: pair for tier, pair in pairs.items() if pair[0].queries or pair[1].queries}
    before, after = (sum(pair[at].queries for pair in known.values()) for at in (0, 1))
    spent, spends = (sum((Fraction(pair[at].spend) for pair in known.values()), ZERO) for at in (0, 1))
    if min(before, after) < minimum:
        return None, f"{before} and {after} queries whose tier is known, {minimum} needed of each"
    if spent <= 0:
        return None, "no cost in the base period"
    net = (spends / after) / (spent / before)
    apart = [tier for tier, (old, new) in known.items() if not (old.queries and new.queries)]
    few = [tier for tier, (old, new) in known.items() if 0 < min(old.queries, new.queries) < minimum]
    if apart or few:
        lacks = [f"not in both periods: {', '.join(apart)}"] * bool(apart)
        return Mix(net, None, None), "; ".join(lacks + [f"under {minimum} queries: {', '.join(few)}"] * bool(few))
    as_mixed = sum((new.queries * Fraction(old.spend) / old.queries for old, new in known.values()), ZERO) / after
    mix = as_mixed / (spent / before)
    if not mix:
        return Mix(net, None, None), "the tiers used now cost nothing in the base period"
    return Mix(net, mix, net / mix), ""
