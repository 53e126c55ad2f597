"""What the page Tiers & agents and its files show of the selectors' answers: figures as text, drawings, rows."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import log2
from typing import Any

from allocation.calc.bucket_errors import LEVELS
from allocation.calc.distribution import TWO_MODES, Distribution
from allocation.calc.tier_estimates import Bounds
from allocation.calc.tier_levels import Level
from allocation.calc.tier_table import MINIMUM, Point, Row
from allocation.value.tiers import NOT_DISTRIBUTED, Distributions, Report
from allocation.value.tiers_returns import Return
from finops.periods import Period
from web import formats, tier_words, tiering
from web.dimensions import tier_name
from web.pages import tiers_charts
from web.pages.explore_bridge import days_called
from web.pages.roi_evidence import VERDICTS

_FACTORS = tuple(tier_words.FACTORS)
TABLE = (
    "x_QueryTier", "status", *(f"base_{name}" for name in tiering.LEVEL), *(f"chosen_{name}" for name in tiering.LEVEL),
    *_FACTORS, "net", "cost_share", "estimated_share", "estimated_low", "estimated_high", "query_share", "roi", "why",
)  # fmt: skip
BY_MONTH = (
    "x_QueryTier", "BillingPeriodStart", "cost", "Queries", "cost_per_query", "estimated_cost", "estimated_queries",
)  # fmt: skip
BINS = ("x_QueryTier", "from", "below", "Queries", "cost")
_DEAR = ("complex", "research")
_WORDS = dict(zip(NOT_DISTRIBUTED, ("team", "feature", "provenance", "basis"), strict=True))
BOX = 1000


def table(found: Report, currency: str, base: Period, chosen: Period) -> dict[str, Any]:
    """The table, its cards and its sentence."""
    every = found.table
    reach = max([abs(log2(row.net)) for row in every.rows if row.net] + [1.0])
    return {
        "report": found, "base_days": days_called(base), "chosen_days": days_called(chosen), "factors": tier_words.FACTORS,
        "rows": [_row(row, found, currency, reach) for row in every.rows],
        "total": _total(found, currency), "cards": _cards(found, currency),
        "minimum": MINIMUM, "level": formats.percent(LEVELS[0], 0),
        "sentence": tier_words.sentence(found, currency) if every.rows else [],
        "returns": any(each.evidence for each in found.returns.values()),
    }  # fmt: skip


def lines(found: Mapping[str, list[Point]], currency: str) -> dict[str, Any]:
    """The lines by month from the first month with a query on, and the table behind them."""
    rows = tiers_charts.by_month(found)
    if not rows:
        return {"lines": None, "line_rows": []}
    known = {
        tier: [point for point in points if point.month >= f"{rows[0].start:%Y-%m}"] for tier, points in found.items()
    }
    solid, dashed = tiers_charts.monthly_lines(known, currency)
    return {
        "lines": solid, "dashed": dashed, "line_tiers": [(tier, tier_name(tier)) for tier in found],
        "line_rows": [(row.start, [_cell(point, currency) for point in row.points]) for row in reversed(rows)],
    }  # fmt: skip


def distribution(found: Distributions) -> dict[str, Any]:
    """The distribution with its modes, and its figures by tier."""
    currency, whole = tiering.currency_of(found), found.whole
    return {
        "drawn": tiers_charts.histogram(found, currency), "spread": whole, "list_currency": currency,
        "several": found.currencies if len(found.currencies) > 1 else (),
        "mode_sentence": tier_words.modes(whole, currency, found.estimated), "spread_estimated": found.estimated,
        "two_modes": whole.verdict == TWO_MODES,
        "modes": [_mode(mode, currency) for mode in whole.modes], "ignored": [_WORDS[name] for name in found.ignored],
        "spread_rows": [_spread(tier_name(tier), tier, each, currency) for tier, each in found.tiers.items()],
        "spread_total": _spread("All", "", whole, currency), "height": tiers_charts.HEIGHT,
    }  # fmt: skip


def table_rows(found: Report) -> list[list[Any]]:
    """TABLE by tier, then the total."""
    rows = [tiering.row(row, found) for row in found.table.rows]
    whole = tiering.totals(found)
    listed = [_file_row(row, row["factors"] or {}, row["roi"]["signal"]) for row in rows]
    total = whole | {"x_QueryTier": "Total", "status": ""}
    return [*listed, _file_row(total, {}, "")]


def month_rows(found: Mapping[str, list[Point]]) -> list[list[Any]]:
    """BY_MONTH, by tier and month."""
    return [[_number(row[name]) for name in BY_MONTH] for row in tiering.months(found)]


def bin_rows(found: Distributions) -> list[list[Any]]:
    """BINS of every tier."""
    rows = tiering.distributed(found)[1:]
    return [
        [each["x_QueryTier"], *(_number(bin_[name]) for name in BINS[1:])] for each in rows for bin_ in each["bins"]
    ]


def _file_row(row: Mapping[str, Any], factors: Mapping[str, Any], signal: str) -> list[Any]:
    levels = [_number(row[side][name]) for side in ("base", "chosen") for name in tiering.LEVEL]
    names = ("net", "cost_share", "estimated_share", "estimated_low", "estimated_high", "query_share")
    shares = [_number(row.get(name)) for name in names]
    return [
        row["x_QueryTier"], row["status"], *levels, *(_number(factors.get(name)) for name in _FACTORS), *shares, signal,
        row["why"],
    ]  # fmt: skip


def _number(text: Any) -> Any:
    """What is a number in the API's text, as a number of the file."""
    try:
        return Decimal(text)
    except (ArithmeticError, TypeError):
        return text


