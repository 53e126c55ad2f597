"""A scenario and its month 0 as JSON, and back: digests and figures of what is read back are those of what was written."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

from allocation.calc.assumptions import DATE
from forecasting.calc.capacity import Policy
from forecasting.calc.scenario_document import Correlation, Scenario, Spec, Step, Value
from forecasting.calc.scenario_origin import Origin, TierOrigin, canonical
from forecasting.calc.scenario_parameters import BY_NAME

_MONEY = ("fixed", "api_committed")
_TIER_MONEY = ("api_cost", "own_cost")


def plain(content: Any) -> Any:
    """Content as JSON has it: Decimals and dates as text."""
    return json.loads(canonical(content))


def of_scenario(scenario: Scenario) -> dict[str, Any]:
    """Every value of a scenario."""
    found: dict[str, Any] = plain(
        {
            "name": scenario.name, "title": scenario.title, "about": scenario.about, "months": scenario.months,
            "ramp_months": scenario.ramp_months,
            "specs": {name: None if one is None else one._asdict() for name, one in scenario.specs.items()},
            "steps": [one._asdict() for one in scenario.steps], "policy": scenario.policy._asdict(),
            "correlations": [one._asdict() for one in scenario.correlations],
        }
    )  # fmt: skip
    return found


def scenario_of(stored: Mapping[str, Any]) -> Scenario:
    """The scenario that was written."""
    return Scenario(
        stored["name"], stored["title"], stored["about"], stored["months"], stored["ramp_months"],
        {full: None if given is None else _spec(full, given) for full, given in stored["specs"].items()},
        tuple(
            Step(date.fromisoformat(one["on"]), one["price"], Decimal(one["change"]), one["source"]) for one in stored["steps"]
        ),
        Policy(**stored["policy"]),
        tuple(Correlation(one["one"], one["other"], Decimal(one["rho"])) for one in stored["correlations"]),
    )  # fmt: skip


def of_origin(origin: Origin) -> dict[str, Any]:
    """All of month 0."""
    found: dict[str, Any] = plain(asdict(origin))
    return found


def origin_of(stored: Mapping[str, Any]) -> Origin:
    """The month 0 that was written. Raises ScenarioError."""
    tiers = tuple(
        TierOrigin(**{name: _amount(value, money=name in _TIER_MONEY) for name, value in one.items()})
        for one in stored["tiers"]
    )
    rest = {
        name: _amount(value, money=name in _MONEY) for name, value in stored.items() if name not in ("tiers", "profile")
    }
    for name in ("month", "contract_end", "api_commitment_end"):
        rest[name] = None if rest[name] is None else date.fromisoformat(rest[name])
    return Origin(**rest, tiers=tiers, profile=tuple(map(float, stored["profile"])))


def _amount(value: Any, *, money: bool) -> Any:
    """What stands in a column: money is exact; a database may say 1e22 as a whole number."""
    if money:
        return Decimal(value)
    return float(value) if isinstance(value, (int, float)) else value


def _spec(full: str, given: Mapping[str, Any]) -> Spec:
    unit = BY_NAME[full.partition(".")[0]].unit
    low, base, high = (_value(unit, given[part]) for part in ("low", "base", "high"))
    return Spec(low, base, high, given["source"], given["assumption"])


def _value(unit: str, text: str) -> Value:
    return date.fromisoformat(text) if unit == DATE else Decimal(text)
