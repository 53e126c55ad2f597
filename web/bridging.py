"""The bridge and the indices as page and API show them: one question, one answer."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from allocation.calc.bridge import Bridge, Part
from allocation.calc.bridge_effects import EFFECTS
from allocation.calc.indices import FACTORS, SPEND, Index
from allocation.scope import Scope
from allocation.selectors import CostQuery, QueryError
from allocation.statement_selectors import cost_centres, snapshot
from allocation.value.bridge import DIMENSIONS, cost_bridge
from finops.money import minor_digits
from forecasting.selectors import budget_of
from web import bridge_words

RATIO_DIGITS = 12


def bridged(
    scope: Scope, before: CostQuery, after: CostQuery, column: str, *, budget: bool = False, owner: str | None = None
) -> Bridge:
    """The bridge of two questions; with ``budget``, from the budget of ``owner`` (None: the whole) for the days after.

    Raises QueryError where there is no such budget, or it is not the reader's to see.
    """
    with snapshot():
        found = cost_bridge(scope, before, after, column)
        if not budget:
            return found
        if owner is None and not scope.everything:
            raise QueryError("the budget of the whole is not yours to see: name one of your cost centres")
        amount = budget_of(owner, after.period, currency=after.currency) if _sees(scope, owner) else None
    if amount is None:
        raise QueryError(f"there is no budget of {owner or 'the whole'} for {after.period} in {after.currency}")
    return found.against(amount)


def _sees(scope: Scope, owner: str | None) -> bool:
    return scope.everything or owner in {row.code for row in cost_centres(scope)}


def effects_of(part: Part, currency: str) -> list[dict[str, Any]]:
    """The effects of a part in their order, those of nothing left out: exact, and in cents that sum to the cents between."""
    cents = part.in_units(minor_digits(currency))
    return [
        {
            "effect": name, "label": bridge_words.label(name), "meaning": bridge_words.meaning(name), "amount": amount,
            "rounded": cents.effects[name],
        }
        for name, amount in part.effects.items() if amount
    ]  # fmt: skip


def drill(bridge: Bridge, names: Iterable[str]) -> list[dict[str, Any]]:
    """One row per value of these columns, in their order (bytes, nothing first); the rows sum to the bridge's effects."""
    columns = list(names)
    parts = bridge.by(*(DIMENSIONS[name] for name in columns)) if columns else {}
    rows = [{**dict(zip(columns, place, strict=True)), "part": part} for place, part in parts.items()]
    rows = [row for row in rows if row["part"].start or row["part"].end or any(row["part"].effects.values())]
    return sorted(rows, key=lambda row: [(row[name] or "").encode() for name in columns])


def estimated(bridge: Bridge) -> dict[str, Decimal | None]:
    """Of the cost that has a tier, before and after, the share whose tier is estimated; None where no cost has one."""
    shares = (None if share is None else bridge_words.decimal_of(share) for share in bridge.estimated)
    return dict(zip(("before", "after"), shares, strict=True))


def index_row(index: Index) -> dict[str, Any]:
    """An index as text: ratios to 12 decimals beside the figures that they are exact ratios of."""
    month = index.month
    links, chained = (values and _ratios(values) for values in (index.links, index.chained))
    return {
        "BillingPeriodStart": f"{month.name}-01", "cost": f"{month.spend:.12f}", "Queries": str(month.tasks),
        "Requests": str(month.calls), "x_Tokens": str(month.tokens), "base": index.base and f"{index.base}-01",
        "links": links, "chained": chained, "why": index.why,
    }  # fmt: skip


def _ratios(values: Mapping[str, Fraction]) -> dict[str, str]:
    ratios = {name: Decimal(values[name].numerator) / Decimal(values[name].denominator) for name in (*FACTORS, SPEND)}
    return {name: f"{ratio:.{RATIO_DIGITS}f}" for name, ratio in ratios.items()}


__all__ = ["EFFECTS", "bridged", "drill", "effects_of", "estimated", "index_row"]