def _row(row: Row, found: Report, currency: str, reach: float) -> dict[str, Any]:
    word, tone = tier_words.SIGNALS[row.roi]
    return {
        "tier": row.tier, "name": tier_name(row.tier), "row": row, "before": tier_words.each(row.base.cost_per_query, currency),
        "now": tier_words.each(row.chosen.cost_per_query, currency), "guessed": _guessed(row.chosen, currency),
        "factors": [
            {"text": formats.times(value), "tone": tier_words.tone(value)} for value in _values(row.factors)
        ],
        "net": formats.times(row.net), "tone": tier_words.tone(row.net), "bar": _bar(row.net, reach),
        "state": tier_words.STATES.get(row.status, ""), "cost_share": tier_words.share(row.spend_share),
        "query_share": tier_words.share(row.query_share),
        "estimated_share": tier_words.share(row.estimated_share) if row.estimated_share else "",
        "untold": tier_words.untold(row.chosen), "signal": word, "signal_tone": tone,
        "signal_told": _told(found.returns.get(row.tier), currency),
        "between": _between(found.bounds.get(row.tier), currency),
    }  # fmt: skip


def _between(bounds: Bounds | None, currency: str) -> str:
    """Bounds of an estimated cost."""
    if bounds is None or bounds.low[0] is None or bounds.high[0] is None:
        return "no error was measured" if bounds else ""
    return f"{formats.money_short(bounds.low[0], currency)} to {formats.money_short(bounds.high[0], currency)}"


def _values(factors: Mapping[str, Fraction] | None) -> list[Fraction | None]:
    return [None if factors is None else factors[name] for name in _FACTORS]


def _bar(net: Fraction | None, reach: float) -> dict[str, float] | None:
    """A change on a log axis around no change: cheaper to the left, dearer to the right."""
    if not net:
        return None
    length = log2(net) / reach * BOX / 2
    return {"left": round(BOX / 2 + min(length, 0.0), 1), "width": round(max(abs(length), 4.0), 1)}


def _total(found: Report, currency: str) -> dict[str, Any]:
    before, now, mix = found.table.base, found.table.chosen, found.table.mix
    return {
        "before": tier_words.each(before.cost_per_query, currency), "now": tier_words.each(now.cost_per_query, currency),
        "level": now, "guessed": _guessed(now, currency), "net": formats.times(mix and mix.net),
        "tone": tier_words.tone(mix and mix.net), "mix": formats.times(mix and mix.mix),
        "within": formats.times(mix and mix.within),
        "estimated_share": tier_words.share(tiering.estimated_share(now)) if now.estimated_spend else "",
    }  # fmt: skip


