"""Take the README's pictures from a demo that runs: ``.venv/bin/python tools/screenshots.py URL USER PASSWORD``.

Six pages at 1440x900 into docs/, through the Chromium that the browser tests use (CHROMIUM, or the system's).
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.browser import chromium

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {
    "overview": "/overview/", "tiers": "/tiers/", "explore": "/explore/", "forecast": "/forecast/",
    "watch": "/budgets/watch/", "query": "/queries/",
}  # fmt: skip


def main(url: str, user: str, password: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium.PATH), args=chromium.FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light", reduced_motion="reduce")
        page.goto(f"{url}/login/")
        page.fill("#id_username", user)
        page.fill("#id_password", password)
        page.press("#id_password", "Enter")
        page.wait_for_selector("h1")
        for name, path in PAGES.items():
            page.goto(url + path)
            if name == "query":  # the dearest one of the newest day
                page.click("table tbody th a")
            page.wait_for_load_state("networkidle")
            page.screenshot(path=DOCS / f"{name}.png")
            print(f"docs/{name}.png")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
