"""What rules cover: what each caught, which catch nothing and why, and what nobody owns, with a rule that would catch it."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain, count
from typing import Any, NamedTuple

from allocation.calc.rules import Rule, catches
from allocation.calc.rules_conditions import value_of

ZERO = Decimal(0)
CATCHES, SHADOWED, DEAD, NOT_IN_FORCE = "catches", "shadowed", "dead", "not_in_force"
NO_RULE, NO_DRIVER, CORRECTION = "no_rule", "no_driver", "correction"
_SUGGESTED_BY = (
    "tag.cost_centre", "tag.team", "project", "feature", "api_key", "principal", "host", "billing_account", "model",
    "provider", "layer",
)  # fmt: skip
_GLOB = re.compile(r"[*?\[]")


class Caught(NamedTuple):
    """Cost of one usage key in a month: by which rule ('' none), who bears it ('' nobody), whether that was declared."""

    rule: str
    key: int
    cost_centre: str
    declared: bool
    cost: Decimal


class RuleCover(NamedTuple):
    """One rule and what it caught. ``by``: rules before it that took keys it would have caught: (rule, keys, cost)."""

    rule: Rule
    state: str
    keys: int
    cost: Decimal
    unborne: Decimal  # of it: shared by a driver that says nothing of the month
    by: tuple[tuple[str, int, Decimal], ...]

    @property
    def shadowed(self) -> Decimal:
        """Cost that rules before it took."""
        return sum((cost for _, _, cost in self.by), ZERO)


class Gap(NamedTuple):
    """Cost that nobody owns, by what its keys have in common; ``rule``: one that would catch it, None where none can."""

    reason: str
    about: str  # tag.team search; the rule whose driver says nothing; empty for corrections
    keys: int
    cost: Decimal
    rule: dict[str, Any] | None
    likely: str  # the cost centre that most of what is alike belongs to; '' unknown


def cover(
    rows: Sequence[Caught], keys: Mapping[int, Mapping[str, Any]], rules: Sequence[Rule], in_force: Iterable[str]
) -> list[RuleCover]:
    """What each rule caught, in the order in which they fire. ``in_force``: ids of those in force on a day of the month."""
    ids, live = list(keys), set(in_force)
    flags = catches([keys[each] for each in ids], rules)
    place = {rule.rule: at for at, rule in enumerate(rules)}
    taken: dict[str, dict[int, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    unborne: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row.rule and not row.declared:
            taken[row.rule][row.key] += row.cost
            unborne[row.rule] += ZERO if row.cost_centre else row.cost
    found = []
    for at, rule in enumerate(rules):
        mine, wanted = taken.get(rule.rule, {}), {key for key, hit in zip(ids, flags[at], strict=True) if hit}
        by = []
        for other in sorted((name for name in taken if place.get(name, at) < at), key=lambda name: place[name]):
            lost = [cost for key, cost in taken[other].items() if key in wanted]
            if lost and rule.rule in live:
                by.append((other, len(lost), sum(lost, ZERO)))
        state = CATCHES if mine else NOT_IN_FORCE if rule.rule not in live else SHADOWED if by else DEAD
        found.append(RuleCover(rule, state, len(mine), sum(mine.values(), ZERO), unborne[rule.rule], tuple(by)))
    return found


def gaps(
    rows: Sequence[Caught], keys: Mapping[int, Mapping[str, Any]], rules: Sequence[Rule], centres: Iterable[str]
) -> list[Gap]:
    """Cost without an owner, the dearest first, each with a rule that would catch it after all others."""
    found: dict[tuple[str, str, str], dict[int, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        if row.cost_centre:
            continue
        if row.declared:
            found[CORRECTION, "", ""][row.key] += row.cost
        elif row.rule:
            found[NO_DRIVER, row.rule, ""][row.key] += row.cost
        else:
            found[(NO_RULE, *_common(keys[row.key]))][row.key] += row.cost
    known, names = frozenset(centres), {rule.rule for rule in rules}
    priority = max((rule.priority for rule in rules), default=0) + 10
    owned = _owned(rows, keys)
    listed = []
    for (reason, name, value), costs in found.items():
        rule = _suggested(name, value, names, priority) if reason == NO_RULE and name else None
        likely = _likely(name, value, [keys[key] for key in costs], owned, known) if rule else ""
        listed.append(Gap(reason, f"{name} {value}".strip(), len(costs), sum(costs.values(), ZERO), rule, likely))
    return sorted(listed, key=lambda gap: (-gap.cost, gap.reason, gap.about))


def _common(key: Mapping[str, Any]) -> tuple[str, str]:
    """The most telling dimension that a key states, and its value."""
    return next(((name, value) for name in _SUGGESTED_BY if (value := value_of(key, name))), ("", ""))


def _suggested(name: str, value: str, names: set[str], priority: int) -> dict[str, Any]:
    slug = re.sub(r"[^a-z0-9]+", "-", f"{name.removeprefix('tag.')}-{value}".lower()).strip("-")[:48]
    free = next(id for id in chain([f"s-{slug}"], (f"s-{slug}-{n}" for n in count(2))) if id not in names)
    return {"id": free, "priority": priority, "when": {name: {"exact": value} if _GLOB.search(value) else value}}


def _owned(rows: Iterable[Caught], keys: Mapping[int, Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Decimal]]:
    """(likeness, value) -> cost centre -> what it bears of it."""
    found: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        if row.cost_centre and not row.declared:
            for like in _likeness(keys[row.key]):
                found[like][row.cost_centre] += row.cost
    return found


def _likeness(key: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """By what keys of one owner are alike, the surest first: one API key, one principal, projects of one beginning."""
    for name in ("api_key", "principal"):
        if value := value_of(key, name):
            yield name, value
    if "-" in (project := value_of(key, "project")):
        yield "project", project.partition("-")[0]


def _likely(
    name: str, value: str, alike: Iterable[Mapping[str, Any]], owned: Mapping[tuple[str, str], Mapping[str, Decimal]],
    known: frozenset[str],
) -> str:  # fmt: skip
    if name == "tag.cost_centre" and value in known:
        return value
    weighed: dict[str, Decimal] = defaultdict(Decimal)
    for key in alike:
        best = next((owned[like] for like in _likeness(key) if like in owned), {})
        for centre, cost in best.items():
            weighed[centre] += cost
    return max(sorted(weighed), key=lambda centre: weighed[centre], default="")
