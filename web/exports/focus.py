"""FOCUS files of a month: Cost and Usage of 1.2 and 1.4, and what 1.4 has beside it, all from one snapshot.

Cost and Usage is read once, in batches, and written to every file that is asked for; the rest is small.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from allocation import focus_around, focus_moves, focus_selectors, selectors, statement_selectors
from allocation.calc import focus_datasets
from allocation.calc.focus_columns import (
    BILLING_PERIOD,
    CONTRACT_COMMITMENT,
    COST_AND_USAGE,
    DATASETS,
    INVOICE_DETAIL,
    schema,
    written,
)
from allocation.calc.focus_ledger import Around
from allocation.calc.focus_rows import cost_and_usage
from allocation.calc.focus_text import midnight
from allocation.close.provisional import Numbers
from allocation.scope import Scope
from finops.periods import Period
from web.exports.focus_files import Write, writing

COSTS = ("ListCost", "ContractedCost", "EffectiveCost", "BilledCost")
DRAFT = "DRAFT"


class File(NamedTuple):
    """One file of a month."""

    version: str
    dataset: str
    path: Path


@dataclass
class Written:
    """What was written: rows of Cost and Usage, how many of them have no price, sums by currency and column."""

    state: str
    rows: int = 0
    unpriced: int = 0
    totals: dict[str, dict[str, Decimal]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Decimal)))


def file_names(
    period: Period, versions: Sequence[str], formats: Sequence[str], code: str = ""
) -> dict[str, tuple[str, str]]:
    """Name of each file -> its version and dataset."""
    part = f"_{code}" if code else ""
    return {
        f"focus-{version}{_part(dataset)}_{period}{part}.{ending}": (version, dataset)
        for version in versions
        for dataset in DATASETS[version]
        for ending in formats
    }


def _part(dataset: str) -> str:
    return "" if dataset == COST_AND_USAGE else f"-{dataset.lower().replace(' ', '-')}"


def write(files: Sequence[File], scope: Scope, period: Period) -> Written:
    """Write the files as far as the scope goes; all appear whole or none does. Raises OSError.

    Commitments and invoices belong to no cost centre: a narrower scope gets their headers only.
    """
    with ExitStack() as stack:
        stack.enter_context(statement_selectors.snapshot())
        open_files = [(file, stack.enter_context(writing(file.path, _schema(file)))) for file in files]
        state = statement_selectors.state_of(period)
        lines = focus_around.invoiced(period)
        commitments = focus_around.commitments_of(period)
        around = Around(
            period.start, state if state == "closed" else DRAFT, commitments, focus_datasets.single_invoices(lines),
            focus_datasets.single_accounts(lines), scope.everything, focus_datasets.single_invoices(lines, ahead=True),
            focus_datasets.single_numbers(lines), Numbers(period, {line.place[0] for line in lines if line.entered}),
        )  # fmt: skip
        result = Written(around.state)
        seen = _rows(open_files, scope, period, around, result)
        updated = focus_around.updated_at(period, selectors.freshness().as_of)
        start, end = midnight(period.start), midnight(period.end)
        tables = {
            CONTRACT_COMMITMENT: focus_datasets.contract_commitments(
                commitments.values() if scope.everything else (), period
            ),
            BILLING_PERIOD: focus_datasets.billing_periods(seen, state, updated),
            INVOICE_DETAIL: focus_datasets.invoice_details(lines if scope.everything else (), start, end),
        }
        for file, put in open_files:
            if file.dataset in tables:
                put(tables[file.dataset])
    return result


def _schema(file: File) -> pa.Schema:
    return schema(written(file.version, file.dataset))


def _rows(
    files: Sequence[tuple[File, Write]], scope: Scope, period: Period, around: Around, result: Written
) -> set[tuple[datetime, datetime, str]]:
    """Write Cost and Usage, charges before what is moved of them; returns the billing periods and issuers that it has."""
    wanted = [(file.version, put) for file, put in files if file.dataset == COST_AND_USAGE]
    seen: set[tuple[datetime, datetime, str]] = set()
    for batch in chain(focus_selectors.ledger(scope, period), focus_moves.moved(scope, period)):
        tables = {version: cost_and_usage(batch, around, version) for version in {version for version, _ in wanted}}
        for version, put in wanted:
            put(tables[version])
        _count(next(iter(tables.values())), seen, result)
    return seen


def _count(table: pa.Table, seen: set[Any], result: Written) -> None:
    names = ("BillingPeriodStart", "BillingPeriodEnd", "InvoiceIssuerName")
    seen.update(zip(*(table[name].to_pylist() for name in names), strict=True))
    result.rows += len(table)
    result.unpriced += len(table) - table["x_Unpriced"].null_count
    sums = table.group_by("BillingCurrency").aggregate([(name, "sum") for name in COSTS])
    for row in sums.to_pylist():
        for name in COSTS:
            result.totals[row["BillingCurrency"]][name] += row[f"{name}_sum"]
