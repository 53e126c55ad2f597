"""Rules in plain words, for pages, approvals and statements."""

from allocation.calc.rules import Rule
from allocation.calc.rules_conditions import Condition, Group, Test, Values

_DRIVERS = {"cost": "direct cost", "gpu_time": "GPU-hours"}


def sentence(rule: Rule) -> str:
    """A rule as ``r10, priority 10: project is support-* → CC-210, support-automation``."""
    return f"{rule.rule}, priority {rule.priority}: {condition(rule.when)} → {bearers(rule)}"


def condition(asked: Condition) -> str:
    """What a rule asks of a usage key."""
    if isinstance(asked, Test):
        return _test(asked)
    parts = [f"({condition(part)})" if isinstance(part, Group) else _test(part) for part in asked.parts]
    return (" and " if asked.every else " or ").join(parts)


def _test(test: Test) -> str:
    name = test.dimension.replace("tag.", "tag ").replace("_", " ")
    if test.wanted is None:
        return f"{name} is {'stated' if test.negated else 'not stated'}"
    return f"{name} is {'not ' if test.negated else ''}{_values(test.wanted)}"


def _values(wanted: Values) -> str:
    if wanted.regex is not None:
        return f"like /{wanted.regex}/"
    return " or ".join(sorted([*wanted.exact, *wanted.globs]))


def bearers(rule: Rule) -> str:
    """Who bears what a rule catches."""
    if rule.driver is None:
        if len(rule.targets) == 1:
            target = rule.targets[0]
            return f"{target.cost_centre}, {target.team}" if target.team else target.cost_centre
        return ", ".join(
            f"{target.weight * 100:f}".rstrip("0").rstrip(".") + f" % {target.cost_centre}" for target in rule.targets
        )
    return f"{', '.join(rule.driver.over) or 'all cost centres'}, by {driver(rule)}"


def driver(rule: Rule) -> str:
    """By what a rule shares; '' for one that does not."""
    if rule.driver is None:
        return ""
    name = _DRIVERS.get(rule.driver.name, rule.driver.name.replace("_", " "))
    return f"{rule.driver.tier} {name}" if rule.driver.tier else name
