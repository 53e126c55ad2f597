"""One sheet per cost centre: team x model x tier, each line at the minor unit so that the lines add up."""

from decimal import Decimal
from typing import Any

from finops.focus import TIERS
from finops.money import total
from web.exports.sheets import Layout, Page, money_style
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
_HEADER_ROW = 4


def write(sheet: Any, facts: Facts, owner: Owner) -> None:
    """Fill the sheet of one cost centre."""
    title = f"{owner.code}  {owner.name}".strip()
    layout = Layout([width for _, _, width in _COLUMNS], f"Statement {facts.period}: {title}", facts.stamp, _HEADER_ROW)
    page = Page(sheet, layout)
    size = sum(len(lines.frame) for lines in owner.lines)
    sheet.auto_filter.ref = f"A{_HEADER_ROW}:K{_HEADER_ROW + max(size, 1)}"
    page.line(title, "title", 26)
    page.line(f"Statement of AI inference cost, {facts.period.start:%B %Y}. State: {facts.state}.", "subtitle", 18)
    page.band(facts.stamp, "draft", len(_COLUMNS)) if facts.stamp else page.gap()
    page.head([(name, kind) for name, kind, _ in _COLUMNS])
    filled = [lines for lines in owner.lines if len(lines.frame)]
    for lines in filled:
        _lines(page, lines)
    if not filled:
        page.line("No cost in this month", "text")
    for lines in filled:
        _total(page, lines)


def _lines(page: Page, lines: OwnerLines) -> None:
    kinds = _kinds(lines.currency)
    rows = zip(lines.charged, *(list(lines.frame[name]) for name in _READ), strict=True)
    for charged, team, model, tier, tokens, requests, queries, cost, unpriced, estimate, billed in rows:
        styles = [*kinds[:2], f"tier {tier}" if tier in TIERS else "text", *kinds[3:]]
        counts = [int(tokens), int(requests), int(queries)]
        costs = (
            [None, None] if tokens and tokens == unpriced + billed else [cost, charged]
        )  # no price is no cost, not a cost of 0
        page.row([team, model, tier, lines.currency, *counts, *costs, int(unpriced), estimate], styles)


def _total(page: Page, lines: OwnerLines) -> None:
    tokens, requests, queries, unpriced = (
        sum(lines.frame[name].tolist()) for name in ("x_Tokens", "Requests", "Queries", "x_UnpricedTokens")
    )
    costs = [total(lines.frame["EffectiveCost"]), sum(lines.charged, Decimal(0))]
    estimate = total(lines.frame["x_UnpricedEstimate"])
    values = ["Total", None, None, lines.currency, tokens, requests, queries, *costs, unpriced, estimate]
    page.row(values, [f"{kind} total" for kind in _kinds(lines.currency)])


def _kinds(currency: str) -> list[str]:
    return [money_style(currency) if name == "Charged" else kind for name, kind, _ in _COLUMNS]
