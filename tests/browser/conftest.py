"""The browser of the tests that serve a ``site``."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.browser.site import served


@pytest.fixture
def site(request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The address of a server over what the test's module writes with ``fill``, or what a test names (indirect)."""
    with served(django_db_blocker, getattr(request, "param", request.module.fill)) as url:
        yield url


@pytest.fixture
def browser(site: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """After the site is filled and closed before it is emptied: playwright's loop makes Django wary of the ORM.

    Django keeps another connection for that loop: it may have been ended by a test before, and ends with this one.
    """
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with chromium.browser() as started:
        connection.close()
        yield started
        connection.close()
