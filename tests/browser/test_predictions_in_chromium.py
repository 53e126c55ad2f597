"""Before the call in a real browser: no sideways scroll, no script error, a question that is asked, and its empty page."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.site import SIZES, logged_in, no_sideways_scroll, people
from tests.web.connected import PAYLOAD
from tests.web.predicted import asked, learnt, queries

pytestmark = [pytest.mark.browser]


def _nothing() -> None:
    people("ann")


def fill() -> None:
    people("ann")
    models = [
        queries(3, model=f"model-{n}-with-a-long-name-2026-09", cost=0.01 * (n + 1), tier="moderate") for n in range(10)
    ]
    hostile = queries(
        3, feature=PAYLOAD[:150], model=PAYLOAD[:100], cost_centre="CC-200", tier="research", effort="high"
    )
    learnt(queries(20), queries(9, model="large", tier="complex"), *models, hostile, queries(3, feature="", cost=None))
    asked(40, 20)


@pytest.mark.parametrize("size", SIZES)
def test_the_page_fits_and_a_question_is_asked(browser: Browser, site: str, size: str, tmp_path: Path) -> None:
    heard: list[str] = []
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    page = logged_in(browser, site, "ann", size, heard, "tiers/predict/")
    assert no_sideways_scroll(page)
    assert page.locator("img").count() == 0
    page.screenshot(path=folder / f"predict-{size}.png", full_page=True)
    page.select_option("#in-feature", index=1)
    page.fill("#in-prompt", "70000")
    page.get_by_role("button", name="Predict").click()
    page.wait_for_url("**prompt_tokens=70000**")
    assert page.get_by_text("prompts seen have 512 to 1023 tokens").count()
    assert no_sideways_scroll(page)
    page.screenshot(path=folder / f"predict-unknown-{size}.png", full_page=True)
    assert heard == []


@pytest.mark.parametrize("site", [_nothing], indirect=True)
@pytest.mark.parametrize("size", SIZES)
def test_the_empty_page_fits(browser: Browser, site: str, size: str, tmp_path: Path) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "ann", size, heard, "tiers/predict/")
    assert no_sideways_scroll(page)
    page.screenshot(path=Path(os.environ.get("SCREENSHOTS", tmp_path)) / f"predict-empty-{size}.png", full_page=True)
    assert heard == []
