"""The rules in force, and how a rules file becomes them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count

from allocation.calc.attribution import FIELDS, Mapped, attribute, parse_mappings
from allocation.calc.closing import FROZEN
from allocation.calc.rules import Driver, Rule, RuleError, assign, by_driver, dimensions_of, parse_rules
from allocation.costing import terms
from allocation.models import AllocationRule, BillingPeriod, CostCentre, RuleVersion, Settled, Team
from finops import audit
from finops.periods import Period

_FIRST_OF_SAME = """
    SELECT v.rule, min(o.id) FROM allocation_allocationrule v JOIN allocation_allocationrule o ON o.rule = v.rule
    AND (o.priority, o.conditions, o.targets, o.note) = (v.priority, v.conditions, v.targets, v.note)
    AND (o.valid_from, o.valid_to) IS NOT DISTINCT FROM (v.valid_from, v.valid_to) WHERE v.version_id = %s GROUP BY 1
"""
MAPPINGS, DRIVERS = "mappings", "drivers"  # kinds of documents; of settled figures


class OfDay(NamedTuple):
    """Usage keys of a day as rules see them, the rule that catches each, and the mappings that set a field of it."""

    dimensions: dict[int, Mapping[str, Any]]
    assignment: dict[int, Rule | None]
    mapped: dict[int, dict[str, str]]


@dataclass(frozen=True)
class Rulebook:
    """Parsed rules in firing order, mappings, and the database ids of what they name."""

    number: int
    rules: list[Rule]
    mappings: tuple[Mapped, ...]
    rule_ids: dict[str, int]
    cost_centres: dict[str, int]
    teams: dict[tuple[str, str], int]

    def on(self, day: date, dimensions: Mapping[int, Mapping[str, Any]]) -> OfDay:
        """What mappings and rules make of the usage keys of a day; drivers weigh as was settled for its month."""
        seen = attribute(dimensions, self.mappings, day)
        rules = self.rules
        if any(rule.driver for rule in rules):
            rules = by_driver(rules, lambda driver: settled(driver, day))
        return OfDay(seen.dimensions, assign(seen.dimensions, rules, day), seen.mapped)


class Seen:
    """Usage keys as the mappings in force show them, day by day: what reads charges of an open month by their keys."""

    def __init__(self, dimensions: Mapping[int, Mapping[str, Any]]) -> None:
        self._stated: Mapping[int, Mapping[str, Any]] = dimensions
        self._mappings: tuple[Mapped, ...] = terms.in_force(MAPPINGS, parse_mappings)
        self._days: dict[date, Mapping[int, Mapping[str, Any]]] = {}

    def on(self, day: date) -> Mapping[int, Mapping[str, Any]]:
        """Usage key id -> its dimensions on that day."""
        if day not in self._days:
            self._days[day] = attribute(self._stated, self._mappings, day).dimensions
        return self._days[day]


class Stretch(NamedTuple):
    """Days on end over which the same mappings set what usage is shown to be for."""

    period: Period
    mappings: tuple[Mapped, ...]

    def shown(self, dimensions: Mapping[int, Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
        """Usage key id -> its dimensions on these days, from what its source states."""
        return attribute(dimensions, self.mappings, self.period.start).dimensions


def stretches(period: Period) -> list[Stretch]:
    """The stretches of a period in their order, by the mappings its months are allocated by (`holding_on`). Three queries."""
    of_month = _mappings_of_frozen(period)
    in_force: tuple[Mapped, ...] = terms.in_force(MAPPINGS, parse_mappings)
    found: list[Stretch] = []
    for day in period.days():
        every = of_month.get(day.replace(day=1), in_force)
        now = tuple(one for one in every if one.holds_on(day) and any(field in FIELDS for field, _ in one.sets))
        if found and found[-1].mappings == now:
            found[-1] = Stretch(Period(found[-1].period.start, day + timedelta(days=1)), now)
        else:
            found.append(Stretch(Period(day, day + timedelta(days=1)), now))
    return found


def _mappings_of_frozen(period: Period) -> dict[date, tuple[Mapped, ...]]:
    months = BillingPeriod.objects.filter(month__gte=period.start.replace(day=1), month__lt=period.end)
    return {one.month: _frozen_mappings(one) for one in months.filter(state__in=FROZEN, restated_rules__isnull=True)}


def in_force() -> Rulebook:
    """The newest version; without one no rule holds and everything is unallocated."""
    return of(RuleVersion.objects.order_by("-number").first())


def holding_on(day: date) -> Rulebook:
    """The rules by which a day is allocated: those in force; of a frozen month the ones that it was frozen with.

    A frozen month that was allocated anew on purpose (its corrections lie in an open one) keeps the version of that time.
    """
    frozen = BillingPeriod.objects.filter(month=day.replace(day=1), state__in=FROZEN).first()
    if frozen is None:
        return in_force()
    if frozen.restated_rules is not None:
        return of(RuleVersion.objects.filter(number=frozen.restated_rules).first())
    return _frozen_with(frozen)


def of_month(month: date) -> Rulebook | None:
    """The rules and mappings that a frozen month was frozen with, by its first day; None of a month that is not frozen."""
    frozen = BillingPeriod.objects.filter(month=month, state__in=FROZEN).first()
    return _frozen_with(frozen) if frozen else None


def _frozen_with(frozen: BillingPeriod) -> Rulebook:
    rules = frozen.frozen_versions.get("rules") or {"number": 0}
    version = RuleVersion.objects.filter(number=rules["number"]).first()
    return replace(of(version), mappings=_frozen_mappings(frozen))


def _frozen_mappings(frozen: BillingPeriod) -> tuple[Mapped, ...]:
    mapped = (frozen.frozen_versions.get("terms") or {}).get(MAPPINGS) or {"sha256": None}
    found: tuple[Mapped, ...] = terms.of(MAPPINGS, mapped["sha256"], parse_mappings)
    return found


def of(version: RuleVersion | None) -> Rulebook:
    """A version's rules with the mappings in force; a rule that was the same in versions before has the id of the first."""
    return Rulebook(
        number=version.number if version else 0,
        rules=_parsed(version.content_hash) if version else [],
        mappings=terms.in_force(MAPPINGS, parse_mappings),
        rule_ids=_rule_ids(version),
        cost_centres=dict(CostCentre.objects.values_list("code", "id")),
        teams={(centre, code): pk for centre, code, pk in Team.objects.values_list("cost_centre__code", "code", "id")},
    )


