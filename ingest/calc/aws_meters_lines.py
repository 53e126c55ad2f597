"""A row of AWS's Cost and Usage Report (2.0, or the older one) as a line of a bill, for Bedrock.

``line_item_unblended_cost`` is what is invoiced. Discounts (EdpDiscount and its like), credits and taxes are rows of
their own, so that the net columns, which have them already taken off, are not read. Usage that a savings plan covers is
listed at its full price and taken back by a SavingsPlanNegation: the covered row alone has an effective cost. One row is
one token class of one usage type in one hour, never a request. AWS gives a row another ``identity_line_item_id`` in
every delivery: it is no identity.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from ingest.calc.aws_meters import aws_meter
from ingest.calc.bill_meters import UNKNOWN, counted, meter_columns, signed, tags_of
from ingest.calc.reasons import Rejected
from ingest.calc.values import instant

Row = dict[str, Any]
ESSENTIAL = (
    "line_item_line_item_type", "line_item_usage_type", "line_item_usage_start_date", "line_item_unblended_cost",
    "line_item_currency_code",
)  # fmt: skip
_CATEGORIES = {
    "Usage": "Usage", "DiscountedUsage": "Usage", "SavingsPlanCoveredUsage": "Usage",
    "Fee": "Purchase", "RIFee": "Purchase", "SavingsPlanRecurringFee": "Purchase", "SavingsPlanUpfrontFee": "Purchase",
    "Tax": "Tax", "Credit": "Credit",
    "Refund": "Adjustment", "SavingsPlanNegation": "Adjustment", "EdpDiscount": "Adjustment", "Discount": "Adjustment",
    "PrivateRateDiscount": "Adjustment", "BundledDiscount": "Adjustment", "SppDiscount": "Adjustment",
    "DistributorDiscount": "Adjustment", "RiVolumeDiscount": "Adjustment",
}  # fmt: skip
# line item type -> column of its amortised cost, where it differs from the billed one
_EFFECTIVE = {
    "DiscountedUsage": ("reservation_effective_cost",),
    "SavingsPlanCoveredUsage": ("savings_plan_savings_plan_effective_cost",),
    "RIFee": ("reservation_unused_amortized_upfront_fee_for_billing_period", "reservation_unused_recurring_fee"),
}
_IDENTITY = (
    "bill_payer_account_id", "bill_billing_entity", "bill_bill_type", "line_item_usage_account_id",
    "line_item_line_item_type", "line_item_product_code", "line_item_usage_type", "line_item_operation",
    "line_item_availability_zone", "line_item_resource_id", "line_item_iam_principal", "line_item_legal_entity",
    "line_item_currency_code", "line_item_tax_type", "product_region_code", "product_sku", "pricing_rate_code",
    "pricing_rate_id", "pricing_term", "pricing_unit", "savings_plan_savings_plan_a_r_n", "reservation_reservation_a_r_n",
    "discount_name",
)  # fmt: skip
_UTC = ZoneInfo("UTC")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TAG = re.compile(r"(?:resourceTags/|resource_tags/|iamPrincipal/|accountTag/|user[:_])+")


@cache
def cur_name(heading: str) -> str:
    """The column of CUR 2.0 that a heading of the older report (``lineItem/UsageType``) means; others unchanged."""
    if "/" not in heading or ":" in heading:
        return heading
    return "_".join(_CAMEL.sub("_", part).lower() for part in heading.split("/"))


def is_bedrock(row: Row) -> bool:
    """Whether a row is of Bedrock, by its product, or is a model sold in the marketplace for it."""
    if str(row.get("line_item_product_code") or "").startswith("AmazonBedrock"):
        return True
    return "bedrock" in (product_name(row) or "").lower()


def cur_line(row: Row, unknown: Callable[[str], None]) -> Row:
    """Columns of LINE_SCHEMA that a row states, but for identity, tags and principal. Raises Rejected."""
    kind = _text(row, "line_item_line_item_type") or ""
    if kind not in _CATEGORIES:
        raise Rejected("unknown_shape", "line_item_line_item_type is not known")
    category, usage_type = _CATEGORIES[kind], _text(row, "line_item_usage_type") or ""
    meter = aws_meter(usage_type, product_name(row), _text(row, "pricing_unit")) if category == "Usage" else UNKNOWN
    if category == "Usage" and not meter.price_class:
        unknown(usage_type)
    billed = signed(row.get("line_item_unblended_cost"), "line_item_unblended_cost")
    start, end, billing = _times(row)
    unit = _text(row, "pricing_unit")
    amount = signed(row.get("line_item_usage_amount"), "line_item_usage_amount") if category == "Usage" else None
    return {
        **meter_columns(meter),
        **counted(meter, amount, meter.block, unit),
        "period_start": start, "period_end": end,
        "billing_period": billing.date().replace(day=1) if billing else None,
        "provider": "aws",
        "billing_account": _text(row, "line_item_usage_account_id") or _text(row, "bill_payer_account_id"),
        "region": _text(row, "product_region_code"),
        "charge_category": category,
        "description": _text(row, "line_item_line_item_description") or usage_type or kind,
        "sku_id": usage_type or None,
        "list_cost": signed(row.get("pricing_public_on_demand_cost"), "pricing_public_on_demand_cost"),
        "contracted_cost": billed if kind == "Usage" else None,
        "effective_cost": _effective(row, kind, billed),
        "billed_cost": billed,
        "billing_currency": _text(row, "line_item_currency_code"),
        "invoice_id": _text(row, "bill_invoice_id"),
        "commitment_id": _text(row, "savings_plan_savings_plan_a_r_n") or _text(row, "reservation_reservation_a_r_n"),
        "commitment_status": "Used" if kind in ("DiscountedUsage", "SavingsPlanCoveredUsage") else None,
        "resource_id": _text(row, "line_item_resource_id"),
    }  # fmt: skip


def cur_tags(row: Row) -> dict[str, Any]:
    """Tags by their bare keys; what a resource is tagged with wins over its caller's tags."""
    given: dict[str, Any] = {}
    for name in ("tags", "resource_tags"):
        given |= tags_of(row.get(name), name)
    given |= {name: value for name, value in row.items() if name.startswith("resourceTags/") and value}
    principal = {key: value for key, value in given.items() if key.startswith("iamPrincipal/")}
    others = {key: value for key, value in given.items() if key not in principal}
    return {_TAG.sub("", key, count=1): value for part in (principal, others) for key, value in part.items()}


