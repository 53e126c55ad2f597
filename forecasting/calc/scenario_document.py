"""A scenario as people write it, read against the assumption register::

    name: squeeze_of_ours
    title: Inference squeeze, our own view
    over: inference_squeeze              # takes that preset's parameters, steps and policy, and changes some
    months: 24                           # horizon; default 24
    ramp_months: 12                      # how long a target takes; default 12
    parameters:
      query_growth: {assumption: query_growth, at: base}            # the register's range, its base the likeliest
      price_same_sku: {assumption: token_price_change_same_sku, at: squeeze}    # from its base to that end
      calls_per_task.complex: {low: "1.2", base: "1.5", high: "3", source: "own agents, last quarter"}
      gpu_cap: {value: "64", source: "data centre contract"}
      reasoning_per_task.complex: null                              # not for this tier
    steps:                               # announced prices
      - {on: 2027-01-01, price: same_sku, change: "0.5", source: "announced in June"}
    policy: {spill: "1", delay: "0", drop: "0"}

A number is text, so that none passes through a float. ``at`` is base, optimistic or squeeze: the register says which end of its
range that is; ``fixed: true`` takes the one value without its range. A tier takes either reasoning of a whole task, which has its
calls inside, or reasoning of a call with calls: both together count the same thinking twice, and are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.assumptions import BASE, CHANGE, DATE, SHARE, Register
from allocation.calc.contracts_fields import AgreementError, exact
from finops.focus import TIERS
from forecasting.calc.capacity import CapacityError, Policy, policy
from forecasting.calc.scenario_origin import ScenarioError, digest_of
from forecasting.calc.scenario_parameters import BY_NAME, OVERLAPPING, REASONING_PER_TASK, Parameter

MONTHS, RAMP, MOST_MONTHS, MOST_STEPS = 24, 12, 60, 100
LONGEST = {"title": 200, "about": 5_000, "source": 1_000}  # characters of a text
SAME_SKU, FRONTIER, FIXED_QUALITY = "same_sku", "frontier", "fixed_quality"
INDICES = (SAME_SKU, FRONTIER, FIXED_QUALITY)
OPTIMISTIC, SQUEEZE = "optimistic", "squeeze"
_FIELDS = ("name", "title", "about", "over", "months", "ramp_months", "parameters", "steps", "policy", "correlations")
_SPEC = ("assumption", "at", "fixed", "low", BASE, "high", "value", "source")
Value = Decimal | date


class Spec(NamedTuple):
    """A parameter's values: from low to high, ``base`` the likeliest. ``source``: who said so; ``assumption``: its code."""

    low: Value
    base: Value
    high: Value
    source: str
    assumption: str = ""


class Step(NamedTuple):
    """A price that changes by a share on a day."""

    on: date
    price: str
    change: Decimal
    source: str


class Correlation(NamedTuple):
    """How two parameters go together: the correlation of the normals behind them."""

    one: str
    other: str
    rho: Decimal


@dataclass(frozen=True)
class Scenario:
    """A scenario ready to run: every value is in it, so that the register may change without changing it.

    ``specs`` by name or name.tier; None: this driver is not for that tier.
    """

    name: str
    title: str
    about: str
    months: int
    ramp_months: int
    specs: Mapping[str, Spec | None]
    steps: tuple[Step, ...]
    policy: Policy
    correlations: tuple[Correlation, ...] = ()

    def spec(self, name: str, tier: str = "") -> Spec | None:
        """What holds for a parameter in a tier."""
        full = f"{name}.{tier}"
        return self.specs[full] if full in self.specs else self.specs.get(name)

    def digest(self) -> str:
        """SHA-256 of all that moves its figures; titles and sources are not in it."""
        specs = {name: None if one is None else one[:3] for name, one in self.specs.items()}
        steps, pairs = [one[:3] for one in self.steps], [tuple(one) for one in self.correlations]
        return digest_of([self.months, self.ramp_months, specs, steps, tuple(self.policy), pairs])


