"""How entries of agreements (contracts, commitments) are read: fields checked one by one, and which usage they are about.

Numbers are strings or whole numbers, so that none passes through a float. Dates are written YYYY-MM-DD; ``valid_to`` and
``to`` are exclusive. Usage is named by the dimensions of its key, each one a text or a list, with ``*``, ``?`` and
``[..]`` as in file names; ``model`` is the served model, else the requested one; a dimension that usage does not state
is matched by nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from finops.currencies import check_currency
from finops.money import MoneyError
from finops.numbers import written
from finops.periods import PeriodError, check_day
from ingest.calc.matching import PROVIDER_ALIASES

DIMENSIONS = (
    "source", "provider", "host", "billing_account", "project", "api_key", "principal", "model", "region", "mode",
    "service_tier_requested", "service_tier_served", "effort", "operation", "environment", "feature", "price_class",
)  # fmt: skip
LOWEST = 100  # the priority of an entry that states none
_MONEY = 10**12  # what the columns of money hold (finops.domains)


class AgreementError(ValueError):
    """A document of agreements cannot be used; the message names the entry and the field."""


class Match(NamedTuple):
    """Which usage an agreement is about: all of these dimensions match one of their patterns. None: all usage."""

    wanted: tuple[tuple[str, tuple[str, ...]], ...]

    def holds(self, found: Mapping[str, Any], price_class: str) -> bool:
        """Whether usage of a key (its dimensions) and of a token class or unit is meant."""
        return all(_any(patterns, _value(found, price_class, name)) for name, patterns in self.wanted)

    def meets(self, other: "Match") -> bool:
        """Whether usage may exist that both mean."""
        theirs = dict(other.wanted)
        return all(
            any(_meet(one, two) for one in patterns for two in theirs[name])
            for name, patterns in self.wanted
            if name in theirs
        )

    def exact(self) -> dict[str, Any]:
        """The dimensions that it fixes to one value: those of a charge that no call bears."""
        fixed = {
            name: patterns[0]
            for name, patterns in self.wanted
            if len(patterns) == 1 and not _is_pattern(patterns[0]) and name not in ("source", "price_class")
        }
        if "model" in fixed:
            fixed["model_served"] = fixed.pop("model")
        tags = {name[4:]: fixed.pop(name) for name in sorted(fixed) if name.startswith("tag.")}
        return fixed | ({"tags": tags} if tags else {})


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _value(found: Mapping[str, Any], price_class: str, name: str) -> str:
    if name == "price_class":
        return price_class
    if name == "model":
        return str(found.get("model_served") or found.get("model_requested") or "")
    if name.startswith("tag."):
        return str((found.get("tags") or {}).get(name[4:], ""))
    return str(found.get(name) or "")


def _any(patterns: Sequence[str], value: str) -> bool:
    return value != "" and any(fnmatchcase(value, pattern) for pattern in patterns)


def _meet(one: str, two: str) -> bool:
    """Whether a text may exist that both patterns match; a set [..] counts as any character."""
    a, b = _signs(one), _signs(two)
    reached = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        i, j = waiting.pop()
        if i == len(a) and j == len(b):
            return True
        here, there = a[i : i + 1], b[j : j + 1]
        follow = []
        if here == ["*"]:
            follow += [(i + 1, j)] + ([(i, j + 1)] if there else [])
        if there == ["*"]:
            follow += [(i, j + 1)] + ([(i + 1, j)] if here else [])
        if here and there and "*" not in (here[0], there[0]) and (here == there or "?" in (here[0], there[0])):
            follow.append((i + 1, j + 1))
        for place in follow:
            if place not in reached:
                reached.add(place)
                waiting.append(place)
    return False


def _signs(pattern: str) -> list[str]:
    found, at = [], 0
    while at < len(pattern):
        end = pattern.find("]", at + 2) if pattern[at] == "[" else -1
        found.append("?" if end > 0 else pattern[at])
        at = end + 1 if end > 0 else at + 1
    return found


def entries(document: Any, what: str) -> list["Fields"]:
    """The entries of a document, each with a code of its own. Raises AgreementError."""
    if not isinstance(document, list):
        raise AgreementError(f"{what} are a list of entries")
    found = [Fields(entry, number) for number, entry in enumerate(document, start=1)]
    seen: set[str] = set()
    for fields in found:
        if fields.code in seen:
            raise AgreementError(f"{fields.code}: this code is used twice")
        seen.add(fields.code)
    return found


class Fields:
    """One entry of a document; every reader names the entry and the field where it refuses."""

    def __init__(self, entry: Any, number: int) -> None:
        """Entry ``number`` of its document, counted from 1. Raises AgreementError where it has no code."""
        code = entry.get("code") if isinstance(entry, Mapping) else None
        if not isinstance(code, str) or not code.strip() or len(code) > 100:
            raise AgreementError(f"entry {number}: needs a code, a text of at most 100 characters")
        self.entry, self.code = entry, code.strip()

    def wrong(self, name: str, what: str) -> AgreementError:
        """The error of a field."""
        return AgreementError(f"{self.code}: {name} {what}")

    def only(self, known: Sequence[str]) -> None:
        """Refuse fields that nobody reads."""
        for name in self.entry:
            if name not in known and not str(name).startswith("tag.") and name not in DIMENSIONS:
                raise AgreementError(f"{self.code}: unknown field {name!r}; known are {', '.join(sorted(known))}")

    def given(self, name: str) -> bool:
        """Whether the entry states the field."""
        return self.entry.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        value = self.entry.get(name, default)
        if not isinstance(value, str):
            raise self.wrong(name, f"must be a text, not {value!r}")
        return value.strip()

    def one_of(self, name: str, allowed: Sequence[str], default: str = "") -> str:
        """One of some words; the first is meant where nothing is said."""
        value = self.text(name, default or allowed[0])
        if value not in allowed:
            raise self.wrong(name, f"is {value!r}, must be one of {', '.join(allowed)}")
        return value

    def number(self, name: str, *, least: int = 0) -> Decimal:
        """An exact number."""
        return exact(self.entry.get(name), f"{self.code}: {name}", least=least)

    def money(self, name: str, *, least: int = 0) -> Decimal:
        """An exact amount that a column of money holds."""
        return exact(self.entry.get(name), f"{self.code}: {name}", least=least, most=_MONEY)

    def fits(self, name: str, amount: Decimal) -> Decimal:
        """An amount that follows from several fields, which a column of money holds."""
        if abs(amount) >= _MONEY:
            raise self.wrong(name, f"comes to {amount:f} with the other fields: amounts are below 10^12")
        return amount

    def whole(self, name: str, default: int, *, most: int = 10**9) -> int:
        """A whole number, not negative."""
        value = self.entry.get(name, default)
        if type(value) is not int or not 0 <= value <= most:
            raise self.wrong(name, f"must be a whole number of at most {most:,}, not {str(value)[:40]!r}")
        return value

    def currency(self, default: str = "USD") -> str:
        """An ISO 4217 code."""
        value = self.text("currency", default)
        try:
            return check_currency(value)
        except MoneyError as error:
            raise self.wrong("currency", f"is wrong: {error}") from None

    def day(self, name: str) -> date | None:
        """A date; None where it is not given."""
        value = self.instant(name)
        if isinstance(value, datetime):
            raise self.wrong(name, "must be a date YYYY-MM-DD without a time")
        return value

    def instant(self, name: str) -> date | datetime | None:
        """A date, or an instant with its offset; None where it is not given."""
        value = self.entry.get(name)
        if isinstance(value, str):
            try:
                value = date.fromisoformat(value) if len(value) == len("YYYY-MM-DD") else datetime.fromisoformat(value)
            except ValueError:
                raise self.wrong(name, f"must be a date YYYY-MM-DD, not {value!r}") from None
        if isinstance(value, datetime) and value.tzinfo is None:
            raise self.wrong(name, "is an instant without an offset, such as 2026-03-01T14:00+01:00")
        if value is not None and not isinstance(value, date):
            raise self.wrong(name, f"must be a date YYYY-MM-DD, not {value!r}")
        try:
            return None if value is None else check_day(value)
        except PeriodError as error:
            raise self.wrong(name, str(error)) from None

    def zone(self) -> ZoneInfo:
        """The clock on which its days are counted."""
        name = self.text("zone", "UTC")
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
            raise self.wrong("zone", f"{name!r} is no time zone, such as Europe/Berlin") from None

    def match(self) -> Match:
        """Which usage it is about."""
        wanted = []
        for name in sorted(str(name) for name in self.entry if name in DIMENSIONS or str(name).startswith("tag.")):
            value = self.entry[name]
            texts = value if isinstance(value, list) else [value]
            if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
                raise self.wrong(name, f"must be a text or a list of texts, not {value!r}")
            if name == "provider":
                texts = [PROVIDER_ALIASES.get(text.lower(), text.lower()) for text in texts]
            wanted.append((name, tuple(texts)))
        return Match(tuple(wanted))


def exact(value: Any, where: str, *, least: int = 0, most: int = 10**15) -> Decimal:
    """A number written as a text or a whole number, from ``least`` up to below ``most``, with at most 12 decimals."""
    if isinstance(value, float):
        raise AgreementError(f'{where} is a float; write it in quotes: "{value}"')
    try:
        number = written(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise AgreementError(f"{where} must be a number in quotes, not {value!r}")
    if number < least or -int(number.as_tuple().exponent) > 12 or number >= most:
        bounds = f"be at least {least}, below {most:,} and have at most 12 decimals"
        raise AgreementError(f"{where} must {bounds}, not {str(value)[:40]}")
    return number
