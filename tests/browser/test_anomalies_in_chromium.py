"""Anomalies in a real browser: no sideways scroll, no script error, a list that opens, and a word that closes one."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from forecasting.models import Anomaly
from tests.browser.site import SIZES, logged_in, looked_at, people
from tests.web.test_api_anomalies import world

pytestmark = [pytest.mark.browser]


def fill() -> None:
    people("ann")
    world()


def test_the_page_fits_what_is_below_opens_and_one_is_judged(browser: Browser, site: str, tmp_path: Path) -> None:
    heard: list[str] = []
    for size in SIZES:
        page = logged_in(browser, site, "ann", size, heard)
        looked_at(page, f"{site}/budgets/anomalies/", f"anomalies-{size}", tmp_path)
        page.locator("#below > summary").click()
        page.locator("#below tbody a").first.click()
        page.wait_for_selector("#chosen-title")
        page.locator(".anomaly-days > summary").first.click()
        assert page.locator(".anomaly-days[open] tr.inside").count() >= 1
        looked_at(page, page.url, f"anomalies-one-{size}", tmp_path)
    page.goto(f"{site}/budgets/anomalies/")
    form = page.locator(".anomaly-form").first
    form.locator("input[name=note]").fill("a loop")
    form.get_by_role("button", name="Real").click()
    page.wait_for_selector(".said .success")
    assert Anomaly.objects.get(told=True).state == "closed"
    assert page.locator(".anomaly-cards").inner_text().count("of 1 judged") == 1
    page.locator("#closed > summary").click()
    assert "a loop" in page.locator("#closed").inner_text()
    assert heard == []
