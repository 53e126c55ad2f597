"""Rules between the columns of one row of Cost and Usage."""

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from allocation.calc.focus_columns import PARENTS
from allocation.calc.focus_lint_values import NOTE, Finding, amount
from allocation.calc.focus_prices import holds

Row = Mapping[str, str]
Found = Iterator[tuple[str, str, str]]  # column, rule, message
_PRICES = ("ListUnitPrice", "ContractedUnitPrice")
_PRICED = ("SkuPriceId", *_PRICES, "PricingCategory", "PricingQuantity", "SkuId")
_PAIRS = (
    ("PricingQuantity", "PricingUnit"), ("ConsumedQuantity", "ConsumedUnit"),
    ("CommitmentDiscountQuantity", "CommitmentDiscountUnit"), ("ResourceId", "ResourceType"),
    ("SubAccountId", "SubAccountName"), ("SubAccountId", "SubAccountType"),
    ("CommitmentDiscountId", "CommitmentDiscountCategory"), ("CommitmentDiscountId", "CommitmentDiscountType"),
)  # fmt: skip
_NEEDS = (
    ("SkuMeter", "SkuId"), ("SkuPriceDetails", "SkuPriceId"), ("ResourceName", "ResourceId"),
    ("CommitmentDiscountName", "CommitmentDiscountId"), ("CommitmentDiscountStatus", "CommitmentDiscountId"),
    ("CapacityReservationStatus", "CapacityReservationId"), ("RegionName", "RegionId"),
)  # fmt: skip


def cost_and_usage(number: int, row: Row, version: str) -> Iterator[Finding]:
    """Breaks of a row, by column."""
    for check in _CHECKS:
        for column, rule, message in check(row):
            yield Finding(number, column, rule, message)
    yield from _unknown_prices(number, row)
    if version != "1.2" and row.get("ChargeCategory") in ("Tax", "Credit"):
        billed, effective = amount(row, "BilledCost"), amount(row, "EffectiveCost")
        if billed != effective:
            text = f"{effective} is not BilledCost, {billed}, as it must be of a tax or credit"
            yield Finding(number, "EffectiveCost", "effective_is_billed", text)


def ratio_of(row: Row) -> Decimal | None:
    """The sum of AllocatedRatio of a row's split (of x_AllocatedMethodDetails before 1.3); None without one."""
    text = row.get("AllocatedMethodDetails") or row.get("x_AllocatedMethodDetails")
    try:
        elements = json.loads(text or "", parse_float=Decimal, parse_int=Decimal)["Elements"]
        return sum((Decimal(element["AllocatedRatio"]) for element in elements), Decimal(0))
    except (ValueError, TypeError, KeyError, ArithmeticError):
        return None


def _of_price(row: Row) -> bool:
    """Whether the charge must have a price: usage and purchases that correct no earlier period."""
    return row.get("ChargeCategory") in ("Usage", "Purchase") and row.get("ChargeClass") != "Correction"


def _unknown_prices(number: int, row: Row) -> Iterator[Finding]:
    """Prices that are null. Where our file says that the cost is not known, that is a note, for FOCUS has no such word."""
    if not _of_price(row):
        return
    unknown = {name for name in row.get("x_UnknownCosts", "").split(",") if name}
    for name in _PRICED:
        if name in row and not row[name]:
            told = bool(unknown & {"ListCost", "ContractedCost", "EffectiveCost"})
            text = "is null: no price is known, and the file says so" if told else "is null on a usage or purchase"
            yield Finding(number, name, "price_not_null", text, *([NOTE] if told else []))


def _identity(row: Row) -> Found:
    quantity = amount(row, "PricingQuantity")
    if quantity is None or row.get("ChargeClass") == "Correction":
        return
    for cost_name, name in (("ListCost", "ListUnitPrice"), ("ContractedCost", "ContractedUnitPrice")):
        price, cost = amount(row, name), amount(row, cost_name)
        if price is not None and cost is not None and not holds(price, quantity, cost):
            yield cost_name, "price_times_quantity", f"{cost} is not {name} {price} x PricingQuantity {quantity}"


