"""One hash over rows of values, the same before they are stored and after."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Context, Decimal
from typing import Any

_PLACES = Decimal(1).scaleb(-12)  # as our domains keep amounts, quantities and rates
_WIDE = Context(prec=60)


def digest(rows: Iterable[Sequence[Any]]) -> str:
    """SHA-256 over rows in their order, in hexadecimal.

    Values are texts, whole numbers, dates, Decimals (at 12 decimals, half to even, however many they were written with),
    None, and lists, tuples and mappings of them. Raises TypeError for others: what has no one form has no hash.
    """
    total = hashlib.sha256()
    for row in rows:
        line = json.dumps([_plain(value) for value in row], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        total.update(line.encode() + b"\n")
    return total.hexdigest()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Decimal):
        amount = value.quantize(_PLACES, context=_WIDE)
        return f"{amount if amount else abs(amount):f}"  # a zero has no sign
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [_plain(each) for each in value]
    raise TypeError(f"a {type(value).__name__} has no one form")