def parse(document: Any, register: Register, presets: Mapping[str, Any]) -> Scenario:
    """Read a scenario. ``presets``: documents by name, for ``over``. Raises ScenarioError naming the field."""
    merged = _merged(document, presets, ())
    name = _text(merged, "name")
    if len(_list(merged, "steps")) > MOST_STEPS:
        raise ScenarioError(f"steps: at most {MOST_STEPS} of them, with those of what it is over")
    specs = {
        full: None if given is None else _spec(full, given, register)
        for full, given in _mapping(merged, "parameters").items()
    }
    _refuse_overlap(name, specs)
    try:
        how = policy(*(float(_number(f"policy.{part}", _mapping(merged, "policy").get(part, default)))
                       for part, default in (("spill", "1"), ("delay", "0"), ("drop", "0"))))  # fmt: skip
    except CapacityError as wrong:
        raise ScenarioError(f"{name}: {wrong}") from None
    return Scenario(
        name, _text(merged, "title", name), _text(merged, "about", ""), _whole(merged, "months", MONTHS, MOST_MONTHS),
        _whole(merged, "ramp_months", RAMP, MOST_MONTHS), specs,
        tuple(sorted(_step(number, one) for number, one in enumerate(_list(merged, "steps"), 1))),
        how, tuple(_correlation(number, one) for number, one in enumerate(_list(merged, "correlations"), 1)),
    )  # fmt: skip


