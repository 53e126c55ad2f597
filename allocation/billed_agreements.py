"""Agreements that bills state too: which lines and charges are about the same money, so that it is charged once."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from allocation.calc import billed_agreements as calc
from allocation.calc.billed_agreements import Part
from allocation.calc.capacity import Capacity
from allocation.calc.commitments import Commitments
from allocation.costing import capacity, commitments, terms
from allocation.costing.work import COSTS, ZERO, Entry
from allocation.layering import Names

AMORTISED, DIFFERENCE, NOT_STATED = "amortised", "price_difference", "not_on_the_bill"
_KINDS = {"Unused": calc.UNUSED, "Expired": calc.UNUSED, "Used": calc.USED}
Charged = tuple[dict[str, Any], dict[str, Any], str]  # line, what is charged of it, cause


class Places:
    """Where computed charges and lines meet: (group of billing accounts, provider); a fleet's where its bill is."""

    def __init__(self, day: date, names: Names) -> None:
        found: Capacity = terms.in_force(capacity.KIND, capacity.parse)
        self._names = names
        self._bills = {capacity.subject(one): one.bill for one in found.fleets if one.begin <= day < one.end}
        # an account that is not stated is compared with every other (allocation.calc.layers.account_groups)
        self._united = {provider for provider, account in self._bills.values() if not account}
        self._groups = {
            (place[1], dimensions["billing_account"]): place
            for key, dimensions in names.dimensions.items()
            for place in [names.place(key)]
        }

    def of_key(self, key: int) -> tuple[str, str]:
        """The place of a usage key."""
        group, provider = self._names.place(key)
        return ("" if provider in self._united else group), provider

    def of_fleet(self, subject: str) -> tuple[str, str]:
        """The place of the bill of a fleet."""
        provider, account = self._bills[subject]
        if provider in self._united:
            return "", provider
        return self._groups.get((provider, account), (account, provider))

    def of_charge(self, key: int, subject: str) -> tuple[str, str]:
        """The place of a charge of usage under an agreement, or none ('')."""
        return self.of_fleet(subject) if subject in self._bills else self.of_key(key)


def subject(commitment_id: str) -> str:
    """How the agreement behind a line that names a commitment is called; '' where there is none."""
    if not commitment_id:
        return ""
    book: Commitments = terms.in_force(commitments.KIND, commitments.parse)
    return next((one.subject for one in book.commitments if one.commitment_id == commitment_id), "")


def ruled(
    charged: Sequence[Charged], entries: Sequence[Entry], is_whole: Callable[[dict[str, Any]], bool]
) -> tuple[list[Charged], list[Entry]]:
    """What is charged of lines when the entries of the agreements that they name are; and entries that take others back.

    A purchase that the bill does not amortise costs nothing but its BilledCost where its agreement amortises it.
    """
    book: Commitments = terms.in_force(commitments.KIND, commitments.parse)
    known = {one.commitment_id for one in book.commitments}
    if not any(line["commitment_id"] in known for line, _, _ in charged):
        return list(charged), []
    amortised = {one.commitment_id for one in book.commitments if one.instalments}
    charged = [_amortised(row) if row[0]["commitment_id"] in amortised else row for row in charged]
    mine = [entry for entry in entries if entry.layer == "commitment" and entry.commitment_id]
    ruling = calc.rule(
        [_of_line(line, amounts, whole=is_whole(line)) for line, amounts, _ in charged],
        [_of_entry(one) for one in mine],
    )
    found = [
        _less(row, explained) if explained else row for row, explained in zip(charged, ruling.explained, strict=True)
    ]
    return found, [_taken_back(mine[at]) for at in ruling.taken_back]


def _amortised(row: Charged) -> Charged:
    line, amounts, _ = row
    paid = amounts["effective_cost"]
    if line["charge_category"] != "Purchase" or line["charge_class"] or not paid or paid != amounts["billed_cost"]:
        return row
    return line, amounts | dict.fromkeys(("list_cost", "contracted_cost", "effective_cost"), ZERO), AMORTISED


def _of_line(line: dict[str, Any], amounts: dict[str, Any], *, whole: bool) -> Part:
    category = line["charge_category"]
    kind = category if category != "Usage" else line["commitment_status"]
    named = "" if line["charge_class"] else line["commitment_id"]  # a correction is of another time
    return Part(named, kind, line["billing_currency"], {name: amounts[name] for name in COSTS}, whole=whole)


def _of_entry(entry: Entry) -> Part:
    kind = _KINDS.get(entry.status, entry.charge_category)
    return Part(entry.commitment_id, kind, entry.currency, {name: getattr(entry, name) for name in COSTS})


def _less(row: Charged, explained: dict[str, Decimal]) -> Charged:
    line, amounts, cause = row
    left = amounts | {name: amounts[name] - part for name, part in explained.items()}
    differs = left["effective_cost"] or left["billed_cost"]
    return line, left, cause or (DIFFERENCE if differs else "")


def _taken_back(entry: Entry) -> Entry:
    amounts = {name: getattr(entry, name) for name in (*COSTS, "quantity", "original_cost")}
    return entry._replace(cause=NOT_STATED, **{name: value and -value for name, value in amounts.items()})
