"""Every page that a reader can come to by links, once per view: a site as it is walked, not as it is listed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import axe_playwright_python
from django.urls import Resolver404, get_resolver, resolve
from playwright.sync_api import Browser, BrowserContext, Error, Page, Request

from tests.browser.site import SIZES, no_sideways_scroll

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
OF_ONE_VIEW = 2  # pages of the same view that are walked: a run that failed looks unlike one that did not
# Not pages: files, the API and its documents, ways out, and what only a form leads to.
_NO_PAGES = (
    "/api/",
    "/logout",
    "/exports/",
    "/static/",
    "/oidc/",
    "/dash/",
    ".csv",
    ".xlsx",
    ".pdf",
    ".json",
    ".zip",
    ".txt",
)


def views() -> dict[str, str]:
    """View name -> pattern, of all views that may be pages."""
    found: dict[str, str] = {}

    def walk(patterns: Any, before: str = "/") -> None:
        for each in patterns:
            if hasattr(each, "url_patterns"):
                walk(each.url_patterns, before + str(each.pattern))
            elif each.name:
                found[each.name] = before + str(each.pattern)

    walk(get_resolver("web.urls").url_patterns)
    return {name: path for name, path in found.items() if not any(part in path for part in _NO_PAGES)}


class Walk:
    """What one reader finds: pages by view, and what was wrong."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.seen: Counter[str] = Counter()
        self.pages: list[str] = []
        self.wrong: list[str] = []

    def context(self, browser: Browser, state: Any, size: str) -> BrowserContext:
        """A window of the reader who is logged in; requests that leave the site are wrong."""
        context = browser.new_context(viewport=SIZES[size], storage_state=state, reduced_motion="reduce")
        context.on("request", self._leaves)
        return context

    def _leaves(self, request: Request) -> None:
        if urlsplit(request.url).scheme in ("http", "https") and not request.url.startswith(self.site):
            self.wrong.append(f"{request.frame.url}: asked {request.url}")

    def listened(self, page: Page) -> Page:
        """Errors and warnings of its console are wrong; CSP's are among them."""
        page.on(
            "console",
            lambda said: self.wrong.append(f"{page.url}: {said.text}") if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))
        page.on("dialog", lambda dialog: (self.wrong.append(f"{page.url}: dialog"), dialog.dismiss()))
        return page

    def crawl(self, page: Page, first: Sequence[str]) -> Iterator[str]:
        """Follow links from some pages until no view has a page that was not seen often enough; each while it is open."""
        waiting, known = list(first), {urlsplit(path).path for path in first}
        while waiting:
            path = waiting.pop(0)
            name = self._name(path)
            if name is None or self.seen[name] >= OF_ONE_VIEW:
                continue
            self.seen[name] += 1
            self.pages.append(path)
            self.look(page, path)
            for link in self._links(page):
                bare = urlsplit(link).path
                if bare not in known:
                    known.add(bare)
                    waiting.append(link)
            yield path

    def _links(self, page: Page) -> Iterator[str]:
        for address in page.eval_on_selector_all("a[href]", "all => all.map(one => one.getAttribute('href'))"):
            whole = urljoin(page.url, address)
            if address.lower().strip().startswith("javascript:"):
                self.wrong.append(f"{page.url}: a link to {address}")
            if whole.startswith(f"{self.site}/"):
                yield whole.removeprefix(self.site).partition("#")[0]

    def _name(self, path: str) -> str | None:
        if any(part in urlsplit(path).path for part in _NO_PAGES):
            return None
        try:
            return resolve(urlsplit(path).path).view_name
        except Resolver404:
            self.wrong.append(f"{path}: a link to nowhere")
            return None

    def look(self, page: Page, path: str) -> None:
        """Open a page: it answers, settles, and is as wide as its screen."""
        answer = page.goto(self.site + path)
        if answer is None or answer.status != 200:
            self.wrong.append(f"{path}: {answer and answer.status}")
            return
        if page.locator("#react-entry-point").count():  # drawn by callbacks; all else is there when it is loaded
            page.wait_for_load_state("networkidle")
            with suppress(Error):
                page.locator("h1").first.wait_for(timeout=20_000)
        if not page.title() or page.locator("h1").count() != 1:
            self.wrong.append(
                f"{path}: {page.locator('h1').count()} headings of the first level, title {page.title()!r}"
            )
        self.fits(page, path)

    def fits(self, page: Page, path: str) -> None:
        """The page that is open is as wide as its screen."""
        if not no_sideways_scroll(page):
            self.wrong.append(f"{path}: wider than its screen of {page.viewport_size}")

    def accessible(self, page: Page, path: str, **options: Any) -> None:
        """axe-core finds nothing serious on the page that is open; options are those of axe.run."""
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE)
        found = page.evaluate("how => axe.run(document, how)", {"resultTypes": ["violations"], **options})
        for each in found["violations"]:
            if each["impact"] in ("serious", "critical"):
                where = "; ".join(node["html"][:120] for node in each["nodes"][:3])
                self.wrong.append(f"{path}: {each['id']} ({each['impact']}, {len(each['nodes'])} times): {where}")
