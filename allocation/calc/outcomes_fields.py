"""Fields of rows that people and systems state about results: read strictly, or refused with a reason and what to do.

Codes and numbers alone are taken; there is no field for the text of an end user.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from finops.currencies import check_currency
from finops.money import MoneyError
from finops.periods import Period, PeriodError

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=5)
EVIDENCE = ("measured", "declared", "none")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#+=-]*")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,12})?")


def _shown(name: Any) -> str:
    """A name from outside, as it may be told."""
    return "".join(char if char.isprintable() else "?" for char in str(name)[:60])


class Refusal(NamedTuple):
    """Why a row was not taken. ``row``: its place in what was sent, from 1; ``detail`` never holds its content."""

    row: int
    reason: str
    field: str
    detail: str


class Wrong(ValueError):
    """A field cannot be taken."""

    def __init__(self, reason: str, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.reason, self.field, self.detail = reason, field, detail


class Known(NamedTuple):
    """What rows may name, and the clock: cost centre code -> id, (cost centre, team) -> id."""

    cost_centres: Mapping[str, int]
    teams: Mapping[tuple[str, str], int]
    now: datetime


class Fields:
    """One row. Every reader raises Wrong."""

    def __init__(self, row: Any, names: Sequence[str]) -> None:
        if not isinstance(row, Mapping):
            raise Wrong("unknown_shape", "", "a row is an object of fields")
        for name in row:
            if name not in names:
                raise Wrong("unknown_field", _shown(name), f"no such field; possible: {', '.join(names)}")
        if twice := getattr(row, "keys_twice", ()):
            raise Wrong("unknown_shape", _shown(min(twice)), "given twice")
        self.row = row

    def has(self, name: str) -> bool:
        """Whether it is given; empty is not."""
        return self.row.get(name) not in (None, "")

    def text(self, name: str, most: int, default: str | None = "") -> str:
        """Printable text of one line. ``default`` None: it has to be given."""
        if not self.has(name):
            if default is None:
                raise Wrong("missing", name, "has to be given")
            return default
        value = self.row[name]
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise Wrong("bad_text", name, "is no text")
        text = str(value).strip()
        if not text.isprintable() or not text:
            raise Wrong("bad_text", name, "holds control characters or nothing")
        if len(text) > most:
            raise Wrong("too_long", name, f"has {len(text)} characters; at most {most}")
        return text

    def id(self, name: str, most: int, default: str | None = None) -> str:
        """A code: letters, digits and . _ : / # + = -. An address of mail is none."""
        text = self.text(name, most, default)
        if text and not _ID.fullmatch(text):
            raise Wrong("bad_text", name, "is no code: letters, digits and . _ : / # + = - alone")
        return text

    def one_of(self, name: str, possible: Sequence[str], default: str | None) -> str:
        """One of some words."""
        text = self.text(name, 60, default)
        if text not in possible:
            raise Wrong("bad_choice", name, f"one of {', '.join(filter(None, possible))}")
        return text

    def yes(self, name: str) -> bool:
        """true or false, also written out, as a CSV has it."""
        value = self.row.get(name)
        if isinstance(value, bool):
            return value
        text = value.strip().lower() if isinstance(value, str) else ""
        if text not in ("true", "false"):
            raise Wrong("missing" if not self.has(name) else "bad_choice", name, "true or false")
        return text == "true"

    def number(self, name: str, low: Decimal | None = None, high: Decimal | None = None) -> Decimal | None:
        """A decimal of at most 12 decimals, None where it is not given."""
        if not self.has(name):
            return None
        value = self.row[name]
        text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
        if not _NUMBER.fullmatch(text):
            raise Wrong("bad_number", name, "is no decimal such as 12.5, with at most 12 decimals")
        try:
            found = Decimal(text)
        except InvalidOperation:  # the pattern lets nothing through that Decimal refuses
            raise Wrong("bad_number", name, "is no decimal") from None
        if low is not None and found < low:
            raise Wrong("negative" if low == 0 else "out_of_range", name, f"lies below {low}")
        if high is not None and found > high:
            raise Wrong("out_of_range", name, f"lies above {high}")
        return found

    def share(self, name: str) -> Decimal | None:
        """A number from 0 to 1, of at most six decimals."""
        found = self.number(name, Decimal(0), Decimal(1))
        if found is not None and found != found.quantize(Decimal("0.000001")):
            raise Wrong("bad_number", name, "has more than six decimals")
        return found

    def money(self, name: str) -> Decimal | None:
        """An amount from 0 to below a million million."""
        return self.number(name, Decimal(0), Decimal(10) ** 12 - Decimal(1).scaleb(-12))

    def count(self, name: str, low: int = 0) -> int | None:
        """A whole number."""
        found = self.number(name, Decimal(low), Decimal(10) ** 18)
        if found is not None and found != found.to_integral_value():
            raise Wrong("bad_number", name, "is no whole number")
        return None if found is None else int(found)

    def currency(self, name: str = "currency", *, needed: bool) -> str:
        """An ISO 4217 code, where there is money."""
        text = self.text(name, 3)
        if needed and not text:
            raise Wrong("bad_currency", name, "has to be given beside an amount")
        if text:
            try:
                check_currency(text)
            except MoneyError:
                raise Wrong("bad_currency", name, "is no ISO 4217 code such as USD") from None
        return text if needed else ""

    def instant(self, name: str, now: datetime, default: datetime | None = None) -> datetime:
        """A time with its offset, not in the future."""
        if not self.has(name) and default is not None:
            return default
        text = self.text(name, 40, None)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise Wrong("bad_time", name, "is no time such as 2026-09-08T13:00:00Z") from None
        if found.tzinfo is None:
            raise Wrong("bad_time", name, "says no zone: end it with Z or an offset such as +02:00")
        try:
            found = found.astimezone(UTC)
        except OverflowError:
            raise Wrong("out_of_window", name, "lies outside the calendar") from None
        if not EARLIEST <= found <= now + AHEAD:
            raise Wrong("out_of_window", name, "lies before 2015 or in the future")
        return found

    def day(self, name: str, default: date | None = None) -> date:
        """A day as YYYY-MM-DD."""
        if not self.has(name) and default is not None:
            return default
        try:
            return date.fromisoformat(self.text(name, 10, None))
        except ValueError as wrong:
            if isinstance(wrong, Wrong):
                raise
            raise Wrong("bad_time", name, "is no day such as 2026-09-08") from None

    def month(self, name: str, default: date | None = None) -> date:
        """The first day of a month YYYY-MM."""
        if not self.has(name) and default is not None:
            return default
        try:
            return Period.month(self.text(name, 7, None)).start
        except PeriodError:
            raise Wrong("bad_time", name, "is no month such as 2026-09") from None

    def owner(self, known: Known, *, needed: bool = False) -> tuple[int | None, int | None]:
        """Ids of the cost centre and the team that are named."""
        code, team = self.text("cost_centre", 60, None if needed else ""), self.text("team", 60)
        if code and code not in known.cost_centres:
            raise Wrong("unknown_owner", "cost_centre", "there is no such cost centre in your scope")
        if team and not code:
            raise Wrong("contradicts", "team", "a team is named together with its cost centre")
        if team and (code, team) not in known.teams:
            raise Wrong("unknown_owner", "team", "there is no such team in the cost centre")
        return known.cost_centres.get(code), known.teams.get((code, team))
