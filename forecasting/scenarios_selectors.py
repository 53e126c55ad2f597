"""Reads of scenarios: which there are, what their newest run says, and several beside each other.

Scenarios are of all cost: only those who see everything may read them, which their callers see to (CONTRACTS 7).
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from forecasting import scenarios
from forecasting.calc.scenario_document import Scenario as Resolved
from forecasting.calc.scenario_origin import Origin, ScenarioError
from forecasting.calc.scenario_results import TOTAL, Difference, Fan, compare, fans, over_all
from forecasting.calc.scenario_stored import of_scenario, scenario_of
from forecasting.models import Scenario, ScenarioRun, ScenarioVersion
from forecasting.scenarios_origin import Month0, month_0

EVERYBODYS: None = None  # the reader of commands, which already have the database
FEWEST, MOST = 2, 4  # scenarios that are compared


class NoScenario(LookupError):
    """There is none of that name, or not for this reader; the message says which there are."""


class Shown(NamedTuple):
    """A scenario as a reader sees it. ``version`` None: a preset that nobody ran yet. ``run``: the newest of that version.

    ``current``: its values are those that the assumption register in force gives its document.
    """

    name: str
    owner: str
    shared: bool
    resolved: Resolved
    version: ScenarioVersion | None
    current: bool
    run: ScenarioRun | None

    @property
    def preset(self) -> bool:
        """It ships with the product."""
        return self.owner == scenarios.SHIPPED


class Compared(NamedTuple):
    """One of several scenarios; differences from the first one, month by month and over months 1 to the last."""

    name: str
    title: str
    parameters: str
    total: list[Fan]
    differences: list[Difference]
    over_all: Difference | None


class Comparison(NamedTuple):
    """Scenarios from one month 0 with the same luck."""

    start: Month0
    asked: scenarios.Asked
    rows: list[Compared]


def visible(reader: str | None) -> "QuerySet[Scenario]":
    """Scenarios that a reader may see: what ships, what is shared, and their own; all of them for EVERYBODYS."""
    if reader is EVERYBODYS:
        return Scenario.objects.all()
    return Scenario.objects.filter(Q(owner=scenarios.SHIPPED) | Q(shared=True) | Q(owner=reader))


def listed(reader: str | None) -> list[Shown]:
    """Presets in their order, then saved ones by name."""
    saved = {row.name: row for row in visible(reader).order_by("name")}
    own = [name for name in saved if name not in scenarios.presets()]
    return [_shown(name, saved.get(name)) for name in (*scenarios.presets(), *own)]


def find(name: str, reader: str | None) -> Shown:
    """One of them. Raises NoScenario."""
    row = visible(reader).filter(name=name).first()
    if row is None and name not in scenarios.presets():
        known = ", ".join(
            (
                *scenarios.presets(),
                *visible(reader).exclude(name__in=scenarios.presets()).values_list("name", flat=True)[:20],
            )
        )
        raise NoScenario(f"There is no scenario {name[:60]}; there are {known}.")
    return _shown(name, row)


def versions(name: str, reader: str | None) -> "QuerySet[ScenarioVersion]":
    """Versions of a scenario, newest first; none of a preset that nobody ran."""
    return ScenarioVersion.objects.filter(scenario__in=visible(reader), scenario__name=name).order_by("-number")


def runs(name: str, reader: str | None) -> "QuerySet[ScenarioRun]":
    """Runs of a scenario, newest first."""
    return ScenarioRun.objects.filter(version__in=versions(name, reader)).select_related("version").order_by("-pk")


def to_run(name: str, reader: str | None, *, by: str) -> ScenarioVersion:
    """The version that a run is of: the newest, of a preset that with the register's values. Raises NoScenario, ScenarioError."""
    found = find(name, reader)
    if found.preset:
        return scenarios.shipped(name, by=by)
    assert found.version is not None  # a saved scenario has one
    return found.version


def result(row: ScenarioRun) -> dict[str, Any]:
    """What a run says (forecasting.calc.scenario_results.content)."""
    found: dict[str, Any] = json.loads(bytes(row.content))
    return found


def compared(names: Sequence[str], reader: str | None, asked: scenarios.Asked = scenarios.USUAL) -> Comparison:
    """Two to four scenarios, each with the values that it has now. Raises NoScenario, ScenarioError."""
    if not FEWEST <= len(names) <= MOST or len(set(names)) < len(names):
        raise ScenarioError(f"scenario: name {FEWEST} to {MOST} of them, each once, such as base and price_war")
    found = [find(name, reader) for name in names]
    if len({one.resolved.months for one in found}) > 1:
        told = ", ".join(f"{one.name} {one.resolved.months}" for one in found)
        raise ScenarioError(
            f"scenario: they must reach as many months, and these do not: {told}; change the months of one"
        )
    start = month_0(asked.month)
    paths = [scenarios.paths_of(start.origin, one.resolved, asked) for one in found]
    rows = [
        Compared(
            one.name, one.resolved.title, one.resolved.digest(), _total(start.origin, path),
            compare(start.origin, paths[0], path) if number else [],
            over_all(start.origin, paths[0], path) if number else None,
        )
        for number, (one, path) in enumerate(zip(found, paths, strict=True))
    ]  # fmt: skip
    return Comparison(start, asked, rows)


def _total(origin: Origin, paths: Any) -> list[Fan]:
    return [fan for fan in fans(origin, paths) if fan.tier == TOTAL]


def _shown(name: str, row: Scenario | None) -> Shown:
    newest = row.versions.order_by("-number").first() if row else None
    run = newest.runs.order_by("-pk").first() if newest else None
    owner, shared = (row.owner, row.shared) if row else (scenarios.SHIPPED, True)
    if owner == scenarios.SHIPPED and name in scenarios.presets():
        resolved = scenarios.read(scenarios.presets()[name])
        current = newest is None or newest.resolved == of_scenario(resolved)
        return Shown(name, owner, shared, resolved, newest, current, run)
    assert newest is not None  # it is saved with its first version
    return Shown(name, owner, shared, scenario_of(newest.resolved), newest, _current(newest), run)


def _current(version: ScenarioVersion) -> bool:
    try:
        return scenarios.read(version.document).digest() == version.parameters
    except ScenarioError:  # what it is over, or an assumption, is gone
        return False
