"""Tiers & agents in a real browser: fits its screen, a choice is a link, a name is no script."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.site import SIZES, logged_in, no_sideways_scroll, people, served
from tests.web.connected import PAYLOAD
from tests.web.ledger import Usage, load
from tests.web.tier_traffic import taken

pytestmark = [pytest.mark.browser]
VIEWS = ("tiers/?month=2026-09", "tiers/?month=2026-09&tier=complex&compare=2026-07", "tiers/?month=2026-07")


@pytest.fixture
def site(django_db_setup: None, django_db_blocker: Any, tmp_path: Path) -> Iterator[str]:
    def fill() -> None:
        people("ann")
        taken(tmp_path, 90)
        load(
            *(Usage("0.9", "CC-100", day=date(2026, month, 4), tier=tier, queries=queries, estimated=True)
              for month in (8, 9) for tier, queries in (("simple", 400), ("complex", 9))),
            Usage(None, "CC-100", model=PAYLOAD, tier="research", tokens=90_000, estimate="2"),
        )  # fmt: skip

    with served(django_db_blocker, fill) as url:
        yield url


def test_every_view_fits_its_screen_and_a_choice_is_a_link(browser: Browser, site: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    for size in SIZES:
        heard: list[str] = []
        page = logged_in(browser, site, "ann", size, heard, "tiers/")
        for number, path in enumerate(VIEWS):
            answer = page.goto(f"{site}/{path}")
            assert answer is not None
            assert answer.status == 200, path
            page.screenshot(path=folder / f"tiers-{number}-{size}.png", full_page=True)
            assert no_sideways_scroll(page), path
        page.goto(f"{site}/{VIEWS[0]}")
        page.click(".explore-bar details:has-text('vs') summary")
        page.click(".explore-bar details:has-text('vs') a:has-text('July 2026')")
        page.wait_for_url("**compare=2026-07**")
        expect(page.locator(".tier-table tbody tr")).to_have_count(4)
        assert heard == []
