"""How a statement says things in words: on what basis a part is charged, which rule gave it, and what to know beside it."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from allocation.calc.statement_policy import SHOWBACK

_BASES = {
    "direct": "Usage that the rules give to this cost centre",
    "shared": "Its part of cost that several cost centres share",
    "idle": "Capacity and commitments paid for and not used, of which it is the owner",
    "correction": "What months already closed cost more or less than was stated; borne by who bore them",
    "adjustment": "Entered by hand, with evidence, and approved by a second person",
    "variance": "Difference between the standard rate and what it did cost",
}
_LABELS = {
    "shared": "Shared cost", "idle": "Idle capacity", "correction": "Correction", "adjustment": "Adjustment",
    "variance": "Standard rate less actual",
}  # fmt: skip
_RULES_TOLD, _VALUES_TOLD = 3, 3


def basis_words(basis: str, rules: Sequence[str]) -> str:
    """Why a part is charged: the basis, and the rules behind it with the dearest first."""
    words = _BASES.get(basis, basis)
    if not rules:
        return f"{words}."
    more = f" and {len(rules) - _RULES_TOLD} more" if len(rules) > _RULES_TOLD else ""
    return f"{words}: {'; '.join(rules[:_RULES_TOLD])}{more}."


def label(basis: str, model: str) -> str:
    """How a driver is called: its model, and on which basis unless it is direct."""
    named = _LABELS.get(basis, "")
    if basis == "direct":
        return model or "Charges without a model"
    return f"{named}: {model}" if named and model else named or model or basis


def rule_words(rule: str, conditions: Any, targets: Any, cost_centre: str) -> str:
    """A rule in plain words: ``r10 (team is search), 70 %``. ``conditions``, ``targets``: its `when` and `to`, as written."""
    when = _condition(conditions)
    shares = targets.get("shares") if isinstance(targets, Mapping) else None
    part = ""
    if isinstance(shares, Mapping) and cost_centre in shares:
        part = f", {(Decimal(str(shares[cost_centre])) * 100).normalize():f} %"
    proportional = targets.get("proportional") if isinstance(targets, Mapping) else None
    if isinstance(proportional, Mapping):
        part = f", in proportion to {str(proportional.get('driver', 'its driver')).replace('_', ' ')}"
    return f"{rule}{f' ({when})' if when else ''}{part}"


def part_words(pool: str, weights: Mapping[str, Any], cost_centre: str, *, gives: bool) -> str:
    """A pool in plain words: ``platform, 12.5 % of it`` by its weights (cost centre -> weight as text); what it ``gives``."""
    if gives:
        return f"{pool}, which it passes on"
    whole = sum((Fraction(str(weight)) for weight in weights.values()), Fraction(0))
    if not whole or cost_centre not in weights:
        return pool
    tenths = round(Fraction(str(weights[cost_centre])) / whole * 1000)
    return f"{pool}, {Decimal(tenths).scaleb(-1):f} % of it"


def notes(given: Any, code: str, kind: str, lines: Iterable[Any]) -> list[dict[str, str]]:
    """What a reader has to know: code and text. ``given``: allocation.calc.statements.Inputs."""
    found, rows = [], list(lines)
    if kind == SHOWBACK:
        found.append(("showback", "For information: nothing is posted to the books."))
    if given.issued_on is None:
        found.append(("draft", "A draft: every figure may still change."))
    elif given.provisional:
        found.append(("provisional", "Provisional: the month's figures are not frozen yet."))
    if own := given.lacking.get(code):
        found.append(
            ("no_rate", f"No rate of {given.currency}/{own} is known for the month: it is charged in {given.currency}.")
        )
    if given.self_approval:
        found.append(("self_approval", "On this site one person may approve what they prepared."))
    tokens, estimate = sum(row.unpriced_tokens for row in rows), sum((row.estimate for row in rows), Decimal(0))
    if tokens:
        text = (
            f"{tokens:,} tokens have no price yet and are in no amount; estimated at {estimate:,.2f} {given.currency}."
        )
        found.append(("unpriced", text))
    if queries := sum(row.estimated_queries for row in rows):
        text = f"The tier of {queries:,} queries is estimated: buckets of many calls are parted over tiers."
        found.append(("estimated_tiers", text))
    return [{"code": name, "text": text} for name, text in found]


def _condition(when: Any) -> str:
    if not isinstance(when, Mapping):
        return ""
    return " and ".join(_one(str(name).removeprefix("tag.").replace("_", " "), value) for name, value in when.items())


def _one(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        if value.get("absent") is True:
            return f"no {name}"
        if set(value) == {"not"}:
            return f"{name} is not {_values(value['not'])}"
        return f"{name} as its rule says"
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        return f"{name} as its rule says"
    return f"{name} is {_values(value)}"


def _values(value: Any) -> str:
    texts = [str(each) for each in value] if isinstance(value, list) else [str(value)]
    more = f" or {len(texts) - _VALUES_TOLD} others" if len(texts) > _VALUES_TOLD else ""
    return " or ".join(texts[:_VALUES_TOLD]) + more
