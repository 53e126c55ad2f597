"""Reading one value of a record: counts, money, instants. Exact or rejected, never guessed."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from finops.tokens import MAX_TOKENS
from ingest.calc.reasons import Rejected

# [0-9], because \d takes any script's digits, and so does Python's int().
_DIGITS = re.compile(r"[+-]?[0-9]{1,40}")
_PLAIN = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
_DECIMAL = re.compile(_PLAIN.pattern + r"([eE][+-]?[0-9]{1,6})?")
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]((?:[01][0-9]|2[0-3])(?::[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?)?)"
    r"(?: ?(Z|z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_PICO = Decimal("0.000000000001")
MAX_INT64 = 2**63 - 1
UTC_TIME = pa.timestamp("us", tz="UTC")


class NumberText(str):
    """The text of a JSON number with a fraction or an exponent (or NaN, Infinity), kept as written."""

    __slots__ = ()


def count(value: Any, name: str, *, e_notation: bool = False) -> int | None:
    """A count: an integer, a string of digits, or an integral number such as ``1.0``; None for null.

    ``1e3`` only where the kind declares it. Rejects booleans, fractions, NaN, numbers beyond a bigint and negatives
    (as ``negative``, so that the reason says what is wrong).
    """
    if value is None or type(value) is int:
        number = value
    elif isinstance(value, NumberText | float | Decimal) or (isinstance(value, str) and value.strip()):
        number = _integral(str(value).strip(), name, e_notation=e_notation)
    elif isinstance(value, str):
        return None
    else:
        raise Rejected("bad_number", f"{name} is a {type(value).__name__}")
    if number is None:
        return None
    if number < 0:
        raise Rejected("negative", name)
    if number > MAX_TOKENS:
        raise Rejected("too_large", name)
    return int(number)


def _integral(text: str, name: str, *, e_notation: bool) -> int:
    if _DIGITS.fullmatch(text):
        return int(text)
    if not e_notation and not _PLAIN.fullmatch(text):
        raise Rejected("bad_number", name)
    number = decimal(text, name)
    if number != number.to_integral_value():
        raise Rejected("fractional", name)
    return int(number)


def decimal(value: Any, name: str) -> Decimal:
    """A finite decimal of sensible size (below 10^30), exactly as written. Rejects everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise Rejected("bad_number", name)
    text = repr(value) if isinstance(value, float) else str(value).strip()
    if isinstance(value, str) and not _DECIMAL.fullmatch(text):  # Decimal() would take 1_000, NaN and other scripts
        raise Rejected("bad_number", name)
    number = Decimal(text)
    if not number.is_finite():
        raise Rejected("bad_number", name)
    if number and number.adjusted() >= 30:
        raise Rejected("too_large", name)
    return number


def money(value: Any, name: str) -> Decimal | None:
    """An amount rounded half-even once to 12 decimals; None for null and for an empty text. Rejects negatives."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = decimal(value, name)
    if number < 0:
        raise Rejected("negative", name)
    if number >= 10**12:
        raise Rejected("too_large", name)
    return number.quantize(_PICO, rounding=ROUND_HALF_EVEN)


def quantity(value: Any, name: str) -> Decimal | None:
    """A quantity of a unit below 10^15, rounded half-even to 12 decimals; None for null and for an empty text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = decimal(value, name)
    if number < 0:
        raise Rejected("negative", name)
    if number >= 10**15:
        raise Rejected("too_large", name)
    return number.quantize(_PICO, rounding=ROUND_HALF_EVEN)


def number_text(text: str, name: str, *, decimal: str, thousands: str) -> str:
    """A number with a decimal comma or marks between thousands, as other countries write it, with a decimal point.

    Marks must stand where they belong (``1.234,5``): a text that could also be read otherwise is ``bad_number``.
    """
    whole, comma, fraction = text.strip().partition(decimal)
    if thousands and thousands in whole:
        if not re.fullmatch(rf"[+-]?[0-9]{{1,3}}({re.escape(thousands)}[0-9]{{3}})+", whole):
            raise Rejected("bad_number", name)
        whole = whole.replace(thousands, "")
    if "." in whole or "." in fraction:
        raise Rejected("bad_number", name)
    return f"{whole}.{fraction}" if comma else whole


