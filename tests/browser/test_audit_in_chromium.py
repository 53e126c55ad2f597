"""The page Audit in a real browser, wide and narrow: no sideways scroll, no script error, details open, filters hold."""

import os

import pytest
from playwright.sync_api import Browser, expect

from finops import audit
from tests.browser.site import SIZES, logged_in, people

pytestmark = [pytest.mark.browser]
DIGEST = "5f0e1a7c" * 8


def fill() -> None:
    """What a close leaves behind."""
    people("ann", role="auditor")
    one, two = "7b1d0c3e9f2a4d5c", "client-2026-10-02-0017"
    for action, actor, subject, details in (
        ("rules.load", "ann.archer", "v7", {"sha256": DIGEST, "rules": 14, "before": f"v6 {DIGEST[::-1]}"}),
        ("adjustment.propose", "bo.berg", "2026-09 EUR", {"approval": 41, "request": two, "adjustment": {
            "reason": "GPU pool billed to search by mistake", "parts": [{"cost_centre": "CC-SEARCH", "amount": "-812.40"},
            {"cost_centre": "CC-LABS", "amount": "812.40"}]}}),
        ("adjustment.approve", "cleo.cruz", "2026-09 EUR", {"approval": 41, "prepared_by": "bo.berg", "request": one,
                                                            "reason": "agreed with the labs on 1 October"}),
        ("period.soft_close", "bo.berg", "2026-09", {"before": "preliminary", "after": "soft_closed", "version": 1,
                                                     "manifest": DIGEST, "request": two}),
        ("statement.dispute", "olga.owner", "2026-09 CC-SUPPORT-CHAT-EMEA", {
            "before": "issued", "statement": 17, "dispute_reason": "the batch runs of 14 September are not ours"}),
        ("connection.changed", "root", "openai-production", {"changed": ["begins_on", "every"], "name": "openai-production"}),
        ("period.close", "cleo.cruz", "2026-09", {"before": "soft_closed", "after": "closed", "version": 1, "request": one}),
        ("journal.export", "cleo.cruz", "2026-09 journal 1", {"sha256": DIGEST, "columns": ["Date", "Account", "Debit"]}),
    ):  # fmt: skip
        audit.record(action=action, actor=actor, subject=subject, details=details)


def test_it_is_read_wide_and_narrow(browser: Browser, site: str) -> None:
    for size in SIZES:
        errors: list[str] = []
        page = logged_in(browser, site, "ann", size, errors)
        page.goto(f"{site}/audit/")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/audit_{size}.png")
        page.get_by_text("Details").first.click()
        page.get_by_label("Action").select_option("period")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("tbody tr")).to_have_count(2)
        page.get_by_role("link", name="request").first.click()
        expect(page.locator("tbody tr")).to_have_count(2)  # of this request: the close, and the approval
        assert errors == []
