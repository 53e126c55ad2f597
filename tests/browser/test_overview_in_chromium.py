"""The Overview as a reader sees it: it draws, it breaks no policy, it calls nobody, and it fits a phone."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from tests.browser import chromium
from tests.browser.site import PASSWORD, SIZES, chrome, listening
from tests.web import sample_ledger

pytestmark = [pytest.mark.browser, pytest.mark.django_db]


@pytest.fixture(scope="module")
def site(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """A live server over a sample ledger that is written once.

    Not pytest-django's ``live_server``: that one flushes all tables, and the audit trail refuses TRUNCATE.
    """
    chromium.require()
    with django_db_blocker.unblock():
        sample_ledger.people(PASSWORD)
        sample_ledger.write(timezone.now().date())
        try:
            with listening() as url:
                yield url
        finally:
            sample_ledger.remove()


@pytest.fixture(scope="module")
def browser(site: str) -> Iterator[Browser]:
    """See tests.browser.site.chrome."""
    with chrome() as started:
        yield started


@dataclass
class Heard:
    """What the page did that it should not."""

    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on(
            "console",
            lambda message: self.console.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on(
            "response",
            lambda answer: self.failed.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
        )


def open_overview(browser: Browser, site: str, user: str, search: str = "", **context: Any) -> tuple[Page, Heard]:
    page = browser.new_context(**{"viewport": SIZES["desk"], **context}).new_page()
    heard = Heard()
    heard.listen(page)
    page.goto(f"{site}/overview/{search}")
    page.fill("#id_username", user)
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_selector(".cards .figure, .empty")
    return page, heard


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_draws_and_breaks_nothing(browser: Browser, site: str, tmp_path: Path, size: str, theme: str) -> None:
    page, heard = open_overview(browser, site, "finance", viewport=SIZES[size], color_scheme=theme)
    page.wait_for_selector(".days .js-plotly-plot .bars path")
    page.wait_for_selector(".shape .js-plotly-plot .bars path")

    page.screenshot(path=folder(tmp_path) / f"overview-{size}-{theme}.png")
    page.screenshot(path=folder(tmp_path) / f"overview-{size}-{theme}-full.png", full_page=True)
    assert heard.console == []
    assert heard.failed == []
    assert {urlsplit(url).netloc for url in heard.requests if not url.startswith("data:")} == {urlsplit(site).netloc}
    assert not [url for url in heard.requests if "plotlyjs" in url], "the full plotly bundle was loaded"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    expect(page.locator(".cards .card")).to_have_count(6)
    page.context.close()


def test_a_filter_is_a_link_that_keeps_its_menu_and_the_way_back(browser: Browser, site: str, tmp_path: Path) -> None:
    page, heard = open_overview(browser, site, "finance")
    every = page.inner_text(".cards .figure >> nth=0")

    page.click(".menu.tier > summary")
    page.screenshot(path=folder(tmp_path) / "menu.png")
    page.click(".menu.tier a:has-text('Research')")
    page.wait_for_selector(".menu.tier.active")

    assert page.url.endswith("/overview/?tier=research")
    assert page.locator(".menu.tier").get_attribute("open") is not None, "a second value is one click away"
    assert page.evaluate("document.activeElement.innerText") == "Research"
    page.screenshot(path=folder(tmp_path) / "filtered.png")
    page.keyboard.press("Escape")
    assert page.locator(".menu.tier").get_attribute("open") is None
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.go_back()
    page.wait_for_selector(".menu.tier:not(.active)")
    assert page.inner_text(".cards .figure >> nth=0") == every
    assert heard.console == []
    page.context.close()


def test_the_month_that_is_chosen_goes_along_in_the_menu(browser: Browser, site: str) -> None:
    page, _ = open_overview(browser, site, "finance")
    roi, month = page.locator(".side nav a[href^='/roi/']"), page.locator(".menu.month")
    expect(roi).to_have_attribute("href", "/roi/")
    for place, search in ((1, "?month="), (0, "")):
        month.locator("summary").click()
        chosen = month.locator("li a").nth(place)
        name, address = chosen.inner_text(), chosen.get_attribute("href")
        chosen.click()
        expect(month.locator("h1")).to_have_text(name)
        expect(roi).to_have_attribute("href", f"/roi/{address if search else ''}")
    page.context.close()


def test_a_chart_has_its_table_one_click_away(browser: Browser, site: str, tmp_path: Path) -> None:
    page, _ = open_overview(browser, site, "finance")

    page.click(".days .behind > summary")
    page.click(".shape .behind > summary")

    assert (
        page.locator(".days .cover tfoot td").last.inner_text() == page.locator(".centres tfoot td").first.inner_text()
    )
    page.hover(".days .cover")
    page.screenshot(path=folder(tmp_path) / "tables.png")
    page.click(".days .behind > summary")
    page.hover(".days .js-plotly-plot .drag", force=True)
    page.screenshot(path=folder(tmp_path) / "hover.png")
    page.context.close()


def test_a_menu_is_a_sheet_on_a_phone(browser: Browser, site: str, tmp_path: Path) -> None:
    page, _ = open_overview(browser, site, "finance", viewport=SIZES["phone"])

    page.click(".menu.cost_centre > summary")

    sheet = page.locator(".menu.cost_centre > ul").bounding_box()
    assert sheet
    assert sheet["y"] + sheet["height"] == SIZES["phone"]["height"]
    assert sheet["width"] == SIZES["phone"]["width"]
    page.screenshot(path=folder(tmp_path) / "sheet.png")
    page.context.close()


def test_who_may_see_nothing_is_told_what_to_do(browser: Browser, site: str, tmp_path: Path) -> None:
    page, _ = open_overview(browser, site, "nobody")

    assert "administrator" in page.inner_text(".empty")
    page.screenshot(path=folder(tmp_path) / "empty.png")
    page.goto(f"{site}/nowhere/")
    page.screenshot(path=folder(tmp_path) / "404.png")
    page.context.clear_cookies()
    page.goto(f"{site}/overview/?month=2020-01")
    page.screenshot(path=folder(tmp_path) / "login.png")
    page.context.close()


def test_the_whole_page_works_from_the_keyboard(browser: Browser, site: str) -> None:
    page, _ = open_overview(browser, site, "finance")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.focus(".menu.month > summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".state:has-text('complete')")
    assert "month=" in page.url
    page.context.close()


def folder(tmp_path: Path) -> Path:
    """Where screenshots go: SCREENSHOTS, else the test's own folder."""
    return Path(os.environ.get("SCREENSHOTS", tmp_path))
