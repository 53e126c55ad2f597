"""A row of Azure's own cost export (actual or amortised cost, of any agreement) as a line of a bill.

An export states one cost: the invoiced one (actual), or the one with reservations spread over what uses them
(amortised). Agreements spell the same columns differently; they are compared without case, blanks and underscores.
``quantity`` counts blocks of ``unitOfMeasure``, 1K or 1M tokens. Dates are month/day/year, as Azure documents, or ISO.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from finops.tokens import TOKEN_CLASSES
from ingest.calc.azure_meters import azure_meter
from ingest.calc.bill_meters import UNKNOWN, block_size, counted, meter_columns, signed
from ingest.calc.reasons import Rejected
from ingest.calc.values import instant

Row = dict[str, Any]
DATASETS = ("actual", "amortized")
_COST = ("costinbillingcurrency", "pretaxcost", "cost")
_CURRENCY = ("billingcurrency", "billingcurrencycode", "currency", "currencycode")
_ACCOUNT = ("billingaccountid", "billingaccountname")
_PROJECT = ("subscriptionid", "subscriptionguid")
_RESOURCE = ("resourceid", "instanceid", "instancename")
_COMMITMENT = ("benefitid", "reservationid")
_CATEGORIES = {
    "usage": "Usage", "purchase": "Purchase", "tax": "Tax", "refund": "Adjustment", "roundingadjustment": "Adjustment",
    "unusedreservation": "Usage", "unusedsavingsplan": "Usage",
}  # fmt: skip
_UNUSED = ("unusedreservation", "unusedsavingsplan")
_AI = re.compile(r"openai|foundry|cognitive ?services|azure ai\b|machinelearningservices", re.IGNORECASE)
_SERVICE_COLUMNS = (
    "ServiceName", "x_SkuMeterCategory", "x_SkuMeterSubcategory", "x_ResourceType", "ResourceType", "ResourceId",
    "ChargeDescription", "metercategory", "metersubcategory", "productname", "product", "resourceid", "instanceid",
    "consumedservice", "servicefamily",
)  # fmt: skip
_FORMATS = ("rfc3339", "%m/%d/%Y")
_UTC = ZoneInfo("UTC")


@cache
def export_name(heading: str) -> str:
    """A heading without case, blanks and underscores."""
    return re.sub(r"[\s_]", "", heading).lower()


def export_row(record: Row) -> Row:
    """A row by normalised headings, its texts without margin; empty values are left out. Raises Rejected."""
    row: Row = {}
    for heading, value in record.items():
        name = export_name(heading)
        if isinstance(value, str):
            value = type(value)(value.strip())
        elif name != "tags" and (isinstance(value, bool) or not isinstance(value, int | float | Decimal | date | None)):
            raise Rejected("unknown_shape", f"{heading[:60]} is no text and no number")
        if value is not None and value != "":
            row[name] = value
    return row


def is_export(names: Mapping[str, Any] | set[str]) -> bool:
    """Whether normalised headings are those of a cost export."""
    return "metername" in names and "date" in names and any(name in names for name in _COST)


def is_ai(row: Row) -> bool:
    """Whether a row, of a cost export or of FOCUS, is of Azure's AI services."""
    return any(_AI.search(str(row.get(name) or "")) for name in _SERVICE_COLUMNS)


def export_line(row: Row, dataset: str, unknown: Callable[[str], None]) -> Row:
    """Columns of LINE_SCHEMA that a row with normalised headings states, but for identity and tags. Raises Rejected."""
    charge = (_text(row, "chargetype") or "Usage").replace(" ", "").lower()
    if charge not in _CATEGORIES:
        raise Rejected("unknown_shape", "ChargeType is not known")
    if charge in _UNUSED and dataset != "amortized":
        raise Rejected("unknown_shape", "an amortised export; set dataset=amortized")
    cost = signed(_first(row, _COST), "cost")
    if cost is None:
        raise Rejected("bad_number", "cost is missing")
    category, name = _CATEGORIES[charge], _text(row, "metername") or ""
    parts = (_text(row, part) for part in ("metersubcategory", "metercategory", "productname"))
    product = " ".join(filter(None, parts))
    meter = azure_meter(name, product) if category == "Usage" else UNKNOWN
    if category == "Usage" and not meter.price_class:
        unknown(name)
    day = instant(_first(row, ("date",)), "date", zone=_UTC, formats=_FORMATS)
    billing = _first(row, ("billingperiodstartdate",))
    return {
        **meter_columns(meter),
        **_quantity(row, category, meter),
        "period_start": day, "period_end": day + timedelta(days=1),
        "billing_period": _month(billing) if billing else None,
        "provider": "azure",
        "billing_account": _text(row, *_ACCOUNT), "project": _text(row, *_PROJECT),
        "region": _text(row, "resourcelocation", "meterregion"),
        "charge_category": category, "description": name or product or charge,
        "sku_id": _text(row, "meterid"),
        "list_cost": signed(_first(row, ("paygcostinbillingcurrency",)), "paygCostInBillingCurrency"),
        "billed_cost": cost if dataset == "actual" else None,
        "effective_cost": cost if dataset == "amortized" else None,
        "billing_currency": (_text(row, *_CURRENCY) or "").upper(),
        "invoice_id": _text(row, "invoiceid"),
        "commitment_id": _text(row, *_COMMITMENT),
        "commitment_status": "Unused" if charge in _UNUSED else "Used" if _first(row, _COMMITMENT) else None,
        "resource_id": _text(row, *_RESOURCE),
    }  # fmt: skip


def export_identity(row: Row, line: Row, tags: Mapping[str, Any]) -> Row:
    """What tells a row from others, whatever it costs."""
    names = ("metername", "chargetype", "pricingmodel", "frequency", "costcenter", "resourcegroup", "resourcegroupname",
             "unitofmeasure", "publishertype", "additionalinfo", "invoicesectionid", "isazurecrediteligible")  # fmt: skip
    columns = ("period_start", "billing_period", "billing_account", "project", "region", "sku_id", "commitment_id",
               "resource_id", "billing_currency")  # fmt: skip
    kept = {name: str(row[name]) for name in names if row.get(name) not in (None, "")}
    return kept | {name: str(line[name]) for name in columns} | {"tags": {key: str(tags[key]) for key in tags}}


def _quantity(row: Row, category: str, meter: Any) -> Row:
    if category != "Usage":
        return {}
    amount, unit = signed(_first(row, ("quantity",)), "quantity"), _text(row, "unitofmeasure")
    block = block_size(unit)
    if meter.price_class in TOKEN_CLASSES or amount is None:
        return counted(meter, amount, block, unit)
    return counted(meter, amount * Decimal(block or 1), None, unit)


def _month(text: Any) -> Any:
    at: datetime = instant(text, "billingPeriodStartDate", zone=_UTC, formats=_FORMATS)
    return at.date().replace(day=1)


def _first(row: Row, names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if name in row), None)


def _text(row: Row, *names: str) -> str | None:
    value = _first(row, names)
    return None if value is None else str(value)
