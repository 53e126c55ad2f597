"""Calculations: the inputs that a person gives, the register's values for the rest, and figures with their formulas.

The API, the page Calculators and the table of claims all call ``calculate``; no formula is computed anywhere else.
"""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from allocation.calc import unit_economics
from allocation.calc.assumptions import CHOICE, DATE, SHARE, Assumption, Register, Value, said
from allocation.calc.claims_calculators import FORMULAS, TIER, TIER_COST, Calculator, Input, Output
from allocation.calc.claims_formulas import CalculationError, evaluate, shown
from allocation.calc.contracts_fields import AgreementError, exact
from finops.periods import PeriodError, check_day

CALCULATORS: Mapping[str, Calculator] = {one.name: one for one in (*FORMULAS, *unit_economics.CALCULATORS)}
TIER_BY_DEFAULT = "complex"
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_DECIMALS, _DIGITS, _MOST = 12, 15, 10**12
_MONTHS_A_YEAR = 12


class Filled(NamedTuple):
    """An input with its value; ``source``: the assumption it is from, None where a person gave it."""

    input: Input
    value: Value
    source: Assumption | None


class Figure(NamedTuple):
    """An output. ``value`` None: there is none, and ``note`` says why. ``filled``: the formula with the numbers put in."""

    output: Output
    value: Decimal | None
    formula: str
    filled: str
    note: str


class Result(NamedTuple):
    """A calculation: all that went in, all that came out, and what to beware of."""

    calculator: Calculator
    inputs: tuple[Filled, ...]
    figures: tuple[Figure, ...]
    warnings: tuple[str, ...]

    def value(self, name: str) -> Decimal | None:
        """The value of a figure. Raises KeyError."""
        return {one.output.name: one.value for one in self.figures}[name]


def calculate(name: str, given: Mapping[str, Any], register: Register) -> Result:
    """Calculate. In: texts, whole numbers or Decimals by input; what is not given is the register's base.

    Raises CalculationError naming the input, also for one that is not known or has no value anywhere.
    """
    if name not in CALCULATORS:
        raise CalculationError(f"there is no calculator {name[:60]!r}; there are {', '.join(CALCULATORS)}")
    calculator = CALCULATORS[name]
    if unknown := sorted(str(key)[:60] for key in set(given) - {one.name for one in calculator.inputs}):
        known = ", ".join(one.name for one in calculator.inputs)
        raise CalculationError(f"{unknown[0]}: is no input of {name}; its inputs are {known}")
    filled = _filled(calculator, given, register)
    figures = _figures(calculator, filled)
    return Result(calculator, filled, figures, _warnings(calculator, filled))


def defaults(calculator: Calculator, register: Register, tier: str = TIER_BY_DEFAULT) -> tuple[Assumption | None, ...]:
    """The assumption behind each input; None: it is to be chosen. Raises CalculationError."""
    return tuple(_assumption(one, register, tier) for one in calculator.inputs)


def _filled(calculator: Calculator, given: Mapping[str, Any], register: Register) -> tuple[Filled, ...]:
    tier, found = TIER_BY_DEFAULT, list[Filled]()
    for one in calculator.inputs:
        if (said_value := given.get(one.name)) not in (None, ""):
            filled = Filled(one, _read(one, said_value), None)
        else:
            source = _assumption(one, register, tier)
            filled = Filled(one, tier if source is None else _checked(one, source.base), source)
        if one.name == TIER:
            tier = str(filled.value)
        found.append(filled)
    return tuple(found)


def _assumption(one: Input, register: Register, tier: str) -> Assumption | None:
    if not one.assumption:
        return None
    try:
        found = register.get(one.assumption.format(tier=tier))
    except AgreementError as missing:
        raise CalculationError(f"{one.name}: {missing}") from None
    if (kind(found.unit)) != kind(one.unit):
        raise CalculationError(f"{one.name}: {found.code} of the assumption register is a {found.unit}, not {one.unit}")
    return found


