"""Price overrides that people write as YAML: contract prices, self-hosted models, corrections.

A list of entries, in any order::

    - provider: openai            # as in the book, or a gateway's alias; "*" = any
      model: "gpt-5*"             # exact, or a pattern with * ? [..]; the served model is tried, then the requested
      prices: {input: "1.25", cache_read: "0.125", output: "10"}   # per 1,000,000 tokens unless ``per`` says otherwise
      mode: batch                 # sync (default) or batch
      service_tier: priority      # default: the standard tier
      region: eu                  # default: any
      variant: speed=fast         # default: none
      context_over: 200000        # holds when the request has more input tokens than this; default 0
      excess: true                # then only the input tokens above context_over cost this; default: the whole request
      window: ["16:30", "00:30"]  # time of the UTC day, from - to; default: all day
      valid_from: 2026-01-01      # date (00:00Z) or instant with a zone; default: always
      valid_to: 2026-07-01        # exclusive; default: open
      currency: EUR               # default USD
      per: 1000                   # for every price of the entry
      book: contract              # override (default) or contract
      note: "frame contract 4711"

Rates are strings or whole numbers, so that none passes through a float. ``input`` means uncached text input, ``output``
visible output and, unless ``reasoning`` is given, reasoning too; ``cache_write`` both lifetimes. A class that an entry
does not name keeps its price from the next book.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from finops.currencies import check_currency
from finops.money import MoneyError, money
from finops.periods import PeriodError, check_day
from finops.tokens import ALL_INPUT_CLASSES, TOKEN_CLASSES
from ingest.calc.matching import PROVIDER_ALIASES
from ingest.calc.price_timelines import check_no_overlaps
from ingest.calc.prices import ALWAYS, MODES, PRICE_CLASSES, PriceError, price_table

ALIASES = {
    "input": ("input_uncached",), "output": ("output_visible", "output_reasoning"), "reasoning": ("output_reasoning",),
    "cache_write": ("cache_write_5m", "cache_write_1h"), "cached": ("cache_read",),
}  # fmt: skip
_MOST = 10**12
_FIELDS = frozenset(
    ["provider", "model", "prices", "mode", "service_tier", "region", "variant", "context_over", "excess", "window",
     "valid_from", "valid_to", "currency", "per", "book", "note"]
)  # fmt: skip


def overrides(data: Any) -> pa.Table:
    """Price rows (PRICE_SCHEMA) of a loaded YAML document. Raises PriceError naming the entry and the field.

    Invariant: no two rows of one book, model, class and condition hold at the same instant.
    """
    if not isinstance(data, list):
        raise PriceError("overrides must be a list of entries")
    rows = [row for number, entry in enumerate(data, start=1) for row in _entry(number, entry)]
    check_no_overlaps(rows, "entry")
    for row in rows:
        row.pop("entry")
    return price_table(rows)


def _entry(number: int, entry: Any) -> list[dict[str, Any]]:
    if not isinstance(entry, Mapping):
        raise PriceError(f"entry {number}: must be a mapping")
    if unknown := sorted(set(entry) - _FIELDS, key=str):
        raise PriceError(f"entry {number}: unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    provider = _text(number, entry, "provider").lower()
    start, end = _window(number, entry)
    common: dict[str, Any] = {
        "entry": number, "book": _one_of(number, entry, "book", ("override", "contract")),
        "provider": PROVIDER_ALIASES.get(provider, provider), "model": _text(number, entry, "model"),
        "mode": _one_of(number, entry, "mode", MODES), "service_tier": _text(number, entry, "service_tier", ""),
        "region": _text(number, entry, "region", ""), "variant": _text(number, entry, "variant", ""),
        "context_over": _whole(number, entry, "context_over", 0, 0), "reprices_whole": not _excess(number, entry),
        "window_start": start, "window_end": end,
        "valid_from": _instant(number, entry, "valid_from") or ALWAYS, "valid_to": _instant(number, entry, "valid_to"),
        "currency": _currency(number, entry), "source": f"entry {number}", "note": _text(number, entry, "note", ""),
    }  # fmt: skip
    if common["valid_to"] is not None and common["valid_to"] <= common["valid_from"]:
        raise PriceError(f"entry {number}: valid_to must be after valid_from")
    per = entry.get("per")
    given = None if per is None else _whole(number, entry, "per", 0, 1)
    prices = _prices(number, entry.get("prices"))
    if not common["reprices_whole"] and (other := sorted(set(prices) - set(ALL_INPUT_CLASSES))):
        raise PriceError(f"entry {number}: excess prices input tokens above context_over; prices.{other[0]} is none")
    return [
        common | {"price_class": name, "rate": rate, "per": given or (1_000_000 if name in TOKEN_CLASSES else 1)}
        for name, rate in prices.items()
    ]


def _prices(number: int, prices: Any) -> dict[str, Decimal]:
    if not isinstance(prices, Mapping) or not prices:
        raise PriceError(f'entry {number}: prices must map classes to rates, such as {{input: "1.25"}}')
    found: dict[str, Decimal] = {}
    # The wide names first, so that "reasoning" corrects what "output" said.
    for name, value in sorted(prices.items(), key=lambda item: -len(ALIASES.get(item[0], ()))):
        classes = ALIASES.get(name, (name,))
        if classes[0] not in PRICE_CLASSES:
            known = ", ".join((*ALIASES, *PRICE_CLASSES))
            raise PriceError(f"entry {number}: prices.{name} is no token class or unit; known are {known}")
        rate = _rate(number, name, value)
        found |= dict.fromkeys(classes, rate)
    return found


def _rate(number: int, name: str, value: Any) -> Decimal:
    if isinstance(value, float):
        raise PriceError(f'entry {number}: prices.{name} is a float; write it in quotes: "{value}"')
    try:
        rate: Any = money([value])[0].as_py()
    except MoneyError as error:
        raise PriceError(f"entry {number}: prices.{name}: {error}") from None
    if not isinstance(rate, Decimal) or not 0 <= rate <= 9_000_000:
        raise PriceError(f"entry {number}: prices.{name} must be between 0 and 9,000,000")
    return rate


def _text(number: int, entry: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = entry.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise PriceError(f"entry {number}: {name} must be a text")
    return value.strip()


def _one_of(number: int, entry: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = entry.get(name, allowed[0])
    if value not in allowed:
        raise PriceError(f"entry {number}: {name} is {value!r}, must be one of {', '.join(allowed)}")
    return str(value)


def _whole(number: int, entry: Mapping[str, Any], name: str, default: int, least: int) -> int:
    value = entry.get(name, default)
    if type(value) is not int or not least <= value <= _MOST:
        raise PriceError(f"entry {number}: {name} must be a whole number of at least {least} and at most {_MOST:,}")
    return value


def _excess(number: int, entry: Mapping[str, Any]) -> bool:
    value = entry.get("excess", False)
    if type(value) is not bool or (value and not entry.get("context_over")):
        raise PriceError(f"entry {number}: excess is true or false, and true needs a context_over")
    return value


def _currency(number: int, entry: Mapping[str, Any]) -> str:
    value = _text(number, entry, "currency", "USD")
    try:
        return check_currency(value)
    except MoneyError as error:
        raise PriceError(f"entry {number}: currency: {error}") from None


def _instant(number: int, entry: Mapping[str, Any], name: str) -> datetime | None:
    value = entry.get(name)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if "T" in value or " " in value else date.fromisoformat(value)
        except ValueError:
            raise PriceError(f"entry {number}: {name} is not a date or an instant") from None
    if value is not None and not isinstance(value, date):
        raise PriceError(f"entry {number}: {name} is not a date or an instant")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise PriceError(f"entry {number}: {name} is an instant without a time zone")
    if value is None:
        return None
    try:
        check_day(value)
    except PeriodError as error:
        raise PriceError(f"entry {number}: {name} {error}") from None
    return value.astimezone(UTC) if isinstance(value, datetime) else datetime.combine(value, time(), UTC)


def _window(number: int, entry: Mapping[str, Any]) -> tuple[time | None, time | None]:
    value = entry.get("window")
    if value is None:
        return None, None
    try:
        start, end = (time.fromisoformat(part) for part in value)
    except (TypeError, ValueError):
        start = end = time()
    if start == end or start.tzinfo or end.tzinfo:
        raise PriceError(
            f'entry {number}: window must be two times of the UTC day, such as ["16:30", "00:30"]: without an offset, and '
            "not the same twice"
        )
    return start, end
