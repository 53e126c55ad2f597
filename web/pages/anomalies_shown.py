"""What the page Anomalies shows of one: its days as bars with what was usual behind, its causes, and where to look on."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

from allocation.scope import Scope
from allocation.selectors import UNALLOCATED
from finops.models import User
from forecasting import anomalies_selectors as selectors
from forecasting.anomalies_gate import Gate, may_judge
from forecasting.calc.series import DAY
from forecasting.models import Anomaly, AnomalyDay
from web import anomaly_rows, bridge_words, formats
from web.pages.charts import BOX, Tick
from web.pages.explore_state import Explored

HEIGHT = 100
_EFFECTS, _BELOW, _TICKS = 4, 4, 3
_GAP = 0.22  # of a bar's place


class Bar(NamedTuple):
    """What a day cost: place in the box, whether it is of the anomaly, and what it says."""

    left: float
    top: float
    width: float
    height: float
    inside: bool
    text: str


class Drawn(NamedTuple):
    """Bars of days; ``band``: what was usual, and ``expected``: paths in the box."""

    bars: list[Bar]
    band: str
    expected: str
    up: list[Tick]
    across: list[Tick]


def full(scope: Scope, row: Anomaly, days: Sequence[AnomalyDay], user: User) -> dict[str, Any]:
    """All of one anomaly."""
    effects = sorted(((name, Decimal(amount)) for name, amount in row.effects.items()), key=lambda each: -abs(each[1]))
    below = selectors.below(scope, row)
    return {
        **line(row, ""), "drawn": drawn(days, row.currency), "days": days, "judges": may_judge(user, row),
        "effects": [(bridge_words.label(name), bridge_words.meaning(name), amount) for name, amount in effects[:_EFFECTS]],
        "rest": sum((amount for _, amount in effects[_EFFECTS:]), Decimal(0)), "rest_count": len(effects[_EFFECTS:]),
        "below": [(anomaly_rows.node(each), each.impact, each.pk) for each in below[:_BELOW]],
        "below_more": max(len(below) - _BELOW, 0), "explore": explore(row), "bridge": bridge(row),
        "api": f"/api/v1/anomalies/{row.pk}",
    }  # fmt: skip


def line(row: Anomaly, address: str) -> dict[str, Any]:
    """What a table has of it, and where all of it is."""
    return {
        "row": row, "node": anomaly_rows.node(row), "when": anomaly_rows.days(row), "kind": anomaly_rows.KINDS[row.kind],
        "sentence": anomaly_rows.sentence(row), "cause": row.cause and bridge_words.label(row.cause),
        "words": anomaly_rows.words(row), "address": address, "dearer": row.impact > 0,
        "times": formats.times(row.actual / row.expected) if row.expected > 0 and row.impact > 0 else "",
    }  # fmt: skip


def run(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """What was judged: the days, both included, and of how many nodes."""
    if found is None:
        return None
    since, until = (date.fromisoformat(found[name]) for name in ("since", "until"))
    return {"since": since, "last": until - timedelta(days=1), "days": (until - since).days, "nodes": found["nodes"]}


def precision(gate: Gate) -> dict[str, str]:
    """The precision in per cent: what people said, its interval, and what the gate uses."""
    of = gate.precision
    found = {"precision": of.share, "precision_low": of.low, "precision_high": of.high, "precision_used": of.used}
    return {name: formats.percent(None if value is None else Decimal(repr(value)), 0) for name, value in found.items()}


def explore(row: Anomaly) -> str:
    """The page Explore with the node's cost by day."""
    filters = {name: (value,) for name, value in _filters(row)}
    state = Explored(month=f"{row.first_day:%Y-%m}", by=("feature",), granularity="day", filters=filters)
    return f"/explore/{state.search()}"


def bridge(row: Anomaly) -> str:
    """The cost bridge in the REST API from the same weekdays before to the days of the anomaly."""
    end = row.last_day + timedelta(days=1)
    back = timedelta(days=DAY.season * math.ceil((end - row.first_day).days / DAY.season))
    pairs = [
        ("start", row.first_day), ("end", end), ("compare_start", row.first_day - back), ("compare_end", end - back),
        ("currency", row.currency),
    ]  # fmt: skip
    sides = [(f"{side}[{name}]", value) for side in ("filter", "compare_filter") for name, value in _filters(row)]
    return f"/api/v1/bridge?{urlencode([*pairs, *sides], safe='[]()')}"


def drawn(days: Sequence[AnomalyDay], currency: str) -> Drawn | None:
    """The days as a drawing; None without any."""
    if not days:
        return None
    top = max(float(value) for day in days for value in (day.actual, day.expected or 0)) or 1.0
    step = _nice(top / _TICKS)
    high = max(top * 1.05, step)
    place = BOX / len(days)

    def up(value: Decimal | None) -> float:
        return round((1 - min(float(value or 0) / high, 1.0)) * HEIGHT, 2)

    bars = [
        Bar(
            round((number + _GAP / 2) * place, 2), up(day.actual), round((1 - _GAP) * place, 2),
            round(HEIGHT - up(day.actual), 2), day.inside, _said(day, currency),
        )
        for number, day in enumerate(days)
    ]  # fmt: skip
    band = expected = ""
    for part in _parts(days, "high"):
        edge = [(number * place, (number + 1) * place, days[number]) for number in part]
        forth = "L".join(f"{left:.1f} {up(day.high)}L{right:.1f} {up(day.high)}" for left, right, day in edge)
        back = "L".join(f"{right:.1f} {up(day.low)}L{left:.1f} {up(day.low)}" for left, right, day in reversed(edge))
        band += f"M{forth}L{back}Z"
    for part in _parts(days, "expected"):
        points = [f"{number * place:.1f} {up(days[number].expected)}H{(number + 1) * place:.1f}" for number in part]
        expected += f"M{'L'.join(points)}"
    every = max(math.ceil(len(days) / 5), 1)
    across = [
        Tick(f"{day.day.day} {day.day:%b}", round((number + 0.5) / len(days) * 100, 2))
        for number, day in enumerate(days)
        if number % every == every // 2
    ]
    ticks = [
        Tick(_tick(step * number, currency), round((1 - step * number / high) * 100, 2))
        for number in range(int(high / step) + 1)
    ]
    return Drawn(bars, band, expected, ticks, across)


def _parts(days: Sequence[AnomalyDay], name: str) -> list[list[int]]:
    """Runs of days that have a figure."""
    found: list[list[int]] = []
    for number, day in enumerate(days):
        if getattr(day, name) is None:
            continue
        if found and found[-1][-1] == number - 1:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def _said(day: AnomalyDay, currency: str) -> str:
    text = f"{day.day.day} {day.day:%b}: {formats.money(day.actual, currency)}"
    if day.expected is None:
        return f"{text}, nothing was forecast"
    return f"{text}, forecast {formats.money(day.expected, currency)}"


def _tick(value: float, currency: str) -> str:
    text = formats.money_short(Decimal(repr(value)), currency)
    return text.removesuffix(".00")


def _filters(row: Anomaly) -> list[tuple[str, str]]:
    named = zip(row.level, row.key, strict=True)
    return [(name, value or UNALLOCATED) for name, value in named if value or name == "x_CostCentre"]


def _nice(step: float) -> float:
    size = 10.0 ** math.floor(math.log10(step))
    return float(next(part * size for part in (1, 2, 2.5, 5, 10) if part * size >= step * 0.999))
