"""Checks a FOCUS file: header, values, rows, and what rows say together. Reports row and column of every break.

The rules are those of FOCUS 1.2 and 1.4, also where the official validator of 1.2 does not look: price x quantity = cost,
null prices and categories, times to the second with Z, ends before starts, units and numbers as FOCUS writes them, flat
tags, placeholders, our own columns without x_ or before FOCUS's, duplicate rows, and unused parts of commitments.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from allocation.calc.focus_columns import (
    BILLING_PERIOD,
    CONTRACT_COMMITMENT,
    COST_AND_USAGE,
    FOCUS,
    INVOICE_DETAIL,
    VERSIONS,
    Column,
)
from allocation.calc.focus_lint_rows import cost_and_usage, ratio_of
from allocation.calc.focus_lint_values import ERROR, NOTE, Finding, amount, header, values

__all__ = ["ERROR", "NOTE", "Finding", "LintError", "dataset_of", "lint"]
_MARKS = {
    "InvoiceDetailCreated": INVOICE_DETAIL,
    "ContractCommitmentModel": CONTRACT_COMMITMENT,
    "BillingPeriodStatus": BILLING_PERIOD,
}
_RATIO = Decimal("0.000000001")


class LintError(ValueError):
    """A file of no version or dataset that is checked."""


def dataset_of(columns: Sequence[str], version: str = "") -> tuple[str, str]:
    """Version and dataset of a file by its header, or those of the version that is asked for. Raises LintError."""
    dataset = next((name for mark, name in _MARKS.items() if mark in columns), COST_AND_USAGE)
    if dataset == COST_AND_USAGE and "BilledCost" not in columns:
        raise LintError("no FOCUS file: its header names neither BilledCost nor a column of another dataset of 1.4")
    found = version or ("1.2" if dataset == COST_AND_USAGE and "ServiceProviderName" not in columns else "1.4")
    if (found, dataset) not in FOCUS:
        raise LintError(f"FOCUS {found} has no dataset {dataset} here; checked are {', '.join(VERSIONS)}")
    return found, dataset


def lint(columns: Sequence[str], rows: Iterable[Sequence[str]], version: str = "") -> Iterator[Finding]:
    """Findings of a file in the order of its rows; those about several rows last. ``rows``: texts, '' is null.

    Row 0 is the header, row 1 the first after it. Raises LintError.
    """
    found, dataset = dataset_of(columns, version)
    known = {column.name: column for column in FOCUS[found, dataset]}
    yield from header(columns, known)
    if dataset == COST_AND_USAGE:
        yield from _charges(columns, rows, known, found)
        return
    for number, fields in enumerate(rows, start=1):
        row = dict(zip(columns, fields, strict=False))
        yield from values(number, row, len(fields) - len(columns), known)


def _charges(
    columns: Sequence[str], rows: Iterable[Sequence[str]], known: Mapping[str, Column], version: str
) -> Iterator[Finding]:
    together = _Together()
    for number, fields in enumerate(rows, start=1):
        row = dict(zip(columns, fields, strict=False))
        yield from values(number, row, len(fields) - len(columns), known)
        yield from cost_and_usage(number, row, version)
        yield from together.see(number, row, fields)
    yield from together.findings()


class _Together:
    """What rows say together: equal rows, names with two meanings, shares of a charge, commitments."""

    def __init__(self) -> None:
        self._rows: dict[bytes, int] = {}
        self._meant: dict[tuple[str, str, str], str] = {}
        self._shares: dict[str, list[Any]] = {}
        self._bought: dict[str, list[Any]] = defaultdict(lambda: [None, Decimal(0), "", ""])
        self._used: dict[str, list[Any]] = defaultdict(lambda: [0, Decimal(0), "9", ""])

    def see(self, number: int, row: Mapping[str, str], fields: Sequence[str]) -> Iterator[Finding]:
        digest = blake2b("\x1f".join(fields).encode("utf-8", "surrogatepass"), digest_size=12).digest()
        if (first := self._rows.setdefault(digest, number)) != number:
            yield Finding(number, "", "duplicate_row", f"says the same as row {first}, in every column")
        for name, of in (
            ("ServiceName", "ServiceCategory"),
            ("ServiceName", "ServiceSubcategory"),
            ("SkuPriceId", "SkuId"),
        ):
            value, meant = row.get(name, ""), row.get(of, "")
            if value and (before := self._meant.setdefault((name, value, of), meant)) != meant:
                text = f"{name} {value!r} has {of} {before!r} in other rows"
                yield Finding(number, of, "one_parent", text)
        self._share(number, row)
        self._commitment(number, row)

    def findings(self) -> Iterator[Finding]:
        for origin, (number, ratio, cost, stated) in sorted(self._shares.items(), key=lambda item: item[1][0]):
            if abs(ratio - 1) > _RATIO:
                yield Finding(number, "AllocatedMethodDetails", "ratios_sum_to_1", f"ratios of {origin} sum to {ratio}")
            if stated is not None and cost != stated:
                yield Finding(
                    number, "BilledCost", "shares_sum_to_origin",
                    f"shares of {origin} sum to {cost}, x_SplitOriginCost says {stated}",
                )  # fmt: skip
        for name, (number, billed, start, end) in sorted(self._bought.items()):
            at, effective, first, last = self._used[name]
            if number is not None and at and start <= first and last <= end and billed != effective:
                text = f"used and unused parts of {name} sum to {effective}, its recurring purchases to {billed}"
                yield Finding(at, "EffectiveCost", "commitment_is_amortised", text)

    def _share(self, number: int, row: Mapping[str, str]) -> None:
        ratio = ratio_of(row)
        if (origin := row.get("x_SplitOriginId", "")) and ratio is not None:
            found = self._shares.setdefault(origin, [number, Decimal(0), Decimal(0), amount(row, "x_SplitOriginCost")])
            found[1] += ratio
            found[2] += amount(row, "BilledCost") or 0

    def _commitment(self, number: int, row: Mapping[str, str]) -> None:
        """Sums that must agree where a purchase pays for its own charge period, and the file holds all of it."""
        name, category = row.get("CommitmentDiscountId", ""), row.get("ChargeCategory")
        start, end = row.get("ChargePeriodStart", ""), row.get("ChargePeriodEnd", "")
        if name and category == "Purchase" and row.get("ChargeFrequency") == "Recurring":
            found = self._bought[name]
            first = found[0] is None
            found[:] = [
                number if first else found[0], found[1] + (amount(row, "BilledCost") or 0),
                start if first else min(found[2], start), max(found[3], end),
            ]  # fmt: skip
        elif name and category == "Usage":
            found = self._used[name]
            found[:] = [
                number,
                found[1] + (amount(row, "EffectiveCost") or 0),
                min(found[2], start),
                max(found[3], end),
            ]
