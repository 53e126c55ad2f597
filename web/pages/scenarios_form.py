"""The form of a scenario's parameters: what it shows, and the document that what was typed makes.

A value that was typed stands with its source; one that was left as it is stays as the document says it, so that an assumption
goes on to be one.
"""

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from finops.focus import TIERS
from forecasting import scenarios
from forecasting.calc.scenario_origin import ScenarioError
from forecasting.calc.scenario_parameters import BY_NAME, PARAMETERS
from forecasting.calc.scenario_stored import of_scenario, plain
from forecasting.scenarios_selectors import Shown
from web.scenario_files import parameters

ENDS = ("low", "base", "high")
NEW = "new"  # prefix of the empty row


def rows(one: Shown, typed: QueryDict | None = None) -> list[dict[str, Any]]:
    """Parameters of a scenario as lines of the form, as they are or as they were typed."""
    found = []
    for full, title, unit, *values, source, assumption in parameters(of_scenario(one.resolved)):
        name, _, tier = full.partition(".")
        held = dict(zip(ENDS, ("" if value is None else str(value) for value in values), strict=True))
        said = {part: typed.get(f"{full}:{part}", held[part]) if typed else held[part] for part in ENDS}
        found.append(
            {
                "full": full, "name": name, "tier": tier, "title": title, "unit": unit, "assumption": assumption,
                "source": typed.get(f"{full}:source", source) if typed else source, "none": values[1] is None,
                "fields": [(part, f"{full}:{part}", said[part]) for part in ENDS], "changed": said != held,
            }
        )  # fmt: skip
    return found


def choices() -> list[tuple[str, str]]:
    """Parameters that may be added: name, or name.tier, and what it is."""
    return [
        (full, f"{full}: {one.title} ({one.unit})")
        for one in PARAMETERS
        for full in (one.name, *(f"{one.name}.{tier}" for tier in TIERS if one.by_tier))
    ]


def document(one: Shown, typed: QueryDict) -> dict[str, Any]:
    """The document of what was typed over a scenario. Raises ScenarioError."""
    base: dict[str, Any] = {"over": one.name} if one.preset else dict(one.version.document if one.version else {})
    found = base | {
        "name": typed.get("name", "").strip() or one.name,
        "title": typed.get("title", "").strip() or one.resolved.title,
    }
    if about := typed.get("about", "").strip():
        found["about"] = about
    for field in ("months", "ramp_months"):
        if text := typed.get(field, "").strip():
            found[field] = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text
    values = dict(found.get("parameters") or {})
    for row in rows(one):
        _take(values, row, typed)
    if full := typed.get(f"{NEW}:parameter", ""):
        given = {part: typed.get(f"{NEW}:{part}", "").strip() for part in (*ENDS, "source")}
        values[full] = _entry(full, given)
    return plain({**found, "parameters": values})  # type: ignore[no-any-return]


def _take(values: dict[str, Any], row: Mapping[str, Any], typed: QueryDict) -> None:
    full = row["full"]
    if typed.get(f"{full}:off"):
        values[full] = None
        return
    held = {part: value for part, _, value in row["fields"]}
    said = {part: typed.get(f"{full}:{part}", held[part]).strip() for part in ENDS}
    if said == held:
        return
    source = typed.get(f"{full}:source", "").strip()
    if source == row["source"] and row["assumption"]:
        raise ScenarioError(f"{full}: source: another value than the register's needs its own source: who says so")
    values[full] = _entry(full, {**said, "source": source})


def _entry(full: str, given: Mapping[str, str]) -> dict[str, str]:
    if full.partition(".")[0] not in BY_NAME:
        raise ScenarioError(f"parameters: {full[:60]!r} is none")
    said = {part: given[part] for part in ENDS}
    if said["base"] and not (said["low"] or said["high"]):
        return {"value": said["base"], "source": given["source"]}
    return {**{part: said[part] or said["base"] for part in ENDS}, "source": given["source"]}


def seed(typed: Mapping[str, Any]) -> int:
    """The seed of a run that was typed, by default the usual one. Raises ScenarioError."""
    text = typed.get("seed", "").strip()
    if text and not (text.isascii() and text.isdigit() and len(text) < 17):
        raise ScenarioError(f"seed: must be a whole number such as {scenarios.SEED}, not {text[:40]!r}")
    return int(text) if text else scenarios.SEED


def presets() -> list[tuple[str, str]]:
    """What a new scenario may be over."""
    return [(name, one["title"]) for name, one in scenarios.presets().items()]
