"""The assumption register: what calculators, ROI and scenarios rest on and no ledger knows. Document ``assumptions``::

    - {code: ttc_multiplier.complex, name: Tokens of test-time compute, group: tiers, unit: x, low: "5", base: "10",
       high: "50", source: "Aider polyglot, ARC-AGI", as_of: 2026-11-01, grade: measured, owner: finance}
    - {code: tier_basis.complex, name: What multiplies a query, group: tiers, unit: choice, choices: [ttc, calls],
       base: ttc, source: "...", as_of: 2026-11-01, grade: assumed, owner: finance}

Numbers are text or whole numbers. ``low`` <= ``base`` <= ``high``; without low and high the base is all there is.
``dearer`` names the end at which answers cost more (high, where nothing is said): that of a squeeze. Units say what may
stand there: ``share`` is from 0 to 1, ``share/year`` a change above -1, ``date`` a day, ``choice`` one of ``choices``;
any other is a quantity of at least 0 in that unit.
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.contracts_fields import AgreementError, Fields, entries, exact

KIND = "assumptions"
SHARE, CHANGE, DATE, CHOICE = "share", "share/year", "date", "choice"
LOW, BASE, HIGH = "low", "base", "high"
CASES = (LOW, BASE, HIGH)
GRADES = ("measured", "published", "derived", "claimed", "assumed")  # from the best to the weakest
_FIELDS = (
    "code", "name", "group", "unit", *CASES, "choices", "dearer", "source", "as_of", "grade", "owner",
)  # fmt: skip
_CODE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_MOST, _LONG, _SHORT = 10**12, 1_000, 120
Value = Decimal | date | str


class Assumption(NamedTuple):
    """One entry: a value with its range, and where it is from. Without a range all three values are one."""

    code: str
    name: str
    group: str
    unit: str
    low: Value
    base: Value
    high: Value
    choices: tuple[str, ...]
    dearer: str
    source: str
    as_of: date
    grade: str
    owner: str

    def at(self, case: str) -> Value:
        """The value at ``low``, ``base`` or ``high``."""
        value: Value = getattr(self, case)
        return value

    @property
    def optimistic(self) -> Value:
        """The end at which answers cost less."""
        return self.low if self.dearer == HIGH else self.high

    @property
    def squeeze(self) -> Value:
        """The end at which answers cost more."""
        return self.high if self.dearer == HIGH else self.low

    @property
    def ranged(self) -> bool:
        """Whether it is more than one value."""
        return self.low != self.high


class Register(NamedTuple):
    """The entries by code, in the order in which they were written."""

    entries: Mapping[str, Assumption] = {}

    def get(self, code: str) -> Assumption:
        """The entry of a code. Raises AgreementError."""
        if code not in self.entries:
            raise AgreementError(f"{code}: is not in the assumption register")
        return self.entries[code]

    def number(self, code: str, case: str = BASE) -> Decimal:
        """The number of an entry. Raises AgreementError where there is none."""
        value = self.get(code).at(case)
        if not isinstance(value, Decimal):
            raise AgreementError(f"{code}: is a {self.get(code).unit}, not a number")
        return value

    def over(self, other: "Register") -> "Register":
        """This register, and of another one what this one leaves out."""
        return Register({**other.entries, **self.entries})


class Difference(NamedTuple):
    """What one register says otherwise than the other; '' where it says nothing."""

    code: str
    field: str
    before: str
    after: str


def parse(document: Any) -> Register:
    """In: the entries as they were written. Raises AgreementError naming the entry and the field."""
    return Register({fields.code: _entry(fields) for fields in entries(document, "assumptions")})


def difference(before: Register, after: Register) -> list[Difference]:
    """What changes, by code and field; an entry that comes or goes is one line with the field ''."""
    found = []
    for code in dict.fromkeys([*before.entries, *after.entries]):
        old, new = before.entries.get(code), after.entries.get(code)
        if old is None or new is None:
            found.append(Difference(code, "", *("" if one is None else in_words(one) for one in (old, new))))
            continue
        found += [
            Difference(code, name, said(was), said(now))
            for name, was, now in zip(Assumption._fields, old, new, strict=True)
            if was != now
        ]
    return found


def in_words(one: Assumption) -> str:
    """The value with its range and unit: ``10 (5 to 50) x``."""
    span = f" ({said(one.low)} to {said(one.high)})" if one.ranged else ""
    return f"{said(one.base)}{span}{'' if one.unit in (DATE, CHOICE) else f' {one.unit}'}"


def said(value: Any) -> str:
    """A value as people write it."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _entry(fields: Fields) -> Assumption:
    for name in fields.entry:
        if name not in _FIELDS:
            raise AgreementError(f"{fields.code}: unknown field {name!r}; known are {', '.join(sorted(_FIELDS))}")
    if not _CODE.fullmatch(fields.code):
        raise fields.wrong("code", "is of small letters, digits, _ and dots, such as ttc_multiplier.complex")
    unit = _said(fields, "unit", 40)
    choices = _choices(fields, unit)
    base = _value(fields, BASE, unit, choices)
    low, high = _range(fields, unit, base)
    as_of = fields.day("as_of")
    if as_of is None:
        raise fields.wrong("as_of", "is missing: the day on which the source said so")
    return Assumption(
        fields.code, _said(fields, "name", _SHORT), _said(fields, "group", 40), unit, low, base, high, choices,
        fields.one_of("dearer", (HIGH, LOW)), _said(fields, "source", _LONG), as_of,
        fields.one_of("grade", GRADES, _said(fields, "grade", 20)), _said(fields, "owner", _SHORT),
    )  # fmt: skip


