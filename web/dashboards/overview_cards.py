"""The cards of the Overview: what it costs, where it closes, against which budget, what is billed, what is not explained.

Every card says its unit (on its figure), its date and where its rows are.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from dash import html
from dash.development.base_component import Component

from web import formats
from web.dashboards import blocks, frames
from web.dashboards.frames import Line
from web.dashboards.overview_facts import Facts
from web.dashboards.state import ViewState


def cards(facts: Facts) -> list[Component]:
    """Six figures and a line of those that stand behind them."""
    tail = [_billed(facts), _unexplained(facts), _unallocated(facts)] if facts.everything else _of_a_part(facts)
    return [html.Dl([_spend(facts), _close(facts), _budget(facts), *tail], className="cards"), _behind(facts)]


def _spend(facts: Facts) -> Component:
    whole, currency = facts.totals, facts.currency
    before = sum((line.before for line in facts.tiers), Decimal(0))
    note: list[Any] = [_days(facts)]
    if facts.state.compare and before:
        tone = (whole.cost > before) - (whole.cost < before)
        exact = f"{formats.signed_money_exact(whole.cost - before, currency)} {facts.compared.words}"
        note += [" · ", blocks.delta(formats.change(whole.cost, before), tone, exact=exact)]
        note += [f" vs {facts.compared.before:%b}"]
    return blocks.card(
        "Actual to date" if facts.day else "Actual", formats.money_short(whole.cost, currency), note,
        exact=_exact(whole.cost, currency), mark=blocks.chip("computed"), rows=_explore(facts),
    )  # fmt: skip


def _close(facts: Facts) -> Component:
    found, currency = facts.money.close, facts.currency
    mark, address = blocks.chip("projected"), _forecast(facts)
    over = facts.day is None
    label = "At close"
    if found is None:
        if facts.money.no_close:
            return blocks.card(label, formats.NONE, facts.money.no_close)
        if over:
            return blocks.card(label, formats.NONE, "none was kept before the month began")
        return blocks.card(
            label, formats.NONE, ["no forecast yet: ", html.A("how to get one", href=address)],
            exact="One is made every night, or at once by: manage.py forecast",
        )  # fmt: skip
    known = _day(found.starts_on - timedelta(days=1))
    band = "no interval yet"
    if found.low_80 is not None and found.high_80 is not None:
        low, high = (formats.money_short(bound, currency) for bound in (found.low_80, found.high_80))
        band = f"80{formats.THIN}%: {low} \u2013 {high}"
    note: list[Any] = [f"{band}, {known}"]
    if over:
        tone = (facts.effective > found.point) - (facts.effective < found.point)
        told = formats.change(facts.effective, found.point)
        note = [
            blocks.delta(told, tone, exact=f"Actual {_exact(facts.effective, currency)}"),
            f" was actual{_held(facts)} · said {known}",
        ]
    exact = f"{_exact(found.point, currency)}, of what was known until {known}"
    return blocks.card(label, formats.money_short(found.point, currency), note, exact=exact, mark=mark, rows=address)


def _held(facts: Facts) -> str:
    """Whether the interval held what came; nothing where none was stated."""
    found = facts.money.close
    if found is None or found.low_80 is None or found.high_80 is None:
        return ""
    inside = found.low_80 <= facts.effective <= found.high_80
    return f", {'inside' if inside else 'outside'} 80{formats.THIN}%"


def _budget(facts: Facts) -> Component:
    budget, currency = facts.money.budget, facts.currency
    address = f"/budgets/?month={facts.month}"
    if budget is None:
        why = facts.money.no_budget or "nothing is budgeted for it"
        return blocks.card("Budget", formats.NONE, why, rows="" if facts.money.no_budget else address)
    used = facts.effective / budget if budget > 0 else None
    close = facts.money.close if facts.day is not None else None
    note: list[Any] = []
    if close is not None:
        beyond = facts.effective - budget
        likely = f"P(over) {_probability(close.over(budget))}"
        already = f"{formats.money_short(beyond, currency)} over already"
        note = [_gap(close.point - budget, currency), f" at close · {already if beyond > 0 else likely}"]
    elif facts.day is not None:
        note = [f"{formats.percent(used)} used by day {facts.day}"]
    else:
        note = [_gap(facts.effective - budget, currency), f" · {formats.percent(used)} used"]
    exact = f"{_exact(budget, currency)} for {formats.month_name(facts.period.start)}; {formats.percent(used)} used"
    return blocks.card(
        "Budget", formats.money_short(budget, currency), note, exact=exact, rows=address, kpi="budget_used"
    )


def _gap(amount: Decimal, currency: str) -> Component:
    """Over or under a budget, in words and colour."""
    word = "over" if amount > 0 else "under"
    text = f"{formats.money_short(abs(amount), currency)} {word}"
    return blocks.delta(text, (amount > 0) - (amount < 0), exact=formats.signed_money_exact(amount, currency))


def _probability(share: float | None) -> str:
    """As the page Forecast writes it: the ends are what a hundred quantiles can tell."""
    if share is None:
        return "not known"
    if share < 0.01:
        return f"<1{formats.THIN}%"
    return f">99{formats.THIN}%" if share > 0.99 else f"{share * 100:.0f}{formats.THIN}%"


def _billed(facts: Facts) -> Component:
    bills, currency = facts.money.bills, facts.currency
    address = f"/reconciliation/?month={facts.month}#owed"
    if bills is None:
        return blocks.card("Billed", formats.NONE, "nobody is owed anything", mark=blocks.chip("billed"), rows=address)
    waits = facts.money.waiting
    open_ = f"{formats.money_short(bills.to_come, currency)} not yet billed" if bills.to_come else "nothing is missing"
    note = f"{_number(len(bills.numbers), 'invoice')} · {open_}{_unfiltered(facts, 'ServiceProviderName')}"
    whole = bills.invoiced
    exact = (
        f"{_exact(whole or Decimal(0), currency)} invoiced for {formats.month_name(facts.period.start)}, tax included; "
        f"{_exact(bills.to_come, currency)} to be invoiced by {_number(waits, 'provider')}"
    )
    value = formats.NONE if whole is None else formats.money_short(whole, currency)
    return blocks.card("Billed", value, note, exact=exact, mark=blocks.chip("billed"), rows=address)


def _unfiltered(facts: Facts, follows: str = "") -> str:
    """What is said of a figure that no filter narrows (but ``follows``), beside others that the reader's filters do."""
    chosen = {column for column, values in facts.state.filters.items() if values}
    if not chosen - {follows}:
        return ""
    return " · by provider alone" if follows in chosen else " · not filtered"


