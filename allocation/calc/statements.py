"""Statements from cost: frames in, one document per cost centre out (R10, R11). No clock, no database.

A document is JSON of texts, whole numbers and booleans; amounts are texts at the minor unit, and every sum in it adds up:
``parts`` (by basis), ``drivers`` with ``other``, and ``lines`` each to ``amount``; ``change.effects`` to its difference.
Of a cost centre with a currency of its own ``own`` says what it is charged, and at which rate; the ``own`` of ``parts`` and
``lines`` add up to it.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from allocation.calc.statement import rounded_by, rounded_to
from allocation.calc.statement_changes import Cell, effects, sentence
from allocation.calc.statement_own import OwnRate, as_text, described, own_amounts, own_parts
from allocation.calc.statement_policy import CHARGEBACK, Policies, Policy, dispute_until
from allocation.calc.statement_words import basis_words, label, notes
from finops.focus import TIERS
from finops.money import minor_digits, require_money
from finops.periods import Period

FORM = 1  # of the document
COST_BASIS = "EffectiveCost"
BASES = ("direct", "shared", "idle", "correction", "adjustment", "variance")
DRIVERS = 5
LINE_KEY = ("x_Basis", "x_Team", "ServiceProviderName", "x_Model", "x_QueryTier")
LINE_COLUMNS = (
    "x_CostCentre", *LINE_KEY, "EffectiveCost", "Requests", "Queries", "x_Tokens", "x_UnpricedTokens", "x_UnpricedEstimate",
    "x_EstimatedQueries",
)  # fmt: skip


class Budget(NamedTuple):
    """What was planned, None where nothing was: for the month, and from the year's first month to its end."""

    month: Decimal | None = None
    year_to_date: Decimal | None = None


class Inputs(NamedTuple):
    """What statements of one month and currency are made from.

    ``lines`` and ``before`` (the month before): LINE_COLUMNS of *all* cost centres, x_CostCentre None: unallocated. ``earlier``:
    cost centre -> what it was charged in the months of the year before this one. ``rules``: cost centre -> basis -> the
    rules behind it in words, the dearest first.
    """

    period: Period
    currency: str
    lines: pd.DataFrame
    before: pd.DataFrame
    earlier: Mapping[str, Decimal]
    year_from: date
    names: Mapping[str, str]
    policies: Policies
    budgets: Mapping[str, Budget]
    rules: Mapping[str, Mapping[str, Sequence[str]]]
    version: int = 1
    issued_on: date | None = None  # None: a draft
    provisional: bool = False
    self_approval: bool = False
    charging: Mapping[str, str] = MappingProxyType({})  # code -> showback or chargeback, where no policy says
    own: Mapping[str, OwnRate] = MappingProxyType({})  # code -> how it is charged in a currency of its own
    lacking: Mapping[str, str] = MappingProxyType({})  # code -> its own currency, of which no rate is known


class Made(NamedTuple):
    """One statement; ``content_hash`` is of the document."""

    cost_centre: str
    policy: Policy
    amount: Decimal
    dispute_until: date | None
    document: dict[str, Any]
    content_hash: str


def build(given: Inputs) -> list[Made]:
    """The statements of all cost centres that have a line now or had one before, by code.

    Invariant: with what is unallocated the amounts add up to the month's cost, rounded once. Raises MoneyError.
    """
    now, former = _by_owner(given.lines), _by_owner(given.before)
    charged, charged_before = amounts(given.lines, given.currency), amounts(given.before, given.currency)
    zero = Decimal(0).scaleb(-minor_digits(given.currency))
    codes = sorted(code for code in now.keys() | former.keys() if code is not None)
    exact = {code: sum((line.cost for line in now.get(code, [])), Decimal(0)) for code in codes}
    own = own_amounts(exact, given.own)
    return [
        _made(
            given, code, charged.get(code, zero), charged_before.get(code), now.get(code, []), former.get(code, []),
            own.get(code),
        )
        for code in codes
    ]  # fmt: skip


