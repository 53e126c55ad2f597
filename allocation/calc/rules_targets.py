"""Who bears what a rule catches: one cost centre, fixed shares, or shares by a driver of the month.

::

    to: {cost_centre: CC-100, team: search}
    to: {shares: {CC-100: "0.7", CC-200: "0.3"}}
    to: {proportional: {driver: queries, tier: complex, over: [CC-100, CC-200]}}

*driver*: ``cost`` (EffectiveCost in the site's currency), ``tokens``, ``requests``, ``queries`` or ``gpu_time`` (GPU-hours
of own capacity) of the month, as other rules give it to the cost centres, of one ``tier`` where one is named; or the name
of a business metric that was loaded (``headcount``). ``over``: the cost centres that share; without it all that have some.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from allocation.calc.rules_conditions import RuleError
from finops.focus import TIERS
from finops.numbers import written

USAGE_DRIVERS = ("cost", "tokens", "requests", "queries", "gpu_time")
CODE_MAX = 60
_METRIC = re.compile(r"[a-z][a-z0-9_]{0,59}")
_FORMS = "{cost_centre: CODE, team: CODE}, {shares: {CODE: SHARE}} or {proportional: {driver: NAME}}"


class Target(NamedTuple):
    """One bearer of a rule's cost and its weight (1 for a single target)."""

    cost_centre: str
    team: str
    weight: Decimal


class Driver(NamedTuple):
    """By what a rule shares: a driver's name, the tier it is limited to ('' none) and who shares (empty: all who have some)."""

    name: str
    tier: str
    over: tuple[str, ...]


def parse_targets(value: Any, name: str) -> tuple[tuple[Target, ...], Driver | None]:
    """The targets of a rule; for a proportional one none yet, but its driver. Raises RuleError."""
    if not isinstance(value, Mapping) or not value:
        raise RuleError(f"{name}: to must be {_FORMS}")
    if set(value) <= {"cost_centre", "team"} and "cost_centre" in value:
        team = code(value["team"], f"{name}: to.team") if value.get("team") else ""
        return (Target(code(value["cost_centre"], f"{name}: to.cost_centre"), team, Decimal(1)),), None
    if set(value) == {"shares"} and isinstance(value["shares"], Mapping) and value["shares"]:
        return _fixed(value["shares"], name), None
    if set(value) == {"proportional"} and isinstance(value["proportional"], Mapping):
        return (), _driver(value["proportional"], f"{name}: to.proportional")
    raise RuleError(f"{name}: to must be {_FORMS}")


def code(value: Any, where: str) -> str:
    """A code of a cost centre or team. Raises RuleError."""
    if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
        raise RuleError(f"{where}: {value!r} is not a code")
    text = str(value)
    if len(text) > CODE_MAX or not text.isprintable() or text != text.strip():
        raise RuleError(f"{where}: a code has 1 to {CODE_MAX} printable characters, not {text[:80]!r}")
    return text


def exact(value: Any, where: str, what: str) -> Decimal:
    """A finite number of at most 12 decimals, written as a whole number or a text. Raises RuleError."""
    if isinstance(value, float):
        raise RuleError(f'{where}: write the {what} {value} as a text, "{value}", to keep it exact')
    try:
        number = written(value)
    except InvalidOperation:
        raise RuleError(f"{where}: {value!r} is not a {what}") from None
    if isinstance(value, bool) or not number.is_finite():
        raise RuleError(f"{where}: {value!r} is not a {what}")
    if -int(number.as_tuple().exponent) > 12 or number.adjusted() >= 18:
        raise RuleError(f"{where}: a {what} has at most 12 decimals and 18 digits before them, not {value}")
    return number


def metric(value: Any, where: str) -> str:
    """The name of a business metric. Raises RuleError."""
    if not isinstance(value, str) or not _METRIC.fullmatch(value):
        raise RuleError(f"{where}: a driver's name is written in small letters, digits and _, not {value!r}")
    return value


def resolved(driver: Driver, weights: Mapping[str, Decimal]) -> tuple[Target, ...]:
    """Who bears it by the weights of a month, in the order of their codes; nobody where nothing weighs.

    A cost centre whose weight is not above zero bears nothing: what it takes back is not the others' to pay.
    """
    codes = sorted(driver.over or weights)
    return tuple(Target(each, "", weights[each]) for each in codes if weights.get(each, Decimal(0)) > 0)


def _fixed(value: Mapping[Any, Any], name: str) -> tuple[Target, ...]:
    where = f"{name}: to.shares"
    targets = tuple(
        Target(each, "", _weight(share, f"{where}.{each}"))
        for each, share in sorted((code(key, where), share) for key, share in value.items())
    )
    if (whole := sum(target.weight for target in targets)) != 1:
        raise RuleError(f"{where}: the shares sum to {whole}, not 1")
    return targets


def _weight(value: Any, where: str) -> Decimal:
    weight = exact(value, where, "share")
    if weight <= 0:
        raise RuleError(f"{where}: a share is above 0, not {value}")
    return weight


def _driver(value: Mapping[str, Any], where: str) -> Driver:
    if unknown := set(value) - {"driver", "tier", "over"}:
        raise RuleError(f"{where}: unknown field {min(map(str, unknown))}")
    name, tier, over = metric(value.get("driver"), f"{where}.driver"), value.get("tier"), value.get("over")
    if tier is not None and (tier not in TIERS or name not in USAGE_DRIVERS):
        raise RuleError(f"{where}.tier: one of {', '.join(TIERS)}, for {', '.join(USAGE_DRIVERS)} only, not {tier!r}")
    if over is not None and (not isinstance(over, list) or not over):
        raise RuleError(f"{where}.over: write a list of cost centres")
    codes = tuple(code(each, f"{where}.over") for each in over or ())
    if len(set(codes)) < len(codes):
        raise RuleError(f"{where}.over: a cost centre stands there twice")
    return Driver(name, tier or "", codes)
