"""A row of FOCUS Cost and Usage (1.0 to 1.4) as a line of a bill.

``BilledCost`` is what is invoiced, ``EffectiveCost`` the same money amortised: two views, never added. A purchase of a
commitment is billed and has no effective cost; the usage that consumes it has an effective cost and nothing billed.
``PricingCurrency`` may be a virtual one (credits, tokens), whose units are neither money nor tokens of a model: all
amounts are read in ``BillingCurrency``. FOCUS names no model before what follows 1.4: it is read from our own x_
columns, from ``SkuPriceDetails``, or from the issuer's meter.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from finops.focus import SPEC_COLUMNS
from finops.tokens import TOKEN_CLASSES, UNITS
from ingest.calc.aws_meters import aws_meter
from ingest.calc.azure_meters import azure_meter
from ingest.calc.bill_meters import UNKNOWN, Meter, counted, exact, meter_columns, tags_of, token_block
from ingest.calc.focus_lines_values import PERIODS, Reading, Row, text_of
from ingest.calc.google_meters import google_meter
from ingest.calc.matching import PROVIDER_ALIASES
from ingest.calc.reasons import Rejected

# Without these no row can be read; the others may be missing in lenient reading.
ESSENTIAL = (
    "BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory",
    "ChargePeriodEnd", "ChargePeriodStart", "EffectiveCost",
)  # fmt: skip
MANDATORY = (
    *ESSENTIAL, "BillingAccountName", "ChargeClass", "ChargeDescription", "ContractedCost", "InvoiceIssuerName",
    "ListCost", "PricingQuantity", "PricingUnit", "ServiceCategory", "ServiceName",
)  # fmt: skip
PROVIDER_COLUMNS = ("ServiceProviderName", "ProviderName")  # since 1.3, before
_PROVIDERS = {
    "amazon web services": "aws", "amazon web services, inc.": "aws", "aws": "aws", "microsoft": "azure",
    "microsoft azure": "azure", "azure": "azure", "google": "google", "google cloud": "google",
    "google cloud platform": "google", "gcp": "google", "oracle": "oracle", "openai": "openai", "anthropic": "anthropic",
}  # fmt: skip
# What SkuMeter, or TokenType and its like, say.
_METERS = {
    "input": "input_uncached", "uncached input": "input_uncached", "prompt": "input_uncached",
    "cached input": "cache_read", "input cached": "cache_read", "cache read": "cache_read", "cacheread": "cache_read",
    "cache write": "cache_write_5m", "cachewrite": "cache_write_5m", "cache write 1h": "cache_write_1h",
    "output": "output_visible", "completion": "output_visible", "reasoning": "output_reasoning",
    "gpu hours": "gpu_hour", "ptu hours": "ptu_hour", "ptu-hours": "ptu_hour", "requests": "request",
    "token-hours": "cache_storage_token_hour", "web searches": "web_search",
}  # fmt: skip
_TOKEN_TYPES = ("TokenType", "x_TokenType")
_MODELS = ("x_Model", "x_ModelName", "x_ModelId")
_DETAIL_MODELS = ("ModelId", "x_ModelId", "x_Model", "x_ModelName")
# Not who or what is charged, but how much, and names that may be corrected later.
_NOT_IDENTITY = frozenset(
    {"BilledCost", "BillingAccountName", "CommitmentDiscountName", "CommitmentDiscountQuantity",
     "ConsumedQuantity", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "InvoiceDetailId", "InvoiceId",
     "ListCost", "ListUnitPrice", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
     "PricingCurrencyListUnitPrice", "PricingQuantity", "RegionName", "ResourceName", "SubAccountName", "x_RequestCount",
     *PERIODS}
)  # fmt: skip
_MONEY_WORDS = ("Cost", "Price", "Quantity", "Amount", "Rate", "Saving", "Discount")


def focus_line(row: Row, reading: Reading, unknown: Callable[[str], None]) -> tuple[Row, datetime, datetime]:
    """Columns of LINE_SCHEMA that a cleaned row states, but for its identity and tags; and its billing period.

    ``unknown`` is told the meters of AI services that no table knows. Raises Rejected.
    """
    billing_start, billing_end, start, end = reading.periods(row)
    currency = _currency(row, reading)
    amounts = {name: reading.amount(row, name, currency) for name in
               ("BilledCost", "EffectiveCost", "ContractedCost", "ListCost")}  # fmt: skip
    for name, amount in amounts.items():
        if amount is None and name == "BilledCost":
            raise Rejected("bad_number", "BilledCost is missing")
        if amount is None:
            reading.deviates(name, "is missing")
    provider = _provider(row, reading)
    host = text_of(row, "HostProviderName")
    category = text_of(row, "ChargeCategory")
    details = _details(row, reading)
    meter = _meter(row, provider, details)
    if not meter.price_class and category == "Usage" and _is_ai(row):
        unknown(meter_text(row) or "(none)")
    model = next((text for name in _MODELS if (text := text_of(row, name))), None) or _detail(details, _DETAIL_MODELS)
    resource = text_of(row, "ResourceId")
    # LiteLLM writes the model's name as the type, too.
    if model is None and meter.model is None and text_of(row, "ResourceType") in ("Model", resource):
        model = resource
    line = {
        **meter_columns(meter._replace(model=model or meter.model)),
        **_quantity(row, reading, meter),
        "period_start": start, "period_end": end, "billing_period": billing_start.date().replace(day=1),
        "provider": provider,
        "host": host if host and provider_name(host) != provider else None,
        "billing_account": text_of(row, "BillingAccountId"),
        "api_key": text_of(row, "BillingAccountName") if text_of(row, "BillingAccountType") == "API Key" else None,
        "project": text_of(row, "SubAccountId"),
        "region": text_of(row, "RegionId"),
        "environment": text_of(row, "x_Environment"), "feature": text_of(row, "x_Feature"),
        "charge_category": category,
        "charge_class": _class(row),
        "description": text_of(row, "ChargeDescription") or meter_text(row),
        "sku_id": text_of(row, "SkuPriceId") or text_of(row, "SkuId"),
        "list_cost": amounts["ListCost"], "contracted_cost": amounts["ContractedCost"],
        "effective_cost": amounts["EffectiveCost"], "billed_cost": amounts["BilledCost"],
        "billing_currency": currency,
        "invoice_id": text_of(row, "InvoiceId"),
        "commitment_id": text_of(row, "CommitmentDiscountId"),
        "commitment_status": text_of(row, "CommitmentDiscountStatus"),
        "resource_id": resource,
    }  # fmt: skip
    return line, billing_start, billing_end


def focus_tags(row: Row, reading: Reading) -> dict[str, Any]:
    """The row's tags, with what our own exports say of ownership; provider's prefixes are taken off the keys."""
    try:
        given = tags_of(row.get("Tags"), "Tags")
    except Rejected:
        reading.deviates("Tags", "no JSON object")
        given = {}
    tags = {key.removeprefix("user:").strip(): value for key, value in given.items()}
    own = {"team": "x_Team", "cost_centre": "x_CostCentre", "tier": "x_QueryTier"}
    return tags | {key: text for key, name in own.items() if (text := text_of(row, name))}


def identity(row: Row, line: Row, tags: Mapping[str, Any]) -> Row:
    """What tells a charge from others of the same file, whatever it costs: every column but amounts and names."""
    kept = {
        name: value if isinstance(value, str) else str(value)
        for name, value in row.items()
        if name not in _NOT_IDENTITY and name != "Tags" and not _is_money(name)
    }
    times = {name: line[name].isoformat() for name in ("period_start", "period_end")}
    return {
        **kept,
        **times,
        "billing_period": str(line["billing_period"]),
        "tags": {k: str(v) for k, v in tags.items()},
    }


def stray(row: Row) -> list[str]:
    """Columns that FOCUS does not know and that do not say so by ``x_``."""
    return [name for name in row if name not in SPEC_COLUMNS and not name.startswith("x_")]


def provider_name(text: str) -> str:
    """The provider of the price book that an issuer's or seller's name means; others in lower case."""
    name = text.strip().lower()
    return _PROVIDERS.get(name) or PROVIDER_ALIASES.get(name, name)


def meter_text(row: Row) -> str | None:
    """The issuer's text for what is counted."""
    names = ("SkuMeter", "x_SkuMeterName", "x_UsageType", "ChargeDescription", "ServiceName")
    return next((text for name in names if (text := text_of(row, name))), None)


