"""The browser of the tests that serve a ``site``."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.site import chrome, served


@pytest.fixture
def site(request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The address of a server over what the test's module writes with ``fill``, or what a test names (indirect)."""
    with served(django_db_blocker, getattr(request, "param", request.module.fill)) as url:
        yield url


@pytest.fixture
def browser(site: str) -> Iterator[Browser]:
    """See tests.browser.site.chrome."""
    with chrome() as started:
        yield started
