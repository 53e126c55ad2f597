"""Results of Anthropic's three reports: usage of messages, costs, Claude Code.

Usage: ``uncached_input_tokens``, cache reads and cache writes stand beside one another, thinking is inside
``output_tokens`` and is not split. There is no count of requests, so that a bucket has none: it is 0 requests, and its
price band is the one that ``context_window`` states. Null is a value: the default workspace, the Workbench's key.
Costs: ``amount`` is a decimal text in cents. What it is for is null unless the report was grouped by description.
Claude Code: amounts in cents too, of each person, day and model. They are estimates: those of subscribers are covered by
their seats, those of API customers are in the usage and the costs of messages already. Both are kept as notional lines,
of which nothing is owed: the amount is their ListCost, and they bill 0.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from finops.tokens import UNITS
from ingest.calc.bill_meters import Meter, exact, meter_columns
from ingest.calc.reasons import Rejected
from ingest.calc.scopes import charge_scope
from ingest.calc.values import count, decimal, instant

ALL_MODELS = "(all models)"  # of buckets that were not grouped by model: real usage without a price
UTC = ZoneInfo("UTC")
DAY = timedelta(days=1)
_WIDTHS = (timedelta(minutes=1), timedelta(hours=1), DAY)
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
GROUPS = (
    "account_id", "api_key_id", "context_window", "inference_geo", "model", "service_account_id", "service_tier", "speed",
    "workspace_id",
)  # fmt: skip
_COUNTS = ("uncached_input_tokens", "cache_read_input_tokens", "output_tokens")
USAGE_FIELDS = frozenset({*GROUPS, *_COUNTS, "cache_creation", "server_tool_use"})
_COST_NAMES = (
    "description", "cost_type", "model", "service_tier", "token_type", "context_window", "inference_geo", "workspace_id",
)  # fmt: skip
COST_FIELDS = frozenset({*_COST_NAMES, "amount", "currency"})
CODE_FIELDS = frozenset(
    {"date", "actor", "organization_id", "customer_type", "subscription_type", "terminal_type", "core_metrics",
     "tool_actions", "model_breakdown"}
)  # fmt: skip
_CLASSES = {
    "uncached_input_tokens": "input_uncached", "cache_read_input_tokens": "cache_read", "output_tokens": "output_visible",
    "cache_creation.ephemeral_5m_input_tokens": "cache_write_5m",
    "cache_creation.ephemeral_1h_input_tokens": "cache_write_1h",
}  # fmt: skip
_COST_TYPES = {  # price class, charge scope
    "web_search": ("web_search", "web_search"),
    "code_execution": (None, "session"),  # billed by the hour of a container, which is no session of ours
    "session_usage": (None, "session_usage"),
}
_NO_GEO = frozenset({"", "global", "not_available"})  # the ordinary price
_WINDOW = re.compile(r"([0-9]+)([kM]?)-[0-9]+[kM]?")


def usage_row(result: Mapping[str, Any], bucket: Mapping[str, Any]) -> dict[str, Any]:
    """The usage row of a result in a bucket. Raises Rejected."""
    start, width = _bucket(bucket)
    for name in ("uncached_input_tokens", "cache_read_input_tokens", "output_tokens", "cache_creation"):
        if result.get(name) is None:
            raise Rejected("unknown_shape", f"{name} is missing")
    writes, tools = _object(result, "cache_creation"), _object(result, "server_tool_use")
    tokens = {_CLASSES[name]: count(result[name], name) or 0 for name in _COUNTS}
    for ttl in ("5m", "1h"):
        name = f"ephemeral_{ttl}_input_tokens"
        tokens[f"cache_write_{ttl}"] = count(writes.get(name), f"cache_creation.{name}") or 0
    searches = count(tools.get("web_search_requests"), "server_tool_use.web_search_requests") or 0
    tier, speed = text_of(result, "service_tier"), text_of(result, "speed")
    model = text_of(result, "model")
    key = ["messages", start.isoformat(), int(width.total_seconds()), *map(result.get, GROUPS)]
    return {
        "native_id": json.dumps(key, separators=(",", ":")),
        "occurred_at": start,
        "provider": "anthropic",
        "model_served": model or (ALL_MODELS if any(tokens.values()) or not searches else None),
        "project": text_of(result, "workspace_id"),
        "api_key": text_of(result, "api_key_id"),
        "principal": text_of(result, "service_account_id") or text_of(result, "account_id"),
        "region": _region(result),
        "mode": "batch" if tier == "batch" else "sync",
        "service_tier_served": "fast" if speed == "fast" and tier in (None, "standard") else tier,
        "operation": "chat",
        "requests": 0,
        "context": context_of(text_of(result, "context_window")),
        "units": [{"unit": UNITS["web_search"], "quantity": Decimal(searches)}] if searches else None,
        **tokens,
    }


def context_of(window: str | None) -> int | None:
    """A number of tokens inside a context window such as ``200k-1M``: just above its lower border, 0 in the lowest one."""
    if window is None:
        return None
    found = _WINDOW.fullmatch(window)
    if found is None:
        raise Rejected("unknown_shape", "context_window is no range of tokens")
    border = int(found[1]) * {"": 1, "k": 1_000, "M": 1_000_000}[found[2]]
    return border + 1 if border else 0


def cost_line(
    result: Mapping[str, Any], bucket: Mapping[str, Any], unknown: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """The line of a result in a daily bucket. ``unknown``: called with a type of cost or token that is new.

    Raises Rejected.
    """
    start, width = _bucket(bucket)
    amount = dollars(result.get("amount"), "amount")
    kind, tier = text_of(result, "cost_type"), text_of(result, "service_tier")
    mode = "batch" if tier == "batch" else "sync"
    if kind == "tokens":
        price_class = _CLASSES.get(text_of(result, "token_type") or "", "")
        columns = meter_columns(Meter(text_of(result, "model"), price_class, mode, tier))
        columns["scope"] = charge_scope(price_class or "request", mode, tier or "")  # tokens, whatever their class
        if not price_class:
            unknown(f"{kind}, {result.get('token_type')}")
    else:
        known, scope = _COST_TYPES.get(kind or "", (None, "other"))
        if kind and kind not in _COST_TYPES:
            unknown(kind)
        columns = meter_columns(Meter(text_of(result, "model"), "", mode, tier)) | {
            "price_class": known,
            "scope": scope,
        }
    description = text_of(result, "description")
    key = ["cost_report", start.isoformat(), int(width.total_seconds()), *map(result.get, _COST_NAMES)]
    return {
        "native_id": json.dumps(key, separators=(",", ":")),
        "period_start": start,
        "period_end": start + width,
        "provider": "anthropic",
        "project": text_of(result, "workspace_id"),
        "region": _region(result),
        "description": description or kind,
        "sku_id": description,
        "charge_category": "Credit" if amount < 0 else "Usage",
        "billed_cost": amount,
        "billing_currency": _currency(result),
        **columns,
    }


def code_lines(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A notional line for each model that a person used on a day. Raises Rejected."""
    day = instant(record.get("date"), "date", zone=UTC)
    models, actor = record.get("model_breakdown"), _object(record, "actor")
    if not isinstance(models, list):
        raise Rejected("unknown_shape", "model_breakdown is not a list")
    customer = text_of(record, "customer_type") or "unknown"
    email, key = text_of(actor, "email_address"), text_of(actor, "api_key_name")
    who = [actor.get("type"), email, key, *map(record.get, ("organization_id", "customer_type", "subscription_type"))]
    lines = []
    for used in models:
        if not isinstance(used, Mapping):
            raise Rejected("unknown_shape", "model_breakdown holds something else than objects")
        tokens, cost = _object(used, "tokens"), _object(used, "estimated_cost")
        amount, model = dollars(cost.get("amount"), "estimated_cost.amount"), text_of(used, "model")
        total = sum(count(tokens.get(name), f"tokens.{name}") or 0 for name in _CODE_TOKENS)
        native = ["claude_code", day.date().isoformat(), *who, record.get("terminal_type"), model]
        lines.append(
            {
                "native_id": json.dumps(native, separators=(",", ":")),
                "period_start": day,
                "period_end": day + DAY,
                "provider": "anthropic",
                "principal": email,
                "api_key": key,
                "model_served": model,
                "operation": "chat",
                "feature": "claude_code",
                "scope": "claude_code",
                "description": f"Claude Code, {customer}",
                "sku_id": f"claude_code.{customer}",
                "consumed_quantity": Decimal(total),
                "consumed_unit": "tokens",
                "list_cost": amount,
                "contracted_cost": Decimal(0),
                "effective_cost": Decimal(0),
                "billed_cost": Decimal(0),
                "billing_currency": _currency(cost),
                "kind_of_cost": "notional",
            }
        )
    return lines