def kind(unit: str) -> str:
    """What a value of a unit is: a choice, a date, or a number."""
    return unit if unit in (CHOICE, DATE) else "number"


def _read(one: Input, value: Any) -> Value:
    if one.unit == CHOICE:
        return _checked(one, value.strip() if isinstance(value, str) else str(value))
    if one.unit == DATE:
        try:
            return check_day(value if isinstance(value, date) else date.fromisoformat(str(value).strip()))
        except (ValueError, PeriodError):
            raise CalculationError(f"{one.name}: must be a date YYYY-MM-DD, not {str(value)[:40]!r}") from None
    if isinstance(value, float):
        raise CalculationError(f'{one.name}: is a float; write it in quotes: "{value}"')
    try:
        text = str(value) if isinstance(value, Decimal) else value.strip() if isinstance(value, str) else value
        return _checked(one, exact(text, one.name, most=_MOST))
    except AgreementError:
        told = f"must be a number from 0 to below {_MOST:,} with at most {_DECIMALS} decimals"
        raise CalculationError(f"{one.name}: {told}, not {str(value)[:40]!r}") from None


def _checked(one: Input, value: Value) -> Value:
    if one.unit == CHOICE and value not in one.choices:
        raise CalculationError(f"{one.name}: {str(value)[:40]!r} is none of {', '.join(one.choices)}")
    if one.positive and value == 0:
        raise CalculationError(f"{one.name}: must be above 0")
    if one.unit == SHARE and isinstance(value, Decimal) and value > 1:
        raise CalculationError(f"{one.name}: is a share, from 0 to 1, not {said(value)}")
    return value


def _figures(calculator: Calculator, filled: tuple[Filled, ...]) -> tuple[Figure, ...]:
    values = {one.input.name: _number(one.value) for one in filled if one.input.unit != CHOICE}
    texts = {one.input.name: said(one.value) for one in filled}
    found = []
    for output in calculator.outputs:
        formula = _formula(output, filled)
        if output.needs and evaluate(output.needs, values) <= 0:
            found.append(Figure(output, None, shown(formula), shown(formula, texts), output.lacking))
            continue
        exact_value = evaluate(formula, values)
        values[output.name] = exact_value
        value = rounded(exact_value, output.unit)
        found.append(Figure(output, value, shown(formula), shown(formula, texts), ""))
        texts[output.name] = short(value)
    return tuple(found)


def _formula(output: Output, filled: tuple[Filled, ...]) -> str:
    if isinstance(output.formula, str):
        return output.formula
    chosen = {one.value for one in filled if one.input.unit == CHOICE}
    return next(text for value, text in output.formula.items() if value in chosen)


def _number(value: Value) -> Fraction:
    if isinstance(value, date):
        return Fraction(value.year * _MONTHS_A_YEAR + value.month)
    return Fraction(value)


def rounded(value: Fraction, unit: str) -> Decimal:
    """Half-even at 12 decimals; a figure below 1 that is no money keeps 15 digits."""
    found = _WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))
    places = _DECIMALS
    if found and not unit.startswith("USD") and found.adjusted() < 0:
        places = _DIGITS - 1 - found.adjusted()
    return _WIDE.quantize(found, Decimal(1).scaleb(-places))


def short(value: Decimal) -> str:
    """A figure as it is put into the formulas that follow: whole above a thousand, else of six digits."""
    if value == value.to_integral_value() or value.adjusted() >= 6:
        return f"{value.to_integral_value():f}"
    return f"{Context(prec=6).plus(value).normalize():f}"


def _warnings(calculator: Calculator, filled: tuple[Filled, ...]) -> tuple[str, ...]:
    if calculator is not TIER_COST:
        return ()
    values = {one.input.name: one.value for one in filled}
    ttc, calls = values["ttc"], values["calls"]
    if values["basis"] != calculator.overlap or ttc == 1 or calls == 1:
        return ()
    return (
        f"Test-time compute ({said(ttc)}) and calls ({said(calls)}) overlap: an agent's calls are where it thinks. "
        "Multiplied, the same tokens count twice; take one of them.",
    )
