"""Calendar events of a site: what is known beforehand of days on which usage is not as usual. Document ``calendar``::

    - code: thanksgiving
      name: Thanksgiving            # default: the code
      dates: [2025-11-27, 2026-11-26]
      factor: "0.6"                 # usage over usual; without it what the event did at its past dates is measured
    - code: year-end
      dates: [2025-12-24/2026-01-01, 2026-12-24/2027-01-01]   # first and last day, both of the event
      where: {x_CostCentre: [CC-100, CC-200], ServiceProviderName: [openai]}   # default: everything

Days are those of charges, in UTC. Past dates are kept out of what is taken as usual, whether a factor is stated or not.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from allocation.calc.contracts_fields import AgreementError, Fields, entries
from finops.periods import Period, PeriodError, check_day
from forecasting.calc.events import Event

KIND = "calendar"
WHERE = (
    "x_CostCentre", "ServiceProviderName", "x_Model", "x_QueryTier", "x_Feature", "x_Team", "x_Environment",
)  # fmt: skip
_FIELDS = ("code", "name", "dates", "factor", "where", "note")
_MOST = 100  # times usual: beyond, a factor is a slip of the pen
_LONGEST = 120


class Entry(NamedTuple):
    """One event with all its dates. ``factor`` None: measured at the past ones; ``where``: dimension -> values."""

    code: str
    name: str
    dates: tuple[Period, ...]
    factor: Decimal | None
    where: Mapping[str, tuple[str, ...]]


def parse(document: Any) -> tuple[Entry, ...]:
    """The entries of a document. Raises AgreementError naming entry and field."""
    found = tuple(_entry(fields) for fields in entries(document, "calendar events"))
    names: dict[str, str] = {}
    for one in found:
        if one.name in names:
            raise AgreementError(f"{one.code}: name {one.name!r} is that of {names[one.name]} already")
        names[one.name] = one.code
    return found


def events(found: Iterable[Entry]) -> list[Event]:
    """Every date of every entry as an event, by day."""
    made = [
        Event(one.name, _at(days.start), _at(days.end), None if one.factor is None else float(one.factor), one.where)
        for one in found
        for days in one.dates
    ]
    return sorted(made, key=lambda event: (event.start, event.name))


def _entry(fields: Fields) -> Entry:
    for name in fields.entry:
        if name not in _FIELDS:
            raise AgreementError(f"{fields.code}: unknown field {name!r}; known are {', '.join(_FIELDS)}")
    name = fields.text("name") or fields.code
    if len(name) > _LONGEST:
        raise fields.wrong("name", f"has at most {_LONGEST} characters")
    given = fields.entry.get("dates")
    if not isinstance(given, list) or not given:
        raise fields.wrong("dates", "must be a list of days YYYY-MM-DD, or of first and last day with a slash between")
    dates = tuple(sorted((_dates(fields, one) for one in given), key=lambda days: days.start))
    for one, two in pairwise(dates):
        if two.start < one.end:
            raise fields.wrong("dates", f"meet each other: {two.start:%Y-%m-%d} is in two of them")
    factor = fields.number("factor") if fields.given("factor") else None
    if factor is not None and factor > _MOST:
        raise fields.wrong("factor", f"is at most {_MOST} times usual, not {factor}")
    return Entry(fields.code, name, dates, factor, _where(fields))


def _dates(fields: Fields, value: Any) -> Period:
    parts = str(value).split("/") if isinstance(value, str) else [value]
    try:
        days = [check_day(part if isinstance(part, date) else date.fromisoformat(str(part).strip())) for part in parts]
        if isinstance(value, datetime) or len(days) > 2 or days[-1] < days[0]:
            raise ValueError
    except PeriodError as wrong:
        raise fields.wrong("dates", str(wrong)) from None
    except ValueError:
        raise fields.wrong("dates", f"{value!r} is no day YYYY-MM-DD, nor first/last of such days") from None
    return Period.through(days[0], days[-1])


def _where(fields: Fields) -> dict[str, tuple[str, ...]]:
    given = fields.entry.get("where") or {}
    if not isinstance(given, Mapping):
        raise fields.wrong("where", f"must be dimensions with lists of values, not {given!r}")
    found: dict[str, tuple[str, ...]] = {}
    for name, values in given.items():
        if name not in WHERE:
            raise fields.wrong("where", f"has no dimension {name!r}; possible: {', '.join(WHERE)}")
        texts: Sequence[Any] = values if isinstance(values, list) else [values]
        if not texts or not all(isinstance(text, str) and text for text in texts):
            raise fields.wrong(f"where {name}", f"must be a text or a list of texts, not {values!r}")
        found[name] = tuple(texts)
    return found


def _at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
