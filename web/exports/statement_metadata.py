"""Sheet Metadata: versions behind the figures, control totals, and the hash that a recomputation must reproduce."""

import tomllib
from functools import lru_cache
from typing import Any

from django.conf import settings

from allocation import workbook_selectors
from allocation.statement_selectors import Versions
from web.exports.book import Book
from web.exports.sheets import Layout, money_style
from web.exports.statement_detail import SUMMED, Result
from web.exports.statement_facts import Facts


def write(book: Book, sheet: Any, facts: Facts, result: Result, versions: Versions) -> None:
    """Fill the sheet."""
    page = book.page(sheet, Layout((42, 82, 26), f"Statement {facts.period}: Metadata", facts.stamp))
    page.line("Metadata", "title", 26)
    page.head([("Fact", "text"), ("Value", "text"), ("Since (UTC)", "text")])
    for name, value, since in [*_facts(facts, result), *_versions(facts, versions)]:
        page.row([name, value, since], ["text", "count left" if isinstance(value, int) else "text", "text"])
    page.gap()
    page.line("Control totals", "section", 20)
    page.head([("Column", "text"), ("Sum, 12 decimals", "text"), ("Sum", "exact")])
    for money in facts.currencies:
        for name in SUMMED:
            amount = result.sum_of(money.currency, name)
            page.row([f"Detail, {name}, {money.currency}", f"{amount:.12f}", amount], ["text", "digits left", "exact"])
        page.row(
            [f"Summary, Charged, {money.currency}", f"{money.charged:.12f}", money.charged],
            ["text", "digits left", money_style(money.currency)],
        )
        difference = result.sum_of(money.currency, "EffectiveCost") - money.exact
        page.row(
            [f"Detail less Summary, EffectiveCost, {money.currency}", f"{difference:.12f}", difference],
            ["text total", "digits left total", "rate total"],
        )


def _facts(facts: Facts, result: Result) -> list[tuple[str, Any, str]]:
    return [
        ("Product", f"Inference Ledger {product_version()}", ""),
        ("Period", f"{facts.period.start} up to, not including, {facts.period.end}", ""),
        ("State", f"{facts.state}{' (DRAFT)' if facts.stamp else ''}", ""),
        ("Scope", "all cost centres" if facts.whole else ", ".join(owner.code for owner in facts.owners) or "none", ""),
        ("Generated at", facts.generated_at, ""),
        *(() if facts.manifest else _running(facts)),
        ("Cost centres", len(facts.owners), ""),
        ("Detail rows", result.rows, ""),
        ("Detail SHA-256", result.sha256, ""),
        ("Hashed form", "per row: fields in the order of Line, 0x1F between, amounts with 12 decimals, LF; UTF-8", ""),
        (
            "Order of Detail",
            "date, cost centre, team, SKU, tier, class, unit, currency, provenance, cause, rule, amounts; by bytes",
            "",
        ),
    ]


def _running(facts: Facts) -> list[tuple[str, Any, str]]:
    return [
        ("As of (end of last import)", facts.fresh.as_of or "no import yet", ""),
        ("Days waiting to be recomputed", facts.fresh.pending, ""),
    ]


def _versions(facts: Facts, versions: Versions) -> list[tuple[str, Any, str]]:
    if facts.manifest:
        found = workbook_selectors.price_versions(facts.period)
        return [("Manifest of the frozen month, SHA-256", facts.manifest, ""), *found]
    groups = (("Prices", versions.prices), ("Allocation rules", versions.rules), ("Tier policy", versions.tier_policy))
    return [entry for name, found in groups for entry in (found or [(name, "none in force", "")])]


@lru_cache(maxsize=1)
def product_version() -> str:
    """From pyproject.toml, the only place that says it."""
    with (settings.BASE_DIR / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
