"""A month 0 and a register to run scenarios on."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from allocation.calc.assumptions import Register
from allocation.calc.assumptions import parse as register_of
from finops.documents import read_yaml
from forecasting.calc.scenario import Paths, run
from forecasting.calc.scenario_document import Scenario, parse
from forecasting.calc.scenario_draws import draw
from forecasting.calc.scenario_origin import Origin, TierOrigin

ROOT = Path(__file__).parents[3]
REGISTER: Register = register_of(read_yaml((ROOT / "allocation/assumptions.yaml").read_bytes()))
PRESETS: dict[str, Any] = {one["name"]: one for one in read_yaml((ROOT / "forecasting/presets.yaml").read_bytes())}
D = Decimal
DAY = tuple(1.0 + 0.8 * np.sin(np.pi * (hour - 6) / 12) for hour in range(24))  # the busiest hour is 1.8 times the mean


def tier(name: str, api: str = "0", own: str = "0", **more: Any) -> TierOrigin:
    more = {"api_queries": 1_000.0, "own_queries": 500.0} | more
    return TierOrigin(name, D(api), D(own), **more)


def origin(*tiers: TierOrigin, **more: Any) -> Origin:
    tiers = tiers or (
        tier("simple", "100.37", "50.02", input_share=0.7, cached_share=0.3),
        tier("moderate", "212.10", "75.55", input_share=0.5, cached_share=0.2, calls=2.0),
        tier("complex", "911.99", "402.13", input_share=0.4, cached_share=0.1, calls=12.0, reasoning_multiplier=4.0,
             reasoning_share=0.6, resolved=0.8),
        tier("research", "58.48", "3.01", input_share=0.3, calls=30.0, reasoning_multiplier=9.0, agents=2.0, resolved=0.6),
    )  # fmt: skip
    own = {"gpus": 8.0, "profile": DAY, "fixed": D("12.34")} | more
    return Origin(date(2026, 10, 1), "USD", tiers, **own)


def fixed(**values: str) -> dict[str, dict[str, str]]:
    """Parameters at one value each."""
    return {name.replace("__", "."): {"value": value, "source": "a test"} for name, value in values.items()}


def scenario(parameters: dict[str, Any] | None = None, **more: Any) -> Scenario:
    return parse({"name": "ours", "parameters": parameters or {}, **more}, REGISTER, PRESETS)


def preset(name: str) -> Scenario:
    return parse(PRESETS[name], REGISTER, PRESETS)


def ran(what: Scenario, month: Origin | None = None, draws: int = 64, seed: int = 7) -> Paths:
    month = month or origin()
    return run(month, what, draw(what, month.month, month.names, draws, seed))
