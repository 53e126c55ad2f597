"""ROI & outcomes in a real browser: no sideways scroll, no script error, and a benefit that its owner attests."""

import os
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from allocation.models import Benefit, Grant
from allocation.value import outcomes, roi_benefits
from finops.models import User
from tests.browser.site import PASSWORD, SIZES, logged_in, no_sideways_scroll, people
from tests.web.connected import PAYLOAD
from tests.web.ledger import Usage, centre, load
from tests.web.test_roi_page import CLAIM, filled

pytestmark = [pytest.mark.browser]


def _nothing() -> None:
    people("ann")


def fill() -> None:
    people("ann", "bo")
    filled()
    load(*(Usage(str(40 - n), f"CC-{n}00", feature=f"feature {n}", day=date(2026, 9, 2)) for n in range(3, 14)))
    load(Usage("33.3", None, feature=PAYLOAD[:150], day=date(2026, 9, 2)))
    roi_benefits.claim(
        CLAIM | {"effect": "hours-" + "of-triage-" * 8, "kind": "capacity", "pnl_line": "", "unit": "hours"}, by="bo"
    )
    owner = User.objects.create_user("owner", password=PASSWORD)
    Grant.objects.create(user=owner, role=Grant.Role.OWNER, cost_centre=centre("CC-100"))
    rows = [
        {"source": "b", "id": f"{n}-{model}", "task": f"q{n}", "at": "2026-09-03T00:00:00Z", "success": n % 3 > hard,
         "model": model, "setting": "benchmark"}
        for n in range(120) for model, hard in (("gemini-2.0-flash-001", 0), ("claude-3-haiku-20240307", 1))
    ]  # fmt: skip
    outcomes.take(rows, by="ann")


@pytest.mark.parametrize("size", SIZES)
def test_the_page_fits_and_a_benefit_is_attested(browser: Browser, site: str, size: str, tmp_path: Path) -> None:
    heard: list[str] = []
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    for who in ("ann", "owner"):
        page = logged_in(browser, site, who, size, heard, "roi/?month=2026-09&by=feature")
        assert no_sideways_scroll(page)
        assert page.locator("img").count() == 0
        page.screenshot(path=folder / f"roi-{who}-{size}.png", full_page=True)
    page.get_by_role("button", name="Attest it").click()
    page.wait_for_selector(".said .success")
    assert Benefit.objects.filter(attested_by="owner").count() == 1
    page.goto(f"{site}/roi/?month=2026-09")
    page.get_by_role("link", name="Team", exact=True).click()
    page.wait_for_url("**by=team")
    assert heard == []


@pytest.mark.parametrize("site", [_nothing], indirect=True)
@pytest.mark.parametrize("size", SIZES)
def test_the_empty_page_fits(browser: Browser, site: str, size: str, tmp_path: Path) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "ann", size, heard, "roi/")
    assert no_sideways_scroll(page)
    page.screenshot(path=Path(os.environ.get("SCREENSHOTS", tmp_path)) / f"roi-empty-{size}.png", full_page=True)
    assert heard == []