def _is_money(name: str) -> bool:
    return name.startswith("x_") and any(word in name for word in _MONEY_WORDS)


def _currency(row: Row, reading: Reading) -> str:
    text = text_of(row, "BillingCurrency") or ""
    if text.upper() != text:
        reading.deviates("BillingCurrency", "in lower case")
    if len(text) != 3 or not (text.isascii() and text.isalpha()):
        raise Rejected("unknown_shape", "BillingCurrency is no currency")
    return text.upper()


def _provider(row: Row, reading: Reading) -> str | None:
    text = next((text for name in PROVIDER_COLUMNS if (text := text_of(row, name))), None)
    if text is None:
        reading.deviates("ServiceProviderName", "is missing")
        text = text_of(row, "InvoiceIssuerName")
    return provider_name(text) if text else None


def _class(row: Row) -> str:
    text = text_of(row, "ChargeClass") or ""
    if text not in ("", "Correction"):
        raise Rejected("unknown_shape", "ChargeClass is neither empty nor Correction")
    return text


def _details(row: Row, reading: Reading) -> dict[str, Any]:
    value = row.get("SkuPriceDetails")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            reading.deviates("SkuPriceDetails", "no JSON object")
            return {}
    return dict(value) if isinstance(value, Mapping) else {}


def _detail(details: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if isinstance(value := details.get(name), str) and value), None)


