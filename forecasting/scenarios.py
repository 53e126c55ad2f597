"""Scenarios: saved by version, run on a month of the ledger, kept so that the same run gives the same bytes.

The pure core reads, draws and runs (forecasting.calc.scenario_document, scenario_draws, scenario); here its inputs come from the
ledger, the assumption register and the budgets, and what came of it is stored.
"""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import connection, transaction

from allocation import assumptions
from finops import audit
from finops.documents import read_yaml
from finops.periods import Period
from forecasting import selectors
from forecasting.calc import sensitivity
from forecasting.calc.scenario import Paths
from forecasting.calc.scenario import run as run_paths
from forecasting.calc.scenario_document import Scenario as Resolved
from forecasting.calc.scenario_document import parse
from forecasting.calc.scenario_draws import check_count, draw, factored
from forecasting.calc.scenario_origin import Origin, ScenarioError
from forecasting.calc.scenario_results import content, months_of
from forecasting.calc.scenario_stored import of_origin, of_scenario, origin_of, plain, scenario_of
from forecasting.models import Scenario, ScenarioRun, ScenarioVersion
from forecasting.scenarios_origin import Month0, month_0

SHIPPED = ""  # owner of what ships with the product
SEED, DRAWS, MOST_DRAWS = 7, 2**12, 2**14
RESERVED = frozenset({"compare", "new"})  # what addresses say beside names
_FIGURES = 2**53  # a seed that JSON keeps


class NotYours(ScenarioError):
    """It belongs to somebody else; the message says what may be done instead."""


class Asked(NamedTuple):
    """How to run: from which month (None: the newest whole one), with which luck, how often."""

    month: Period | None = None
    seed: int = SEED
    draws: int = DRAWS


USUAL = Asked()


@lru_cache(maxsize=1)
def presets() -> Mapping[str, Any]:
    """Documents that ship with the product, by name."""
    written = read_yaml((Path(__file__).parent / "presets.yaml").read_text(encoding="utf-8"))
    return {one["name"]: one for one in written}


def read(document: Any) -> Resolved:
    """A document against the register in force. Raises ScenarioError naming the field."""
    resolved = parse(document, assumptions.in_force(), presets())
    factored(resolved.correlations)
    return resolved


@transaction.atomic
def save(document: Any, *, by: str, shared: bool | None = None) -> ScenarioVersion:
    """A new version of the scenario that the document names, or a new scenario of ``by``. Raises ScenarioError.

    A document that changes nothing is the newest version. ``shared`` None: as it is; of a new one: not.
    """
    resolved = read(document)
    _check_name(resolved.name)
    if resolved.name in presets():
        raise NotYours(
            f"name: {resolved.name} ships with the product; give yours another name and say over: {resolved.name}"
        )
    _lock(resolved.name)
    row, new = Scenario.objects.get_or_create(name=resolved.name, defaults={"owner": by, "shared": bool(shared)})
    if not row.shared and row.owner != by:
        raise NotYours(f"name: {resolved.name} is taken by a draft of somebody else; choose another name")
    if shared is not None and row.owner == by and row.shared != shared:
        Scenario.objects.filter(pk=row.pk).update(shared=shared)
        audit.record(action="scenario.share", actor=by, subject=row.name, details={"shared": shared})
    version, made = _version(row, document, resolved, by)
    if made:
        details = {"version": version.number, "parameters": version.parameters, "new": new}
        audit.record(action="scenario.save", actor=by, subject=row.name, details=details)
    return version


@transaction.atomic
def shipped(name: str, *, by: str) -> ScenarioVersion:
    """The version of a preset with the values that the register has now. Raises ScenarioError, KeyError."""
    document = presets()[name]
    resolved = read(document)
    _lock(name)
    row, _ = Scenario.objects.get_or_create(name=name, defaults={"owner": SHIPPED, "shared": True})
    if row.owner != SHIPPED:  # somebody had the name before a newer product took it
        raise NotYours(
            f"{name} is {row.owner}'s own scenario, older than the preset of that name: save it by another one"
        )
    return _version(row, document, resolved, by)[0]


