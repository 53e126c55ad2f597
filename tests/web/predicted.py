"""Predictions for tests of API and pages: learnt from rows that the test names, asked for, and what came."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from allocation.calc.predict import Request
from allocation.models import LearntPredictor, Prediction
from allocation.scope import EVERYTHING
from allocation.value import predictions, predictions_learning
from allocation.value.predictions_history import Sample
from tests.web.ledger import centre

THROUGH = date(2026, 9, 30)
DAYS = 42


def queries(a_day: int = 60, **changed: Any) -> pd.DataFrame:
    """Queries of one kind on DAYS up to THROUGH: 100 to 199 tokens out in turn at 0.00001 each, prompts of 1,000."""
    number = np.arange(a_day * DAYS)
    output = changed.pop("output_tokens", 100 + number * 37 % 100)
    columns = {
        "query": 0, "at": 0, "requested": "small", "day": THROUGH.toordinal() - DAYS + 1 + number // a_day,
        "cost_centre": "CC-100", "feature": "chat", "effort": "", "prompt_tokens": 1_000, "attachments": False,
        "tools": False, "model": "small", "tier": "simple", "output_tokens": output, "calls": 1, "cost": output / 1e5,
    }  # fmt: skip
    return pd.DataFrame({**columns, **changed}, index=number)


def learnt(*frames: pd.DataFrame) -> LearntPredictor:
    """Learn from them; without any: chat of CC-100 by two models, reports of CC-200 that are complex at high effort."""
    frames = frames or (
        queries(40), queries(20, model="large-2026", requested="large", tier="moderate", cost=0.02),
        queries(
            20, cost_centre="CC-200", feature="reports", effort="high", tier="complex", output_tokens=9_000, calls=5, cost=0.3
        ),
    )  # fmt: skip
    for code in ("CC-100", "CC-200"):
        centre(code)
    rows = pd.concat(frames, ignore_index=True)
    return predictions_learning.learn_from(Sample(THROUGH - timedelta(days=DAYS - 1), THROUGH, 1, rows))


def asked(count: int, within: int, *, code: str = "CC-100") -> None:
    """Predictions of chat, of which so many came within their interval and the others above it; one more has not come."""
    at = datetime(2026, 10, 1, 12, tzinfo=UTC)
    for number in range(count + 1):
        trace = predictions.Trace(f"{code}-{number}")
        predictions.ask(EVERYTHING, Request("chat", 1_000, ("small",)), by="gw", now=at, trace=trace)
    owner = centre(code)
    for number, row in enumerate(Prediction.objects.filter(began_at=None).order_by("pk")[:count]):
        told = row.candidates["small"]
        row.began_at, row.borne_by, row.model, row.tier, row.predicted = at, owner, "small", "simple", told["tier"]
        row.cost_low, row.cost_high = (Decimal(bound) for bound in told["cost_interval"])
        row.cost = row.cost_high + (0 if number < within else Decimal("0.001"))
        row.save()
