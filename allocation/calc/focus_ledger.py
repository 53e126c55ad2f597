"""What a row of the ledger is for FOCUS: one share of one charge and who bears it, and what is known around it."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import NamedTuple

import pyarrow as pa

from allocation.calc.accruals import Place as Billed
from allocation.calc.accruals import provisional_number
from finops.money import MONEY, RATE

QUANTITY = pa.decimal128(38, 12)
_TEXTS = (
    "charge_id", "origin", "provider", "host", "billing_account", "project", "region", "model", "mode", "service_tier",
    "environment", "feature", "tags", "tier", "category", "charge_class", "sku_id", "sku_price_id", "price_class", "unit",
    "currency", "provenance", "scope", "cause", "subject", "commitment_id", "status", "original_currency", "fx_source",
    "cost_centre", "team", "rule",
)  # fmt: skip
# '' is nothing; ``tags``: a JSON object; ``origin``: the charge that it corrects or splits. ``ratio``: the share of a charge
# that several bear, NULL where one does; the ratios of a charge sum to 1. ``origin_*``: of the whole charge.
# ``original_cost``: the row's share of it. A row with a cause of MOVED is no charge: it is what a pool or a rate card
# (``rule`` names it and its step) takes from whoever bore it, without a ratio, or gives to somebody, of the ``origin``.
LEDGER = pa.schema(
    [
        *((name, pa.string()) for name in _TEXTS),
        ("day", pa.date32()), ("billing_period", pa.date32()), ("tier_estimated", pa.bool_()),
        ("list_unit_price", RATE), ("pricing_unit", pa.int64()), ("fx_rate", RATE), ("fx_day", pa.date32()),
        ("quantity", QUANTITY), ("origin_quantity", QUANTITY),
        *((name, MONEY) for name in (
            "list_cost", "contracted_cost", "effective_cost", "billed_cost", "proxy_cost", "original_cost", "ratio",
            "origin_contracted", "origin_billed",
        )),
    ]
)  # fmt: skip


class Terms(NamedTuple):
    """A commitment that charges name as their subject, for columns that a charge does not carry."""

    code: str
    commitment_id: str
    kind: str
    category: str  # Spend or Usage
    provider: str
    currency: str
    start: datetime
    end: datetime
    ended: datetime | None
    goes_on: bool  # without an end of its own
    hourly: bool
    upfront: bool  # paid at once
    as_consumed: bool
    cost: object  # Decimal, or None
    quantity: object
    unit: str
    everything: bool  # covers all usage
    fixed_provider: bool  # covers all usage of its provider
    loaded_at: datetime


MOVED = {"split": "pool", "rate_card": "rate card"}  # cause of a row -> what moves it
Place = tuple[str, str, str, str]  # provider, billing account, currency, ChargeCategory
# The provisional number of provider, host, billing account, currency and the month that is billed.
Number = Callable[[str, str, str, str, date], str]


def _number(provider: str, host: str, account: str, currency: str, month: date) -> str:
    return provisional_number(Billed(host or provider or "Internal", account, currency, ""), month)


class Around(NamedTuple):
    """What rows refer to. ``month``: of the file. ``state``: of the period, DRAFT or closed.

    ``invoices``: the invoice of a place, '' where several could be; currency '' is any, and account '' every one that is not
    named. ``ahead``: the same of what was billed in an earlier month and is charged in this one. ``only``: provider -> the
    only invoice that it sent. ``accounts``: provider -> the account of rows that name none, the only one of its invoices.
    """

    month: date
    state: str
    commitments: Mapping[str, Terms]
    invoices: Mapping[Place, str]
    accounts: Mapping[str, str]
    details: bool = True  # whether the lines of invoices are written too, so that rows may refer to them
    ahead: Mapping[Place, str] = {}
    only: Mapping[str, str] = {}
    number: Number = _number