def _rule_ids(version: RuleVersion | None) -> dict[str, int]:
    if version is None:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_OF_SAME, [version.pk])
        return dict(cursor.fetchall())


@lru_cache(maxsize=16)  # by content: a version that is rolled back gives its number to the next one
def _parsed(content_hash: str) -> list[Rule]:
    return parse_rules(written(RuleVersion.objects.filter(content_hash=content_hash).latest("number")))


def settled(driver: Driver, day: date) -> dict[str, Decimal]:
    """What each cost centre weighs by a driver in the month of a day, as it was settled (allocation.attribution.drivers)."""
    rows = Settled.objects.filter(kind=DRIVERS, code=settled_as(driver), day=day.replace(day=1))
    return dict(rows.values_list("name", "value"))


def settled_as(driver: Driver) -> str:
    """Under which code a driver's weights are settled, whoever shares by them."""
    return f"{driver.name}/{driver.tier}"


def written(version: RuleVersion | None) -> list[dict[str, Any]]:
    """A version's rules as they are written in a file, in the order in which they fire."""
    rows = AllocationRule.objects.filter(version=version).order_by("priority", "rule") if version else []
    return [_written(row) for row in rows]


def _written(row: AllocationRule) -> dict[str, Any]:
    dates = {"valid_from": row.valid_from, "valid_to": row.valid_to}
    return {
        "id": row.rule, "priority": row.priority, **{name: day for name, day in dates.items() if day is not None},
        "when": row.conditions, "to": row.targets, **({"note": row.note} if row.note else {}),
    }  # fmt: skip


def newest() -> list[dict[str, Any]]:
    """The rules in force as they are written in a file."""
    return written(RuleVersion.objects.order_by("-number").first())


def versions(*, before: int | None, most: int) -> list[dict[str, Any]]:
    """Versions of the rules, the newest first: number, when and by whom they were loaded, and how many rules they have."""
    rows = RuleVersion.objects.annotate(count=Count("rules")).order_by("-number")
    rows = rows if before is None else rows.filter(number__lt=before)
    names = ("number", "loaded_at", "loaded_by", "count")
    return [
        {"version": row[0], "loaded_at": row[1], "loaded_by": row[2], "rules": row[3]}
        for row in rows.values_list(*names)[:most]
    ]


def check(data: Any) -> list[Rule]:
    """What a rules file says. Raises RuleError."""
    rules = parse_rules(data)
    storable(data)
    _refuse_tags_not_kept(rules)
    return rules


@transaction.atomic
def load(data: Any, *, actor: str) -> RuleVersion:
    """Make a rules file the version in force; cost centres and teams it names are made when missing.

    Raises RuleError. The same content twice is one version. Charges are assigned anew by ``allocate``.
    """
    rules = check(data)
    digest = hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()
    former = RuleVersion.objects.order_by("-number").first()
    if former is not None and former.content_hash == digest:
        return former
    version = RuleVersion.objects.create(
        number=former.number + 1 if former else 1, content_hash=digest, loaded_by=actor[:150]
    )
    items = {item["id"]: item for item in data}
    for rule in rules:
        for code, team in bearers_of(rule):
            centre, _ = CostCentre.objects.get_or_create(code=code)
            if team:
                Team.objects.get_or_create(cost_centre=centre, code=team)
        AllocationRule.objects.create(
            version=version, rule=rule.rule, priority=rule.priority, valid_from=rule.valid_from, valid_to=rule.valid_to,
            conditions=items[rule.rule]["when"], targets=items[rule.rule]["to"], note=rule.note,
        )  # fmt: skip
    before = former and f"v{former.number} {former.content_hash}"
    details = {"sha256": digest, "rules": len(rules), "before": before}
    audit.record(action="rules.load", actor=actor, subject=f"v{version.number}", details=details)
    return version


def storable(data: Any) -> None:
    """Refuse a document with characters that no database keeps. Raises RuleError."""
    text = json.dumps(data, ensure_ascii=False, default=str)
    if "\\u0000" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise RuleError("a text holds a character that cannot be kept (NUL, or half of a surrogate pair)")


def bearers_of(rule: Rule) -> list[tuple[str, str]]:
    """(cost centre, team or '') of everybody a rule names."""
    return [(target.cost_centre, target.team) for target in rule.targets] + [
        (code, "") for code in (rule.driver.over if rule.driver else ())
    ]


def _refuse_tags_not_kept(rules: list[Rule]) -> None:
    set_here = {field for one in terms.in_force(MAPPINGS, parse_mappings) for field, _ in one.sets}
    for rule in rules:
        for dimension in dimensions_of(rule.when):
            kept = not dimension.startswith("tag.") or dimension[4:] in settings.TAG_KEYS or dimension in set_here
            if not kept:
                raise RuleError(f"{rule.rule}: {dimension} can never match: FINOPS_TAG_KEYS does not keep that tag")