def cur_identity(row: Row, line: Row, tags: Mapping[str, Any]) -> Row:
    """What tells a row from others, whatever it costs."""
    kept = {name: str(row[name]) for name in _IDENTITY if row.get(name) not in (None, "")}
    times = {name: str(line[name]) for name in ("period_start", "period_end", "billing_period")}
    return kept | times | {"tags": {key: str(value) for key, value in tags.items()}}


def product_name(row: Row) -> str | None:
    """The product's name, which is the model's in the marketplace."""
    if name := _text(row, "product_product_name"):
        return name
    product = row.get("product")
    if isinstance(product, str) and product.strip():
        product = tags_of(product, "product")
    return str(product["product_name"]) if isinstance(product, Mapping) and product.get("product_name") else None


def _effective(row: Row, kind: str, billed: Decimal | None) -> Decimal | None:
    if kind in ("SavingsPlanNegation", "SavingsPlanUpfrontFee"):
        return Decimal(0)
    if kind == "SavingsPlanRecurringFee":
        total, used = (
            signed(row.get(f"savings_plan_{name}"), name) for name in ("total_commitment_to_date", "used_commitment")
        )
        return billed if total is None or used is None else total - used  # what was paid for and not used
    parts = [signed(row.get(name), name) for name in _EFFECTIVE.get(kind, ())]
    given = [part for part in parts if part is not None]
    return sum(given, Decimal(0)) if given else billed


def _times(row: Row) -> tuple[datetime, datetime | None, datetime | None]:
    names = ("line_item_usage_start_date", "line_item_usage_end_date", "bill_billing_period_start_date")
    times = [instant(row[name], name, zone=_UTC) if row.get(name) not in (None, "") else None for name in names]
    if times[0] is None:
        raise Rejected("missing_time", names[0])
    return times[0], times[1], times[2]


def _text(row: Row, name: str) -> str | None:
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Rejected("unknown_shape", f"{name} is not a text")
    return str(value).strip() or None
