"""Queries and usage as page, files and API show them: one question, one answer. Amounts and counts as texts, exact."""

import re
from decimal import Decimal
from typing import Any

from allocation.value.one_query import Query, Single
from allocation.value.query_parts import Charged, Line, Part
from allocation.value.query_rows import Row
from allocation.value.usage import Used
from finops.periods import Period
from ingest.models import Price
from web.tiering import bound

COLUMNS = (
    "id", "day", "begins_at", "ListCost", "BillingCurrency", "priced", "bin", "calls", "x_Tokens", "x_QueryTier",
    "rule", "condition", "policy", "x_CostCentre", "x_Team", "ServiceProviderName", "x_Model", "x_Environment", "x_Feature",
)  # fmt: skip
_OF_KEY = {
    "ServiceProviderName": "provider", "x_Model": "model_served", "model_requested": "model_requested", "region": "region",
    "mode": "mode", "service_tier": "service_tier_served", "service_tier_requested": "service_tier_requested",
    "effort": "effort", "operation": "operation", "x_Environment": "environment", "x_Feature": "feature",
    "project": "project", "api_key": "api_key",
}  # fmt: skip

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_MOST = 1 << 63


def number_of(text: str) -> int | None:
    """The number of a query; None: it is none."""
    found = int(text) if _NUMBER.fullmatch(text) else None
    return found if found is not None and -_MOST <= found < _MOST else None


def bins_of(text: str) -> tuple[int, int] | None:
    """The first and last bin that ``-60`` or ``-60..-41`` names; None: it names none, or the last lies before the first."""
    found = re.fullmatch(r"(-?[0-9]{1,4})(?:\.\.(-?[0-9]{1,4}))?", text, re.ASCII)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    return (first, last) if first <= last else None


def row(one: Row, day: Any) -> dict[str, Any]:
    """One query of the list."""
    found = one.found
    return {
        "id": None if found.query is None else str(found.query), "day": day, "begins_at": one.begins_at,
        "ListCost": amount(found.cost), "BillingCurrency": one.currency, "priced": found.priced, **bin_bounds(found.bin),
        "calls": found.calls, "x_Tokens": str(sum(found.tokens.values())),
        "tokens": {name: str(number) for name, number in found.tokens.items()}, "x_QueryTier": one.tier,
        **tier(one.rule, one.condition, one.policy), "x_CostCentre": one.owner.cost_centre, "x_Team": one.owner.team,
        "ServiceProviderName": one.owner.provider, "x_Model": one.owner.model, "x_Environment": one.owner.environment,
        "x_Feature": one.owner.feature,
    }  # fmt: skip


def row_of(one: Query) -> dict[str, Any]:
    """A query as the list has it."""
    owner = one.owner
    return {
        "id": str(one.number), "day": one.day, "begins_at": one.calls[0].call.occurred_at, "ListCost": amount(one.cost),
        "BillingCurrency": one.currency, "priced": one.priced, **bin_bounds(one.bin), "calls": len(one.calls),
        "x_Tokens": str(sum(one.tokens.values())), "tokens": {name: str(number) for name, number in one.tokens.items()},
        "x_QueryTier": one.way.tier, **tier(one.way.rule, one.way.condition, one.way.policy.version),
        "x_CostCentre": owner.cost_centre, "x_Team": owner.team, "ServiceProviderName": owner.provider, "x_Model": owner.model,
        "x_Environment": owner.environment, "x_Feature": owner.feature,
    }  # fmt: skip


def file_row(one: Row, day: Any) -> list[Any]:
    """The same as a row of a file: COLUMNS, amounts as numbers."""
    told = row(one, day)
    return [one.found.cost if name == "ListCost" else told[name] for name in COLUMNS]


def tier(rule: str, condition: str, version: int) -> dict[str, Any]:
    """By what a query came to its tier."""
    return {"rule": rule, "condition": condition, "policy": version}


def bin_bounds(number: int | None) -> dict[str, str | int | None]:
    """Its bin of the distribution, and between which costs that lies."""
    if number is None:
        return {"bin": None, "from": None, "below": None}
    return {"bin": number, "from": f"{bound(number):f}", "below": f"{bound(number + 1):f}"}


