"""Formulas of calculators: one text that is both what is computed, exactly, and what is shown.

A formula is arithmetic on names: ``+ - * / **``, brackets, ``1`` and ``2``, and ``log``. Values are Fractions; a power
that is no whole number and a logarithm are Decimals of 50 digits. Names of CONSTANTS are conversions of units.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

CONSTANTS = MappingProxyType(
    {
        "thousand": Fraction(1_000), "million": Fraction(1_000_000), "seconds_a_minute": Fraction(60),
        "seconds_an_hour": Fraction(3_600),
    }
)  # fmt: skip
_CONTEXT = Context(prec=50, traps=[InvalidOperation, DivisionByZero, Overflow])
_WHOLE = 8  # powers up to here stay exact
_LIMIT = Fraction(10**24)
_SIGNS = ((" ** ", "^"), (" * ", " \u00d7 "), (" / ", " ÷ "), (" - ", " \u2212 "))
_NAME = re.compile(r"[a-z][a-z_]*")
_BINARY: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


class CalculationError(ValueError):
    """Something cannot be calculated; the message names the input."""


def evaluate(formula: str, values: Mapping[str, Fraction]) -> Fraction:
    """The value of a formula. Raises CalculationError."""
    try:
        found = _of(_parsed(formula), values)
    except ZeroDivisionError:
        raise CalculationError(f"{shown(formula)}: divides by zero") from None
    except DecimalException:
        raise CalculationError(f"{shown(formula)}: has no value with these inputs") from None
    if abs(found) >= _LIMIT:
        raise CalculationError(f"{shown(formula)}: is too large to be shown")
    return found


def names(formula: str) -> set[str]:
    """The names that a formula reads, without functions."""
    called = {node.func for node in ast.walk(_parsed(formula)) if isinstance(node, ast.Call)}
    return {node.id for node in ast.walk(_parsed(formula)) if isinstance(node, ast.Name) and node not in called}


def shown(formula: str, texts: Mapping[str, str] = MappingProxyType({})) -> str:
    """A formula as people write it; of a name the text that is given for it, else the name as words."""

    def word(found: re.Match[str]) -> str:
        name = found[0]
        return texts.get(name) or (f"{int(CONSTANTS[name]):,}" if name in CONSTANTS else name.replace("_", " "))

    text = formula
    for written, sign in _SIGNS:
        text = text.replace(written, sign)
    return _NAME.sub(word, text)


@lru_cache(maxsize=256)
def _parsed(formula: str) -> ast.expr:
    return ast.parse(formula, mode="eval").body


def _of(node: ast.expr, values: Mapping[str, Fraction]) -> Fraction:
    if isinstance(node, ast.Name):
        return CONSTANTS[node.id] if node.id in CONSTANTS else values[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return Fraction(node.value)
    if isinstance(node, ast.BinOp):
        left, right = _of(node.left, values), _of(node.right, values)
        return _power(left, right) if isinstance(node.op, ast.Pow) else _BINARY[type(node.op)](left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "log":
        return Fraction(_CONTEXT.ln(_decimal(_of(node.args[0], values))))
    raise TypeError(f"a formula cannot hold {ast.unparse(node)}")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator == 1 and abs(exponent) <= _WHOLE:
        return Fraction(base**exponent.numerator)
    found = _CONTEXT.power(_decimal(base), _decimal(exponent))
    if abs(found.adjusted()) > _CONTEXT.prec:
        raise Overflow
    return Fraction(found)


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))
