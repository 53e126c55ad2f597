"""Charts: pure functions from frames to figures, in one template. Bars, lines and pies only (the small plotly bundle).

Colours are the light theme's tokens; the style sheet maps each of them to its dark twin by the inline ``rgb()`` that
Plotly writes, so a colour that is not in ``tokens`` stays light in the dark. Money turns into floats here and nowhere
earlier; what a hover shows is text made from the decimal.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import pandas as pd
import plotly.graph_objects as go

from finops.focus import TIERS
from web import formats
from web.dashboards.frames import Quantiles, binned
from web.dimensions import tier_rank

INK, MUTED, LINE, CARD, SHADE = "#14202B", "#5D6B78", "#E3E8EC", "#FFFFFF", "#E6ECF0"
TIER_COLOURS = {"simple": "#9FD3BF", "moderate": "#4FA39A", "complex": "#2A6A93", "research": "#2D2A63"}
NO_TIER = "#B4BEC7"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 11, "color": MUTED},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 50, "r": 20, "t": 8, "b": 24},
        "showlegend": False,
        "bargap": 0.24,
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": CARD, "bordercolor": LINE, "font": {"family": FONT, "size": 12, "color": INK}},
        "xaxis": {
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
            "ticks": "",
            "ticklabelstandoff": 3,
            "showspikes": False,
        },
        "yaxis": {
            "gridcolor": LINE,
            "zeroline": False,
            "fixedrange": True,
            "ticks": "",
            "ticklabelstandoff": 5,
            "nticks": 6,
        },
    }
)


def tier_colour(tier: str | None) -> str:
    """The colour of a tier, the same everywhere."""
    return TIER_COLOURS.get(tier or "", NO_TIER)


def tier_name(tier: str | None) -> str:
    """A tier as a reader sees it."""
    return tier.capitalize() if tier in TIERS else plain(tier) if tier else "No tier"


def plain(text: str) -> str:
    """Text for Plotly, whose labels render a subset of HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def spend_by_day(
    by_tier: Mapping[str | None, Sequence[Decimal]],
    days: Sequence[date],
    currency: str,
    before: Sequence[Decimal] = (),
    before_name: str = "",
) -> go.Figure:
    """Stacked bars of cost per day and tier over ``days``; ``before``, the former period's totals, are a silhouette."""
    figure = go.Figure(layout={"template": TEMPLATE, "barmode": "stack"})
    for tier in sorted(by_tier, key=tier_rank):
        figure.add_bar(
            x=[day.isoformat() for day in days],
            y=[float(cost) for cost in by_tier[tier]],
            name=tier_name(tier),
            marker={"color": tier_colour(tier), "line": {"width": 0}},
            zorder=1,
            customdata=[formats.money(cost, currency) for cost in by_tier[tier]],
            hovertemplate="%{customdata}",
        )
    sums = [sum(costs, Decimal(0)) for costs in zip(*by_tier.values(), strict=True)]
    figure.add_scatter(
        x=[day.isoformat() for day in days], y=[float(cost) for cost in sums], name="All", mode="markers", opacity=0,
        customdata=[formats.money(cost, currency) for cost in sums], hovertemplate="%{customdata}",
    )  # fmt: skip
    if any(before):
        _silhouette(figure, days, before, plain(before_name), currency)
    ticks = [day for day in days if day.day in (1, 6, 11, 16, 21, 26) or (day == days[-1] and day.day > 29)]
    figure.update_xaxes(
        type="date",
        range=[_half_day(days[0], -1), _half_day(days[-1], 1)],
        tickvals=[day.isoformat() for day in ticks],
        ticktext=[f"{day.day} {day:%b}" if day in (ticks[0], ticks[-1]) else str(day.day) for day in ticks],
        tickangle=0,
        unifiedhovertitle={"text": "<b>%{x|%A %-d %B}</b>"},
    )
    largest = max([*sums, *before, Decimal(0)])
    return _money_axis(figure, largest, currency)


