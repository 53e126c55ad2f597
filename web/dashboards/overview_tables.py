"""Tables of the Overview. Amounts are exact here; the first column names its row, totals equal the cards."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from dash import html
from dash.development.base_component import Component

from web import formats
from web.dashboards import blocks, figures, frames
from web.dashboards.frames import Line
from web.dashboards.overview_facts import Facts
from web.dashboards.state import MOVERS
from web.dimensions import NAMELESS, tier_rank

_MOST_CENTRES = 24
_FEWEST_PIXELS = Decimal("0.006")  # the shortest bar that is still seen


def movers(facts: Facts) -> Component:
    """Largest changes first (or largest costs, without a comparison): a bar from the middle, the sign in words."""
    compare = facts.state.compare
    rows = frames.top(facts.movers, 8, by=(lambda line: line.delta) if compare else (lambda line: line.cost))
    value = {id(line): line.delta if compare else line.cost for line in rows}
    widest = max((abs(amount) for amount in value.values()), default=Decimal(0)) or Decimal(1)
    both = min(value.values(), default=Decimal(0)) < 0 < max(value.values(), default=Decimal(0))
    body = [_mover(facts, line, value[id(line)], widest, both=both, compare=compare) for line in rows]
    before, now = f"{facts.compared.before:%b}", f"{facts.period.start:%b}"
    title = facts.state.movers.capitalize()
    heads = [
        (title, ""),
        (f"{before} → {now}", "fold") if compare else ("", "fold"),
        ("", "bar-cell"),
        ("Change" if compare else "Cost", ""),
    ]
    return html.Table([html.Thead(blocks.heading(heads)), html.Tbody(body)], className="figures movers")


def tiers(facts: Facts) -> Component:
    """Share of queries beside share of cost."""
    whole, currency = facts.totals, facts.currency
    rows = [
        html.Tr([
            html.Th([blocks.swatch(line.name), figures.tier_name(line.name)], scope="row"),
            html.Td(formats.percent(Decimal(line.queries) / whole.queries if whole.queries else None)),
            html.Td(formats.percent(line.share_of(whole.cost)), title=formats.money(line.cost, currency)),
            html.Td(formats.unit_cost(line.cost / line.queries if line.queries else None, currency), className="fold"),
            *_changes(facts, line),
        ])
        for line in facts.tiers
    ]  # fmt: skip
    every = frames.together(facts.tiers, "All")
    foot = html.Tr([
        html.Th("All", scope="row"),
        html.Td(formats.count(whole.queries), title=formats.whole(whole.queries)),
        html.Td(formats.money_short(whole.cost, currency), title=formats.money(whole.cost, currency)),
        html.Td(formats.unit_cost(whole.per_query, currency), className="fold"),
        *_changes(facts, every),
    ])  # fmt: skip
    heads = [
        ("Tier", ""),
        ("Queries", ""),
        ("Cost", ""),
        (blocks.defined(f"{formats.symbol(currency)} / query", "all_in_cost_per_query"), "fold"),
        *_change_heads(facts, what="cost "),
    ]
    parts = [html.Thead(blocks.heading(heads)), html.Tbody(rows), html.Tfoot(foot)]
    return html.Table(parts, className="figures")


def cost_centres(facts: Facts) -> Component:
    """Whose it is: dearest first, unallocated hatched and last, a total that equals the card."""
    whole = facts.totals.cost
    daily = frames.series(facts.by_centre, "x_CostCentre", facts.state.column, list(facts.period.days())[: facts.day])
    owned = [line for line in facts.centres if line.name is not None]
    free = [line for line in facts.centres if line.name is None]
    shown = [*frames.top(owned, _MOST_CENTRES), *free]
    named = {line.name for line in shown if line.members == 1}
    rest = _added(costs for name, costs in daily.items() if name not in named)
    rows = [_centre(facts, line, whole, rest if line.members > 1 else daily.get(line.name, ())) for line in shown]
    every = frames.together(facts.centres, "Total")
    foot = html.Tr([html.Th("Total", scope="row"), *_figures(facts, every, whole, _added(daily.values()))])
    before = f"{facts.compared.before:%b}"
    if facts.day:
        before = f"{before}, {facts.compared.before_days} days"
    heads = [
        ("Cost centre", ""), ("Actual", ""), *_change_heads(facts, before),
        ("Share", "fold share"), ("Queries", "fold wide"), ("Cost / query", "fold wide"), ("By day", "fold days"),
    ]  # fmt: skip
    body = html.Table(
        [html.Thead(blocks.heading(heads)), html.Tbody(rows), html.Tfoot(foot)], className="figures centres"
    )
    search = facts.state.search()
    links = [
        html.A("CSV", href=f"/overview/cost-centres.csv{'' if search == '?' else search}"),
        html.A("API", href=facts.state.api(facts.month, facts.currency, "x_CostCentre")),
    ]
    return blocks.panel(
        "Cost centres", html.Div(body, className="scroll"), name="owners", aside=html.Div(links, className="links")
    )


def day_table(facts: Facts) -> Component:
    """The figures of the chart of days."""
    days = list(facts.period.days())[: facts.day]
    by_tier = frames.series(facts.by_day, "x_QueryTier", facts.state.column, days)
    order = sorted(by_tier, key=tier_rank)
    rows = []
    for index, day in enumerate(days):
        costs = [by_tier[tier][index] for tier in order]
        rows.append(
            [f"{day.day} {day:%b}", *(formats.money(cost, facts.currency) for cost in [*costs, sum(costs, Decimal(0))])]
        )
    sums = [sum(by_tier[tier], Decimal(0)) for tier in order]
    total = ["Total", *(formats.money(cost, facts.currency) for cost in [*sums, sum(sums, Decimal(0))])]
    heads = ["Day", *(figures.tier_name(tier) for tier in order), "All"]
    return blocks.table(heads, rows, "Spend by day and tier", total=total)


def distribution_table(facts: Facts) -> Component:
    """The figures of the distribution, by half decades of cost."""
    found: dict[int, tuple[int, Decimal]] = {}
    for place, _, queries, cost in frames.binned(facts.distribution):
        before = found.get(place // 10, (0, Decimal(0)))
        found[place // 10] = (before[0] + queries, before[1] + cost)
    queries, cost = sum(entry[0] for entry in found.values()), sum((entry[1] for entry in found.values()), Decimal(0))
    rows = [
        [_range(half, facts.currency), formats.whole(entry[0]), formats.percent(Decimal(entry[0]) / queries),
         formats.money(entry[1], facts.currency), formats.percent(entry[1] / cost if cost else None)]
        for half, entry in sorted(found.items())
    ]  # fmt: skip
    total = ["Total", formats.whole(queries), "", formats.money(cost, facts.currency), ""]
    heads = ["A query costs", "Queries", "Share", "Cost", "Share"]
    return blocks.table(heads, rows, "Queries by what they cost", total=total)


def _range(half: int, currency: str) -> str:
    low, high = (formats.unit_cost(Decimal(10 ** (edge / 2)), currency) for edge in (half, half + 1))
    return f"{low} \u2013 {high}"


def _mover(facts: Facts, line: Line, amount: Decimal, widest: Decimal, *, both: bool, compare: bool) -> Component:
    currency = facts.currency
    name: Any = f"{line.members} others" if line.members > 1 else line.name or NAMELESS
    column = MOVERS[facts.state.movers]
    if line.members == 1 and line.name and line.name not in facts.state.filters.get(column, ()):
        told = f"Show only {line.name}"
        name = blocks.view_link(name, facts.state.toggled(column, line.name), title=told)
    part = max(abs(amount) / widest, _FEWEST_PIXELS) if amount else Decimal(0)
    side = ("more" if amount > 0 else "less") if compare else "cost"
    style = {"--part": f"{part:.4f}"}
    bar = html.Span(html.Span(className=f"bar-of {side}", style=style), className=f"bar-track{' both' if both else ''}")
    text = formats.signed_money(amount, currency) if compare else formats.money_short(amount, currency)
    exact = formats.signed_money_exact(amount, currency) if compare else formats.money(amount, currency)
    sign = ((amount > 0) - (amount < 0)) if compare else 0
    path = (
        f"{formats.money_short(line.before, currency)} → {formats.money_short(line.cost, currency)}" if compare else ""
    )
    shown = html.Td(blocks.delta(text, sign), title=exact)
    return html.Tr(
        [html.Th(name, scope="row"), html.Td(path, className="fold"), html.Td(bar, className="bar-cell"), shown]
    )


def _centre(facts: Facts, line: Line, whole: Decimal, daily: Sequence[Decimal]) -> Component:
    if line.name is None:
        title: list[Any] = [html.B("Unallocated"), html.Small("no rule matched")]
    elif line.members > 1:
        title = [html.B(f"{line.members} others"), html.Small("each of them in the CSV")]
    else:
        owner = facts.owners.get(line.name)
        told: list[Any] = [" · owner ", html.Span(owner, title=f"{owner} answers for it")] if owner else []
        title = [html.B(facts.names.get(line.name) or line.name), html.Small([line.name, *told])]
    row = [html.Th(title, scope="row"), *_figures(facts, line, whole, daily)]
    return html.Tr(row, className="unallocated" if line.name is None else None)


def _figures(facts: Facts, line: Line, whole: Decimal, daily: Sequence[Decimal]) -> list[Component]:
    currency, share = facts.currency, line.share_of(whole)
    meter = html.Span(
        className="meter", style={"--part": f"{min(max(share or Decimal(0), Decimal(0)), Decimal(1)):.4f}"}
    )
    per_query = line.cost / line.queries if line.queries else None
    told = f"Spend by day, at most {formats.money_short(max(daily, default=Decimal(0)), currency)}"
    return [
        html.Td(formats.money(line.cost, currency)),
        *_changes(facts, line, before=True),
        html.Td([meter, html.Span(formats.percent(share))], className="fold share"),
        html.Td(formats.count(line.queries), className="fold wide", title=formats.whole(line.queries)),
        html.Td(formats.unit_cost(per_query, currency), className="fold wide"),
        html.Td(blocks.sparkline([float(cost) for cost in daily], told), className="fold days"),
    ]


def _changes(facts: Facts, line: Line, *, before: bool = False) -> list[Component]:
    """The cells of the comparison: none without one."""
    if not facts.state.compare:
        return []
    exact = f"{formats.signed_money_exact(line.delta, facts.currency)} {facts.compared.words}"
    sign = (line.delta > 0) - (line.delta < 0)
    cells: list[Component] = [html.Td(blocks.delta(formats.change(line.cost, line.before), sign, exact=exact))]
    return [*cells, html.Td(formats.money(line.before, facts.currency), className="fold")] if before else cells


def _change_heads(facts: Facts, before: str = "", what: str = "") -> list[tuple[str, str]]:
    if not facts.state.compare:
        return []
    return [(f"{what}vs {facts.compared.before:%b}", ""), *([(before, "fold")] if before else [])]


def _added(parts: Iterable[Sequence[Decimal]]) -> list[Decimal]:
    return [sum(costs, Decimal(0)) for costs in zip(*parts, strict=True)]