def _periods(row: Row) -> Found:
    for what in ("Charge", "Billing"):
        start, end = row.get(f"{what}PeriodStart", ""), row.get(f"{what}PeriodEnd", "")
        if start and end and end <= start:
            yield f"{what}PeriodEnd", "end_after_start", f"{end} is not after {start}"


def _nulls(row: Row) -> Found:
    for name, of in _PAIRS:
        if name in row and of in row and bool(row[name]) != bool(row[of]):
            null, other = (of, name) if row[name] else (name, of)
            yield null, "null_together", f"is null while {other} is not"
    for name, of in _NEEDS:
        if row.get(name) and not row.get(of):
            yield name, "null_together", f"is not null while {of} is null"
    if row.get("ChargeCategory") == "Tax":
        for name in (*_PRICED, "SkuMeter"):
            if row.get(name):
                yield name, "null_on_tax", "is not null on a tax"


def _consumption(row: Row) -> Found:
    if "ConsumedQuantity" not in row:
        return
    category, unused = row.get("ChargeCategory"), row.get("CommitmentDiscountStatus") == "Unused"
    consumed = category == "Usage" and not unused
    if row["ConsumedQuantity"] and not consumed:
        yield "ConsumedQuantity", "consumed_by_usage", "is not null on what is no consumption"
    if not row["ConsumedQuantity"] and consumed and row.get("ChargeClass") != "Correction":
        yield "ConsumedQuantity", "consumed_by_usage", "is null on usage"


def _category(row: Row) -> Found:
    category = row.get("ChargeCategory")
    if category == "Purchase" and row.get("ChargeFrequency") == "Usage-Based":
        yield "ChargeFrequency", "purchase_frequency", "a purchase is not Usage-Based"
    if category == "Purchase" and amount(row, "EffectiveCost"):
        yield "EffectiveCost", "purchase_is_amortised", "of a purchase is not 0: what it pays for has it"
    sub, parent = row.get("ServiceSubcategory", ""), row.get("ServiceCategory", "")
    if sub in PARENTS and PARENTS[sub] != parent:
        yield "ServiceSubcategory", "parent_category", f"{sub!r} belongs to {PARENTS[sub]!r}, not {parent!r}"
    provider = row.get("ProviderName") or row.get("ServiceProviderName")
    if provider and row.get("InvoiceIssuerName") != provider and amount(row, "BilledCost"):
        yield "BilledCost", "third_party_billed", "is not 0 though another than the provider issues the invoice"


def _commitments(row: Row) -> Found:
    name, status, category = (
        row.get("CommitmentDiscountId"),
        row.get("CommitmentDiscountStatus"),
        row.get("ChargeCategory"),
    )
    if not name:
        return
    if category == "Usage" and not status:
        yield "CommitmentDiscountStatus", "commitment_status", "is null on usage under a commitment"
    if category == "Purchase" and status:
        yield "CommitmentDiscountStatus", "commitment_status", "is not null on the purchase of a commitment"
    if status == "Unused" and row.get("ResourceId") != name:
        yield "ResourceId", "commitment_resource", f"of an unused part is not the commitment, {name!r}"
    counted, effective = amount(row, "CommitmentDiscountQuantity"), amount(row, "EffectiveCost")
    if counted is None and category in ("Usage", "Purchase") and row.get("ChargeClass") != "Correction":
        yield "CommitmentDiscountQuantity", "commitment_quantity", "is null"
    in_money = row.get("CommitmentDiscountUnit") == row.get("BillingCurrency")
    if status and in_money and counted is not None and counted != effective:
        yield "EffectiveCost", "commitment_quantity", f"{effective} is not the {counted} of the commitment that it is"


_CHECKS: tuple[Callable[[Row], Found], ...] = (_identity, _periods, _nulls, _consumption, _category, _commitments)
