"""The page Tier policy in a real browser: it fits its screen, without a script error."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from allocation.models import TierDiff, TierPolicy
from allocation.tier_diffs import made
from finops.periods import Period
from tests.browser.site import SIZES, logged_in, no_sideways_scroll, people, served
from tests.web.test_tier_policy_page import bucketed
from tests.web.tier_traffic import taken

pytestmark = [pytest.mark.browser]


@pytest.fixture
def site(django_db_setup: None, django_db_blocker: Any, tmp_path: Path) -> Iterator[str]:
    def fill() -> None:
        people("ann")
        taken(tmp_path, 90)
        bucketed(tmp_path, 20)
        made(
            TierPolicy.objects.get(live=True),
            Period.through(date(2026, 9, 1), date(2026, 9, 4)),
            dry_run=True,
            actor="ann",
        )

    with served(django_db_blocker, fill) as url:
        yield url
    with django_db_blocker.unblock():
        TierDiff.objects.all().delete()


def test_the_page_fits_its_screen(browser: Browser, site: str, tmp_path: Path) -> None:
    folder, heard = Path(os.environ.get("SCREENSHOTS", tmp_path)), list[str]()
    for size in SIZES:
        page = logged_in(browser, site, "ann", size, heard, "tiers/policy/?month=2026-09")
        page.screenshot(path=folder / f"tier-policy-{size}.png", full_page=True)
        assert no_sideways_scroll(page)
        expect(page.locator("#steady-title")).to_have_count(1)
    assert heard == []
