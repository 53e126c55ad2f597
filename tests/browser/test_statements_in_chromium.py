"""Statements in a real browser: every screen is wide enough, an owner disputes, and the print is one page with its detail."""

from datetime import timedelta
from io import BytesIO

import pytest
from django.utils import timezone
from playwright.sync_api import Browser
from pypdf import PdfReader

from allocation.close import statements
from allocation.models import BillingPeriod, CostCentre, Grant, Statement
from finops.models import User
from finops.periods import Period
from tests.browser.site import PASSWORD, SIZES, logged_in
from tests.web.connected import PAYLOAD
from tests.web.ledger import Usage, load, realistic_month

pytestmark = [pytest.mark.browser]
SEPTEMBER = Period.month("2026-09")
ADDRESS = "statements/2026-09/CC-300"


def fill() -> None:
    load(*realistic_month(), Usage("3", "CC-300", model=PAYLOAD * 3, team=PAYLOAD))
    CostCentre.objects.filter(code="CC-300").update(name=f"{PAYLOAD} \u202eresearch and development of everything else")
    statements.load_policy([{"cost_centre": "*", "contact": PAYLOAD * 5}], actor="fin-1")
    BillingPeriod.objects.create(month=SEPTEMBER.start, state="soft_closed")
    statements.issue(SEPTEMBER, "fin-1", at=timezone.now() - timedelta(hours=1))
    owner = User.objects.create_user("ann", password=PASSWORD)
    Grant.objects.create(user=owner, role="owner", cost_centre=CostCentre.objects.get(code="CC-300"))


def test_an_owner_reads_prints_and_disputes(browser: Browser, site: str) -> None:
    for size in SIZES:
        heard: list[str] = []
        page = logged_in(browser, site, "ann", size, heard, "approvals/")
        heard.clear()  # the door that logged_in knocks at is not an owner's
        for path in ("statements/", ADDRESS):
            page.goto(f"{site}/{path}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, size)
            assert page.locator("img").count() == 0, path
        assert heard == []
    reader = PdfReader(BytesIO(page.pdf(prefer_css_page_size=True, print_background=True)))
    first, second = (each.extract_text() for each in reader.pages[:2])
    assert "SHA-256" in first, "the sheet is one page"
    assert "Detail" not in first
    assert "Detail" in second
    page.get_by_text("Dispute it").click()
    page.fill("#reason", PAYLOAD)
    page.get_by_role("button", name="Dispute").click()
    page.wait_for_selector(".said .success")
    assert "disputed; finance answers" in page.inner_text("main")
    held = Statement.objects.get(cost_centre__code="CC-300")
    assert (held.state, held.dispute_reason) == ("disputed", PAYLOAD)
    assert heard == []
