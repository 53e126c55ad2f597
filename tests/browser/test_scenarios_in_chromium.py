"""Scenarios in a real browser: no sideways scroll, no script error; run, change a parameter, compare."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from forecasting import scenarios, scenarios_selectors
from forecasting.scenarios import Asked
from tests.browser.site import SIZES, logged_in, looked_at, no_sideways_scroll, people
from tests.forecasting.test_scenarios import SEPTEMBER, mine, own_hardware, world

pytestmark = [pytest.mark.browser]


def fill() -> None:
    people("ann", role="analyst")
    own_hardware()
    world()
    for name in ("inference_squeeze", "cheap_supply"):
        scenarios.run(scenarios_selectors.to_run(name, "ann", by="ann"), Asked(SEPTEMBER, draws=1_024), by="ann")
    steps = [{"on": "2026-08-01", "price": "same_sku", "change": "0.5", "source": "announced in June"}]
    scenarios.run(scenarios.save(mine(steps=steps, months=24), by="ann", shared=True), Asked(SEPTEMBER), by="ann")


def test_the_pages_fit_and_a_changed_parameter_makes_a_version_that_is_run(
    browser: Browser, site: str, tmp_path: Path
) -> None:
    heard: list[str] = []
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    for size in SIZES:
        page = logged_in(browser, site, "ann", size, heard, "forecast/scenarios/")
        for address, name in (
            ("", "scenarios"), ("ours/", "scenario"), ("base/", "scenario-not-run"),
            ("compare/?scenario=ours&scenario=inference_squeeze&scenario=cheap_supply", "scenarios-compared"),
        ):  # fmt: skip
            looked_at(page, f"{site}/forecast/scenarios/{address}", f"{name}-{size}", folder)
    page.goto(f"{site}/forecast/scenarios/ours/")
    page.get_by_role("link", name="Complex", exact=True).click()
    page.wait_for_url("**tier=complex**")
    assert page.locator("#fan-title").inner_text() == "Cost a month: complex"
    page.get_by_label("query_growth base", exact=True).fill("9")
    page.get_by_label("query_growth high", exact=True).fill("12")
    page.get_by_role("button", name="Save", exact=True).click()
    assert "needs its own source" in page.locator("#values .wrong").inner_text()
    assert page.get_by_label("query_growth base", exact=True).input_value() == "9", "what was typed stays"
    page.get_by_label("query_growth source", exact=True).fill("our plan")
    page.get_by_role("button", name="Save and run").click()
    page.wait_for_selector(".said .success")
    assert "version 2" in page.locator(".page-head").inner_text()
    assert no_sideways_scroll(page)
    page.goto(f"{site}/forecast/scenarios/")
    for name in ("ours", "inference_squeeze"):
        page.locator(f'input[name="scenario"][value="{name}"]').check()
    page.get_by_role("button", name="Compare those ticked").click()
    page.wait_for_url("**scenario=ours**")
    assert "is dearer with a probability of" in page.locator(".sentence").inner_text()
    assert [text for text in heard if "422" not in text] == []