def cost_per_query(distribution: pd.DataFrame, found: Quantiles, currency: str) -> go.Figure:
    """How dear queries are, on a log axis by tier: the share of queries upwards, the share of cost they make downwards.

    Both halves have one scale and each adds up to 100 %. Median, mean and p99 are marked.
    """
    rows = _coarse(binned(distribution))
    whole = sum((row[3] for row in rows), Decimal(0))
    figure = go.Figure(layout={"template": TEMPLATE, "barmode": "relative", "bargap": 0, "hovermode": "closest"})
    highest = {"up": 0.0, "down": 0.0}
    for tier in sorted({row[1] for row in rows}, key=tier_rank):
        own = sorted(row for row in rows if row[1] == tier)
        queries = [row[2] / found.queries * 100 for row in own]
        costs = [float(row[3] / whole * 100) if whole else 0.0 for row in own]
        text = [_bin_text(row, found.queries, whole, currency) for row in own]
        for values in (queries, [-cost for cost in costs]):
            figure.add_bar(
                x=[(row[0] + _BARS / 2) / 20 for row in own], y=values, width=_BARS / 20,
                name=tier_name(tier), marker={"color": tier_colour(tier), "line": {"width": 0}},
                customdata=text, hovertemplate=f"<b>{tier_name(tier)}</b> %{{customdata}}<extra></extra>",
            )  # fmt: skip
    for place in {row[0] for row in rows}:
        here = [row for row in rows if row[0] == place]
        highest["up"] = max(highest["up"], sum(row[2] for row in here) / found.queries * 100)
        highest["down"] = max(highest["down"], float(sum(row[3] for row in here) / whole * 100) if whole else 0.0)
    left = (
        found.median > 0 and math.log10(found.median) < (min(row[0] for row in rows) + max(row[0] for row in rows)) / 40
    )
    _query_axes(figure, rows, highest, currency, words="right" if left else "left")
    _marks(figure, rows, found, highest, currency)
    return figure


_BARS = 4  # bins of a twentieth of a decade in one bar: five bars a decade can be read, twenty are a comb


