"""Gates of a close: what was measured of a month, against its limits, with what was waived."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.closing import CLOSED, ORDER, PRELIMINARY, SOFT_CLOSED

SHARE, COUNT, AMOUNT = "share", "count", "amount"
_STEP = Decimal("0.000000001")


class Kind(NamedTuple):
    """One gate there is: the default step from which on it has to be passed, and its default limit."""

    code: str
    title: str
    unit: str  # of value and limit: SHARE, COUNT or AMOUNT
    begins: str
    limit: str = "0"
    link: str = ""
    waivable: bool = True


GATES = (
    Kind("ended", "Days until the month ends", COUNT, PRELIMINARY, waivable=False),
    Kind("earlier", "Earlier months that are not as far", COUNT, PRELIMINARY, link="/periods/"),
    Kind("coverage", "Days that sources lack", COUNT, PRELIMINARY, link="/data-health/"),
    Kind("freshness", "Connections that are late or fail", COUNT, PRELIMINARY, link="/sources/"),
    Kind("recomputed", "Days that wait to be recomputed", COUNT, PRELIMINARY, link="/data-health/", waivable=False),
    Kind("verified", "Sums that do not add up", COUNT, PRELIMINARY, link="/data-health/"),
    Kind("rates", "Days without an exchange rate", COUNT, SOFT_CLOSED, link="/data-health/"),
    Kind("unpriced", "Usage without a price", SHARE, SOFT_CLOSED, "0.001", "/prices/"),
    Kind("unallocated", "Cost without an owner", SHARE, SOFT_CLOSED, "0.05", "/allocation/"),
    Kind("unexplained", "Unexplained of an invoice", SHARE, SOFT_CLOSED, "0.005", "/reconciliation/"),
    Kind("reconciled", "Largest difference without an owner", AMOUNT, SOFT_CLOSED, "100", "/reconciliation/"),
    Kind("approvals", "Requests that wait for approval", COUNT, SOFT_CLOSED, link="/approvals/"),
    Kind("disputes", "Statements that are not agreed", COUNT, CLOSED, link="/statements/"),
)  # fmt: skip
BY_CODE = {gate.code: gate for gate in GATES}


class Measured(NamedTuple):
    """What a gate looks at. ``told``: one sentence of what lacks, '' where nothing does; ``lacks``: fails at any limit.

    ``note``: what a reader has to know although it passes.
    """

    value: Decimal
    told: str = ""
    lacks: bool = False
    note: str = ""


class Waived(NamedTuple):
    """That a gate may fail up to a value; who asked, who accepted, and why."""

    gate: str
    value: Decimal
    reason: str
    prepared_by: str
    decided_by: str


class Gate(NamedTuple):
    """One gate of one month."""

    code: str
    title: str
    unit: str
    begins: str  # the first step it is asked for; closing.STEPS or never
    value: Decimal
    limit: Decimal
    ok: bool
    told: str
    link: str
    waivable: bool
    waived: Waived | None

    @property
    def passes(self) -> bool:
        """Whether it does not hold the month up."""
        return self.ok or self.waived is not None


def share(part: Decimal, whole: Decimal) -> Decimal:
    """part / whole at nine decimals; 0 of nothing, 1 of a whole that is none although there is a part."""
    if not part:
        return Decimal(0)
    return (abs(part) / whole).quantize(_STEP) if whole > 0 else Decimal(1)


def judged(
    measured: Mapping[str, Measured], rules: Mapping[str, tuple[str, Decimal]], waivers: Iterable[Waived]
) -> list[Gate]:
    """Every gate that is in force, in the order of GATES.

    In: what was measured by gate, (first step, limit) by gate, what was waived. A waiver holds up to the value for which
    it was given: what fails worse is not waived.
    """
    given = sorted(waivers, key=lambda waiver: waiver.value)
    found = []
    for kind in GATES:
        begins, limit = rules[kind.code]
        if kind.code not in measured or begins not in ORDER:
            continue
        one = measured[kind.code]
        ok = one.value <= limit and not one.lacks
        fitting = (each for each in given if each.gate == kind.code and one.value <= each.value)
        waived = next(fitting, None) if kind.waivable and not ok else None
        told = one.note if ok else one.told
        found.append(
            Gate(kind.code, kind.title, kind.unit, begins, one.value, limit, ok, told, kind.link, kind.waivable, waived)
        )
    return found


def kept(gates: Iterable[Gate]) -> list[dict[str, Any]]:
    """Gates as JSON that ``read`` reads: numbers as texts."""
    return [
        {**gate._asdict(), "value": str(gate.value), "limit": str(gate.limit),
         "waived": gate.waived and {**gate.waived._asdict(), "value": str(gate.waived.value)}}
        for gate in gates
    ]  # fmt: skip


def read(rows: Iterable[Mapping[str, Any]]) -> list[Gate]:
    """What ``kept`` wrote."""
    return [
        Gate(**{
            **row, "value": Decimal(row["value"]), "limit": Decimal(row["limit"]),
            "waived": row["waived"] and Waived(**{**row["waived"], "value": Decimal(row["waived"]["value"])}),
        })
        for row in rows
    ]  # fmt: skip


def holding(gates: Iterable[Gate], to: str) -> list[Gate]:
    """The gates that keep a month from a step."""
    return [gate for gate in gates if ORDER.index(gate.begins) <= ORDER.index(to) and not gate.passes]
