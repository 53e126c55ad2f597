"""What lines of cloud bills share: signed amounts, what a meter counts and in which blocks, tags, the time they state.

A meter is the issuer's text for what it counts. What a table does not know stays NULL and is counted, never guessed.
"""

import json
import re
from collections.abc import Hashable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, NamedTuple

from finops.tokens import TOKEN_CLASSES, UNITS
from ingest.calc.reasons import Rejected
from ingest.calc.scopes import charge_scope
from ingest.calc.values import decimal

_PICO = Decimal("0.000000000001")
_WIDE = Context(prec=50, rounding=ROUND_HALF_EVEN)
_LIMIT = 10**12
_THOUSANDS = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
_BLOCK = re.compile(r"\s*([0-9][0-9,]*)?\s*([kmb]?)\s*(?:[-/ ]*)tokens?\s*", re.IGNORECASE)
_SIZE = re.compile(r"\s*([0-9][0-9,]*)\s*([kmb]?)(?![0-9a-z])", re.IGNORECASE)
MAX_UNKNOWN_METERS = 200  # names of meters that are counted by name; more are counted together


class Meter(NamedTuple):
    """What a meter counts. ``price_class``: a token class or a unit of finops.tokens, '' where it is not known."""

    model: str | None = None
    price_class: str = ""
    mode: str = "sync"
    tier: str | None = None  # service tier
    block: int | None = None  # tokens in one counted unit, where the meter says so


UNKNOWN = Meter()


def meter_columns(meter: Meter) -> dict[str, Any]:
    """Columns of a line that its meter decides."""
    return {
        "model_served": meter.model,
        "mode": meter.mode,
        "service_tier_served": meter.tier,
        "price_class": meter.price_class or None,
        "scope": charge_scope(meter.price_class, meter.mode, meter.tier or ""),
    }


def counted(meter: Meter, amount: Decimal | None, block: int | None, own_unit: str | None) -> dict[str, Any]:
    """Consumed quantity and unit of a line: tokens one by one, units of ours, else as the issuer counts.

    ``block``: tokens in one counted unit; None where it is not known, and then nothing is converted.
    """
    if amount is None:
        return {}
    if meter.price_class in TOKEN_CLASSES and block is not None:
        return {"consumed_quantity": exact(amount * block, "quantity"), "consumed_unit": "tokens"}
    unit = meter.price_class if meter.price_class in UNITS else own_unit
    return {"consumed_quantity": exact(amount, "quantity"), "consumed_unit": unit}


def unknown_meter(unknown: dict[str, int], text: str) -> None:
    """Count a meter that no table knows, by its text; beyond a bound all under one name."""
    name = f"meter: {text[:80]}"
    if name not in unknown and len(unknown) >= MAX_UNKNOWN_METERS:
        name = "meter: (others)"
    unknown[name] = unknown.get(name, 0) + 1


def token_block(unit: str | None) -> int | None:
    """How many tokens a unit such as ``1K tokens``, ``1000000 Tokens`` or ``Tokens`` holds; None for other units."""
    found = _BLOCK.fullmatch(unit or "")
    return int((found[1] or "1").replace(",", "")) * _THOUSANDS[found[2].lower()] if found else None


def block_size(text: str | None) -> int | None:
    """The number at the head of a unit of measure such as ``1K``, ``1M``, ``1/Hour``, ``100``."""
    found = _SIZE.match(text or "")
    return int(found[1].replace(",", "")) * _THOUSANDS[found[2].lower()] if found else None


def exact(number: Decimal, name: str) -> Decimal:
    """A signed number rounded half-even once to 12 decimals. Rejects what cannot be stored."""
    if abs(number) >= _LIMIT:
        raise Rejected("too_large", name)
    return number.quantize(_PICO, context=_WIDE)


def signed(value: Any, name: str) -> Decimal | None:
    """An amount or quantity of a bill, which may be negative and written 1E-4; None for null and an empty text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return exact(decimal(value, name), name)


def tags_of(value: Any, name: str) -> dict[str, Any]:
    """Tags given as an object, as JSON text, or as the members of an object without its braces (Azure)."""
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return {}
        try:
            value = json.loads(text if text.startswith("{") else "{" + text + "}")
        except (ValueError, RecursionError):
            raise Rejected("unknown_shape", f"{name} is no JSON object") from None
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Rejected("unknown_shape", f"{name} is no object")
    return dict(value)


def widen(covered: list[Any], state: dict[str, Any], key: Hashable, span: Any) -> None:
    """Let ``covered`` (of ingest.source.Covered) hold one span per key: from the first start given for it to the last end."""
    if span.start >= span.end:
        return
    places: dict[Hashable, int] = state.setdefault("covered", {})
    if key not in places:
        places[key] = len(covered)
        covered.append(span)
    else:
        held = covered[places[key]]
        covered[places[key]] = held._replace(start=min(held.start, span.start), end=max(held.end, span.end))
