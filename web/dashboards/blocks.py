"""Pieces that pages are built from: panels, cards, chips, tables, charts. React escapes all text; no raw HTML."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from web import kpi_labels
from web.dashboards.figures import tier_colour, tier_name
from web.dashboards.sentences import Part

Content = Any  # text, a component or a list of both
GRAPH: Any = {"displayModeBar": False, "responsive": True}
CHIPS = {
    "computed": "Computed: metered usage at the prices in force, shared out by the rules in force.",
    "estimated": "Estimated: no price is known, so the dearest comparable price is assumed. Never part of a total.",
    "billed": "Billed: as on the provider's invoice.",
    "projected": "Projected: what the month is expected to come to.",
}


def labelled(text: str) -> dict[str, Any]:
    """The attribute that names an element for those who do not see it."""
    return {"aria-label": text}


def view_link(text: Content, address: str, name: str = "", *, chosen: bool | None = None, title: str = "") -> Component:
    """A link to another view of this page. ``name`` is what the script finds it by after the page is drawn anew."""
    current = {} if chosen is None else {"aria-current": "true" if chosen else "false"}
    attributes: dict[str, Any] = {"data-view": name, **current}
    return html.A(text, href=address, title=title or None, **attributes)


def chip(kind: str) -> Component:
    """Where a figure comes from; a link to how the numbers are made."""
    return html.A(kind, href="#how", className=f"chip {kind}", title=CHIPS[kind])


def card(
    label: str, value: str, note: Content, *, exact: str = "", mark: Component | None = None, rows: str = "", kpi: str = ""
) -> Component:  # fmt: skip
    """One figure with what it means; ``exact`` shows on hover, ``rows``: where what makes it stands, ``kpi``: its definition."""
    name = defined(label, kpi) if kpi else html.Span(label)
    figure = html.A(value, href=rows, **labelled(f"{label} {value}: the rows behind it")) if rows else value
    return html.Div(
        [
            html.Dt([name, mark] if mark else [name]), html.Dd(figure, className="figure", title=exact or None),
            html.Dd(note, className="note"),
        ],
        className="card",
    )  # fmt: skip


def defined(label: str, kpi: str) -> Component:
    """A label that says on hover and on focus what its key figure is, and leads to its definition."""
    named: dict[str, Any] = {"data-kpi": kpi}
    return html.A(label, href=kpi_labels.address(kpi), className="defined", title=kpi_labels.told(kpi), **named)


def panel(title: str, body: Content, *, name: str, aside: Content = None, note: Content = None) -> Component:
    """A titled region; ``aside`` stands right of the title."""
    head = html.Header([html.H2(title, id=f"{name}-title"), html.Div(aside, className="aside")])
    parts = [head, *(body if isinstance(body, list) else [body])]
    if note:
        parts.append(html.P(note, className="note"))
    named: dict[str, Any] = {"aria-labelledby": f"{name}-title"}
    return html.Section(parts, className=f"panel {name}", **named)


def chart(figure: go.Figure, label: str, height: int) -> Component:
    """A figure with words for those who do not see it."""
    graph = dcc.Graph(figure=figure, config=GRAPH, style={"height": f"{height}px"}, responsive=True)
    return html.Div(graph, className="chart", role="img", **labelled(label))


def behind(table: Component) -> Component:
    """The table of a chart, one click away: it covers the chart while it is open."""
    return html.Details(
        [
            html.Summary([html.Span("Table", className="closed"), html.Span("Chart", className="opened")]),
            html.Div(table, className="cover", tabIndex="0"),
        ],
        className="behind",
    )


def table(
    heads: Sequence[str], rows: Sequence[Sequence[Content]], caption: str, *, total: Sequence[Content] = ()
) -> Component:
    """A plain table: the first column is text and names its row, the others are figures."""
    body = [html.Tr([html.Th(row[0], scope="row"), *(html.Td(cell) for cell in row[1:])]) for row in rows]
    parts = [html.Caption(caption), html.Thead(heading([(head, "") for head in heads])), html.Tbody(body)]
    if total:
        foot = html.Tr([html.Th(total[0], scope="row"), *(html.Td(cell) for cell in total[1:])])
        parts.append(html.Tfoot(foot))
    return html.Table(parts, className="figures")


def heading(heads: Sequence[tuple[Content, str]]) -> Component:
    """The head row of a table: (text, class); a key figure of the registry carries its definition."""
    return html.Tr([html.Th(_named(text), scope="col", className=name or None) for text, name in heads])


def _named(text: Content) -> Content:
    kpi = kpi_labels.code_of(text) if isinstance(text, str) else None
    return defined(text, kpi) if kpi else text


def swatch(tier: str | None) -> Component:
    """The colour of a tier beside its name."""
    return html.Span(className=f"swatch {tier or 'none'}", style={"backgroundColor": tier_colour(tier)})


def legend(tiers: Sequence[str | None], *extra: Component) -> Component:
    """Names of the colours of a chart."""
    items = [html.Li([swatch(tier), tier_name(tier)]) for tier in tiers]
    return html.Ul([*items, *(html.Li(item) for item in extra)], className="legend")


def sentence(parts: Sequence[Part]) -> Component:
    """A generated sentence with its figures set off by tone."""
    pieces = [html.B(text, className=tone) if tone else text for text, tone in parts]
    return html.P(pieces, className="sentence")


def delta(text: str, sign: int, *, exact: str = "") -> Component:
    """A change: the sign is in the text, the colour repeats it (more spend is brick, less is green)."""
    return html.Span(text, className="up" if sign > 0 else "down" if sign < 0 else "flat", title=exact or None)


def sparkline(values: Sequence[float], label: str) -> Component:
    """A line of daily values from zero, drawn as a mask so that the theme colours it."""
    highest = max(values, default=0.0)
    if highest <= 0 or len(values) < 2:
        return html.Span(className="spark none", role="img", **labelled(label))
    step = 96 / (len(values) - 1)
    points = " ".join(
        f"{2 + index * step:.1f},{22 - max(value, 0) / highest * 20:.1f}" for index, value in enumerate(values)
    )
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 24"><polyline fill="none" stroke="#000" '
        f'stroke-width="1.6" stroke-linejoin="round" stroke-linecap="round" points="{points}"/></svg>'
    )
    address = f'url("data:image/svg+xml,{quote(drawing)}")'
    style = {"maskImage": address, "WebkitMaskImage": address}
    return html.Span(className="spark", style=style, role="img", **labelled(label))


def switch(options: Sequence[tuple[str, str, bool]], label: str) -> Component:
    """A choice of two or three views of one block: (text, address, chosen)."""
    links = [view_link(text, address, f"{label}:{text}", chosen=chosen) for text, address, chosen in options]
    return html.Div(links, className="switch", role="group", **labelled(label))


def message(title: str, *body: Content, name: str = "message") -> Component:
    """A panel that says what is missing and what to do."""
    return html.Section([html.H2(title), *body], className=f"panel {name}", role="status")


def command(text: str) -> Component:
    """A command to copy."""
    return html.Pre(html.Code(text), className="command", tabIndex="0")


def skeleton() -> list[Component]:
    """What stands in for a page while its figures are read."""
    tiles = [html.Div(className="card ghost") for _ in range(6)]
    pair = [html.Div(className="panel ghost"), html.Div(className="panel ghost")]
    return [
        html.Div(className="page-head ghost-line"),
        html.Div(tiles, className="cards"),
        html.Div(pair, className="split wide-left"),
    ]
