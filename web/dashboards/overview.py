"""The Overview: what does the month cost, why did it move, which kind of query, whose."""

from decimal import Decimal

from dash import html
from dash.development.base_component import Component
from django.utils import timezone

from allocation.scope import Scope
from allocation.value import tier_estimates
from web import formats
from web.dashboards import blocks, figures, filters, frames, overview_facts, sentences
from web.dashboards.overview_cards import cards
from web.dashboards.overview_empty import no_spend, nothing_yet
from web.dashboards.overview_facts import Facts
from web.dashboards.overview_tables import cost_centres, day_table, distribution_table, movers, tiers
from web.dashboards.state import MOVERS, parse
from web.dimensions import tier_rank

NOT_IN_DISTRIBUTION = {"x_Team": "team", "x_Feature": "feature"}


def content(scope: Scope, search: str) -> list[Component]:
    """The page for a reader's scope and the query string."""
    facts = overview_facts.read(scope, parse(search), timezone.now())
    if facts is None:
        return nothing_yet(everything=scope.everything)
    head = header(facts)
    if not len(facts.by_day) and not facts.centres:
        return [head, no_spend(facts)]
    return [
        head,
        *cards(facts),
        html.Div([why(facts), shape(facts)], className="split wide-left"),
        html.Div([by_day(facts), tier_panel(facts)], className="split wide-left"),
        cost_centres(facts),
        how(),
    ]


def header(facts: Facts) -> Component:
    """Month, its state, what waits to be computed, and the filters."""
    days = "complete" if facts.day is None else f"day {facts.day}"
    chips = [
        html.Span(
            f"{facts.books.capitalize().replace('_', '-')} · {days}",
            className="state good" if facts.books == "closed" else "state",
        )
    ]
    if facts.freshness.pending:
        told = "Days whose figures are being recomputed after an import, a new price or a new rule."
        chips.append(html.Span(f"updating: {facts.freshness.pending} slices", className="state updating", title=told))
    bar = filters.bar(
        facts.state, facts.choices, facts.names, f"{facts.compared.before:%B}",
        currency=facts.currency, everything=facts.everything,
    )  # fmt: skip
    month = facts.month
    return html.Header([filters.title(facts.state, month, facts.months), *chips, bar], className="page-head")


def why(facts: Facts) -> Component:
    """One sentence on what changed, and the movers behind it."""
    switch = blocks.switch(
        [(by.capitalize(), facts.state.search(movers=by), by == facts.state.movers) for by in MOVERS], "Movers by"
    )
    if facts.state.compare:
        parts = sentences.what_changed(facts.movers, facts.compared, facts.currency)
    else:
        whole = facts.totals
        parts = [(formats.money_short(whole.cost, facts.currency), "strong"), (" in all; the largest are:", "")]
    title = "Why it moved" if facts.state.compare else "Where it goes"
    return blocks.panel(title, [blocks.sentence(parts), movers(facts)], name="why", aside=switch)


def shape(facts: Facts) -> Component:
    """How dear queries are."""
    found = frames.quantiles(facts.distribution)
    if found is None:
        missing = "No query has both a cost and a price yet, so there is no distribution to draw."
        return blocks.panel("Cost per query", html.P(missing, className="nothing"), name="shape")
    figure = figures.cost_per_query(facts.distribution, found, facts.currency)
    mean, median = (
        formats.unit_cost(found.mean, facts.currency),
        formats.unit_cost(Decimal(found.median), facts.currency),
    )
    p99 = formats.unit_cost(Decimal(found.p99), facts.currency)
    told = f"Cost of {formats.whole(found.queries)} queries: median {median}, mean {mean}, 99th percentile {p99}."
    present = sorted({row[1] for row in frames.binned(facts.distribution)}, key=tier_rank)
    aside = [html.Span(f"log scale · {formats.count(found.queries)} queries"), blocks.behind(distribution_table(facts))]
    body = [blocks.chart(figure, told, 276), blocks.legend(present)]
    wider = [word for column, word in NOT_IN_DISTRIBUTION.items() if facts.state.filters.get(column)]
    note = f"Queries are counted without the filter on {' and '.join(wider)}." if wider else None
    return blocks.panel("Cost per query", body, name="shape", aside=aside, note=note)


def by_day(facts: Facts) -> Component:
    """Spend by day, stacked by tier, with the former month as a line."""
    column, days = facts.state.column, list(facts.period.days())
    by_tier = frames.series(facts.by_day, "x_QueryTier", column, days)
    former = list(facts.period.previous().days())[: len(days)]
    parts = frames.series(facts.by_day_before, "x_QueryTier", column, former).values()
    before = [sum(costs, Decimal(0)) for costs in zip(*parts, strict=True)]
    name = f"{facts.compared.before:%B}"
    figure = figures.spend_by_day(by_tier, days, facts.currency, before, name)
    told = f"Spend by day and tier in {formats.month_name(facts.period.start)}; the table has the figures."
    extra = [html.Span([html.Span(className="swatch former"), name])] if any(before) else []
    aside = [blocks.legend(sorted(by_tier, key=tier_rank), *extra), blocks.behind(day_table(facts))]
    return blocks.panel("Spend by day and tier", blocks.chart(figure, told, 236), name="days", aside=aside)


def tier_panel(facts: Facts) -> Component:
    """The tier ledger: which part of queries causes which part of cost."""
    whole = facts.totals
    told = [sentences.of_tiers(facts.tiers)]
    if whole.queries and whole.estimated_queries:
        estimated = Decimal(whole.estimated_queries) / whole.queries
        told.append(f"Tier of {formats.percent(estimated)} of queries estimated: {tier_estimates.told()}.")
    return blocks.panel(
        "Tiers", tiers(facts), name="tiers", aside="share of queries → share of cost", note=" ".join(told)
    )


def how() -> Component:
    """How the numbers are made: what each chip links to."""
    terms = [
        ("Computed", "Metered tokens and other units at the dated price in force at the time of the call, added up "
                     "exactly; no invoice is involved."),
        ("Estimated", "Usage without a price is valued at the dearest comparable price. It is shown beside the totals "
                      "and is in none of them."),
        ("Projected", "What the month is expected to close at by the stored forecast, with 80 % of its futures; of a month that "
                      "is over, what the forecast kept before it said."),
        ("Billed", "What invoices in force state for the month, tax included, whatever was usage, credit or fee. What accounts "
                   "without an invoice owe stands beside it."),
        ("Unallocated", "Cost that no allocation rule gave to a cost centre. It is part of every total."),
        ("Compared", "A running month is compared with the same number of days of the month before, a whole month with "
                     "a whole month."),
        ("Cost per query", "A query is everything one question set off, however many calls. Median and p99 are read "
                           "from bins 12 % wide; the mean is exact."),
    ]  # fmt: skip
    body = html.Dl([html.Div([html.Dt(term), html.Dd(text)]) for term, text in terms])
    return html.Section([html.H2("How the numbers are made"), body], id="how", className="how")
