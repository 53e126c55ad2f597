"""What the Overview says when it has nothing to show: what is missing, and the command that gets it."""

from dash import html
from dash.development.base_component import Component

from web import formats
from web.dashboards import blocks
from web.dashboards.overview_facts import Facts


def nothing_yet(*, everything: bool) -> list[Component]:
    """No cost at all in the reader's scope."""
    head = html.Header(html.H1("Overview"), className="page-head")
    if not everything:
        told = "Either no cost centre is granted to you, or yours have no cost yet. An administrator can see which."
        return [head, blocks.message("Nothing to show for your cost centres", html.P(told), name="empty")]
    return [
        head,
        blocks.message(
            "No usage has been imported yet",
            html.P("To look around with the sample data that ships with the product:"),
            blocks.command("python3 manage.py demo"),
            html.P("To import a file of your own, for example a LiteLLM spend log:"),
            blocks.command("python3 manage.py ingest_file spend_logs.jsonl --source litellm"),
            html.P(["Figures appear here seconds after the import. Which kinds of source there are: ",
                    html.Code("python3 manage.py sources"), "."]),
            name="empty",
        ),
    ]  # fmt: skip


def no_spend(facts: Facts) -> Component:
    """The scope has cost, but not in this month under these filters."""
    month = formats.month_name(facts.period.start)
    filtered = any(facts.state.filters.values())
    links = [blocks.view_link("Clear the filters", facts.state.search(filters={}))] if filtered else []
    if facts.month != facts.months[0]:
        newest = blocks.view_link("Go to the newest month", facts.state.search(month=None))
        links.append(newest)
    title = f"No spend in {month}" + (" matches these filters" if filtered else f" in {facts.currency}")
    return blocks.message(title, html.P(links, className="links"), name="empty")