def _unexplained(facts: Facts) -> Component:
    found, currency = facts.money.explained, facts.currency
    if found is None:
        address = f"/reconciliation/?month={facts.month}"
        first = html.A("not reconciled yet", href=address)
        return blocks.card("Unexplained", formats.NONE, first, kpi="unexplained_share")
    note = f"{formats.percent(found.share)} of differences explained · {_day(found.made_at.date())}{_unfiltered(facts)}"
    exact = f"{formats.signed_money_exact(found.unexplained, currency)} {currency}, by run {found.number} of the reconciliation"
    address = f"/reconciliation/lines/?month={facts.month}&cause=unexplained&currency={currency}"
    return blocks.card(
        "Unexplained", formats.signed_money(found.unexplained, currency), note, exact=exact, rows=address,
        kpi="unexplained_share",
    )  # fmt: skip


def _unallocated(facts: Facts) -> Component:
    whole, currency = facts.totals, facts.currency
    line = next((line for line in facts.centres if line.name is None), Line(None, Decimal(0)))
    share = line.share_of(whole.cost)
    note: list[Any] = [f"{formats.percent(1 - share)} allocated" if share is not None else "no cost to allocate"]
    if whole.unpriced_tokens:
        estimate = f"{formats.money_short(whole.unpriced_estimate, currency)} unpriced"
        link = html.A(estimate, href=f"/data-health/?month={facts.month}", className="estimate", title=_unpriced(facts))
        note += [" · ", link]
    return blocks.card(
        "Unallocated", formats.money_short(line.cost, currency), note,
        exact=f"{_exact(line.cost, currency)} of {_days(facts)} of {formats.month_name(facts.period.start)}",
        rows=f"/allocation/?month={facts.month}", kpi="allocation_coverage",
    )  # fmt: skip