def _is_ai(row: Row) -> bool:
    return text_of(row, "ServiceCategory") == "AI and Machine Learning"


def _meter(row: Row, provider: str | None, details: Mapping[str, Any]) -> Meter:
    own = text_of(row, "x_PriceClass")
    mode, tier = text_of(row, "x_Mode"), text_of(row, "x_ServiceTier")
    said = [own, _detail(details, _TOKEN_TYPES), text_of(row, "SkuMeter")]
    for text in filter(None, said):
        word = text.lower().removesuffix(" tokens")
        found = text if text in TOKEN_CLASSES or text in UNITS else _METERS.get(word)
        if found:
            return Meter(None, found, "batch" if mode == "batch" else "sync", tier)
    return _issuers_meter(row, provider)


def _issuers_meter(row: Row, provider: str | None) -> Meter:
    def first(*names: str) -> str:
        return next((text for name in names if (text := text_of(row, name))), "")

    if provider == "aws":
        return aws_meter(first("x_UsageType", "SkuMeter"), first("x_ProductName", "ServiceName"), first("PricingUnit"))
    if provider == "azure":
        product = " ".join(first(name) for name in ("x_SkuMeterSubcategory", "x_SkuMeterCategory", "ServiceName"))
        return azure_meter(first("x_SkuMeterName", "SkuMeter", "ChargeDescription"), product)
    return google_meter(first("ChargeDescription", "SkuMeter")) if provider == "google" else UNKNOWN


def _quantity(row: Row, reading: Reading, meter: Meter) -> Row:
    consumed, unit = reading.amount(row, "ConsumedQuantity"), text_of(row, "ConsumedUnit")
    if consumed is None and "x_Quantity" in row:  # of our own files, where FOCUS counts no consumption
        consumed, unit = reading.amount(row, "x_Quantity"), text_of(row, "x_QuantityUnit")
    if meter.price_class not in TOKEN_CLASSES:
        return counted(meter, consumed, None, unit)
    if (block := token_block(unit)) is not None:
        return counted(meter, consumed, block, unit)
    priced, blocks = reading.amount(row, "PricingQuantity"), reading.amount(row, "x_PricingBlockSize")
    if blocks is not None and priced is not None:
        return _of_blocks(meter, priced, blocks, consumed, unit)
    if (block := token_block(text_of(row, "PricingUnit"))) is not None:
        return counted(meter, priced, block, unit)
    return counted(meter, consumed, 1 if meter.block == 1 else None, unit)


def _of_blocks(meter: Meter, priced: Decimal, blocks: Decimal, consumed: Decimal | None, unit: str | None) -> Row:
    """Tokens of Azure: blocks times their size, unless it says otherwise itself (older exports divided twice)."""
    tokens = exact(priced * blocks, "PricingQuantity")
    if consumed is None or tokens == consumed:
        return counted(meter, tokens, 1, unit)
    return counted(meter, consumed, None, unit)
