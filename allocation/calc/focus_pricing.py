"""What a row of Cost and Usage is, of which SKU, and at which unit prices."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from allocation.calc.focus_prices import ZERO, Priced, priced
from allocation.calc.focus_text import as_json, issuer_of, meter_of, unit_of
from finops.tokens import ALL_OUTPUT_CLASSES, TOKEN_CLASSES

Row = dict[str, Any]
PURCHASABLE = ("Usage", "Purchase")
_MILLION = 1_000_000
_STEP = Decimal("0.000000000000000001")


def category_of(row: Row, costs: Mapping[str, Decimal]) -> tuple[str, Priced | None]:
    """ChargeCategory, and how the row is priced (None: it is not).

    What contradicts the rules of its category is an adjustment: a tax or credit of which another part is borne than is
    billed, and costs that no unit price explains. x_ChargeCategory keeps what the ledger says.
    """
    category = row["category"]
    if category in ("Tax", "Credit") and costs["EffectiveCost"] != costs["BilledCost"]:
        return "Adjustment", None
    if category not in PURCHASABLE or row["list_cost"] is None or row["contracted_cost"] is None:
        return category, None
    block = _block(row)
    found = priced(
        (row["quantity"] / block).quantize(_STEP), row["list_unit_price"], costs["ListCost"], costs["ContractedCost"],
        None if row["ratio"] is None or row["origin_contracted"] is None
        else ((row["origin_quantity"] / block).quantize(_STEP), row["origin_contracted"]),
    )  # fmt: skip
    return category if found else "Adjustment", found


def _block(row: Row) -> int:
    return int(row["pricing_unit"] or (_MILLION if row["unit"] == "tokens" else 1))


def _pricing_unit(row: Row) -> str:
    unit, block = unit_of(row["unit"]), _block(row)
    return unit if block == 1 else f"{block} {unit}"


def price_columns(row: Row, category: str, price: Priced | None) -> Row:
    """SKU, its price, and the quantity at that price."""
    if category not in PURCHASABLE:
        return {}
    found: Row = {"SkuId": row["sku_id"], "SkuMeter": meter_of(row["price_class"])}
    if price is None:
        quantity = (row["quantity"] / _block(row)).quantize(_STEP)
        known = row["effective_cost"] is not None
        return found | {
            "PricingQuantity": quantity, "PricingUnit": _pricing_unit(row),
            "PricingCategory": _pricing_category(row, category) if known else None,
        }  # fmt: skip
    return found | {
        "SkuPriceId": _sku_price_id(row), "SkuPriceDetails": _sku_details(row),
        "PricingQuantity": price.quantity, "PricingUnit": "Units" if price.lump else _pricing_unit(row),
        "ListUnitPrice": price.list_price, "ContractedUnitPrice": price.contracted_price,
        "PricingCategory": _pricing_category(row, category),
    }  # fmt: skip


def _pricing_category(row: Row, category: str) -> str:
    return "Committed" if row["commitment_id"] and category == "Usage" else "Standard"


def _sku_price_id(row: Row) -> str:
    """The price's natural key after its SKU: a price of a family of models has one parent SKU per model."""
    named = _price_parts(row)
    return f"{row['sku_id']}|{'|'.join(named)}" if named else str(row["sku_id"])


def _price_parts(row: Row) -> list[str]:
    text = row["sku_price_id"]
    try:
        parts = json.loads(text) if text.startswith("[") else [text]
    except ValueError:
        parts = [text]
    return [str(part) for part in parts if part]


def _sku_details(row: Row) -> str | None:
    found = {"x_ModelDeveloper": issuer_of(row["provider"]) if row["model"] else "", "x_ModelId": row["model"]}
    if row["price_class"] in TOKEN_CLASSES:
        found["x_TokenType"] = _token_type(row["price_class"])
    return as_json({name: value for name, value in found.items() if value})


def _token_type(price_class: str) -> str:
    if price_class in ALL_OUTPUT_CLASSES:
        return "Output"
    return "CacheWrite" if "cache_write" in price_class else "CacheRead" if "cache_read" in price_class else "Input"


def currency_columns(row: Row, found: Row) -> Row:
    """The currency of the price list: that of the row before it was converted, if it was."""
    at_list, contracted = found.get("ListUnitPrice"), found.get("ContractedUnitPrice")
    if not row["original_currency"]:
        return {
            "PricingCurrency": row["currency"], "PricingCurrencyEffectiveCost": found["EffectiveCost"],
            "PricingCurrencyListUnitPrice": at_list, "PricingCurrencyContractedUnitPrice": contracted,
        }  # fmt: skip
    parts = _price_parts(row)
    listed = parts[-2] if len(parts) > 3 and parts[-3] == row["original_currency"] else None
    original = Decimal(listed) if at_list is not None and listed is not None else None
    return {
        "PricingCurrency": row["original_currency"],
        "PricingCurrencyEffectiveCost": row["original_cost"] if row["original_cost"] is not None else ZERO,
        "PricingCurrencyListUnitPrice": original,
        "PricingCurrencyContractedUnitPrice": original if contracted == at_list else None, "x_FxRate": row["fx_rate"],
        "x_FxRateDate": row["fx_day"] and row["fx_day"].isoformat(), "x_FxSource": row["fx_source"] or None,
    }  # fmt: skip
