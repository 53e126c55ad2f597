"""Claims of the field against their own arithmetic: each run of a claim goes through a calculator (allocation.calc.claims).

In: the entries of ``allocation/claims.yaml``. A claim reproduces (ok) where every figure that it states is what the formula
gives, rounded or cut off at the digits stated; it is corrected where one is not, or its wording is; inconsistent where it
has several values and no one of them can be preferred; derived where it states inputs alone; else an outside fact.
"""

from collections.abc import Mapping
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import Any, NamedTuple

from allocation.calc.assumptions import Register
from allocation.calc.claims import Result, calculate
from allocation.calc.claims_formulas import CalculationError

OK, CORRECTED, INCONSISTENT, DERIVED, EXTERNAL = "ok", "corrected", "inconsistent", "derived", "external"
VERDICTS = (OK, CORRECTED, INCONSISTENT, DERIVED, EXTERNAL)
_FIELDS = {"id", "note", "claim", "correction", "values", "remark", "runs"}
_RUN = {"what", "calculator", "figure", "inputs", "ours", "stated"}
_WIDE = Context(prec=60)
_TOLERANCE = Decimal("1e-9")


class Checked(NamedTuple):
    """One run: what the note states (None: nothing), what the data file expects, what came out, and how."""

    what: str
    stated: Decimal | None
    expected: Decimal
    ours: Decimal
    figure: str
    result: Result

    @property
    def unit(self) -> str:
        """The unit of both figures."""
        return {one.output.name: one.output.unit for one in self.result.figures}[self.figure]

    @property
    def reproduces(self) -> bool:
        """Whether the figure stated is ours, at the digits in which it was stated."""
        if self.stated is None:
            return True
        step = Decimal(1).scaleb(int(self.stated.as_tuple().exponent))
        return any(
            _WIDE.quantize(Context(prec=60, rounding=how).quantize(self.ours, step), step) == self.stated
            for how in (ROUND_HALF_UP, ROUND_DOWN)
        )

    @property
    def as_expected(self) -> bool:
        """Whether it came out as the data file says, to a billionth."""
        return abs(self.ours - self.expected) <= _TOLERANCE * abs(self.expected)


class Claim(NamedTuple):
    """One claim with its runs, and what is to be said of it."""

    number: int
    note: str
    text: str
    correction: str
    values: tuple[str, ...]
    remark: str
    runs: tuple[Checked, ...]

    @property
    def verdict(self) -> str:
        """OK, CORRECTED, INCONSISTENT, DERIVED or EXTERNAL."""
        if self.values:
            return INCONSISTENT
        if self.correction or not all(run.reproduces for run in self.runs):
            return CORRECTED
        if not self.runs:
            return EXTERNAL
        return OK if any(run.stated is not None for run in self.runs) else DERIVED


def check(entries: Any, register: Register) -> tuple[Claim, ...]:
    """All claims, calculated; what a run leaves out is the register's base. Raises CalculationError naming the claim."""
    if not isinstance(entries, list):
        raise CalculationError("claims are a list of entries")
    return tuple(_claim(entry, register) for entry in entries)


def _claim(entry: Mapping[str, Any], register: Register) -> Claim:
    where = f"claim {entry.get('id')}"
    if unknown := sorted(set(entry) - _FIELDS):
        raise CalculationError(f"{where}: unknown field {unknown[0]!r}")
    return Claim(
        entry["id"], entry["note"], entry["claim"], entry.get("correction", ""), tuple(entry.get("values", ())),
        entry.get("remark", ""), tuple(_run(run, where, register) for run in entry.get("runs", ())),
    )  # fmt: skip


def _run(run: Mapping[str, Any], where: str, register: Register) -> Checked:
    if unknown := sorted(set(run) - _RUN):
        raise CalculationError(f"{where}: unknown field {unknown[0]!r} of a run")
    try:
        result = calculate(run["calculator"], run["inputs"], register)
        value = result.value(run["figure"])
    except CalculationError as wrong:
        raise CalculationError(f"{where}, {run['what']}: {wrong}") from None
    except KeyError:
        raise CalculationError(f"{where}, {run['what']}: {run['calculator']} has no {run['figure']}") from None
    if value is None:
        raise CalculationError(f"{where}, {run['what']}: {run['figure']} has no value")
    stated = run.get("stated")
    return Checked(
        run["what"], None if stated is None else Decimal(stated), Decimal(run["ours"]), value, run["figure"], result
    )
