"""Histories for tests of the forecast."""

from datetime import UTC, datetime

import numpy as np

from forecasting.calc.series import DAY, HOUR, Panel

START = datetime(2026, 1, 1, tzinfo=UTC)


def hourly(rows, keys=None):
    return _panel(HOUR, rows, keys)


def daily(rows, keys=None, *, signed=False):
    return _panel(DAY, rows, keys, signed=signed)


def noisy(rows=3, cells=24 * 14, seed=0, season=24):
    """Series with a daily profile and noise of a tenth of the level."""
    rng = np.random.default_rng(seed)
    profile = 10 + 5 * np.sin(2 * np.pi * np.arange(cells) / season)
    return np.maximum(profile * (1 + 0.1 * rng.standard_normal((rows, cells))), 0)


def _panel(grain, rows, keys, *, signed=False):
    values = np.asarray(rows, dtype=float)
    keys = keys or tuple((f"s{number:03d}",) for number in range(len(values)))
    return Panel(grain, START, tuple(f"d{place}" for place in range(len(keys[0]))), keys, values, signed=signed)
