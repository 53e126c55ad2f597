"""Every page of the product in a real browser, full and empty, wide and narrow, light and dark (issue 8 a)."""

import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from django.db import connection
from playwright.sync_api import Browser, Page

from allocation.models import CostDaily
from tests.browser import chromium
from tests.browser.crawl import Walk, views
from tests.browser.site import PASSWORD, logged_in, people, served
from tests.web.auth_matrix import MATRIX


class Site(NamedTuple):
    """What is served: address, passwords, and whether there is anything in it."""

    url: str
    passwords: dict[str, str]
    filled: bool


pytestmark = [pytest.mark.slow, pytest.mark.browser]
ELSEWHERE = {"home", "dash"}  # what only leads on, and what is inside the Overview
FIRST = ("/overview/",)
CHOSEN = (  # pages that a choice of the reader leads to: of a month, of two scenarios, of what there is none of in the demo
    "/reconciliation/?month=2026-10", "/forecast/scenarios/compare/?scenario=base&scenario=supply_shock",
    "/data-health/quarantine/",
)  # fmt: skip
READERS = ("demo-finance-1", "demo-admin")
SHOWN = (("desk", "dark"), ("phone", "light"), ("phone", "dark"))


def demo() -> dict[str, str]:
    out = io.StringIO()
    call_command("demo", "--no-serve", "--json", "--today=2026-11-15", stdout=out)
    return {each["name"]: each["password"] for each in json.loads(out.getvalue().splitlines()[-1])["users"]}


def only_people() -> dict[str, str]:
    people("demo-finance-1")
    people("demo-admin", role="admin")
    return dict.fromkeys(READERS, PASSWORD)


@pytest.fixture(scope="module", params=[demo, only_people])
def full(request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any) -> Iterator[Site]:
    passwords: dict[str, str] = {}
    with served(django_db_blocker, lambda: passwords.update(request.param())) as url:
        yield Site(url, passwords, request.param is demo)


@pytest.fixture(scope="module")
def chrome(full: Site) -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with chromium.browser() as started:
            connection.close()
            yield started
            connection.close()


def state_of(browser: Browser, site: Site, who: str) -> Any:
    """The cookies of somebody who has logged in."""
    page = logged_in(browser, site.url, who, "desk", [], password=site.passwords[who])
    state = page.context.storage_state()
    page.context.close()
    return state


def test_every_page_is_whole_in_every_light_and_width_and_accessible(full: Site, chrome: Browser) -> None:
    if full.filled:
        assert CostDaily.objects.count() > 1_000
    walk = Walk(full.url)
    for who in READERS:
        state, before = state_of(chrome, full, who), len(walk.pages)
        with walk.context(chrome, state, "desk", "light") as window:
            walk.crawl(walk.listened(window.new_page()), (*FIRST, *CHOSEN) if full.filled else FIRST)
        for size, scheme in SHOWN:
            with walk.context(chrome, state, size, scheme) as window:
                page = walk.listened(window.new_page())
                for path in walk.pages[before:]:
                    walk.look(page, path)
                    if (size, scheme) != ("phone", "light"):
                        walk.accessible(page, path)
                    keep(page, f"{'full' if full.filled else 'empty'}-{size}-{scheme}", path)
    assert not walk.wrong, "\n".join(sorted(set(walk.wrong)))
    if full.filled:
        pages = {name for name in views() if name in MATRIX.by_name and MATRIX.by_name[name].get}
        assert pages - set(walk.seen) - ELSEWHERE == set(), "no link leads there"


def keep(page: Page, kind: str, path: str) -> None:
    """Screenshots for who wants to look: SCREENSHOTS=folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        name = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")[:80] or "home"
        page.screenshot(path=Path(folder) / f"{kind}-{name}.png", full_page=True)
