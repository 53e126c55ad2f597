"""Values of FOCUS files, strictly or as real files write them.

Strict takes what the specification allows and rejects the rest. Lenient also takes what can be read in one way only,
and counts each such deviation by column: the text NULL, times without a zone (FOCUS times are UTC), amounts with a
currency sign and marks between thousands, and dates as month/day/year where the billing period proves that order.
"""

import re
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ingest.calc.bill_meters import signed
from ingest.calc.reasons import Rejected
from ingest.calc.values import instant, number_text

Row = dict[str, Any]
_UTC = ZoneInfo("UTC")
_NULLS = frozenset({"NULL", "null"})
_SLASHES = re.compile(r"[0-9]{1,2}/[0-9]{1,2}/([0-9]{2}|[0-9]{4})")
_NO_ZONE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:.,]+)?")
_AMOUNT = re.compile(r"(?P<minus>-|\()?\s*(?P<sign>[$€£¥])?\s*(?P<minus2>-)?(?P<number>[0-9.,]+)\s*(?P<close>\))?")
_SIGNS = {"$": r"(USD|CAD|AUD|NZD|SGD|HKD|MXN|TWD)", "€": "EUR", "£": "GBP", "¥": "(JPY|CNY)"}
PERIODS = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")


def text_of(row: Row, name: str) -> str | None:
    """A text of a cleaned row; numbers as they are written."""
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise Rejected("unknown_shape", f"{name} is not a text")
    return str(value)


class Reading:
    """Reads the values of one file's rows; ``deviations`` counts what lenient reading had to put up with."""

    def __init__(self, deviations: Counter[str], *, strict: bool = False) -> None:
        self.strict, self._deviations = strict, deviations

    def deviates(self, name: str, what: str) -> None:
        """Reject a strictly read row, or count a deviation of a leniently read one."""
        if self.strict:
            raise Rejected("unknown_shape", f"{name}: {what}")
        self._deviations[f"{name}: {what}"] += 1

    def cleaned(self, row: Row) -> Row:
        """The columns that hold something: not null, nor an empty text, nor (leniently) the text NULL."""
        kept: Row = {}
        for name, value in row.items():
            if isinstance(value, str):
                if value in _NULLS:
                    self.deviates(name, "the text NULL")
                elif text := value.strip():
                    kept[name] = text
            elif value is not None:
                kept[name] = value
        return kept

    def amount(self, row: Row, name: str, currency: str | None = None) -> Decimal | None:
        """A signed number. ``currency``: what a sign before it has to mean."""
        value = row.get(name)
        if isinstance(value, str) and (plain := self._plain(value, name, currency)):
            value = plain
        return signed(value, name)

    def _plain(self, text: str, name: str, currency: str | None) -> str | None:
        if not re.search(r"[$€£¥,(]", text):
            return None
        found = _AMOUNT.fullmatch(text)
        sign = found["sign"] if found else None
        if not found or (found["minus"] == "(") != bool(found["close"]) or (found["minus"] and found["minus2"]):
            raise Rejected("bad_number", name)
        if sign and not re.fullmatch(_SIGNS[sign], currency or ""):
            raise Rejected("bad_number", f"{name} has a sign of another currency")
        self.deviates(name, "an amount written for people")
        number = number_text(found["number"], name, decimal=".", thousands=",")
        return f"{'-' if found['minus'] or found['minus2'] else ''}{number}"

    def periods(self, row: Row) -> tuple[datetime, datetime, datetime, datetime]:
        """Starts and ends of the billing period and the charge period, in UTC."""
        values = {name: row.get(name) for name in PERIODS}
        slashed = [name for name, value in values.items() if isinstance(value, str) and _SLASHES.fullmatch(value)]
        times = [self._time(value, name) for name, value in values.items()]
        if slashed:
            # 4/1/25 may be the first of April or the fourth of January: a billing period of whole months tells.
            proven = slashed[:2] == list(PERIODS[:2]) and times[0].day == times[1].day == 1
            if not proven:
                raise Rejected("bad_time", f"{slashed[0]} could be read in two ways")
        billing_start, billing_end, start, end = times
        return billing_start, billing_end, start, end

    def _time(self, value: Any, name: str) -> datetime:
        if isinstance(value, datetime):  # of Parquet, whose times carry no zone more often than not
            return instant(value, name, zone=_UTC)
        if isinstance(value, str) and _SLASHES.fullmatch(value):
            self.deviates(name, "month/day/year")
            form = "%m/%d/%Y" if len(value.rsplit("/", 1)[1]) == 4 else "%m/%d/%y"
            return instant(value, name, zone=_UTC, formats=(form,))
        if isinstance(value, str) and _NO_ZONE.fullmatch(value):
            self.deviates(name, "no zone, read as UTC")
        return instant(value, name, zone=None if self.strict else _UTC).astimezone(UTC)
