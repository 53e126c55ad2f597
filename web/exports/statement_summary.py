"""Sheet Summary: the month on one page, totals by cost centre, tier and model, and how the figures are made."""

import textwrap
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from allocation.value import tier_estimates
from finops.focus import TIERS
from web.exports.book import Book, Page
from web.exports.controls import Expression
from web.exports.sheets import Layout, money_style
from web.exports.statement_detail import Result
from web.exports.statement_facts import Currency, Facts, Part
from web.layers_seen import CAUSES

_CHARGED = 4  # column
_WIDTHS = (35, 42, 11, 17, 9, 17, 17, 14, 14)
_LINES_OF_ONE_PAGE = 45
_NOTE_WIDTH = 230


@dataclass
class Places:
    """Where the sheet has what: cells with the charged total by currency, and by currency and cost centre; the tables."""

    totals: dict[str, list[Expression]] = field(default_factory=lambda: defaultdict(list))
    parts: dict[tuple[str, str], Expression] = field(default_factory=dict)
    unallocated: dict[str, Expression] = field(default_factory=dict)
    tables: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)  # (currency, table) -> first, last row


def write(book: Book, sheet: Any, facts: Facts, result: Result) -> Places:
    """Fill the sheet."""
    places = Places()
    lines = sum(
        len(money.parts) + len(money.tiers) + len(money.models) + len(money.causes) for money in facts.currencies
    )
    footer = f"Statement {facts.period}: Summary"
    page = book.page(sheet, Layout(_WIDTHS, footer, facts.stamp, one_page=lines <= _LINES_OF_ONE_PAGE))
    page.line(f"Statement of AI inference cost, {facts.period.start:%B %Y}", "title", 26)
    page.line(_line_of_state(facts), "subtitle", 18)
    if facts.stamp:
        page.band(facts.stamp, "draft", len(_WIDTHS))
    if not result.ties(facts):
        page.band("Detail does not add up to this page; export again", "alarm", len(_WIDTHS))
    if not facts.whole:
        page.line("Only the cost centres in your scope; each amount is that of the whole statement.", "note")
    for money in facts.currencies:
        page.gap()
        _currency(book, page, facts, money, places)
    page.gap()
    page.line("How these figures are made", "section", 20)
    for sentence in _method(facts):
        for line in textwrap.wrap(sentence, _NOTE_WIDTH):
            page.line(line, "note")
    return places


def _currency(book: Book, page: Page, facts: Facts, money: Currency, places: Places) -> None:
    total = Part((None,), money.charged, money.before, *_counts(money.parts))
    page.line(f"By cost centre, {money.currency}", "section", 20)
    _head(page, "Cost centre", "Name", money)
    first = page.rows + 1
    for part in money.parts:
        if part.key[0] is not None:
            _part(page, money, part, part.key[0], facts.names.get(part.key[0], ""))
            places.parts[money.currency, part.key[0]] = page.at(_CHARGED, part.charged)
    if facts.whole:
        nobody = next((part for part in money.parts if part.key[0] is None), None)
        words = "no rule gives it to anybody" if nobody else "none"
        _part(page, money, nobody or _NOTHING, "Unallocated", words, label="unallocated")
        places.unallocated[money.currency] = page.at(_CHARGED, (nobody or _NOTHING).charged)
    closed = _Closing(book, places, total)
    closed.table(page, money, "cost centre", money.parts, first, "" if facts.whole else "of the cost centres above")
    page.gap()
    _unpriced(page, money)
    page.gap()
    if money.causes:
        _causes(page, money)
    page.line(f"By query tier, {money.currency}", "section", 20)
    _head(page, "Tier", "", money)
    first = page.rows + 1
    for part in money.tiers:
        tier = part.key[0] or "none"
        _part(page, money, part, tier, "", label=f"tier {tier}" if tier in TIERS else "text")
    closed.table(page, money, "query tier", money.tiers, first)
    page.gap()
    page.line(f"By model, {money.currency}", "section", 20)
    _head(page, "Model", "Provider", money)
    first = page.rows + 1
    for part in money.models:
        _part(page, money, part, part.key[0] or "none", part.key[1])
    closed.table(page, money, "model", money.models, first)


@dataclass
class _Closing:
    """The total below each table of a currency, and what proves it."""

    book: Book
    places: Places
    total: Part

    def table(self, page: Page, money: Currency, name: str, rows: list[Part], first: int, words: str = "") -> None:
        last = page.rows
        _part(page, money, self.total, "Total", words, ending=" total")
        here = page.at(_CHARGED, self.total.charged)
        parts = Expression(
            f"SUM({page.span(_CHARGED, first, last)})" if last >= first else "0",
            sum((part.charged for part in rows), Decimal(0)),
        )
        self.book.controls.tie(f"Summary, by {name}, {money.currency}: parts = total", parts, here)
        if self.places.totals[money.currency]:
            other = self.places.totals[money.currency][0]
            self.book.controls.tie(f"Summary, {money.currency}: total by {name} = by cost centre", here, other)
        self.places.totals[money.currency].append(here)
        self.places.tables[money.currency, name] = (first, last)


