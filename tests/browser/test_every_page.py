"""Every page of the product in a real browser where there is nothing yet; of the demo: tests.web.test_demo."""

from typing import Any

import pytest

from tests.browser.every_page import READERS, walked
from tests.browser.site import PASSWORD, chrome, people, served

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def only_people() -> None:
    people("demo-finance-1")
    people("demo-admin", role="admin")


def test_every_page_of_an_empty_site_is_whole_in_every_light_and_width_and_accessible(
    django_db_setup: None, django_db_blocker: Any
) -> None:
    with served(django_db_blocker, only_people) as url, chrome() as browser:
        walk = walked(browser, url, dict.fromkeys(READERS, PASSWORD), "empty")
        assert not walk.wrong, "\n".join(sorted(set(walk.wrong)))
        assert len(walk.pages) > 50
