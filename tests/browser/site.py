"""A site that a browser test fills, serves and empties, and the way in."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Browser, Page, ViewportSize
from pytest_django.live_server_helper import LiveServer

from allocation.models import Grant
from finops.models import User
from tests.browser import chromium
from tests.conftest import empty_ledger

SIZES: dict[str, ViewportSize] = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
PASSWORD = "correct horse battery"


@contextmanager
def served(blocker: Any, fill: Callable[[], object]) -> Iterator[str]:
    """The address of a live server over what ``fill`` writes; all of it is gone afterwards.

    Not pytest-django's ``live_server``: that one flushes all tables, and the audit trail refuses TRUNCATE.
    """
    chromium.require()
    with blocker.unblock():
        try:
            fill()
            with listening() as url:
                yield url
        finally:
            empty_ledger()


@contextmanager
def listening() -> Iterator[str]:
    """The address of a live server over what is in the database."""
    server = LiveServer("127.0.0.1")
    try:
        yield server.url
    finally:
        server.stop()
        end_sessions()


@contextmanager
def chrome() -> Iterator[Browser]:
    """A browser, begun after the site is filled and closed before it is emptied: playwright's loop makes Django wary of the ORM.

    Django keeps another connection for that loop: it may have been ended by a test before, and ends with this one.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with chromium.browser() as started:
            connection.close()
            yield started
            connection.close()


def end_sessions() -> None:
    """The server's threads outlive it by a moment, and their sessions would keep the test database from being dropped."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
            "and pid <> pg_backend_pid()"
        )


def people(*names: str, role: str = Grant.Role.FINANCE) -> None:
    """Make users with PASSWORD and one role."""
    for name in names:
        Grant.objects.create(user=User.objects.create_user(name, password=PASSWORD), role=role)


def logged_in(
    browser: Browser, site: str, who: str, size: str, heard: list[str], path: str = "login/", password: str = PASSWORD
) -> Page:
    """A page of its own at ``path``, which asked for the password; ``heard`` gets what a page should not say."""
    page = browser.new_context(viewport=SIZES[size]).new_page()
    page.on("console", lambda said: heard.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: heard.append(f"dialog {dialog.message}"))
    page.goto(f"{site}/{path}")
    page.fill("#id_username", who)
    page.fill("#id_password", password)
    page.press("#id_password", "Enter")
    page.wait_for_selector("h1")
    return page


def looked_at(page: Page, address: str, name: str, folder: Path) -> None:
    """Open a page, which answers 200, is as wide as its screen and made no picture of a name; keeps a screenshot."""
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == 200, address
    page.screenshot(path=Path(os.environ.get("SCREENSHOTS", folder)) / f"{name}.png", full_page=True)
    assert no_sideways_scroll(page), address
    assert page.locator("img").count() == 0, address


def no_sideways_scroll(page: Page) -> bool:
    """Whether all of the page is as wide as its screen."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