def _said(fields: Fields, name: str, most: int) -> str:
    text = fields.text(name)
    if not text or len(text) > most:
        raise fields.wrong(name, f"must be a text of 1 to {most:,} characters")
    return text


def _choices(fields: Fields, unit: str) -> tuple[str, ...]:
    value = fields.entry.get("choices")
    if unit != CHOICE:
        if value is not None:
            raise fields.wrong("choices", f"are for the unit choice, not {unit}")
        return ()
    if not isinstance(value, list) or not value or any(not isinstance(one, str) or not one for one in value):
        raise fields.wrong("choices", "must be a list of words")
    if len(set(value)) != len(value):
        raise fields.wrong("choices", "names one of them twice")
    return tuple(value)


def _range(fields: Fields, unit: str, base: Value) -> tuple[Value, Value]:
    if not (fields.given(LOW) or fields.given(HIGH)):
        return base, base
    if unit == CHOICE:
        raise fields.wrong(LOW if fields.given(LOW) else HIGH, "is for numbers and dates; a choice has a base")
    if not (fields.given(LOW) and fields.given(HIGH)):
        missing = HIGH if fields.given(LOW) else LOW
        raise fields.wrong(missing, "is missing: low and high go together")
    low, high = (_value(fields, name, unit, ()) for name in (LOW, HIGH))
    if not low <= base <= high:  # type: ignore[operator]  # one unit, one type
        raise fields.wrong(BASE, f"must lie from low to high, and {said(base)} is not from {said(low)} to {said(high)}")
    return low, high


def _value(fields: Fields, name: str, unit: str, choices: tuple[str, ...]) -> Value:
    if unit == CHOICE:
        return fields.one_of(name, choices, str(fields.entry.get(name) or "(nothing)"))
    if unit == DATE:
        day = fields.day(name)
        if day is None:
            raise fields.wrong(name, "is missing")
        return day
    least = -1 if unit == CHANGE else 0
    number = exact(fields.entry.get(name), f"{fields.code}: {name}", least=least, most=_MOST)
    if unit == SHARE and number > 1:
        raise fields.wrong(name, f"is a share, from 0 to 1, not {said(number)}")
    if unit == CHANGE and number == least:
        raise fields.wrong(name, "is a change of a year above -1: nothing falls by more than all of it")
    return number
