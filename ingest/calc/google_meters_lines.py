"""A row of Google Cloud's billing export to BigQuery as lines of a bill: the charge, and each of its credits.

``cost`` is before credits, which are negative, and each a line of its own: cost and credits add up to what is invoiced.
Numbers and epochs may be texts, also as ``5.28E-4`` and ``1.7566668E9``. ``invoice.month`` says when a row is billed,
which is not always when it was used. Days and months are those of Pacific time, by which Google bills.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ingest.calc.bill_meters import UNKNOWN, Meter, counted, exact, meter_columns, signed
from ingest.calc.google_meters import google_meter
from ingest.calc.reasons import Rejected
from ingest.calc.values import instant

Row = dict[str, Any]
ZONE = "America/Los_Angeles"
FIELDS = frozenset(
    {"billing_account_id", "service", "sku", "usage_start_time", "usage_end_time", "project", "labels", "system_labels",
     "location", "resource", "tags", "price", "cost", "currency", "currency_conversion_rate", "usage", "credits",
     "invoice", "cost_type", "adjustment_info", "cost_at_list", "cost_at_effective_price_default",
     "cost_at_list_consumption_model", "consumption_model", "transaction_type", "seller_name", "export_time",
     "subscription"}
)  # fmt: skip
_CATEGORIES = {"regular": "Usage", "tax": "Tax", "adjustment": "Adjustment", "rounding_error": "Adjustment"}
_HOURS = {"hour", "hours", "h"}
_CLOCK, _UTC = ZoneInfo(ZONE), ZoneInfo("UTC")
_FORMATS = ("rfc3339", "epoch_s")


def pacific_day(at: datetime) -> date:
    """The day on the clock that Google bills by."""
    return at.astimezone(_CLOCK).date()


def billing_lines(row: Row, unknown: Callable[[str], None]) -> list[Row]:
    """The charge of a row and then its credits, as columns of LINE_SCHEMA without identity and tags. Raises Rejected."""
    start, end = (_instant(row, name) for name in ("usage_start_time", "usage_end_time"))
    cost = signed(row.get("cost"), "cost")
    if cost is None:
        raise Rejected("bad_number", "cost is missing")
    kind = str(row.get("cost_type") or "regular")
    if kind not in _CATEGORIES:
        raise Rejected("unknown_shape", "cost_type is not known")
    sku, service = _object(row, "sku"), _object(row, "service")
    text = str(sku.get("description") or service.get("description") or "")
    meter = google_meter(text) if kind == "regular" else UNKNOWN
    if kind == "regular" and not meter.price_class:
        unknown(text)
    day, month = pacific_day(start), _invoice_month(row)
    earlier = month is not None and day.replace(day=1) < month
    resource = _object(row, "resource")
    common: Row = {
        "period_start": start, "period_end": end, "charge_date": day, "billing_period": month,
        "provider": "google",
        "billing_account": _text(row.get("billing_account_id")),
        "project": _text(_object(row, "project").get("id")),
        "region": _text(_object(row, "location").get("region") or _object(row, "location").get("location")),
        "sku_id": _text(sku.get("id")),
        "billing_currency": _text(row.get("currency")),
        "resource_id": _text(resource.get("global_name") or resource.get("name")),
        **meter_columns(meter),
    }  # fmt: skip
    charge = common | {
        "charge_category": _CATEGORIES[kind],
        # Google bills an adjustment later than the usage that it corrects.
        "charge_class": "Correction" if kind == "adjustment" and earlier else "",
        "description": text,
        **(_quantity(row, meter) if kind == "regular" else {}),
        "list_cost": signed(row.get("cost_at_list"), "cost_at_list"),
        "contracted_cost": cost, "effective_cost": cost, "billed_cost": cost,
    }  # fmt: skip
    return [charge, *(common | _credit(credit) for credit in _list(row, "credits"))]


def billing_tags(row: Row) -> dict[str, Any]:
    """Labels of the project and, over them, of the request or resource."""
    lists = (_list(_object(row, "project"), "labels"), _list(row, "labels"))
    return {str(item.get("key")): item.get("value") for labels in lists for item in labels}


def billing_identity(row: Row, line: Row) -> Row:
    """What tells a row from others, whatever it costs."""
    objects = {
        name: _object(row, name).get("id") for name in ("service", "sku", "consumption_model", "adjustment_info")
    }
    lists = {name: _pairs(_list(row, name)) for name in ("labels", "system_labels", "tags")}
    columns = ("period_start", "period_end", "billing_period", "billing_account", "project", "resource_id")
    rest = {name: row.get(name) for name in ("cost_type", "transaction_type", "seller_name", "currency")}
    rest["text"] = line["description"]
    place = {key: str(value) for key, value in _object(row, "location").items() if value}
    return objects | lists | {name: str(line[name]) for name in columns} | rest | {"location": place}


def covered_until(end: datetime) -> datetime:
    """The end of the hour that a row's end lies in: rows are of an hour, and some say its last second."""
    hour = end.replace(minute=0, second=0, microsecond=0)
    return hour if hour == end else hour + timedelta(hours=1)


def _credit(credit: Mapping[str, Any]) -> Row:
    amount = signed(credit.get("amount"), "credits.amount")
    if amount is None:
        raise Rejected("bad_number", "credits.amount is missing")
    name = next((str(credit[key]) for key in ("full_name", "name", "type") if credit.get(key)), "credit")
    return {
        "charge_category": "Credit", "charge_class": "", "description": name, "list_cost": Decimal(0),
        "contracted_cost": amount, "effective_cost": amount, "billed_cost": amount,
    }  # fmt: skip


def _quantity(row: Row, meter: Meter) -> Row:
    usage = _object(row, "usage")
    amount, unit = signed(usage.get("amount"), "usage.amount"), _text(usage.get("unit"))
    if meter.price_class == "cache_storage_token_hour" and amount is not None:
        if unit == "seconds":
            return counted(meter, exact(amount / 3_600, "usage.amount"), None, unit)
        if unit not in _HOURS:
            return counted(UNKNOWN, amount, None, unit)
    return counted(meter, amount, meter.block, unit)


def _instant(row: Row, name: str) -> datetime:
    value = row.get(name)
    return instant(value, name, zone=_UTC if isinstance(value, datetime) else None, formats=_FORMATS)


def _invoice_month(row: Row) -> date | None:
    text = _text(_object(row, "invoice").get("month"))
    if text is None:
        return None
    if not re.fullmatch(r"20[0-9]{2}(0[1-9]|1[0-2])", text):
        raise Rejected("bad_time", "invoice.month")
    return date(int(text[:4]), int(text[4:]), 1)


def _pairs(items: list[Mapping[str, Any]]) -> list[list[str]]:
    return sorted([str(item.get("key")), str(item.get("value"))] for item in items)


def _object(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = row.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Rejected("unknown_shape", f"{name} is not an object")
    return value


def _list(row: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = row.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise Rejected("unknown_shape", f"{name} is not a list of objects")
    return value


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Rejected("unknown_shape", "an id is not a text")
    return str(value) or None
