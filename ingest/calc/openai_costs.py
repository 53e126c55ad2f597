"""Results of OpenAI's costs endpoint as lines of a cost report.

``amount.value`` is in the currency's main unit (dollars), as a JSON number or as a text, of up to forty decimals, at
times ``0E-6176``. What was bought stands in one text, ``line_item``: ``MODEL [WORDS], [WORDS] WHAT``, at times behind
the service that made the calls (``evals | gpt-4o-mini-2024-07-18, input``). It is read by the tables below, of the
texts seen until LINE_ITEMS_AS_OF. A text they do not know keeps its money and its words, without class and in the scope
``other``, and is counted. Costs know no user, and no service tier other than by their text.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from finops.tokens import UNITS
from ingest.calc.bill_meters import UNKNOWN, Meter, counted, meter_columns, signed
from ingest.calc.openai_usage import WIDTHS, nominal
from ingest.calc.reasons import Rejected

LINE_ITEMS_AS_OF = "2026-11"
_TOKENS = {  # modality ('': text) and what of it -> class
    "input": {"": "input_uncached", "audio": "input_audio", "image": "input_image"},
    "cached input": {"": "cache_read", "audio": "cache_read_audio", "image": "cache_read_image"},
    "cache writes": {"": "cache_write_5m"},
    "cache write": {"": "cache_write_5m"},
    "output": {"": "output_visible", "audio": "output_audio", "image": "output_image"},
}
_MODALITIES = {"text": "", "audio": "audio", "image": "image"}
_TIERS = {"flex", "priority", "scale", "fast"}
_WHOLE = {  # whole texts
    "web search tool calls": "web_search",
    "file search tool calls": "storage_search",
    "code interpreter": "session",
    "code interpreter sessions": "session",
    "image models": "image",
}
_BLOCKS = {"tokens": 1, "1000_tokens": 1_000}  # quantity_unit -> tokens
_OWN_UNITS = {"images": "image", "characters": "character", "duration_seconds": "audio_second"}
_MODEL = re.compile(r"[a-z][a-z0-9._:-]*[-.0-9][a-z0-9._:-]*", re.IGNORECASE)
FIELDS = frozenset(
    {"object", "amount", "line_item", "project_id", "api_key_id", "quantity", "quantity_unit", "organization_id",
     "organization_name", "project_name", "user_id", "user_email"}
)  # fmt: skip


def meter_of(line_item: str) -> Meter:
    """What a line item's text says of model, class, mode and tier; UNKNOWN, or a model alone, where it is not known."""
    text = " ".join(line_item.rpartition("|")[2].split())
    if text.lower() in _WHOLE:
        return Meter(price_class=_WHOLE[text.lower()])
    head, comma, tail = text.rpartition(",")
    model, *words = head.split() or [""]
    if not comma or not _MODEL.fullmatch(model):
        return UNKNOWN
    modality, mode, tier, rest = "", "sync", None, list[str]()
    for word in [*words, *tail.split()]:
        name = word.lower()
        if name in _MODALITIES:
            modality = _MODALITIES[name]
        elif name == "batch":
            mode = "batch"
        elif name in _TIERS:
            tier = name
        else:
            rest.append(name)
    price_class = _TOKENS.get(" ".join(rest), {}).get(modality, "")
    return Meter(model, price_class, mode, tier) if price_class else Meter(model)


def cost_line(record: Mapping[str, Any], unknown: Callable[[str], None]) -> dict[str, Any]:
    """The line of a result in a daily bucket. ``unknown``: called with a line item that no table knows. Raises Rejected."""
    start, width = nominal(record, WIDTHS[-1])
    amount = record.get("amount")
    if not isinstance(amount, Mapping):
        raise Rejected("bad_number", "amount is missing")
    value = signed(amount.get("value"), "amount.value")
    if value is None:
        raise Rejected("bad_number", "amount.value is missing")
    item = _text(record, "line_item")
    meter = meter_of(item or "")
    if item and not meter.price_class:
        unknown(item)
    begin = datetime.fromtimestamp(start, UTC)
    return {
        "native_id": _identity(record, start, width),
        "period_start": begin,
        "period_end": datetime.fromtimestamp(start + width, UTC),
        "provider": "openai",
        "project": _text(record, "project_id"),
        "api_key": _text(record, "api_key_id"),
        "description": item,
        "sku_id": item,
        "charge_category": "Credit" if value < 0 else "Usage",
        "billed_cost": value,
        "billing_currency": (_text(amount, "currency") or "").upper() or None,
        **meter_columns(meter),
        **_quantity(meter, record),
    }


def _quantity(meter: Meter, record: Mapping[str, Any]) -> dict[str, Any]:
    quantity: Decimal | None = signed(record.get("quantity"), "quantity")
    unit = _text(record, "quantity_unit")
    own = _OWN_UNITS.get(unit or "", unit)
    if meter.price_class in UNITS and own not in (None, meter.price_class):
        meter = UNKNOWN  # its own unit is another than ours: 0.5 duration_hours are no sessions
    return counted(meter, quantity, _BLOCKS.get(unit or ""), own)


def _identity(record: Mapping[str, Any], start: int, width: int) -> str:
    names = ("project_id", "line_item", "api_key_id", "organization_id")
    return json.dumps(["costs", start, width, *(record.get(name) for name in names)], separators=(",", ":"))


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise Rejected("unknown_shape", f"{name} is not a text")
    return value or None
