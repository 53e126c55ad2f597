"""Business metrics that costs are shared by, as people load them: headcount, orders, floor space, a month at a time.

A list of entries (or a CSV file with these columns)::

    - {month: "2026-09", name: headcount, cost_centre: CC-100, value: "42"}

A month that has no entry of a name has no such driver: nothing is carried over from the month before.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.rules_conditions import RuleError
from allocation.calc.rules_targets import USAGE_DRIVERS, code, exact, metric
from finops.periods import Period, PeriodError

COLUMNS = ("month", "name", "cost_centre", "value")


class Metrics(NamedTuple):
    """(name, month as YYYY-MM) -> cost centre -> value, never below zero."""

    values: Mapping[tuple[str, str], Mapping[str, Decimal]]

    @property
    def names(self) -> list[str]:
        """Every metric that has a value in any month."""
        return sorted({name for name, _ in self.values})


def parse_metrics(data: Any) -> Metrics:
    """Loaded metrics. Raises RuleError naming the entry and the field."""
    if not isinstance(data, list):
        raise RuleError("a file of drivers is a list of entries: month, name, cost_centre, value")
    found: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
    for number, item in enumerate(data, 1):
        where = f"driver {number}"
        if not isinstance(item, Mapping) or set(item) != set(COLUMNS):
            raise RuleError(f"{where}: an entry has {', '.join(COLUMNS)}, no more and no less")
        name = metric(item["name"], f"{where}: name")
        if name in USAGE_DRIVERS:
            raise RuleError(f"{where}: name: {name} is counted from usage and cannot be loaded; choose another name")
        centre, value = code(item["cost_centre"], f"{where}: cost_centre"), exact(item["value"], where, "value")
        if value < 0:
            raise RuleError(f"{where}: value: a driver is not below zero, as {value} is")
        try:
            month = str(Period.month(str(item["month"])))
        except PeriodError as wrong:
            raise RuleError(f"{where}: month: {wrong}") from None
        if centre in found[name, month]:
            raise RuleError(f"{where}: {name} of {centre} in {month} stands there twice")
        found[name, month][centre] = value
    return Metrics(dict(found))


def among(weights: Mapping[str, Decimal], over: Iterable[str] | None) -> dict[str, Decimal]:
    """The weights of those who share (None: of all who have one), by code; 0 for one without any and below zero."""
    codes = sorted(weights if over is None else set(over))
    return {each: max(weights.get(each, Decimal(0)), Decimal(0)) for each in codes}
