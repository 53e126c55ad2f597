"""Key figures: one registry of what each one means, and its value from sums.

A figure is a ratio of sums: ``numerator`` / ``denominator``, each a sum of *measures* with their signs. Measures add up over
months, cost centres and whatever else, so a figure of a whole is the ratio of the sums, never a mean of ratios.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, NamedTuple

UNITS = ("currency", "per_million", "share", "ratio", "days")
DIRECTIONS = ("higher", "lower", "context")
_FIELDS = {"name", "numerator", "unit", "better", "column", "owner", "source", "page", "words"}
_MAY = {"denominator", "target", "everything", "as_of"}
_TERM = re.compile(r"\s*([+-]?)\s*([a-z_0-9]+)")
_STEP = Decimal(1).scaleb(-12)
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_MILLION = Decimal(1_000_000)
Measures = Mapping[str, Decimal | None]


class KpiError(ValueError):
    """The registry cannot be read; the message names the figure and the field."""


class Target(NamedTuple):
    """What a good value is, and who says so."""

    value: Decimal
    source: str


class Kpi(NamedTuple):
    """One figure. ``numerator``, ``denominator``: measures with +1 or -1. ``everything``: only who sees all cost has it."""

    code: str
    name: str
    numerator: tuple[tuple[int, str], ...]
    denominator: tuple[tuple[int, str], ...]
    unit: str
    better: str
    column: str
    owner: str
    source: str
    page: str
    words: str
    target: Target | None
    everything: bool

    @property
    def formula(self) -> str:
        """As people read it."""
        above, below = _written(self.numerator), _written(self.denominator)
        if not below:
            return above
        above, below = (f"({part})" if " " in part else part for part in (above, below))
        return f"{above} / {below}{' x 1,000,000' if self.unit == 'per_million' else ''}"

    @property
    def measures(self) -> frozenset[str]:
        """What it is made of."""
        return frozenset(name for _, name in (*self.numerator, *self.denominator))


class Value(NamedTuple):
    """A figure with what it is the ratio of; ``value`` None: nothing to divide by, or something is not known."""

    kpi: Kpi
    numerator: Decimal | None
    denominator: Decimal | None
    value: Decimal | None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is no target or no value."""
        if self.kpi.target is None or self.value is None:
            return None
        return (
            self.value <= self.kpi.target.value if self.kpi.better == "lower" else self.value >= self.kpi.target.value
        )


class Registry(NamedTuple):
    """Figures in their order, what each measure is, and words that need explaining."""

    kpis: tuple[Kpi, ...]
    measures: Mapping[str, str]
    glossary: Mapping[str, str]

    def of(self, code: str) -> Kpi:
        """One figure. Raises KeyError."""
        return next((kpi for kpi in self.kpis if kpi.code == code), None) or _unknown(code)


def _unknown(code: str) -> Kpi:
    raise KeyError(code)


def parse(document: Any) -> Registry:
    """Read a registry. Raises KpiError."""
    measures = {str(name): str(words) for name, words in document["measures"].items()}
    kpis = tuple(_kpi(str(code), entry, measures) for code, entry in document["kpis"].items())
    unused = set(measures) - {name for kpi in kpis for name in kpi.measures}
    if unused:
        raise KpiError(f"measures: no figure is made of {', '.join(sorted(unused))}")
    return Registry(kpis, measures, {str(word): str(said) for word, said in document["glossary"].items()})


def _kpi(code: str, entry: Mapping[str, Any], measures: Mapping[str, str]) -> Kpi:
    if lacking := _FIELDS - set(entry):
        raise KpiError(f"{code}: lacks {', '.join(sorted(lacking))}")
    if wrong := set(entry) - _FIELDS - _MAY:
        raise KpiError(f"{code}: does not know {', '.join(sorted(wrong))}")
    for name, known in (("unit", UNITS), ("better", DIRECTIONS)):
        if entry[name] not in known:
            raise KpiError(f"{code}: {name}: {entry[name]!r} is none of {', '.join(known)}")
    target = entry.get("target")
    return Kpi(
        code, entry["name"], _terms(code, entry["numerator"], measures),
        _terms(code, entry.get("denominator", ""), measures), entry["unit"], entry["better"], entry["column"],
        entry["owner"], entry["source"], entry["page"], entry["words"],
        Target(Decimal(target["value"]), target["source"]) if target else None, bool(entry.get("everything", False)),
    )  # fmt: skip


def _terms(code: str, text: str, measures: Mapping[str, str]) -> tuple[tuple[int, str], ...]:
    found: list[tuple[int, str]] = []
    at = 0
    while at < len(text):
        term = _TERM.match(text, at)
        if term is None or (found and not term[1]):
            raise KpiError(f"{code}: {text!r} is no sum of measures")
        if term[2] not in measures:
            raise KpiError(f"{code}: there is no measure {term[2]!r}")
        found.append((-1 if term[1] == "-" else 1, term[2]))
        at = term.end()
    return tuple(found)


def _written(terms: Iterable[tuple[int, str]]) -> str:
    text = " ".join(f"{'-' if sign < 0 else '+'} {name}" for sign, name in terms)
    return text.removeprefix("+ ")


def value(kpi: Kpi, measures: Measures) -> Value:
    """A figure from its measures (None: not known); 12 decimals, half-even."""
    above = _sum(kpi.numerator, measures)
    below = _sum(kpi.denominator, measures) if kpi.denominator else Decimal(1)
    if above is None or not below:
        return Value(kpi, above, below, None)
    scale = _MILLION if kpi.unit == "per_million" else Decimal(1)
    found = _WIDE.divide(_WIDE.multiply(above, scale), below).quantize(_STEP, context=_WIDE)
    return Value(kpi, above, below, found)


def _sum(terms: Iterable[tuple[int, str]], measures: Measures) -> Decimal | None:
    total = Decimal(0)
    for sign, name in terms:
        amount = measures.get(name)
        if amount is None:
            return None
        total = _WIDE.add(total, amount if sign > 0 else -amount)
    return total


def added(parts: Iterable[Measures]) -> dict[str, Decimal | None]:
    """Measures of a whole from those of its parts: what one part does not know, the whole does not."""
    found: dict[str, Decimal | None] = {}
    for part in parts:
        for name, amount in part.items():
            have = found.get(name, Decimal(0))
            found[name] = None if have is None or amount is None else _WIDE.add(have, amount)
    return found
