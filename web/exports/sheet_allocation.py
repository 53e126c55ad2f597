"""Sheet Allocation: which rule gave what to whom, and what splits, rate cards and adjustments moved afterwards."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from allocation import workbook_selectors
from allocation.scope import Scope
from web.exports.book import Book, Page
from web.exports.controls import Expression
from web.exports.sheets import Layout
from web.exports.statement_detail import Result
from web.exports.statement_facts import Facts

NAME = "Allocation"
_RULES = (
    ("Rule", "text"), ("Cost centre", "text"), ("Team", "text"), ("Currency", "text"), ("EffectiveCost", "exact"),
    ("Share of the rule", "share"), ("Lines", "count"), ("Conditions", "text"),
)  # fmt: skip
_POOLS = (
    ("Pool or card", "text"), ("Kind", "text"), ("Driver", "text"), ("Currency", "text"), ("Found", "exact"), ("Moved", "exact"),
    ("Version", "count"), ("What stays, and why", "text"),
)  # fmt: skip
_MOVES = (
    ("Pool or card", "text"), ("Cost centre", "text"), ("From", "text"), ("Currency", "text"), ("EffectiveCost", "exact"),
    ("Share of what was moved", "share"), ("Step", "count"), ("What is moved", "text"),
)  # fmt: skip
_AMOUNT = 5
_NOTHING = "No split and no rate card was run over this month"
_OF_ALL = "What a pool found and moved in all is about every cost centre; what concerns yours stands below"
UNALLOCATED = "(unallocated)"


class Moves:
    """What was moved to or from each cost centre, where the sheet says so."""

    def __init__(self, page: Page, rows: tuple[int, int], sums: dict[tuple[str, str], Decimal]) -> None:
        self._page, self._rows, self._sums = page, rows, sums

    def of(self, currency: str, code: str) -> Expression:
        """For one cost centre."""
        amount = self._sums.get((code, currency), Decimal(0))
        return self._page.sum_where(_AMOUNT, self._rows, {2: code, 4: currency}, amount)


def write(book: Book, sheet: Any, facts: Facts, scope: Scope, result: Result) -> Moves:
    """Fill the sheet."""
    page = book.page(sheet, Layout((26, 20, 20, 11, 20, 14, 10, 60), f"Statement {facts.period}: {NAME}", facts.stamp))
    page.line("Allocation", "title", 26)
    page.line("Shares by rule add up to Detail; what splits and rate cards move adds up to nothing.", "subtitle", 18)
    rules = workbook_selectors.by_rule(scope, facts.period)
    whole: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rules:
        whole[row.rule, row.currency] += row.cost
    place = page.section("What the rules gave to whom", _RULES, (
        [row.rule or "(no rule)", row.cost_centre or UNALLOCATED, row.team, row.currency, row.cost,
         _share(row.cost, whole[row.rule, row.currency]), row.lines, row.conditions] for row in rules
    ))  # fmt: skip
    page.section("What was moved after the rules, by pool and rate card", _POOLS, (
        [row.code, row.basis, row.driver, row.currency, row.found, row.moved, row.version, row.note]
        for row in workbook_selectors.pools(scope, facts.period)
    ), nothing=_NOTHING if facts.whole else _OF_ALL)  # fmt: skip
    moves = workbook_selectors.moves(scope, facts.period)
    moved: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for move in moves:
        moved[move.pool, move.currency] += max(move.cost, Decimal(0))
    rows = page.section("From whom to whom", _MOVES, (
        [move.pool, move.cost_centre or UNALLOCATED, move.source or UNALLOCATED, move.currency, move.cost,
         _share(move.cost, moved[move.pool, move.currency]), move.step, move.kind] for move in moves
    ))  # fmt: skip
    _state(book, page, facts, result, (place, rules), (rows, moves))
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for move in moves:
        sums[move.cost_centre or UNALLOCATED, move.currency] += move.cost
    return Moves(page, rows, sums)


def _state(book: Book, page: Page, facts: Facts, result: Result, ruled: Any, moved: Any) -> None:
    (place, rules), (rows, moves) = ruled, moved
    for money in facts.currencies:
        code = money.currency
        by_rule = sum((row.cost for row in rules if row.currency == code), Decimal(0))
        shares = page.sum_where(_AMOUNT, place, {4: code}, by_rule)
        book.controls.tie(f"Allocation by rule = Detail, {code}", shares, result.cost(code))
        if facts.whole:
            all_moves = sum((move.cost for move in moves if move.currency == code), Decimal(0))
            found = page.sum_where(_AMOUNT, rows, {4: code}, all_moves)
            book.controls.tie(f"Allocation, {code}: what is moved adds up to 0", found, Expression("0", Decimal(0)))


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    return round(part / whole, 6) if whole else None
