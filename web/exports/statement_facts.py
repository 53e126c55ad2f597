"""What a statement says, before it is laid out: rounded parts that add up, per currency, with the month before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pandas as pd

from allocation import selectors, statement_selectors, workbook_selectors
from allocation.calc.closing import FROZEN
from allocation.calc.statement import rounded_to
from allocation.calc.statement_own import OwnRate, own_amounts, own_parts
from allocation.close import frozen, statement_rates
from allocation.scope import EVERYTHING, Scope
from allocation.selectors import CostQuery, Freshness
from finops.focus import TIERS
from finops.money import total
from finops.periods import Period

TOP = 9
OTHER = "Other"


class Part(NamedTuple):
    """One line of a table: who or what, charged now and the month before, counts."""

    key: tuple[str | None, ...]
    charged: Decimal
    before: Decimal
    requests: int
    queries: int


@dataclass(frozen=True)
class Currency:
    """A currency's tables. ``charged`` and every table's parts are whole minor units and add up."""

    currency: str
    parts: list[Part]
    tiers: list[Part]
    models: list[Part]
    exact: Decimal
    charged: Decimal
    before: Decimal
    unallocated: Decimal
    unpriced_estimate: Decimal
    unpriced_tokens: int
    bill_priced_tokens: int
    causes: list[tuple[str, int, Decimal]]  # cause, lines, exact cost
    estimated_queries: int


class OwnerLines(NamedTuple):
    """Lines of a cost centre in one currency: costs() by team, model and tier, and what is charged for each.

    ``own``: the same in the cost centre's currency at ``rate``, where it has another one; adds up to what its statement says.
    """

    currency: str
    frame: pd.DataFrame
    charged: list[Decimal]
    rate: OwnRate | None = None
    own: Sequence[Decimal] = ()


@dataclass(frozen=True)
class Owner:
    """One cost centre of the statement."""

    code: str
    name: str
    lines: list[OwnerLines]


@dataclass(frozen=True)
class Facts:
    """Everything but Detail."""

    period: Period
    state: str
    whole: bool
    generated_at: datetime
    fresh: Freshness
    currencies: list[Currency]
    owners: list[Owner]
    names: dict[str, str]
    manifest: str = ""  # SHA-256, of a frozen month

    @property
    def stamp(self) -> str:
        """Empty once the month's figures are frozen."""
        return "" if self.state in FROZEN else "DRAFT: the month is open, every figure may still change"


def read(scope: Scope, period: Period, generated_at: datetime, fresh: Freshness) -> Facts:
    """Read all tables of the month."""
    names = frozen.names(period)
    codes = statement_selectors.statement_currencies(scope, period)
    currencies = [_currency(scope, period, code) for code in codes]
    billed = {part.key[0] for money in currencies for part in money.parts}
    by_owner = [statement_selectors.owner_lines(scope, period, code) for code in codes]
    own = [_own(period, code) for code in codes]
    owners = [
        Owner(
            centre.code,
            names[centre.code],
            [_lines(f.get(centre.code), centre.code, m, o) for f, m, o in zip(by_owner, currencies, own, strict=True)],
        )
        for centre in statement_selectors.cost_centres(scope)
        if centre.code in billed
    ]
    return Facts(
        period, statement_selectors.state_of(period), scope.everything, generated_at, _known(period, fresh), currencies,
        owners, names, workbook_selectors.manifest_of(period),
    )  # fmt: skip


def _known(period: Period, fresh: Freshness) -> Freshness:
    """Until when the figures know what was imported: those of a frozen month until it was frozen, and nothing waits."""
    kept = frozen.versions(period)
    if frozen.IMPORTS not in kept:
        return fresh
    last = kept[frozen.IMPORTS]
    return Freshness(datetime.fromisoformat(last) if last else None, 0)