_NOTHING = Part((None,), Decimal(0), Decimal(0), 0, 0)


def _unpriced(page: Page, money: Currency) -> None:
    page.line("Usage without a price, in no total", "section", 20)
    amount = money_style(money.currency)
    kinds = ("text", "text", "text", amount, "text", "count", "text", "text", "text")
    names = ("Unpriced", "Estimated at", "Currency", "Estimate", "", "Tokens", "", "", "")
    page.head(list(zip(names, kinds, strict=True)))
    there = money.unpriced_tokens or money.unpriced_estimate
    words = ["Usage that no price fits", "dearest price of its provider and class"] if there else ["none", None]
    values = [*words, money.currency, money.unpriced_estimate, None, money.unpriced_tokens, None, None, None]
    page.row(values, ["unpriced", *kinds[1:]])
    if money.bill_priced_tokens:
        words = ["Usage that no price fits", "a bill states its money, in lines of their own"]
        page.row(
            [*words, money.currency, None, None, money.bill_priced_tokens, None, None, None], ["unpriced", *kinds[1:]]
        )


def _causes(page: Page, money: Currency) -> None:
    """What a controller asks first: which of the charges rest on one system alone, or differ between two."""
    page.line(f"Part of the total that systems tell differently, by cause, {money.currency}", "section", 20)
    kinds = ("text", "text", "text", "exact", "text", "count", "text", "text", "text")
    names = ("Cause", "Meaning", "Currency", "EffectiveCost", "", "Lines", "", "", "")
    page.head(list(zip(names, kinds, strict=True)))
    for cause, lines, cost in money.causes:
        page.row([cause, CAUSES.get(cause, ""), money.currency, cost, None, lines, None, None, None], kinds)
    page.gap()


def _head(page: Page, first: str, second: str, money: Currency) -> None:
    amount = money_style(money.currency)
    names = (first, second, "Currency", "Charged", "Share", "Month before", "Change", "Requests", "Queries")
    kinds = ("text", "text", "text", amount, "share", amount, amount, "count", "count")
    page.head(list(zip(names, kinds, strict=True)))


def _part(
    page: Page, money: Currency, part: Part, first: str, second: str | None, *, ending: str = "", label: str = ""
) -> None:
    amount = money_style(money.currency)
    share = round(part.charged / money.charged, 6) if money.charged else None
    change = part.charged - part.before
    values = [first, second, money.currency, part.charged, share, part.before, change, part.requests, part.queries]
    kinds = ("text", "text", amount, "share", amount, amount, "count", "count")
    page.row(values, [label or f"text{ending}", *(f"{kind}{ending}" for kind in kinds)])


def _counts(parts: list[Part]) -> tuple[int, int]:
    return sum(part.requests for part in parts), sum(part.queries for part in parts)


def _line_of_state(facts: Facts) -> str:
    known = f"{facts.fresh.as_of:%Y-%m-%d %H:%M} UTC" if facts.fresh.as_of else "no import yet"
    waiting = f"; {facts.fresh.pending} days wait to be recomputed" if facts.fresh.pending else ""
    return (
        f"{facts.period.start} up to, not including, {facts.period.end}. State: {facts.state}. "
        f"Imports up to: {known}{waiting}. Generated: {facts.generated_at:%Y-%m-%d %H:%M} UTC."
    )


def _method(facts: Facts) -> Iterable[str]:
    yield from _METHOD
    for money in facts.currencies:
        if money.estimated_queries:
            yield (
                f"The tier of {money.estimated_queries:,} queries ({money.currency}) is estimated, from buckets of a "
                f"provider: {tier_estimates.told()}."
            )


_METHOD = (
    "Charged is EffectiveCost at the currency's minor unit. The total is rounded once; the parts are rounded down and "
    "what is left goes to the largest remainders (ties in the order of the codes), so that the parts add up to the "
    "total. Each table cuts the same total. Exact amounts with 12 decimals are in Detail.",
    "EffectiveCost is computed: quantity of each token class x the dated price in force, rounded half-even once at 12 "
    "decimals; where a provider's complete cost report differs, the difference is a line of its own, without a tier and with "
    "its cause (x_Cause in Detail). How it compares with invoices stands on the sheet Reconciliation.",
    "Unallocated cost belongs to no cost centre because no rule holds; it is part of the total. Usage without a price "
    "has no cost and is in no total; its estimate takes the dearest live price of the same provider and class. Where a bill "
    "states its money there is no estimate: the bill's line is in the total.",
    "Days are the provider's billing days (UTC unless it bills otherwise). Totals never mix currencies.",
)
