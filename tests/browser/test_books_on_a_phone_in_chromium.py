"""Statements, Budgets and Audit on a phone: the figure that counts is on the screen, and so is every place in the bar below."""

import os
from datetime import date, timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page

from allocation.close import statements
from allocation.models import BillingPeriod
from finops import audit
from finops.periods import Period
from forecasting import budgets
from forecasting.calc.budget_entries import Row
from tests.browser.site import logged_in, no_sideways_scroll, people
from tests.web.ledger import NAMES, Usage, centre, load, realistic_month
from web import approving

pytestmark = [pytest.mark.browser]
SEPTEMBER = Period.month("2026-09")
# page: what of each row has to be on the screen
SHOWN = {
    "statements/?month=2026-09": ("tbody .lead", "tbody .standing", "tfoot .lead"),
    "budgets/?month=2026-09": ("tbody .lead", "tbody [data-is=Budget]", "tbody [data-is=Actual]"),
    "audit/": ("tbody .lead", "tbody .audit-was", "tbody [data-is='Why:']"),
}


def fill() -> None:
    people("ann", "bo")
    for number, name in enumerate(NAMES, start=1):
        centre(f"CC-{number}00", name=name)
    load(*realistic_month(), Usage("3", "CC-300", day=date(2026, 9, 4)))
    rows = [Row(2, {"cost_centre": "CC-100", "month": "2026-09", "amount": "123456.78"})]
    version = budgets.propose(budgets.Asked(2026), ["cost_centre", "month", "amount"], rows, by="ann")
    assert version.approval is not None
    approving.decide(version.approval, by="bo", accept=True)
    BillingPeriod.objects.create(month=SEPTEMBER.start, state="soft_closed")
    statements.issue(SEPTEMBER, "ann", at=timezone.now() - timedelta(hours=1))
    for action, details in (
        ("statement.dispute", {"before": "issued", "after": "disputed", "dispute_reason": "the batch runs are not ours"}),
        ("rules.load", {"before": f"v6 {'5f0e1a7c' * 8}", "after": f"v7 {'7c5f0e1a' * 8}", "reason": "the labs moved"}),
    ):  # fmt: skip
        audit.record(
            action=action, actor="cleo.cruz-with-a-long-name", subject="2026-09 CC-SUPPORT-CHAT-EMEA", details=details
        )


def _off_screen(page: Page, what: str) -> list[str]:
    """Texts of the elements that lie beside the screen."""
    found: list[str] = page.eval_on_selector_all(
        what,
        "all => all.filter(one => {const box = one.getBoundingClientRect(); const wide = document.documentElement.clientWidth;"
        " return box.width === 0 || box.left < 0 || box.right > wide + 0.5}).map(one => one.innerText || one.outerHTML)",
    )
    return found


def test_the_first_screen_has_the_amount_the_variance_and_who(browser: Browser, site: str) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "ann", "phone", heard)
    for path, shown in SHOWN.items():
        page.goto(f"{site}/{path}")
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/phone_{path.split('/')[0]}.png")
        assert no_sideways_scroll(page), path
        assert page.eval_on_selector_all(".scroll", "all => all.every(one => one.scrollWidth <= one.clientWidth)"), path
        for what in shown:
            assert page.locator(what).count() > 0, (path, what)
            assert _off_screen(page, what) == [], (path, what)
        first = page.locator(shown[0]).first.bounding_box()
        bar = page.locator(".side").bounding_box()
        assert first is not None
        assert bar is not None
        assert first["y"] + first["height"] <= bar["y"], f"{path}: the first row is on the first screen"
        assert _off_screen(page, ".side nav a, .side button") == [], path
    assert heard == []