def _cards(found: Report, currency: str) -> dict[str, Any]:
    every, mix = found.table, found.table.mix
    dear = [row for row in every.rows if row.tier in _DEAR]
    now = every.chosen
    return {
        "each": tier_words.each(tier_words.overall(now), currency), "queries": now.queries, "net": mix and formats.times(mix.net),
        "known": tier_words.each(now.cost_per_query, currency),
        "tone": tier_words.tone(mix and mix.net), "within": formats.times(mix and mix.within),
        "why": every.why, "mix": formats.times(mix and mix.mix),
        "estimated": tier_words.share(tiering.estimated_share(now)), "estimated_cost": now.estimated_spend,
        "estimated_queries": now.estimated_queries,
        "dear_cost": tier_words.share(_sum([row.spend_share for row in dear] + [row.estimated_share for row in dear])),
        "dear_queries": tier_words.share(_of_all([row.chosen for row in dear], now)), "untold": tier_words.share(now.untold),
    }  # fmt: skip


def _of_all(parts: Sequence[Level], whole: Level) -> Fraction | None:
    """Share of all queries, those of known and of estimated tiers."""
    count = whole.queries + whole.estimated_queries
    return Fraction(sum(part.queries + part.estimated_queries for part in parts), count) if count else None


def _sum(parts: Sequence[Fraction | None]) -> Fraction | None:
    known = [part for part in parts if part is not None]
    return sum(known, Fraction(0)) if known else None


def _guessed(level: Level, currency: str) -> str:
    each = level.estimated_cost_per_query
    return "" if each is None else tier_words.each(each, currency)


def _told(returned: Return | None, currency: str) -> str:
    """What the signal rests on."""
    if returned is None:
        return "No outcome names this tier and a cheaper one"
    base = tier_name(returned.answer.question.base).lower()
    if returned.evidence is None:
        verdict = returned.answer.found.verdict
        silent = verdict in ("too_few", "not_comparable", "little_overlap", "mix")
        return f"Over {base}: {VERDICTS[verdict] if silent else 'no outcome states what a resolved task is worth'}"
    low, high = (Decimal(repr(float(value))) for value in (returned.evidence.low, returned.evidence.high))
    span = f"{formats.percent(low)} to {formats.percent(high)}" if returned.relative else (
        f"{formats.signed_money(low, currency)} to {formats.signed_money(high, currency)} a task"
    )  # fmt: skip
    return f"Over {base}: {span}, of {formats.whole(returned.evidence.sample)} tasks"


def _cell(point: Point, currency: str) -> dict[str, str]:
    return {
        "known": tier_words.each(point.cost_per_query, currency),
        "guessed": "" if point.cost_per_query is not None else tier_words.each(point.estimated_cost_per_query, currency),
        "title": f"{formats.money(point.spend, currency)} of {formats.whole(point.queries)} queries",
    }  # fmt: skip


def _mode(mode: Any, currency: str) -> dict[str, Any]:
    low, high = (None if end is None else tier_words.each(end, currency) for end in (mode.low, mode.high))
    span = "all" if low is None and high is None else f"below {high}" if low is None else f"{low} and more"
    return {
        "span": span, "queries": mode.queries, "query_share": tier_words.share(mode.query_share), "cost": mode.spend,
        "cost_share": tier_words.share(mode.spend_share), "median": tier_words.each(mode.median.value, currency),
        "mean": tier_words.each(mode.mean, currency),
    }  # fmt: skip


def _spread(name: str, tier: str, found: Distribution, currency: str) -> dict[str, Any]:
    ranks = {key: tier_words.each(each.value, currency) for key, each in found.quantiles.items()}
    between = {
        f"{key}_between": f"between {tier_words.each(each.low, currency)} and {tier_words.each(each.high, currency)}"
        for key, each in found.quantiles.items()
    }
    top = found.top
    return {
        "name": name, "tier": tier, "queries": found.queries, "cost": found.spend, "without": found.without,
        "mean": tier_words.each(found.mean, currency), **ranks, **between, "top": tier_words.share(top and top.share),
        "top_between": "" if top is None else f"{tier_words.share(top.low)} to {tier_words.share(top.high)} of cost is the "
        f"dearest {formats.whole(top.queries)}",
    }  # fmt: skip
