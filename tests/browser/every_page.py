"""A walk over every page in a real browser, wide and narrow, light and dark (issue 8 a)."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tests.browser.crawl import Walk
from tests.browser.site import logged_in

FIRST = ("/overview/",)
READERS = ("demo-finance-1", "demo-admin")
COLOURS: dict[str, Any] = {"runOnly": ["color-contrast"]}  # all that another light can change for axe


def walked(browser: Browser, site: str, passwords: Mapping[str, str], kind: str, first: Sequence[str] = FIRST) -> Walk:
    """What READERS find from some pages on, each page at both widths and in both lights; what is wrong is noted there."""
    walk = Walk(site)
    for who in READERS:
        login = logged_in(browser, site, who, "desk", [], password=passwords[who])
        state, before = login.context.storage_state(), len(walk.pages)
        login.context.close()
        with walk.context(browser, state, "desk") as window:
            page = walk.listened(window.new_page())
            for path in walk.crawl(page, first):
                walk.accessible(page, path)
                _in_the_dark(walk, page, path, f"{kind}-desk", **COLOURS)
        with walk.context(browser, state, "phone") as window:
            page = walk.listened(window.new_page())
            for path in walk.pages[before:]:
                walk.look(page, path)
                _in_the_dark(walk, page, path, f"{kind}-phone")
    return walk


def _in_the_dark(walk: Walk, page: Page, path: str, kind: str, **axe: Any) -> None:
    """The page that is open, in dark: its light changes without a new load, as at nightfall."""
    _keep(page, f"{kind}-light", path)
    page.emulate_media(color_scheme="dark")
    walk.fits(page, path)
    walk.accessible(page, path, **axe)
    _keep(page, f"{kind}-dark", path)
    page.emulate_media(color_scheme="light")


def _keep(page: Page, kind: str, path: str) -> None:
    """Screenshots for who wants to look: SCREENSHOTS=folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        name = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")[:80] or "home"
        page.screenshot(path=Path(folder) / f"{kind}-{name}.png", full_page=True)
