"""What is done at night for predictions: learn from the last weeks, and compare what was predicted with what came."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isnan
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd
from django.conf import settings
from django.db import connection, transaction

from allocation.calc.predict_calibration import AHEAD, held_out, learn
from allocation.calc.predict_history import ANY
from allocation.calc.predict_store import packed
from allocation.calc.predict_tracking import OTHERS, Counts, counted
from allocation.models import CostCentre, LearntPredictor, Prediction
from allocation.value import predictions_history

KEPT = 14  # predictors
HOUR = 2  # of the night
KEPT_FOR = timedelta(days=92)  # predictions
FOLLOWED = timedelta(days=7)  # after which a prediction whose query has not come is not looked for
LATE_BY = timedelta(minutes=5)  # that the clocks of askers and providers may differ
CHECKED = 2_000  # pairs of cost centre and feature whose check is kept apart; smaller ones are kept together
_FIELDS = {
    "began_at": "timestamptz", "late": "bool", "borne_by_id": "bigint", "model": "text", "tier": "text",
    "output_tokens": "bigint", "calls": "int", "cost": "numeric", "predicted": "text", "cost_low": "numeric",
    "cost_high": "numeric",
}  # fmt: skip
_FILL = (
    f"UPDATE allocation_prediction p SET ({', '.join(_FIELDS)}) = ROW({', '.join(f'f.{name}' for name in _FIELDS)}) "
    f"FROM unnest(%s::bigint[], {', '.join(f'%s::{type_}[]' for type_ in _FIELDS.values())}) "
    f"AS f (query_id, {', '.join(_FIELDS)}) WHERE p.query_id = f.query_id"
)


def is_due(now: datetime) -> bool:
    """Whether nothing was learnt since the last HOUR of the night on the site's clock."""
    local = now.astimezone(ZoneInfo(settings.REPORT_TIME_ZONE))
    night = local.replace(hour=HOUR, minute=0, second=0, microsecond=0)
    night -= timedelta(days=0 if night <= local else 1)
    return not LearntPredictor.objects.filter(learnt_at__gte=night).exists()


def learn_through(until: date) -> LearntPredictor | None:
    """Learn from the queries of the weeks up to a day; None where no query's single calls are known."""
    sample = predictions_history.sample(until)
    return None if sample is None or not len(sample.queries) else learn_from(sample)


@transaction.atomic
def learn_from(sample: predictions_history.Sample) -> LearntPredictor:
    """Learn from a sample of one query or more; it is in force from now on."""
    frame = sample.queries
    content = packed(learn(frame))
    checked = held_out(frame)
    made = LearntPredictor.objects.create(
        since=sample.since, through=sample.through, queries=len(frame), every=sample.every,
        currency=settings.REPORT_CURRENCY, content=content, content_hash=hashlib.sha256(content).hexdigest(),
        served=_served(frame), checked=_checks(checked),
        checked_since=sample.through - timedelta(days=AHEAD - 1) if len(checked) else None,
    )  # fmt: skip
    kept = LearntPredictor.objects.order_by("-pk").values_list("pk", flat=True)[:KEPT]
    LearntPredictor.objects.exclude(pk__in=list(kept)).delete()
    return made


def _served(frame: pd.DataFrame) -> dict[str, str]:
    """Models asked for under names under which none is served -> the one that was served most often."""
    other = frame[(frame["requested"] != "") & ~frame["requested"].isin(set(frame["model"]))]
    counts = other.groupby(["requested", "model"]).size().sort_values(kind="stable")
    return dict(counts.index)


def _checks(frame: pd.DataFrame) -> list[list[Any]]:
    rows = sorted(counted(frame), key=lambda row: -sum(row[2].came) - row[2].unknown)
    rest: dict[str, Counts] = defaultdict(Counts)
    for centre, _, counts in rows[CHECKED:]:
        rest[centre] = rest[centre].plus(counts)
    kept = [*rows[:CHECKED], *((centre, OTHERS, counts) for centre, counts in rest.items())]
    return [[centre, feature, asdict(counts)] for centre, feature, counts in kept]


class Compared(NamedTuple):
    """How many predictions were looked for, and how many queries have come."""

    looked_for: int
    came: int


@transaction.atomic
def compare(now: datetime) -> Compared:
    """Fill in what came of the predictions of the last days, and forget those that are old."""
    Prediction.objects.filter(asked_at__lt=now - KEPT_FOR)._raw_delete(using="default")
    rows = {row.query_id: row for row in Prediction.objects.filter(asked_at__gte=now - FOLLOWED)}
    if not rows:
        return Compared(0, 0)
    first = min(row.asked_at for row in rows.values()).date() - timedelta(days=1)  # on some issuers' clocks
    found = predictions_history.named(list(rows), first, now.date() + timedelta(days=1))
    centres = dict(CostCentre.objects.values_list("code", "pk"))
    # Of a trace that was taken up again after days, the query that was asked for is the first.
    frame = found.sort_values("at").drop_duplicates("query")
    came = [_came(rows[query["query"]], query, centres) for query in frame.to_dict("records")]
    if came:
        with connection.cursor() as cursor:
            cursor.execute(_FILL, [list(column) for column in zip(*came, strict=True)])
    return Compared(len(rows), len(came))


def _came(row: Prediction, query: Mapping[Any, Any], centres: Mapping[str, int]) -> tuple[Any, ...]:
    """The query's hash, then _FIELDS."""
    began, cost = datetime.fromtimestamp(query["at"] / 1e6, UTC), float(query["cost"])
    of_model = row.candidates.get(query["model"]) or row.candidates[ANY]
    bounds = of_model["cost_interval"] or (None, None)
    return (
        row.query_id, began, row.asked_at > began + LATE_BY, centres.get(query["cost_centre"]), query["model"], query["tier"],
        int(query["output_tokens"]), int(query["calls"]), None if isnan(cost) else Decimal(f"{cost:.12f}"), of_model["tier"],
        *(None if bound is None else Decimal(bound) for bound in bounds),
    )  # fmt: skip