def instant(value: Any, name: str, *, zone: ZoneInfo | None, formats: Sequence[str] = ("rfc3339",)) -> datetime:
    """An instant in UTC. ``formats``: rfc3339, epoch_s, epoch_ms, epoch_us or strptime patterns, tried in this order.

    A time without an offset takes ``zone``; without one it is rejected, as are times that do not exist on that zone's
    clock, leap seconds and 24:00.
    """
    if value is None or value == "":
        raise Rejected("missing_time", name)
    if isinstance(value, date):  # of Parquet
        given = value if isinstance(value, datetime) else datetime.combine(value, time())
        return _in_window(given, name, zone)
    for form in formats:
        parsed = _parse(value, form)
        if parsed is None:
            continue
        return _in_window(parsed, name, zone)
    raise Rejected("bad_time", name)


def _in_window(parsed: datetime, name: str, zone: ZoneInfo | None) -> datetime:
    try:
        return _to_utc(parsed, name, zone)
    except OverflowError:
        raise Rejected("out_of_window", name) from None


def _parse(value: Any, form: str) -> datetime | None:
    try:
        if form.startswith("epoch_"):
            if isinstance(value, bool):
                return None
            scale = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}[form]
            micros = (Decimal(str(value)) * scale).to_integral_value()
            seconds, rest = divmod(int(micros), 1_000_000)
            return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
        if not isinstance(value, str) or isinstance(value, NumberText):
            return None
        if form == "rfc3339":
            # fromisoformat() alone also takes week dates, any separator and, in later versions, 24:00.
            match = _RFC3339.fullmatch(value.strip())
            return datetime.fromisoformat(_iso(*match.groups(""))) if match else None
        return datetime.strptime(value, form)  # noqa: DTZ007  the zone follows in _to_utc
    except (ValueError, OverflowError, InvalidOperation, OSError):
        return None


def _iso(day: str, clock: str, offset: str) -> str:
    return f"{day}T{clock or '00'}{'+00:00' if offset in ('Z', 'z', 'UTC') else offset}"


def _to_utc(parsed: datetime, name: str, zone: ZoneInfo | None) -> datetime:
    if parsed.tzinfo is not None:
        return parsed.astimezone(UTC)
    if zone is None:
        raise Rejected("bad_time", f"{name} has no offset and no zone is declared")
    there = parsed.replace(tzinfo=zone).astimezone(UTC)
    if there.astimezone(zone).replace(tzinfo=None) != parsed:
        raise Rejected("bad_time", f"{name} does not exist in {zone.key}")
    return there


def instants(column: pa.ChunkedArray, name: str, *, zone: ZoneInfo | None) -> tuple[pa.Array, dict[int, Rejected]]:
    """A column of RFC 3339 texts (or epoch seconds as numbers) as UTC times, and the rows that are none.

    All rows with an offset, or all without where the zone is UTC, are read at once; a mixed column one by one.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_floating(array.type):
        sane = pc.less(pc.abs(pc.fill_null(array, 0.0)), 1e12)  # false for NaN, which cannot be cast
        bad = {row: Rejected("bad_time", name) for row in pc.indices_nonzero(pc.invert(sane)).to_pylist()}
        micros = pc.round(pc.multiply(pc.if_else(sane, array, None), 1_000_000.0)).cast(pa.int64())
        return micros.view(UTC_TIME), bad
    if array.null_count == 0:
        try:
            return array.cast(UTC_TIME), {}
        except pa.ArrowInvalid:
            pass
        if zone is not None and zone.key == "UTC":
            try:
                return array.cast(pa.timestamp("us")).cast(pa.int64()).view(UTC_TIME), {}
            except pa.ArrowInvalid:
                pass
    times: list[datetime | None] = []
    bad = {}
    for row, text in enumerate(array.to_pylist()):
        try:
            times.append(instant(text, name, zone=zone, formats=("rfc3339", "epoch_s")))
        except Rejected as rejected:
            times.append(None)
            bad[row] = rejected
    return pa.array(times, UTC_TIME), bad
