"""What the page Watch shows of a budget, a cap and a band: bars in a box 1000 wide, and what they say in words."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from forecasting.calc.caps import Band
from forecasting.calc.watch import LIKELY, OVER, STOP, WARN
from forecasting.watch_caps import Held, Watched
from forecasting.watch_states import State
from web import formats
from web.pages.charts import BOX
from web.pages.forecast_shown import probability

_ROOM = Decimal("1.04")  # of the axis, so that a mark at its end is seen
_WORDS = {"stop": "exceeded", "warn": "look", "allow": "within"}
_STATES = {
    "over": "exceeded",
    "breach_likely": "breach likely",
    "watch": "watched",
    "ok": "within",
    "no_budget": "none",
}


class Bar(NamedTuple):
    """Places of one budget on its own axis: spent, of it at proxy prices, the forecast's 80 %, its median, the budget."""

    spent: int
    unpriced_from: int
    unpriced: int
    low: int | None
    band: int
    middle: int
    budget: int


def budget(one: State) -> dict[str, Any]:
    """One row."""
    standing, subject = one.standing, one.running.subject
    close = standing.close
    chance = close.probability if close else None
    return {
        "one": one, "subject": subject, "standing": standing, "close": close, "bar": bar(one), "verdict": one.verdict,
        "word": _STATES[standing.state], "currency": subject.currency, "chance": _odds(chance, over=standing.state == OVER),
        "chance_tone": "" if chance is None or chance < Decimal("0.2") else "up" if chance >= Decimal("0.5") else "late-word",
        "used": standing.used, "day": times(one.rates.get(24)), "hot": (one.rates.get(24) or 0) >= 2,
        "hours": [(f"{hours} h", times(found)) for hours, found in one.rates.items()], "left": left(one.hours_left),
        "firing": [reading.rule.code for reading in one.fired],
        "at_proxy": one.unpriced if close else None, "without_proxy": close and close.middle - one.unpriced,
        "thresholds": [formats.percent(part, 0) for part in standing.crossed], "period": one.running.period,
    }  # fmt: skip


def _odds(chance: Decimal | None, *, over: bool) -> str | None:
    """Certain is only what is exceeded already."""
    if chance is None or over:
        return None if chance is None else formats.percent(Decimal(1), 0)
    return probability(float(chance))


def bar(one: State) -> Bar:
    """Where its parts lie."""
    standing, close = one.standing, one.standing.close
    amount, counted = one.running.amount, standing.counted
    most = max(amount, counted, close.high if close else counted, Decimal(0)) * _ROOM

    def at(value: Decimal) -> int:
        return round(max(value, Decimal(0)) / most * BOX) if most else 0

    priced = counted - one.unpriced
    low, high = (at(max(close.low, counted)), at(max(close.high, counted))) if close else (None, 0)
    return Bar(
        at(priced), at(priced), at(counted) - at(priced), low, high - (low or 0), at(close.middle) if close else 0, at(amount)
    )  # fmt: skip


def by_urgency(found: Sequence[State]) -> list[State]:
    """Exceeded ones first, then by what the close is likely to be, then by what is used."""
    order = {STOP: 0, WARN: 1}

    def key(one: State) -> tuple[Any, ...]:
        close = one.standing.close
        chance = (close and close.probability) or Decimal(0)
        return order.get(one.verdict, 2), -chance, -(one.standing.used or Decimal(0)), one.running.subject.name

    return sorted(found, key=key)


def sentence(found: Sequence[State]) -> list[tuple[str, str]]:
    """The answer in a line: (text, tone)."""
    over = [one for one in found if one.standing.state == OVER]
    likely = [one for one in found if one.standing.state == LIKELY]
    parts = [one for one in found if one.running.subject.code is not None] or found
    if not over and not likely:
        told = f"All {len(found)} budgets are" if len(found) > 1 else "The budget is"
        return [(f"{told} likely to hold to the end of the period.", "")]
    said: list[tuple[str, str]] = []
    if over:
        said += [(_count(over, "is exceeded", "are exceeded"), "up")]
    if likely:
        said += [(" and " if over else "", ""), (_count(likely, "is likely to be", "are likely to be"), "late-word")]
        said += [(" by the end of the period", "")]
    dearest = max((*over, *likely), key=lambda one: beyond(one) if one in parts else Decimal(-1))
    currency = dearest.running.subject.currency
    said += [
        (
            f"; the most by {dearest.running.subject.label}, {formats.money_short(beyond(dearest), currency)} beyond it.",
            "",
        )
    ]
    return said


def beyond(one: State) -> Decimal:
    """How far a budget is exceeded, at close where that is known."""
    standing = one.standing
    at_close = standing.close.middle if standing.close else standing.counted
    return max(at_close, standing.counted) - one.running.amount


def _count(found: Sequence[State], single: str, several: str) -> str:
    return f"{len(found)} {'budget' if len(found) == 1 else 'budgets'} {single if len(found) == 1 else several}"


def cap(one: Held) -> dict[str, Any]:
    """One cap with what broke it."""
    found = one.found
    return {
        "held": one, "cap": one.cap, "found": found, "share": Decimal(found.low) / found.queries if found.queries else None,
        "count": f"{found.low:,}" if found.low == found.high else f"{found.low:,} to {found.high:,}",
    }  # fmt: skip


def bands(found: Sequence[Watched], currency: str) -> dict[str, Any]:
    """Tiers by band as shares of their cost, and the moves of both tiers and use cases."""
    tiers = [one for one in found if one.bands]
    rows = []
    for one in tiers:
        each = one.bands or []
        whole = sum((band.cost for band in each), Decimal(0))
        rows.append(
            {"name": one.name, "queries": sum(band.queries for band in each), "cost": whole,
             "parts": [(_edge(band, currency), band, band.cost / whole if whole else Decimal(0)) for band in each]}
        )  # fmt: skip
    edges = [_edge(band, currency) for band in tiers[0].bands or ()] if tiers else []
    moved = [(one, move) for one in found for move in one.moves]
    moved.sort(key=lambda pair: (pair[1].day, pair[1].cost), reverse=True)
    reasons = sorted({one.reason for one in found if one.group == "tier" and one.reason})
    return {
        "band_rows": rows,
        "edges": edges,
        "moved": [_moved(*pair) for pair in moved[:12]],
        "reason": "; ".join(reasons),
    }


def _edge(band: Band, currency: str) -> str:
    """A band in words: its edges as they were written, however small."""
    digits = [None if edge is None else max(-int(edge.normalize().as_tuple().exponent), 2) for edge in band[:2]]
    low, high = (
        None if edge is None else f"{formats.symbol(currency)}{edge:.{count}f}"
        for edge, count in zip(band[:2], digits, strict=True)
    )  # fmt: skip
    if low is None:
        return f"under {high}"
    return f"{low} or more" if high is None else f"{low} to {high}"


def _moved(one: Watched, move: Any) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": "tier" if one.group == "tier" else "use case",
        "move": move,
        "up": move.now > move.before,
    }


def times(found: float | None) -> str:
    """A rate in words of people."""
    return formats.NONE if found is None else f"{found:.1f}{formats.TIMES}"


def left(hours: float | None) -> str:
    """How long the rest lasts at the last day's rate."""
    if hours is None or hours > 24 * 365:
        return ""
    return f"{hours:.0f} h left" if hours < 48 else f"{hours / 24:.0f} days left"
