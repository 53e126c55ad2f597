"""One sheet per cost centre: team x model x tier, each line at the minor unit so that the lines add up."""

from decimal import Decimal
from typing import Any

from openpyxl.utils import get_column_letter

from finops.focus import TIERS
from finops.money import total
from web.exports.book import Book, Page
from web.exports.controls import Expression
from web.exports.sheets import Layout, money_style
from web.exports.statement_facts import Facts, Owner, OwnerLines

_COLUMNS = (
    ("Team", "text", 22), ("Model", "text", 36), ("Tier", "text", 12), ("Currency", "text", 11),
    ("Tokens", "count", 18),
    ("Requests", "count", 12), ("Queries", "count", 12), ("EffectiveCost", "exact", 20), ("Charged", "money2", 16),
    ("Unpriced tokens", "count", 17), ("Unpriced estimate", "exact", 18),
)  # fmt: skip
_READ = (
    "x_Team", "x_Model", "x_QueryTier", "x_Tokens", "Requests", "Queries", "EffectiveCost", "x_UnpricedTokens",
    "x_UnpricedEstimate", "x_BillPricedTokens",
)  # fmt: skip
_OWN = (("Own currency", "text", 14), ("In own currency", "money2", 18))  # of a cost centre that has another one
_HEADER_ROW = 4
_CHARGED = [name for name, _, _ in _COLUMNS].index("Charged") + 1
_IN_OWN = len(_COLUMNS) + len(_OWN)


def write(book: Book, sheet: Any, facts: Facts, owner: Owner) -> dict[str, Expression]:
    """Fill the sheet of one cost centre; returns the cell with what is charged, by currency."""
    title = f"{owner.code}  {owner.name}".strip()
    own = any(lines.rate for lines in owner.lines)
    columns = (*_COLUMNS, *_OWN) if own else _COLUMNS
    layout = Layout([width for _, _, width in columns], f"Statement {facts.period}: {title}", facts.stamp, _HEADER_ROW)
    page = book.page(sheet, layout)
    size = sum(len(lines.frame) for lines in owner.lines)
    sheet.auto_filter.ref = f"A{_HEADER_ROW}:{get_column_letter(len(columns))}{_HEADER_ROW + max(size, 1)}"
    page.line(title, "title", 26)
    page.line(f"Statement of AI inference cost, {facts.period.start:%B %Y}. State: {facts.state}.", "subtitle", 18)
    page.band(facts.stamp, "draft", len(columns)) if facts.stamp else page.gap()
    page.head([(name, kind) for name, kind, _ in columns])
    filled = [lines for lines in owner.lines if len(lines.frame)]
    rows = [_lines(page, lines, own=own) for lines in filled]
    if not filled:
        page.line("No cost in this month", "text")
    found = {}
    for lines, span in zip(filled, rows, strict=True):
        found[lines.currency] = _total(page, lines, own=own)
        if lines.rate is not None:
            whole, name = sum(lines.own, Decimal(0)), f"Statement {owner.code}, {lines.rate.currency}: lines = total"
            book.controls.tie(name, page.sum(_IN_OWN, span, whole), page.at(_IN_OWN, whole))
    for lines in filled:
        if (rate := lines.rate) is not None:
            words = f"{rate.rate.normalize():f} {rate.currency} for 1 {lines.currency}, {rate.day}, {rate.source}"
            page.line(f"In {rate.currency} at {words}", "note")
    return found


def _lines(page: Page, lines: OwnerLines, *, own: bool) -> tuple[int, int]:
    """Write the lines; returns the first and the last row."""
    kinds, first = _kinds(lines.currency), page.rows + 1
    in_own = lines.own if lines.rate is not None else [None] * len(lines.charged)
    rows = zip(lines.charged, in_own, *(list(lines.frame[name]) for name in _READ), strict=True)
    for charged, other, team, model, tier, tokens, requests, queries, cost, unpriced, estimate, billed in rows:
        styles = [*kinds[:2], f"tier {tier}" if tier in TIERS else "text", *kinds[3:]]
        counts = [int(tokens), int(requests), int(queries)]
        priced = not (tokens and tokens == unpriced + billed)  # no price is no cost, not a cost of 0
        costs = [cost, charged] if priced else [None, None]
        beside, kind = _beside(lines, other if priced else None, own=own)
        page.row(
            [team, model, tier, lines.currency, *counts, *costs, int(unpriced), estimate, *beside], [*styles, *kind]
        )
    return first, page.rows


def _beside(lines: OwnerLines, amount: Decimal | None, *, own: bool) -> tuple[list[Any], list[str]]:
    """The columns of the cost centre's own currency, if its sheet has them: values and kinds."""
    if not own:
        return [], []
    if lines.rate is None:
        return [None, None], ["text", "text"]
    return [lines.rate.currency, amount], ["text", money_style(lines.rate.currency)]


def _total(page: Page, lines: OwnerLines, *, own: bool) -> Expression:
    tokens, requests, queries, unpriced = (
        sum(lines.frame[name].tolist()) for name in ("x_Tokens", "Requests", "Queries", "x_UnpricedTokens")
    )
    costs = [total(lines.frame["EffectiveCost"]), sum(lines.charged, Decimal(0))]
    estimate = total(lines.frame["x_UnpricedEstimate"])
    beside, kinds = _beside(lines, sum(lines.own, Decimal(0)), own=own)
    values = ["Total", None, None, lines.currency, tokens, requests, queries, *costs, unpriced, estimate, *beside]
    page.row(values, [f"{kind} total" for kind in (*_kinds(lines.currency), *kinds)])
    return page.at(_CHARGED, costs[1])


def _kinds(currency: str) -> list[str]:
    return [money_style(currency) if name == "Charged" else kind for name, kind, _ in _COLUMNS]