def _currency(scope: Scope, period: Period, currency: str) -> Currency:
    now = statement_selectors.owner_totals(scope, period, currency)
    before = statement_selectors.owner_totals(scope, period.previous(), currency)
    parts = _parts(("x_CostCentre",), now, list(now["Charged"]), before, list(before["Charged"]))
    charged = sum((part.charged for part in parts), Decimal(0))
    charged_before = sum((part.before for part in parts), Decimal(0))

    def cut(*dimensions: str) -> list[Part]:
        frames = [
            selectors.costs(scope, CostQuery(p, dimensions, currency=currency)) for p in (period, period.previous())
        ]
        goals = (charged, charged_before)
        rounded = [
            rounded_to(list(f["EffectiveCost"]), goal, currency) if len(f) else []
            for f, goal in zip(frames, goals, strict=True)
        ]
        return _parts(dimensions, frames[0], rounded[0], frames[1], rounded[1])

    return Currency(
        currency=currency, parts=parts, charged=charged, before=charged_before,
        models=_top(cut("x_Model", "ServiceProviderName")), tiers=sorted(cut("x_QueryTier"), key=_by_tier),
        exact=total(now["EffectiveCost"]) if len(now) else Decimal(0),
        unallocated=sum((part.charged for part in parts if part.key[0] is None), Decimal(0)),
        unpriced_estimate=total(now["x_UnpricedEstimate"]) if len(now) else Decimal(0),
        unpriced_tokens=sum(now["x_UnpricedTokens"].tolist()),
        bill_priced_tokens=sum(now["x_BillPricedTokens"].tolist()),
        causes=statement_selectors.by_cause(scope, period, currency),
        estimated_queries=sum(now["x_EstimatedQueries"].tolist()),
    )  # fmt: skip


def _by_tier(part: Part) -> int:
    return TIERS.index(part.key[0]) if part.key[0] in TIERS else len(TIERS)


def _parts(
    dimensions: Sequence[str], now: pd.DataFrame, charged: list[Any], before: pd.DataFrame, charged_before: list[Any]
) -> list[Part]:
    """Groups of now and of before as one list, ordered by their bytes, nobody last."""
    found: dict[tuple[str | None, ...], Part] = {}
    for key, amount, requests, queries in zip(
        _keys(now, dimensions), charged, now["Requests"], now["Queries"], strict=True
    ):
        found[key] = Part(key, amount, Decimal(0), int(requests), int(queries))
    for key, amount in zip(_keys(before, dimensions), charged_before, strict=True):
        found[key] = found.get(key, Part(key, Decimal(0), Decimal(0), 0, 0))._replace(before=amount)
    return [found[key] for key in sorted(found, key=lambda key: [(value is None, value or "") for value in key])]


def _keys(frame: pd.DataFrame, dimensions: Sequence[str]) -> list[tuple[str | None, ...]]:
    return list(zip(*(list(frame[name]) for name in dimensions), strict=True))


def _top(parts: list[Part]) -> list[Part]:
    """The dearest nine and the rest as one."""
    ranked = sorted(parts, key=lambda part: -part.charged)
    head, rest = ranked[:TOP], ranked[TOP:]
    if not rest:
        return head
    other = Part(
        (f"{OTHER} ({len(rest)})", ""),
        sum((part.charged for part in rest), Decimal(0)),
        sum((part.before for part in rest), Decimal(0)),
        sum(part.requests for part in rest),
        sum(part.queries for part in rest),
    )
    return [*head, other]


def _own(period: Period, currency: str) -> dict[str, tuple[OwnRate, Decimal]]:
    """Cost centre -> what it is charged in a currency of its own, rounded over all cost centres, and the rate."""
    rates = statement_rates.of(period, currency).rates
    if not rates:
        return {}
    frame = statement_selectors.owner_totals(EVERYTHING, period, currency)
    exact = dict(zip(frame["x_CostCentre"], frame["EffectiveCost"], strict=True))
    amounts = own_amounts({code: cost for code, cost in exact.items() if code is not None}, rates)
    return {code: (rates[code], amount) for code, amount in amounts.items()}


def _lines(
    frame: pd.DataFrame | None, code: str, money: Currency, own: Mapping[str, tuple[OwnRate, Decimal]]
) -> OwnerLines:
    if frame is None:
        return OwnerLines(money.currency, pd.DataFrame(), [])
    goal = next((part.charged for part in money.parts if part.key[0] == code), Decimal(0))
    costs = list(frame["EffectiveCost"])
    lines = OwnerLines(money.currency, frame, rounded_to(costs, goal, money.currency))
    if code not in own:
        return lines
    rate, amount = own[code]
    return lines._replace(rate=rate, own=own_parts(costs, amount, rate))