def _coarse(rows: list[tuple[int, str, int, Decimal]]) -> list[tuple[int, str, int, Decimal]]:
    """Bins joined into bars: (first bin, tier, queries, cost)."""
    sums: dict[tuple[int, str], tuple[int, Decimal]] = {}
    for place, tier, queries, cost in rows:
        bar = (place // _BARS * _BARS, tier)
        before = sums.get(bar, (0, Decimal(0)))
        sums[bar] = (before[0] + queries, before[1] + cost)
    return [(*bar, *amounts) for bar, amounts in sorted(sums.items())]


def _silhouette(figure: go.Figure, days: Sequence[date], before: Sequence[Decimal], name: str, currency: str) -> None:
    """The former period behind the bars; a notch in the card's colour carries its height across them."""
    shown = days[: len(before)]
    edges = [_half_day(day, -1) for day in shown] + [_half_day(shown[-1], 1)]
    cost = [float(amount) for amount in before]
    steps = {"x": edges, "y": [*cost, cost[-1]], "mode": "lines", "hoverinfo": "skip"}
    figure.add_scatter(**steps, line={"shape": "hv", "width": 0}, fill="tozeroy", fillcolor=SHADE, zorder=0)
    figure.add_scatter(**steps, line={"shape": "hv", "width": 1.5, "color": CARD}, zorder=2)
    figure.add_scatter(
        x=[day.isoformat() for day in shown], y=cost, name=name, mode="markers", opacity=0,
        customdata=[formats.money(amount, currency) for amount in before], hovertemplate="%{customdata}",
    )  # fmt: skip


def _money_axis(figure: go.Figure, largest: Decimal, currency: str) -> go.Figure:
    step = _step(float(largest) or 1.0)
    ticks = [step * index for index in range(math.ceil(float(largest) / step) + 1)]
    texts = [_tick(tick, ticks[-1], currency) for tick in ticks]
    figure.update_yaxes(range=[0, max(ticks[-1], step)], tickvals=ticks, ticktext=texts)
    return figure


def _step(largest: float) -> float:
    """A round step that cuts 0 to ``largest`` in four or five."""
    raw = largest / 4.5
    size = 10 ** math.floor(math.log10(raw))
    return float(size * min((1, 2, 2.5, 5, 10), key=lambda factor: abs(factor * size - raw)))


def _tick(tick: float, largest: float, currency: str) -> str:
    sign = formats.symbol(currency)
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if largest >= size:
            return f"{sign}{tick / size:g}{letter}" if tick else f"{sign}0"
    return f"{sign}{tick:g}"


def _half_day(day: date, side: int) -> str:
    hours = {-1: "T12:00", 1: "T12:00"}[side]
    moved = date.fromordinal(day.toordinal() - 1) if side < 0 else day
    return f"{moved.isoformat()}{hours}"


def _bin_text(row: tuple[int, str, int, Decimal], queries: int, whole: Decimal, currency: str) -> str:
    low, high = (Decimal(10 ** (edge / 20)) for edge in (row[0], row[0] + _BARS))
    share = formats.percent(row[3] / whole) if whole else formats.NONE
    return (
        f"{formats.unit_cost(low, currency)} to {formats.unit_cost(high, currency)} a query<br>"
        f"{formats.whole(row[2])} queries, {formats.percent(Decimal(row[2]) / queries)} of all<br>"
        f"{formats.money(row[3], currency)}, {share} of cost"
    )


def _query_axes(
    figure: go.Figure,
    rows: list[tuple[int, str, int, Decimal]],
    highest: dict[str, float],
    currency: str,
    *,
    words: str,
) -> None:
    """Decades below, words on the side (left or right) that the first mark leaves free."""
    low, high = math.floor(min(row[0] for row in rows) / 20), math.ceil((max(row[0] for row in rows) + 1) / 20)
    decades = list(range(high, low - 1, -1 if high - low <= 5 else -2))
    figure.update_xaxes(
        range=[low - 0.25, high + 0.05],
        tickangle=0,
        tickvals=decades,
        ticktext=[
            f"{formats.symbol(currency)}{10.0**decade:,.{max(2, -decade) if decade < 0 else 0}f}" for decade in decades
        ],
    )
    figure.update_yaxes(range=[-highest["down"] * 1.18, highest["up"] * 1.55], showgrid=False, showticklabels=False)
    figure.update_layout(margin={"l": 8, "r": 8, "t": 4, "b": 24})
    figure.add_shape(type="line", x0=0, x1=1, xref="paper", y0=0, y1=0, line={"color": MUTED, "width": 1})
    for text, place, anchor in (
        ("↑ share of queries", highest["up"] * 1.5, "middle"),
        ("↓ share of cost", -highest["down"] * 1.1, "bottom"),
    ):
        figure.add_annotation(
            x=float(words == "right"), xref="paper", xanchor=words, y=place, yanchor=anchor, text=text, showarrow=False,
            font={"size": 11, "color": MUTED},
        )  # fmt: skip


def _marks(
    figure: go.Figure,
    rows: list[tuple[int, str, int, Decimal]],
    found: Quantiles,
    highest: dict[str, float],
    currency: str,
) -> None:
    """Dotted lines at median, mean and p99; labels step down away from their side, so that no line runs through one."""
    low, high = min(row[0] for row in rows) / 20, (max(row[0] for row in rows) + 1) / 20
    marks = sorted(
        [("median", found.median), ("mean", float(found.mean)), ("p99", found.p99)], key=lambda mark: mark[1]
    )
    placed = [(name, value, math.log10(value)) for name, value in marks if value > 0]
    leftward = [mark for mark in placed if (mark[2] - low) / (high - low) > 0.72]
    ordered = [*reversed(leftward), *(mark for mark in placed if mark not in leftward)]
    for index, (name, value, place) in enumerate(ordered):
        level, side = highest["up"] * (1.5 - 0.16 * index), "right" if index < len(leftward) else "left"
        within = "" if name == "mean" else ", within 12 % bins"
        figure.add_shape(
            type="line", x0=place, x1=place, y0=-highest["down"] * 1.12, y1=level,
            line={"color": INK, "width": 1, "dash": "dot"},
        )  # fmt: skip
        figure.add_annotation(
            x=place, y=level, yanchor="middle", xanchor=side, xshift=3 if side == "left" else -3,
            text=f"<b>{name} {formats.unit_cost(Decimal(value), currency)}</b>", showarrow=False,
            font={"size": 11, "color": INK}, hovertext=f"{name} of {formats.whole(found.queries)} queries{within}",
        )  # fmt: skip