def _of_a_part(facts: Facts) -> list[Component]:
    """What invoices and reconciliations say is of everybody's cost: who sees a part is told of usage instead."""
    whole, currency = facts.totals, facts.currency
    mark = blocks.chip("estimated") if whole.unpriced_tokens else None
    return [
        blocks.card("Unallocated", formats.NONE, "not part of your cost centres", kpi="allocation_coverage"),
        blocks.card(
            "Unpriced", formats.money_short(whole.unpriced_estimate, currency),
            f"for {formats.count(whole.unpriced_tokens)} tokens" if whole.unpriced_tokens else "every token has a price",
            exact=_unpriced(facts), mark=mark, kpi="unpriced_share",
        ),
        blocks.card(
            "Queries", formats.count(whole.queries), f"{formats.unit_cost(whole.per_query, currency)} per query, all in",
            exact=formats.whole(whole.queries), rows=_explore(facts),
        ),
    ]  # fmt: skip


def _behind(facts: Facts) -> Component:
    """Usage and how much of it has a price, in a line."""
    whole, currency = facts.totals, facts.currency
    parts: list[tuple[Any, str, str]] = [
        ("Queries", formats.count(whole.queries), formats.whole(whole.queries)),
        (
            blocks.defined("Cost per query, all in", "all_in_cost_per_query"),
            formats.unit_cost(whole.per_query, currency),
            "",
        ),
        ("Requests", formats.count(whole.requests), _calls(whole)),
        ("Priced coverage", formats.percent(whole.coverage), f"of {formats.whole(whole.tokens)} tokens"),
        (blocks.defined("Unpriced", "unpriced_share"), _unpriced_words(facts), _unpriced(facts)),
    ]
    body = [html.Div([html.Dt(name), html.Dd(value, title=exact or None)]) for name, value, exact in parts]
    return html.Dl(body, className="facts-line")


def _calls(whole: frames.Totals) -> str:
    return f"{Decimal(whole.requests) / whole.queries:.1f} calls per query" if whole.queries else "no query yet"


def _unpriced_words(facts: Facts) -> str:
    whole = facts.totals
    unpriced, by_bill = whole.unpriced_tokens, whole.bill_priced_tokens
    note = "" if by_bill else "every token has a price"
    if unpriced:
        note = f"{formats.money_short(whole.unpriced_estimate, facts.currency)} for {formats.count(unpriced)} tokens"
    billed = f"{formats.count(by_bill)} tokens priced by the bill" if by_bill else ""
    return " \u00b7 ".join(text for text in (note, billed) if text)


def _unpriced(facts: Facts) -> str:
    whole = facts.totals
    told = f"{_exact(whole.unpriced_estimate, facts.currency)} at proxy prices for {formats.whole(whole.unpriced_tokens)} tokens"
    return f"{told}; in no total"


def _explore(facts: Facts) -> str:
    """The same view on the page Explore."""
    return f"/explore/{replace(facts.state, month=facts.month, compare=True, movers='model').search()}"


def _forecast(facts: Facts) -> str:
    """The series of the view on the page Forecast."""
    one = {column: values for column, values in facts.state.filters.items() if len(values) == 1}
    return f"/forecast/{ViewState(filters=one, currency=facts.state.currency).search()}"


def _days(facts: Facts) -> str:
    if facts.day is None:
        return f"all {len(facts.period)} days"
    return f"{facts.day} of {len(facts.period)} days"


def _day(day: Any) -> str:
    return f"{day.day} {day:%b}"


def _exact(amount: Decimal, currency: str) -> str:
    return f"{formats.money(amount, currency)} {currency}"


def _number(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}" if count else f"no {name}"