def whole(one: Query) -> dict[str, Any]:
    """A query with all that is made of it."""
    owner, prediction = one.owner, one.prediction
    return {
        "id": str(one.number), "day": one.day, "begins_at": one.calls[0].call.occurred_at,
        "ends_at": one.calls[-1].call.occurred_at, "ListCost": amount(one.cost), "BillingCurrency": one.currency,
        "priced": one.priced, **bin_bounds(one.bin), "calls": len(one.calls),
        "tokens": {name: str(number) for name, number in one.tokens.items()}, "x_QueryTier": one.way.tier,
        **tier(one.way.rule, one.way.condition, one.way.policy.version), "evidence": one.evidence,
        "x_CostCentre": owner.cost_centre, "x_Team": owner.team, "pending": one.pending,
        "parts": [part(each) for each in one.parts], "period": f"{Period.month_of(one.day)}",
        "prediction": None if prediction is None else {
            "asked_at": prediction.asked_at, "late": prediction.late, "x_QueryTier": prediction.predicted or None,
            "low": _amount(prediction.cost_low), "high": _amount(prediction.cost_high), "candidates": prediction.candidates,
        },
        "outcomes": [
            {
                "source": each.source, "id": each.number, "task": each.task, "at": each.at, "success": each.success,
                "quality": None if each.quality is None else f"{each.quality}", "value": _amount(each.value),
                "currency": each.currency, "evidence": each.evidence, "counts": each.counts,
            }
            for each in one.outcomes
        ],
    }  # fmt: skip


def call(one: Single) -> dict[str, Any]:
    """One call of a query."""
    return {
        "id": str(one.call.event_id), "day": one.call.charge_date, "at": one.call.occurred_at,
        "ServiceProviderName": one.provider, "x_Model": one.model, "failed": one.call.failed,
        "tool_calls": one.call.tool_calls, "tokens": {name: str(number) for name, number in one.call.tokens.items()},
        "units": {name: f"{quantity:f}" for name, quantity in one.units.items()},
        "ListCost": amount(one.cost), "priced": one.priced, "reported_cost": _amount(one.call.reported_cost),
        "run": one.run and {"id": one.run.pk, "source": one.run.source, "input": one.run.input_name},
    }  # fmt: skip


def part(one: Part) -> dict[str, Any]:
    """Calls of one day with one usage key: prices, charge and who bears it."""
    of = {name: one.seen[field] for name, field in _OF_KEY.items()}
    of["x_Model"] = of["x_Model"] or of["model_requested"]
    return {
        "day": one.day, "calls": one.calls, "layer": one.layer, "source": one.source, **of, "tags": dict(one.seen["tags"]),
        "prices": [line(each) for each in one.lines], "ListCost": amount(one.cost), "BillingCurrency": one.currency,
        "charged_elsewhere": one.elsewhere, "charged": one.charged and charged(one.charged), "rule": one.rule,
        "rules_version": one.rules_version,
        "borne_by": [
            {
                "x_CostCentre": each.cost_centre, "x_Team": each.team, "share": amount(each.weight), "yours": not each.foreign,
                "EffectiveCost": _amount(each.effective),
            }
            for each in one.bearers
        ],
    }  # fmt: skip


def line(one: Line) -> dict[str, Any]:
    """Tokens of a class and their price."""
    return {
        "x_TokenClass": one.name, "tokens": str(one.tokens), "ListCost": _amount(one.cost),
        "rate": one.rate if one.rate is None else f"{one.rate:f}", "per": one.per,
        "average": one.rate is None and one.cost is not None,
        "standard_assumed": one.standard, "price": one.price and price(one.price),
    }  # fmt: skip


def price(one: Price) -> dict[str, Any]:
    """A row of the price book."""
    return {
        "id": one.pk, "book": one.book, "provider": one.provider, "model": one.model, "valid_from": one.valid_from,
        "valid_to": one.valid_to, "currency": one.currency, "version": one.version.content_hash[:12], "source": one.source,
    }  # fmt: skip


def charged(one: Charged) -> dict[str, Any]:
    """What the usage of its key and tier was charged that day, and this part of it."""
    return {
        "BillingCurrency": one.currency, "ListCost": amount(one.list_cost), "ContractedCost": amount(one.contracted_cost),
        "EffectiveCost": amount(one.effective_cost), "contracted_factor": _ratio(one.contracted_factor),
        "effective_factor": _ratio(one.effective_factor), "fx_rate": f"{one.fx_rate.normalize():f}",
        "of_this": _amount(one.effective),
    }  # fmt: skip


def used(one: Used, columns: tuple[str, ...]) -> dict[str, Any]:
    """A group of usage."""
    counts = {
        "Requests": one.requests,
        "Queries": one.queries,
        "x_Tokens": one.tokens,
        "x_UnpricedTokens": one.unpriced_tokens,
    }
    return {
        **dict(zip(columns, one.place, strict=True)),
        **{name: None if number is None else str(number) for name, number in counts.items()},
        "tokens": {name: str(number) for name, number in one.classes.items()},
    }  # fmt: skip


def amount(value: Decimal) -> str:
    """With twelve decimals at least, and all that it has up to thirty."""
    places = min(max(12, -int(value.normalize().as_tuple().exponent)), 30) if value else 12
    return f"{value:.{places}f}"


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else amount(value)


def _ratio(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:.12f}"
