"""Explore in a real browser: fits its screen, runs no name, a choice is a link, a bar leads to where its effect lies."""

from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.site import SIZES, logged_in, looked_at, people
from tests.web.connected import PAYLOAD
from tests.web.ledger import NAMES, Usage, centre, load, realistic_month

pytestmark = [pytest.mark.browser]
VIEWS = (
    "explore/?month=2026-09", "explore/?month=2026-09&by=model,tier&granularity=day",
    "explore/?month=2026-09&by=tier,cost_centre",
    "explore/?month=2026-09&by=feature&effect=price&drill=model", "explore/?month=2026-09&against=budget",
    "explore/?month=2026-09&by=tier&granularity=month&span=12&tier=complex",
)  # fmt: skip


def fill() -> None:
    people("ann")
    for number, name in enumerate(NAMES, 1):
        centre(f"CC-{number}00", name=name)
    more = [
        Usage(
            "2100.5", "CC-500", "ops", date(2026, month, 9), "o5", tier="complex", tokens=tokens,
            price_class="output_reasoning",
        )
        for month, tokens in ((8, 900_000), (9, 2_000_000))
    ]  # fmt: skip
    load(*realistic_month(), *more, Usage("812", "CC-300", feature=PAYLOAD * 3, model=PAYLOAD * 2))


@pytest.mark.parametrize("size", SIZES)
def test_every_view_fits_its_screen_and_runs_no_name(browser: Browser, site: str, size: str, tmp_path: Path) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "ann", size, heard, "explore/")
    for number, path in enumerate(VIEWS):
        looked_at(page, f"{site}/{path}", f"explore-{number}-{size}", tmp_path)
    assert heard == []


def test_a_bar_leads_to_where_its_effect_lies(browser: Browser, site: str) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "ann", "desk", heard, "explore/?month=2026-09")
    page.click(".fall-change:has-text('Queries') .fall-cell a")
    page.wait_for_url("**effect=volume**")
    assert "Queries by tier" in page.inner_text("#drill h3")
    page.click("#drill .switch a:has-text('Model')")
    page.wait_for_url("**drill=model**")
    assert "Queries by model" in page.inner_text("#drill h3")
    assert "effect=volume" in page.url, "the view is its address"
    page.click(".explore-bar details:has-text('By') summary >> nth=0")
    assert heard == []
