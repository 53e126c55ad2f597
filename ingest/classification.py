"""How ingest asks which kind of query events belong to: the classifier that settings.CLASSIFIER names.

Imports point the other way (allocation stands on ingest), so the classifier is found by its dotted path, as Django finds
back ends, and spoken to through the arrays described here.
"""

from typing import Any, Protocol

import numpy as np
from django.conf import settings
from django.utils.module_loading import import_string

from finops.tokens import TOKEN_CLASSES
from ingest.calc.batch import Batch
from ingest.calc.usage import DIMENSIONS, ints
from ingest.facts import FEATURE_COLUMNS
from ingest.models import UsageKey

_OPERATION, _SERVED, _REQUESTED, _FEATURE = (
    DIMENSIONS.index(n) for n in ("operation", "model_served", "model_requested", "feature")
)


class Classifier(Protocol):
    """allocation.calc.tiers.Classifier, as ingest sees it."""

    look_back: int

    def classify(self, events: Any) -> tuple[Any, Any]:
        """(tier_rule, begins: 0 or 1) of each event; ``events`` has the attributes that ``_Events`` has."""


def current_classifier() -> Classifier:
    """The classifier with the policy in force."""
    classifier: Classifier = import_string(settings.CLASSIFIER)()
    return classifier


class _Events:
    """Plain attributes, one value per event: see allocation.calc.tiers.Events."""

    def __init__(self, **columns: Any) -> None:
        self.__dict__.update(columns)


def classify_batch(classifier: Classifier, batch: Batch) -> dict[str, Any]:
    """tier_rule and begins of a batch's facts, from the batch alone."""
    usage = batch.usage
    reasoning = ints(usage, "output_reasoning")
    rules, begins = classifier.classify(
        _Events(
            query_id=batch.query_id, has_query=batch.has_query, charge_date=batch.charge_date,
            occurred_at=batch.occurred_at, event_id=batch.event_id, requests=ints(usage, "requests"),
            agent=batch.agent, tool_calls=ints(usage, "tool_calls"), flags=ints(usage, "flags"),
            input_uncached=ints(usage, "input_uncached"), output=ints(usage, "output_visible") + reasoning,
            output_reasoning=reasoning, reasoning_known=~np.asarray(usage["output_reasoning"].is_null()),
            key=batch.key, operations=[key[_OPERATION] for key in batch.keys],
            models=[key[_SERVED] or key[_REQUESTED] for key in batch.keys],
            use_cases=[key[_FEATURE] for key in batch.keys], tokens=lambda name: ints(usage, name),
        )
    )  # fmt: skip
    return {"tier_rule": rules, "begins": begins}


def changed_tiers(classifier: Classifier, rows: list[tuple[Any, ...]]) -> list[tuple[Any, Any, int, bool | None, int]]:
    """Of stored events (FEATURE_COLUMNS): (charge_date, event_id, tier_rule, begins, usage_key_id) where they changed."""
    if not rows:
        return []
    columns = dict(zip(FEATURE_COLUMNS, zip(*rows, strict=True), strict=True))
    numbers = {
        name: np.array([value or 0 for value in columns[name]], dtype=np.int64)
        for name in ("query_id", "requests", "agent", "tool_calls", "flags", "tier_rule", "begins", *TOKEN_CLASSES)
    }
    numbers["requests"] = np.array([1 if value is None else value for value in columns["requests"]], dtype=np.int64)
    key_ids = sorted(set(columns["usage_key_id"]))
    keys = UsageKey.objects.in_bulk(key_ids)
    position = {key_id: index for index, key_id in enumerate(key_ids)}
    rules, begins = classifier.classify(
        _Events(
            **{
                name: numbers[name]
                for name in ("query_id", "requests", "agent", "tool_calls", "flags", "input_uncached")
            },
            has_query=np.ones(len(rows), dtype=bool),
            charge_date=np.array([day.toordinal() for day in columns["charge_date"]]),
            occurred_at=np.array([at.timestamp() * 1e6 for at in columns["occurred_at"]]).round().astype(np.int64),
            event_id=np.frombuffer(b"".join(value.bytes for value in columns["event_id"]), dtype="V16"),
            output=numbers["output_visible"] + numbers["output_reasoning"],
            output_reasoning=numbers["output_reasoning"],
            reasoning_known=np.array([value is not None for value in columns["output_reasoning"]]),
            key=np.array([position[key_id] for key_id in columns["usage_key_id"]]),
            operations=[keys[key_id].operation for key_id in key_ids],
            models=[keys[key_id].model_served or keys[key_id].model_requested for key_id in key_ids],
            use_cases=[keys[key_id].feature for key_id in key_ids],
            tokens=numbers.__getitem__,
        )
    )
    changed = np.flatnonzero((rules != numbers["tier_rule"]) | (begins != numbers["begins"]))
    return [
        (
            columns["charge_date"][n],
            columns["event_id"][n],
            int(rules[n]),
            bool(begins[n]) or None,
            columns["usage_key_id"][n],
        )
        for n in changed
    ]