def amounts(lines: pd.DataFrame, currency: str) -> dict[str | None, Decimal]:
    """Cost centre (None: unallocated) -> what it is charged; the cents by largest remainder over all of them."""
    require_money(lines, ["EffectiveCost"])
    exact: dict[str | None, Decimal] = defaultdict(Decimal)
    for code, cost in zip(lines["x_CostCentre"], lines["EffectiveCost"], strict=True):
        exact[code or None] += cost
    return rounded_by(exact, currency)


def content_hash(document: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the document as JSON: sorted keys, no blanks, UTF-8."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class _Line(NamedTuple):
    """One line of a cost centre: LINE_KEY and measures."""

    basis: str
    team: str
    provider: str
    model: str
    tier: str
    cost: Decimal
    requests: int
    queries: int
    tokens: int
    unpriced_tokens: int
    estimate: Decimal
    estimated_queries: int


def _by_owner(lines: pd.DataFrame) -> dict[str | None, list[_Line]]:
    """Lines by cost centre, each cell once, in an order that hangs on what they say alone."""
    found: dict[str | None, dict[tuple[str, ...], list[Any]]] = defaultdict(dict)
    for code, *rest in zip(*(lines[name].tolist() for name in LINE_COLUMNS), strict=True):
        key, measures = tuple(text or "" for text in rest[:5]), rest[5:]
        held = found[code or None].get(key)
        found[code or None][key] = measures if held is None else [a + b for a, b in zip(held, measures, strict=True)]
    return {code: [_as_line(*row) for row in sorted(rows.items(), key=_order)] for code, rows in found.items()}


def _as_line(key: tuple[str, ...], measures: list[Any]) -> _Line:
    cost, requests, queries, tokens, unpriced, estimate, estimated = measures
    basis, team, provider, model, tier = key
    return _Line(
        basis, team, provider, model, tier, cost, int(requests), int(queries), int(tokens), int(unpriced), estimate,
        int(estimated),
    )  # fmt: skip


def _order(row: tuple[tuple[str, ...], Any]) -> tuple[Any, ...]:
    basis, team, provider, model, tier = row[0]
    place = BASES.index(basis) if basis in BASES else len(BASES)
    return place, basis, team == "", team, provider, model, TIERS.index(tier) if tier in TIERS else len(TIERS), tier


def _made(
    given: Inputs, code: str, amount: Decimal, before: Decimal | None, lines: list[_Line], former: list[_Line],
    own: Decimal | None,
) -> Made:  # fmt: skip
    policy = given.policies.of(code, given.period.start, given.charging.get(code, CHARGEBACK))
    charged = rounded_to([line.cost for line in lines], amount, given.currency) if lines else []
    until = given.issued_on and dispute_until(given.issued_on, policy.dispute_days, given.policies.holidays)
    budget, earlier = given.budgets.get(code, Budget()), given.earlier.get(code, Decimal(0))
    year = earlier + amount
    document = {
        "form": FORM, "month": str(given.period), "version": given.version, "kind": policy.kind,
        "cost_centre": {"code": code, "name": given.names.get(code, "")}, "basis": COST_BASIS,
        "currency": given.currency, "amount": _text(amount),
        "exact": f"{sum((line.cost for line in lines), Decimal(0)):.12f}",
        "change": _change(given, amount, before, lines, former),
        "parts": _parts(lines, charged, given.rules.get(code, {})), **_drivers(lines, charged),
        "lines": [_line(line, part) for line, part in zip(lines, charged, strict=True)],
        "budget": _against(budget.month, amount),
        "year_to_date": {"from": f"{given.year_from:%Y-%m}", "amount": _text(year), **_against(budget.year_to_date, year)},
        "contact": policy.contact, "dispute_days": policy.dispute_days,
        "issued_on": given.issued_on and given.issued_on.isoformat(), "dispute_until": until and until.isoformat(),
        "unpriced": _unpriced(lines), "notes": notes(given, code, policy.kind, lines),
    }  # fmt: skip
    if own is not None:
        _in_own(document, given.own[code], own, lines)
    return Made(code, policy, amount, until, document, content_hash(document))


def _in_own(document: dict[str, Any], rate: OwnRate, amount: Decimal, lines: list[_Line]) -> None:
    """Say beside each amount of the month what it is in the cost centre's currency: they add up there too."""
    parts = own_parts([line.cost for line in lines], amount, rate)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for said, line, part in zip(document["lines"], lines, parts, strict=True):
        said["own"] = as_text(part, rate.currency)
        sums[line.basis] += part
    for said in document["parts"]:
        said["own"] = as_text(sums[said["basis"]], rate.currency)
    document["own"] = described(rate, amount)


def _change(
    given: Inputs, amount: Decimal, before: Decimal | None, lines: list[_Line], former: list[_Line]
) -> dict[str, Any]:
    month = given.period.previous()
    difference = amount - (before or Decimal(0))
    found = effects(_cells(lines), _cells(former), difference, given.currency) if before is not None else {}
    name = f"{month.start:%B %Y}"
    return {
        "month": str(month), "before": None if before is None else _text(before), "difference": _text(difference),
        "effects": [{"effect": effect, "amount": _text(cost)} for effect, cost in found.items()],
        "sentence": sentence(found, None if before is None else difference, name, given.currency),
    }  # fmt: skip


def _cells(lines: Iterable[_Line]) -> list[Cell]:
    return [Cell(line.basis, (line.provider, line.model), line.tier, line.cost, line.queries) for line in lines]


def _parts(
    lines: list[_Line], charged: list[Decimal], rules: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:  # fmt: skip
    sums: dict[str, Decimal] = {}
    for line, part in zip(lines, charged, strict=True):
        sums[line.basis] = sums.get(line.basis, Decimal(0)) + part
    return [
        {"basis": basis, "amount": _text(cost), "words": basis_words(basis, rules.get(basis, ()))}
        for basis, cost in sums.items()
    ]


def _drivers(lines: list[_Line], charged: list[Decimal]) -> dict[str, Any]:
    """What cost most, by basis, model and tier over all teams, and the rest as one."""
    sums: dict[tuple[str, ...], tuple[Decimal, int]] = {}
    for line, part in zip(lines, charged, strict=True):
        key = line.basis, line.provider, line.model, line.tier
        cost, queries = sums.get(key, (Decimal(0), 0))
        sums[key] = cost + part, queries + line.queries
    ranked = sorted(sums.items(), key=lambda item: (-abs(item[1][0]), item[0]))
    head = [item for item in ranked[:DRIVERS] if item[1][0]]
    rest = ranked[len(head) :]
    return {
        "drivers": [
            {
                "basis": key[0], "provider": key[1], "model": key[2], "tier": key[3], "label": label(key[0], key[2]),
                "amount": _text(cost), "queries": queries,
            }
            for key, (cost, queries) in head
        ],
        "other": {"count": len(rest), "amount": _text(sum((cost for _, (cost, _) in rest), Decimal(0)))},
    }  # fmt: skip


def _line(line: _Line, charged: Decimal) -> dict[str, Any]:
    return {
        "basis": line.basis, "team": line.team, "provider": line.provider, "model": line.model, "tier": line.tier,
        "queries": line.queries, "requests": line.requests, "tokens": line.tokens, "exact": f"{line.cost:.12f}",
        "amount": _text(charged), "unpriced_tokens": line.unpriced_tokens,
    }  # fmt: skip


def _unpriced(lines: list[_Line]) -> dict[str, Any]:
    estimate = sum((line.estimate for line in lines), Decimal(0))
    return {"tokens": sum(line.unpriced_tokens for line in lines), "estimate": f"{estimate:.12f}"}


def _against(budget: Decimal | None, amount: Decimal) -> dict[str, Any]:
    """Variance = budget - actual: what is left of the budget; less than nothing where more was spent."""
    if budget is None:
        return {"budget": None, "variance": None}
    planned = budget.quantize(Decimal(1).scaleb(amount.as_tuple().exponent))  # type: ignore[arg-type]
    return {"budget": _text(planned), "variance": _text(planned - amount)}


def _text(amount: Decimal) -> str:
    return f"{amount + 0:f}" if amount else f"{abs(amount):f}"
