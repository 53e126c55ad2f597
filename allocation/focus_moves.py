"""Reads for the FOCUS export: what pools and rate cards move between cost centres, as rows beside the charges."""

import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby, islice
from typing import Any

import pyarrow as pa
from django.db.models.functions import Collate

from allocation.calc.focus_ledger import LEDGER, MOVED
from allocation.models import Basis, SplitCost
from allocation.scope import Scope
from finops.money import share
from finops.periods import Period

BATCH = 5_000
COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
_CAUSES = {Basis.SHARED: "split", Basis.VARIANCE: "rate_card"}
_SOURCE = ("source__code", "source_team__code")
_BEARER = ("cost_centre__code", "team__code")
# What tells one move from others: where the money was, and what took it. The rest of a row is who has it then.
_MOVE = (
    "charge_date", "basis", "pool", "step", "kind", *_SOURCE, "provider", "model", "tier", "tier_estimated", "environment",
    "feature", "provenance", "billing_currency",
)  # fmt: skip
_PLAIN = ("charge_date", "step", "tier_estimated")
_SAME = ("provider", "model", "tier", "tier_estimated", "environment", "feature", "provenance")
_NOTHING: dict[str, Any] = {field.name: "" if pa.types.is_string(field.type) else None for field in LEDGER}
_NOTHING |= {"category": "Adjustment", "quantity": Decimal(0), "origin_quantity": Decimal(0)}


def moved(scope: Scope, period: Period) -> Iterator[pa.Table]:
    """Rows of split_cost of a month's days (focus_ledger.LEDGER), in batches and an order that no database id decides.

    In every cost column the rows of a move sum to zero. Server-side cursor: call in a snapshot.
    """
    names = [name if name in _PLAIN else Collate(name, "C") for name in (*_MOVE, *_BEARER)]
    rows = SplitCost.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end).order_by(*names)
    found = rows.values(*_MOVE, *_BEARER, *COSTS, "cost_centre_id").iterator(chunk_size=BATCH)
    moves = groupby(found, key=lambda row: [row[name] for name in _MOVE])
    seen = (
        line
        for _, move in moves
        for centre, line in _lines(list(move))
        if scope.everything or centre in scope.cost_centres
    )
    while batch := list(islice(seen, BATCH)):
        yield pa.Table.from_pylist(batch, schema=LEDGER)


def _lines(move: list[dict[str, Any]]) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """(id of the cost centre, its row) of one move: what is taken has no ratio, what is given is a share of it."""
    given = [row for row in move if not _is_source(row)]
    origin = _identity(move[0] | dict(zip(_BEARER, (move[0][name] for name in _SOURCE), strict=True)))
    whole, ratios = sum((row["billed_cost"] for row in given), Decimal(0)), iter(_ratios(given))
    for row in move:
        line = _line(row)
        if not _is_source(row):
            line |= {"origin": origin, "ratio": next(ratios), "origin_billed": whole}
        yield row["cost_centre_id"], line


def _is_source(row: dict[str, Any]) -> bool:
    return all(row[bearer] == row[source] for bearer, source in zip(_BEARER, _SOURCE, strict=True))


def _ratios(given: Iterable[dict[str, Any]]) -> list[Decimal]:
    columns = ([abs(row[name]) for row in given] for name in ("effective_cost", "billed_cost", *COSTS))
    weights = next((column for column in columns if any(column)), None)
    return share(Decimal(1), weights).to_pylist() if weights else []


def _line(row: dict[str, Any]) -> dict[str, Any]:
    day, cause = row["charge_date"], _CAUSES[Basis(row["basis"])]
    return _NOTHING | {name: row[name] for name in (*_SAME, *COSTS)} | {
        "charge_id": _identity(row), "day": day, "billing_period": day.replace(day=1), "currency": row["billing_currency"],
        "cause": cause, "rule": f"{row['pool']} step {row['step']}", "subject": f"{MOVED[cause]} {row['pool']}",
        "cost_centre": row["cost_centre__code"] or "", "team": row["team__code"] or "",
        "origin_billed": row["billed_cost"], "origin_contracted": row["contracted_cost"],
    }  # fmt: skip


def _identity(row: dict[str, Any]) -> str:
    """The id of a row that is the same in every database; it names the pool and its step."""
    text = "\x1f".join("" if row[name] is None else str(row[name]) for name in (*_MOVE, *_BEARER))
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return f"{row['basis']}:{row['pool']}:{row['step']}:{digest}"