_CODE_TOKENS = ("input", "output", "cache_read", "cache_creation")


def dollars(cents: Any, name: str) -> Decimal:
    """An amount given in cents, exactly, in the currency's main unit. Raises Rejected."""
    if cents is None or cents == "":
        raise Rejected("bad_number", f"{name} is missing")
    return exact(decimal(cents, name).scaleb(-2, context=_WIDE), name)


def span_of(bucket: Any) -> tuple[int, int] | None:
    """Start and end of a bucket in seconds; None where they make no sense."""
    try:
        _bucket(bucket)
        start, end = (instant(bucket[name], name, zone=None).timestamp() for name in ("starting_at", "ending_at"))
    except (Rejected, AttributeError):
        return None
    return int(start), int(end)


def _bucket(bucket: Mapping[str, Any]) -> tuple[datetime, timedelta]:
    """Start and width of the full bucket: Anthropic snaps to minutes, hours or days, but may cut off what is to come."""
    start = instant(bucket.get("starting_at"), "starting_at", zone=None)
    end = instant(bucket.get("ending_at"), "ending_at", zone=None)
    width = next((width for width in _WIDTHS if start < end <= start + width and not _over(start, width)), None)
    if width is None:
        raise Rejected("bad_time", "the bucket is no minute, hour or day of UTC")
    return start, width


def _over(at: datetime, width: timedelta) -> timedelta:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) % width


def _region(result: Mapping[str, Any]) -> str | None:
    geo = text_of(result, "inference_geo") or ""
    return None if geo in _NO_GEO else geo


def _currency(holder: Mapping[str, Any]) -> str | None:
    return (text_of(holder, "currency") or "").upper() or None


def _object(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise Rejected("unknown_shape", f"{name} is not an object")
    return value or {}


def text_of(record: Mapping[str, Any], name: str) -> str | None:
    """A text, or None. Raises Rejected for anything else."""
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise Rejected("unknown_shape", f"{name} is not a text")
    return value or None
