"""Agents in a real browser: no sideways scroll, no script error, a filter, and a runaway that is decided on."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from playwright.sync_api import Browser

from allocation.models import Runaway
from tests.allocation.value.agent_traces import world
from tests.browser.site import SIZES, logged_in, no_sideways_scroll, people

pytestmark = [pytest.mark.browser]


def fill() -> None:
    people("ann")
    with TemporaryDirectory() as folder:
        world(Path(folder))


def test_the_page_fits_and_a_runaway_is_decided(browser: Browser, site: str, tmp_path: Path) -> None:
    heard: list[str] = []
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    for size in SIZES:
        page = logged_in(browser, site, "ann", size, heard, "tiers/agents/?month=2026-09")
        assert no_sideways_scroll(page), size
        page.screenshot(path=folder / f"agents-{size}.png", full_page=True)
    page.locator(".menu summary", has_text="Feature").click()
    page.get_by_role("link", name="review", exact=True).click()
    page.wait_for_url("**feature=review**")
    row = page.locator("#runaways tbody tr", has_text="rounds where")
    row.get_by_role("button", name="Expected").click()
    page.wait_for_selector(".said .success")
    assert "feature=review" in page.url, "the view stays"
    assert Runaway.objects.get(reason="loop").state == "expected"
    row.get_by_role("button", name="Open again").click()
    page.wait_for_selector("#runaways .runaway-open")
    assert heard == []
