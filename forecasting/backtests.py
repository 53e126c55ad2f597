"""Backtests of the ledger's own forecasts: made when asked for and once a week, and kept."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone

from forecasting import forecasts
from forecasting.calc.backtest import SCORES, SERVED, backtest, origins_of, refused, scores
from forecasting.calc.baseline import NAIVE, ForecastError
from forecasting.calc.scenario_origin import digest_of
from forecasting.models import Backtest

HORIZON, ORIGINS = 28, 6
MOST_ORIGINS = 26
OFTEN = timedelta(days=7)  # after which the nightly run makes another
METHODS = {SERVED: "served", NAIVE: NAIVE}


def make(
    *, by: str, dimensions: Sequence[str] = forecasts.DIMENSIONS, horizon: int = HORIZON, origins: int = ORIGINS,
    currency: str = "", before: date | None = None,
) -> Backtest:  # fmt: skip
    """Forecast again from the last ``origins`` days whose horizons do not overlap, score it and store it.

    The same history asked the same way is returned as it was stored. Raises ForecastError where history holds no origin.
    """
    if not 1 <= origins <= MOST_ORIGINS:
        raise ForecastError(f"a backtest has 1 to {MOST_ORIGINS} origins, not {origins}")
    asked = forecasts.gathered(dimensions, horizon, currency, before)
    digest = digest_of(["backtest", asked.digest, origins])
    known = Backtest.objects.filter(digest=digest).first()
    if known is not None:
        return known
    panel, levels = asked.panel, forecasts.levels(asked.names)
    cells = origins_of(panel, horizon, origins)
    facts = asked.known()
    runs = backtest(panel, horizon, cells, levels, index=facts.prices, events=facts.events) if cells else []
    served = [run for run in runs if run.method == SERVED]
    if not any((~np.isnan(run.point)).any() for run in served):
        needed = panel.grain.said(7 * panel.grain.season + 2 * horizon)
        raise ForecastError(
            f"{panel.grain.said(panel.cells)} of history hold no forecast of {panel.grain.said(horizon)} that could be judged: "
            f"ask for fewer days (--horizon), or wait until there are about {needed}"
        )
    finest = [run for run in served if run.level == panel.dimensions]
    found, _ = Backtest.objects.get_or_create(
        digest=digest,
        defaults={
            "made_by": by[:150], "history_from": asked.days.start, "until": asked.days.end, "horizon": horizon,
            "origins": [panel.at(cell).date().isoformat() for cell in cells], "currency": asked.currency,
            "dimensions": asked.names, "refused": refused(finest),
            "scores": [
                _row(row, max(len(run.keys) for run in served if run.level == row["Level"]))
                for row in scores(runs).to_dict("records")
            ],
        },
    )  # fmt: skip
    return found


def make_weekly() -> None:
    """Another one where the last is older than OFTEN. Raises ForecastError."""
    last = newest()
    if last is None or timezone.now() - last.made_at >= OFTEN:
        make(by="system")


def newest(currency: str = "") -> Backtest | None:
    """The one made last in a currency (default: the site's)."""
    rows = Backtest.objects.filter(currency=currency or settings.REPORT_CURRENCY)
    return rows.order_by("-made_at", "-pk").first()


def _row(row: dict[Any, Any], series: int) -> dict[str, Any]:
    numbers = {name: _number(row[name]) for name in SCORES}
    return {
        "method": METHODS[row["Method"]], "level": list(row["Level"]), "series": series, "cells": int(row["Cells"]),
        **numbers,
    }  # fmt: skip


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)