def _version(row: Scenario, document: Any, resolved: Resolved, by: str) -> tuple[ScenarioVersion, bool]:
    newest = row.versions.order_by("-number").first()
    values = of_scenario(resolved)
    if newest is not None and newest.resolved == values:
        return newest, False
    live = assumptions.version()
    made = ScenarioVersion.objects.create(
        scenario=row, number=newest.number + 1 if newest else 1, document=plain(document), resolved=values,
        parameters=resolved.digest(), register=live.number if live else None, made_by=by,
    )  # fmt: skip
    return made, True


def run(version: ScenarioVersion, asked: Asked = USUAL, *, by: str, start: Month0 | None = None) -> ScenarioRun:
    """Run a version and store what comes of it; the same run is stored once. Raises ScenarioError.

    ``start``: month 0, where the caller has read it already.
    """
    return run_or_known(version, asked, by=by, start=start)[0]


def run_or_known(
    version: ScenarioVersion, asked: Asked = USUAL, *, by: str, start: Month0 | None = None
) -> tuple[ScenarioRun, bool]:
    """As ``run``, and whether it is new; of one that is stored, that one. Raises ScenarioError."""
    _check(asked)
    start = start or month_0(asked.month)
    scenario, budgets = scenario_of(version.resolved), budgets_of(start.origin, version.resolved["months"])
    found = calculated(start.origin, scenario, asked, budgets)
    digest, notes = hashlib.sha256(found).hexdigest(), list(start.notes)
    given = {
        "version": version, "data": start.origin.digest(), "budgets": budgets, "seed": asked.seed, "draws": asked.draws,
    }  # fmt: skip
    with transaction.atomic():
        _lock(f"{version.pk}/{given['data']}/{asked.seed}/{asked.draws}")
        before = ScenarioRun.objects.filter(**given).order_by("pk")
        if known := before.filter(digest=digest).first():
            return known, False
        if other := before.last():
            notes.append(
                f"Run {other.pk} gave other figures for the same data, parameters and seed: the product calculates otherwise now."
            )
        row = ScenarioRun.objects.create(
            **given, month=start.origin.month, origin=of_origin(start.origin), notes=notes, content=found, digest=digest,
            made_by=by,
        )  # fmt: skip
        details = {
            "run": row.pk,
            "month": f"{row.month:%Y-%m}",
            "seed": asked.seed,
            "draws": asked.draws,
            "sha256": row.digest,
        }
        audit.record(action="scenario.run", actor=by, subject=str(version), details=details)
    return row, True


def again(row: ScenarioRun) -> bytes:
    """What a stored run gives when it is done again, from what is stored of it alone."""
    asked = Asked(Period.month_of(row.month), row.seed, row.draws)
    return calculated(origin_of(row.origin), scenario_of(row.version.resolved), asked, row.budgets)


def calculated(origin: Origin, scenario: Resolved, asked: Asked, budgets: list[Decimal | None]) -> bytes:
    """The canonical result. Raises ScenarioError."""
    paths = paths_of(origin, scenario, asked)
    tornado = sensitivity.tornado(origin, scenario)
    effects = sensitivity.effects(origin, scenario, seed=asked.seed)
    return content(origin, scenario, paths, seed=asked.seed, budgets=budgets, tornado=tornado, effects=effects)


def paths_of(origin: Origin, scenario: Resolved, asked: Asked) -> Paths:
    """Paths of a scenario from a month 0; two scenarios asked the same way have the same luck. Raises ScenarioError."""
    return run_paths(origin, scenario, draw(scenario, origin.month, origin.names, asked.draws, asked.seed))


def budgets_of(origin: Origin, months: int) -> list[Decimal | None]:
    """Budgets of the whole from month 0 on, in its currency."""
    return [selectors.budget_of(None, month, currency=origin.currency) for month in months_of(origin, months + 1)]


def _check(asked: Asked) -> None:
    if not 0 <= asked.seed < _FIGURES:
        raise ScenarioError(f"seed: must be a whole number from 0 to {_FIGURES - 1:,}, not {asked.seed}")
    check_count(asked.draws, MOST_DRAWS)


def _check_name(name: str) -> None:
    try:
        validate_slug(name)
    except ValidationError:
        raise ScenarioError(f"name: letters, digits, - and _ alone, not {name[:60]!r}") from None
    if len(name) > 60 or name in RESERVED:
        raise ScenarioError(f"name: at most 60 characters, and none of {', '.join(sorted(RESERVED))}")


def _lock(what: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"scenario {what}"])
