"""Scenarios of the demo: two presets and one of the analyst's own, run from its last closed month."""

from typing import Any

from forecasting import scenarios, scenarios_selectors
from forecasting.scenarios_origin import NoMonth, month_0
from web.demo.agreements import ANALYST
from web.demo.window import Window

PRESETS = ("inference_squeeze", "supply_relief_h2_2027")
OWN: dict[str, Any] = {
    "name": "example-agents-routed", "title": "Agents grow, a router in front", "over": "agent_explosion",
    "about": "Example: agents take more calls, and half of their work goes through a router.",
    "parameters": {
        "routing_share": {"low": "0.3", "base": "0.5", "high": "0.7", "source": "example"},
        "routing_saving": {"assumption": "routing_saving"}, "routing_quality_loss": {"assumption": "routing_quality_loss"},
    },
}  # fmt: skip


def load(window: Window) -> None:
    """Save and run them; again it changes nothing."""
    try:
        start = month_0(today=window.now.date())
    except NoMonth:
        return
    scenarios.save(OWN, by=ANALYST, shared=True)
    for name in (*PRESETS, OWN["name"]):
        version = scenarios_selectors.to_run(name, ANALYST, by=ANALYST)
        scenarios.run(version, by=ANALYST, start=start)
