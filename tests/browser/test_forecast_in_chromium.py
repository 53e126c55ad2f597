"""Forecast & scenarios in a real browser: pages fit, choices lead to their series, nothing is said on the console."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.site import SIZES, logged_in, looked_at, no_sideways_scroll, people
from tests.web.forecasted import made

pytestmark = [pytest.mark.browser]


def _nothing() -> None:
    people("ann")


def fill() -> None:
    people("ann")
    made()


@pytest.mark.parametrize("size", SIZES)
def test_the_forecast_fits_and_a_choice_draws_its_series(
    browser: Browser, site: str, size: str, tmp_path: Path
) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "ann", size, heard, "forecast/")
    looked_at(page, f"{site}/forecast/", f"forecast-{size}", tmp_path)
    assert page.get_by_role("link", name="Forecast").first.get_attribute("aria-current") == "page"
    expect(page.locator(".fan-chart path.ahead")).to_have_count(1)
    page.locator("summary", has_text="Cost centre").first.click()
    page.get_by_role("link", name="CC-100", exact=True).first.click()
    page.wait_for_url("**cost_centre=CC-100**")
    expect(page.get_by_text("CC-100, by day")).to_have_count(1)
    assert no_sideways_scroll(page)
    looked_at(page, f"{site}/forecast/accuracy/", f"forecast-accuracy-{size}", tmp_path)
    looked_at(page, f"{site}/forecast/commitments/?kind=gpu", f"forecast-commitments-asks-{size}", tmp_path)
    page.fill("#in-price", "6")
    page.fill("#in-on-demand", "10")
    page.get_by_role("button", name="Weigh it").click()
    page.wait_for_url("**on_demand=10**")
    expect(page.locator(".curve-chart path.cost")).to_have_count(1)
    looked_at(page, page.url, f"forecast-commitments-{size}", tmp_path)
    assert heard == []


@pytest.mark.parametrize("site", [_nothing], indirect=True)
@pytest.mark.parametrize("size", SIZES)
def test_the_empty_pages_fit(browser: Browser, site: str, size: str, tmp_path: Path) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "ann", size, heard, "forecast/")
    for name in ("forecast", "forecast/accuracy", "forecast/commitments"):
        looked_at(page, f"{site}/{name}/", f"{name.replace('/', '-')}-empty-{size}", tmp_path)
    assert heard == []
