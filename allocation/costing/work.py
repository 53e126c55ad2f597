"""A day's money on its way to being charged: what the steps of costing hand on to each other."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from finops.money import MONEY, RATE

ZERO = Decimal(0)
COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")


class Owner(NamedTuple):
    """Who bears a charge whatever the rules say; '' in both leaves it to the rules."""

    cost_centre: str = ""
    team: str = ""


class Entry(NamedTuple):
    """A charge of no call: amortisation left unused, idle capacity, a licence, an invoice's residue, a currency difference.

    ``subject`` names the agreement behind it, in words that stay the same ("commitment azure-ptu-eu"). ``dimensions`` are
    those of a usage key (provider, billing_account, model_served, region, feature, tags ...; what is left out is empty) of
    layer ``layer``: rules, filters and scopes apply to it as to usage. Costs are signed; a column may be None where it
    does not apply. ``status``: Used, Unused, Idle, Expired, Shortfall, or ''.
    """

    subject: str
    layer: str  # commitment, fleet, other, invoice, fx
    dimensions: Mapping[str, Any]
    charge_category: str  # Usage, Purchase, Tax, Credit, Adjustment
    price_class: str  # token class, unit, or the kind of charge: amortisation, energy, staff, licence, ...
    effective_cost: Decimal | None
    currency: str
    billed_cost: Decimal | None = ZERO
    list_cost: Decimal | None = ZERO
    contracted_cost: Decimal | None = ZERO
    quantity: Decimal = ZERO
    unit: str = ""
    status: str = ""
    commitment_id: str = ""
    owner: Owner = Owner()
    cause: str = ""
    charge_class: str = ""
    provenance: str = "computed"
    billing_period: date | None = None  # None: the month of the day
    original_currency: str = ""
    original_cost: Decimal | None = None
    fx_rate: Decimal | None = None
    fx_day: date | None = None
    fx_source: str = ""


class Work(NamedTuple):
    """One day: its computed charges of usage (a table, see ``of_usage``), and its charges of no call.

    ``dimensions``: usage key id -> its dimensions. Steps return a new Work; they keep the sum of ``quantity`` and
    ``list_cost`` per (key_id, tier, tier_estimated, price_class, price_row, cause), whatever they split; what usage bears of
    a fleet's energy are charges of classes that no usage is rated by (capacity.CLASSES).
    """

    day: date
    usage: pa.Table
    entries: Sequence[Entry]
    dimensions: Mapping[int, Mapping[str, Any]]

    def having(self, usage: pa.Table, entries: Sequence[Entry] = ()) -> "Work":
        """The same day with other charges of usage, and with more entries."""
        return self._replace(usage=usage, entries=[*self.entries, *entries])


def of_usage(charges: pa.Table) -> pa.Table:
    """Charges of usage (allocation.calc.charges) as the steps get them: at list price, under no agreement.

    Added: contracted_cost, effective_cost (as list_cost), billed_cost (NULL: no bill yet), subject, commitment_id and
    commitment_status (''), owner_cost_centre and owner_team ('': by the rules), original_currency and fx_source (''),
    original_cost, fx_rate and fx_day (NULL: not converted).
    """
    count = len(charges)
    for name in ("contracted_cost", "effective_cost"):
        charges = charges.append_column(name, charges["list_cost"])
    charges = charges.append_column("billed_cost", pa.nulls(count, MONEY))
    for name in (
        "subject",
        "commitment_id",
        "commitment_status",
        "owner_cost_centre",
        "owner_team",
        "original_currency",
        "fx_source",
    ):
        charges = charges.append_column(name, pa.repeat(pa.scalar(""), count))
    charges = charges.append_column("original_cost", pa.nulls(count, MONEY))
    charges = charges.append_column("fx_rate", pa.nulls(count, RATE))
    return charges.append_column("fx_day", pa.nulls(count, pa.date32()))


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    """The table with one column replaced."""
    return table.set_column(table.column_names.index(name), name, values)


def sums(table: pa.Table, name: str) -> Decimal:
    """The sum of a money column, NULLs skipped."""
    return pc.sum(table[name]).as_py() or ZERO


def added(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    """a + b, where None is nothing known: None only where both are."""
    return b if a is None else a if b is None else a + b
