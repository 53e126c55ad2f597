"""Queries in a real browser: from the list to one query and on, wide and narrow, light and dark, nothing serious for axe."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.allocation.value.agent_traces import query_of, trace_id, world
from tests.browser.crawl import AXE
from tests.browser.site import SIZES, logged_in, looked_at, people

pytestmark = [pytest.mark.browser]


def fill() -> None:
    people("ann")
    with TemporaryDirectory() as folder:
        world(Path(folder))


def test_a_reader_comes_from_tiers_to_one_query_and_sees_how_it_was_made(
    browser: Browser, site: str, tmp_path: Path
) -> None:
    heard: list[str] = []
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for size in SIZES:
        page = logged_in(browser, site, "ann", size, heard, "tiers/?month=2026-09")
        page.locator("th", has_text="Research").get_by_role("link", name="queries").click()
        page.wait_for_url("**/queries/?**tier=research**")
        page.locator("tbody a").first.click()
        page.wait_for_url(f"**/queries/{query_of('long')}/**")
        expect(page.locator(".query-steps > li")).to_have_count(7)
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            looked_at(page, f"{site}/queries/{query_of('long')}/?day=2026-09-12", f"query-{size}-{scheme}", tmp_path)
            serious(page)
            looked_at(page, f"{site}/queries/?day=2026-09-03", f"queries-{size}-{scheme}", tmp_path)
            serious(page)
    page.fill("input[name=trace]", trace_id("round"))
    page.press("input[name=trace]", "Enter")
    page.wait_for_url(f"**/queries/{query_of('round')}/**")
    looked_at(page, f"{site}/queries/?day=2026-09-03&bin=-20..4000", "queries-none", tmp_path)
    assert "Take the filters out" in page.content()
    assert heard == []


def serious(page: Page) -> None:
    """axe-core finds nothing serious on the page that is open."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    wrong = [(each["id"], each["nodes"][0]["html"][:150]) for each in found["violations"]
             if each["impact"] in ("serious", "critical")]  # fmt: skip
    assert wrong == []