def _merged(document: Any, presets: Mapping[str, Any], seen: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(document, Mapping):
        raise ScenarioError("a scenario is a mapping with a name and parameters")
    for name in document:
        if name not in _FIELDS:
            raise ScenarioError(f"unknown field {str(name)[:60]!r}; known are {', '.join(_FIELDS)}")
    over = document.get("over")
    if over is None:
        return dict(document)
    if not isinstance(over, str) or over not in presets or over in seen:
        raise ScenarioError(f"over: {str(over)[:60]!r} is none of {', '.join(presets)}, or is over itself")
    below = _merged(presets[over], presets, (*seen, over))
    own = _mapping(document, "parameters")
    kept = {
        name: value
        for name, value in _mapping(below, "parameters").items()
        if not (name.partition(".")[0] in own and name.partition(".")[2])
    }
    return {
        **below, **document, "parameters": {**kept, **own},
        "steps": [*_list(below, "steps"), *_list(document, "steps")],
    }  # fmt: skip


def _spec(full: str, given: Any, register: Register) -> Spec:
    name, _, tier = full.partition(".")
    parameter = BY_NAME.get(name)
    if parameter is None:
        raise ScenarioError(f"parameters: {full[:60]!r} is none; known are {', '.join(BY_NAME)}")
    if tier and not (parameter.by_tier and tier in TIERS):
        possible = f"for one of {', '.join(TIERS)}" if parameter.by_tier else "for all tiers alone"
        raise ScenarioError(f"parameters: {full}: {name} is {possible}")
    if not isinstance(given, Mapping) or (unknown := set(given) - set(_SPEC)):
        what = f"unknown field {sorted(map(str, unknown))[0]!r}" if isinstance(given, Mapping) else "is no mapping"
        raise ScenarioError(f"{full}: {what}; say assumption and at, or low, base, high, source, or value, source")
    if "assumption" in given:
        return _of_register(full, parameter, given, register)
    source = _text(given, "source", "", full)
    if not source:
        raise ScenarioError(f"{full}: source is missing: who says so")
    if "value" in given:
        low = base = high = _value(f"{full}: value", parameter, given["value"])
    else:
        low, base, high = (_value(f"{full}: {part}", parameter, given.get(part)) for part in ("low", BASE, "high"))
    if not low <= base <= high:  # type: ignore[operator]  # one unit, one type
        raise ScenarioError(f"{full}: base must lie from low to high, and {base} is not from {low} to {high}")
    return Spec(low, base, high, source)


def _of_register(full: str, parameter: Parameter, given: Mapping[str, Any], register: Register) -> Spec:
    at, fixed = given.get("at", BASE), given.get("fixed", False)
    if (
        at not in (BASE, OPTIMISTIC, SQUEEZE)
        or not isinstance(fixed, bool)
        or set(given) - {"assumption", "at", "fixed"}
    ):
        raise ScenarioError(
            f"{full}: an assumption is taken at {BASE}, {OPTIMISTIC} or {SQUEEZE}, fixed: true or false, no more"
        )
    try:
        one = register.get(str(given["assumption"]))
    except AgreementError as wrong:
        raise ScenarioError(f"{full}: {wrong}") from None
    if one.unit != parameter.unit:
        raise ScenarioError(f"{full}: is a {parameter.unit}, and {one.code} of the assumption register a {one.unit}")
    likeliest: Any = one.base if at == BASE else getattr(one, at)
    values: tuple[Any, ...] = (one.low, one.high) if at == BASE else tuple(sorted((one.base, likeliest)))
    low, high = (likeliest, likeliest) if fixed else values
    for value in (low, likeliest, high):
        _value(full, parameter, value)
    return Spec(low, likeliest, high, one.source, one.code)


def _value(where: str, parameter: Parameter, value: Any) -> Value:
    if parameter.unit == DATE:
        return _day(where, value)
    number = _number(where, value, least=-1 if parameter.unit == CHANGE else 0)
    if parameter.unit in (SHARE, "share/hour") and number > 1:
        raise ScenarioError(f"{where} is a share, from 0 to 1, not {number}")
    if (parameter.unit == CHANGE and number == -1) or (parameter.positive and number == 0):
        raise ScenarioError(f"{where} must be above {number}")
    return number


def _refuse_overlap(name: str, specs: Mapping[str, Spec | None]) -> None:
    scenario = Scenario(name, "", "", MONTHS, RAMP, specs, (), Policy())
    for tier in TIERS:
        both = [one for one in sorted(OVERLAPPING) if scenario.spec(one, tier) is not None]
        if both and scenario.spec(REASONING_PER_TASK, tier) is not None:
            raise ScenarioError(
                f"{name}: tier {tier} has {REASONING_PER_TASK}, which holds a task's calls, and {both[0]} too: the same thinking "
                f"would count twice. Set {REASONING_PER_TASK}.{tier} or {both[0]}.{tier} to null"
            )


def _step(number: int, given: Any) -> Step:
    where = f"steps, entry {number}"
    if not isinstance(given, Mapping) or set(given) - set(Step._fields) or given.get("price") not in INDICES:
        raise ScenarioError(f"{where}: has on, price ({', '.join(INDICES)}), change and source")
    change = _number(f"{where}: change", given.get("change"), least=-1)
    if change == -1:
        raise ScenarioError(f"{where}: change must be above -1: nothing falls by more than all of it")
    return Step(_day(f"{where}: on", given.get("on")), given["price"], change, _text(given, "source", "", where))


def _correlation(number: int, given: Any) -> Correlation:
    where = f"correlations, entry {number}"
    if not isinstance(given, Mapping) or set(given) != set(Correlation._fields):
        raise ScenarioError(f"{where}: has one, other and rho")
    names = (str(given["one"]), str(given["other"]))
    if names[0] == names[1] or any(name not in BY_NAME for name in names):
        raise ScenarioError(f"{where}: {names[0]} and {names[1]} must be two parameters")
    rho = _number(f"{where}: rho", given["rho"], least=-1)
    if not -1 < rho < 1:
        raise ScenarioError(f"{where}: rho lies between -1 and 1, and is {rho}")
    return Correlation(*names, rho)


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    given = document.get(name)
    found = {} if given is None else given
    if not isinstance(found, Mapping) or any(not isinstance(key, str) for key in found):
        raise ScenarioError(f"{name}: must be a mapping")
    return found


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    given = document.get(name)
    found = [] if given is None else given
    if not isinstance(found, list):
        raise ScenarioError(f"{name}: must be a list")
    return found


def _text(document: Mapping[str, Any], name: str, default: str | None = None, where: str = "") -> str:
    found = document.get(name, default)
    if not isinstance(found, str) or (default is None and not found.strip()):
        raise ScenarioError(f"{where}{': ' if where else ''}{name} must be a text")
    if len(found) > LONGEST.get(name, len(found)):
        raise ScenarioError(f"{where}{': ' if where else ''}{name}: at most {LONGEST[name]:,} characters")
    return found.strip()


def _whole(document: Mapping[str, Any], name: str, default: int, most: int) -> int:
    found = document.get(name, default)
    if type(found) is not int or not 1 <= found <= most:
        raise ScenarioError(f"{name}: must be a whole number from 1 to {most}, not {str(found)[:40]}")
    return found


def _day(where: str, value: Any) -> date:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else date(value.year, value.month, value.day)
    except (ValueError, AttributeError):
        raise ScenarioError(f"{where}: must be a date YYYY-MM-DD, not {str(value)[:40]!r}") from None


def _number(where: str, value: Any, least: int = 0) -> Decimal:
    if isinstance(value, Decimal):
        return value
    try:
        return exact(value, where, least=least)
    except AgreementError as wrong:
        raise ScenarioError(str(wrong)) from None
