"""The page Journal in a real browser, wide and narrow: no sideways scroll, no script error, posted by a second person."""

import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser

from allocation import rulebook
from allocation.attribution import cost_centres
from allocation.close import gl, journal
from allocation.models import BillingPeriod
from tests.allocation.close.books import NOVEMBER, OCTOBER, SEPTEMBER, freeze, invoice, prepare, use
from tests.allocation.stated import KINDS
from tests.browser.site import SIZES, logged_in, people, served

pytestmark = [pytest.mark.browser]
RULES = """
- {id: r1, priority: 1, when: {project: search}, to: {cost_centre: CC-SEARCH}}
- {id: r2, priority: 2, when: {project: chat}, to: {cost_centre: CC-SUPPORT-CHAT-EMEA}}
"""


@pytest.fixture
def site(django_db_setup: None, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    with served(django_db_blocker, _closed) as url:
        yield url


def _closed() -> None:
    """Three months; in November the invoice of September's account of search comes."""
    people("ann", "bo")
    rulebook.load(yaml.safe_load(RULES), actor="test")
    gl.load({"payers": [{"issuer": "anthropic", "legal_entity": "ACME Inc."}]}, actor="test")
    centre = {"code": "CC-SUPPORT-CHAT-EMEA", "gl_account": "640200", "legal_entity": "ACME GmbH"}
    cost_centres.load([centre], actor="test", today=SEPTEMBER.start)
    for period in (SEPTEMBER, OCTOBER, NOVEMBER):
        use(period, "search-production", "30412.75", project="search")
        use(period, "support", "4100.20", project="chat")
        use(period, "labs", "812.40")
        if period == NOVEMBER:
            invoice(SEPTEMBER, "search-production", "31933.39")
        prepare(period)
        invoice(period, "support", str(Decimal("4100.20") + period.start.month))
        freeze(period, "closed" if period == NOVEMBER else "soft_closed")
    assert BillingPeriod.objects.count() == 3
    journal.build(NOVEMBER, "ann")


def test_it_is_read_wide_and_narrow_and_posted_by_a_second_person(browser: Browser, site: str) -> None:
    for size in SIZES:
        errors: list[str] = []
        page = logged_in(browser, site, "ann", size, errors)
        page.goto(f"{site}/periods/2026-11/journal/")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size
        assert page.get_by_role("button", name="Post the journal").is_disabled()  # ann built it
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/journal_{size}.png", full_page=True)
        assert errors == []
    errors: list[str] = []
    page = logged_in(browser, site, "bo", "desk", errors)
    page.goto(f"{site}/periods/2026-11/journal/")
    page.get_by_role("button", name="Post the journal").click()
    page.get_by_text("2026-11 journal 1 is posted.").wait_for()
    with page.expect_download() as left:
        page.get_by_role("button", name="Export for the books").click()
    assert left.value.suggested_filename == "journal_2026-11.csv"
    assert errors == []
