"""Pages about money in a real browser: no sideways scroll, no script error, a decision by a second person, a note kept."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from allocation.models import Reconciliation, ReconciliationLine, TermsVersion
from tests.browser.site import SIZES, logged_in, looked_at, people
from tests.web.connected import PAYLOAD
from web import approving

pytestmark = [pytest.mark.browser]
CONTRACT = {
    "code": PAYLOAD * 3,
    "provider": "openai",
    "discount": "10",
    "valid_from": "2026-01-01",
    "note": PAYLOAD * 9,
}
PATHS = (
    "prices/", "prices/?provider=openai", "prices/model/?provider=openai&model=gpt-5", "prices/answers/", "commitments/",
    "commitments/capacity/", "approvals/", "reconciliation/?month=2026-09", "reconciliation/lines/?month=2026-09",
    "reconciliation/invoices/?month=2026-09",
)  # fmt: skip


def fill() -> None:
    people("ann", "bo")
    approving.propose_agreements("contracts", [CONTRACT], by="ann")
    _reconciled()


def _reconciled() -> None:
    totals = [{"currency": "USD", "computed": "100", "stated": "97", "causes": {"credit": "-5"}, "unexplained": "2",
               "explained": "0.714286", "states": {"variance": 1}}]  # fmt: skip
    run = Reconciliation.objects.create(month=date(2026, 9, 1), number=1, made_by="ann", hash="0" * 64, totals=totals)
    ReconciliationLine.objects.create(
        reconciliation=run, provider=PAYLOAD * 2, billing_account=PAYLOAD * 4, model=PAYLOAD * 3, charge_date=date(2026, 9, 1),
        price_class="input_uncached", charge_category="Usage", currency="USD", state="variance", computed=Decimal(100),
        invoice=Decimal(97), causes={"credit": "-5.000000000000"}, unexplained=Decimal(2),
    )  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_its_screen_and_runs_no_name(browser: Browser, site: str, size: str, tmp_path: Path) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "bo", size, heard, "approvals/")
    for number, path in enumerate(PATHS):
        looked_at(page, f"{site}/{path}", f"money-{number}-{size}", tmp_path)
    assert heard == []


def test_one_prepares_another_accepts(browser: Browser, site: str) -> None:
    heard: list[str] = []
    own = logged_in(browser, site, "ann", "desk", heard, "approvals/")
    assert own.get_by_role("button", name="Accept").is_disabled()
    assert "another person of finance accepts it" in own.inner_text(".asked-form")
    other = logged_in(browser, site, "bo", "phone", heard, "approvals/")
    other.fill("input[name=reason]", "signed")
    other.get_by_role("button", name="Accept").click()
    other.wait_for_selector(".said .success")
    assert "Nothing waits" in other.inner_text("main")
    assert TermsVersion.objects.get(live=True).document[0]["discount"] == "10"
    assert heard == []


@pytest.mark.parametrize("size", SIZES)
def test_a_difference_is_followed_to_its_line_and_noted(browser: Browser, site: str, size: str) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "bo", size, heard, "approvals/")
    page.goto(f"{site}/reconciliation/?month=2026-09")
    page.locator("a:not(.defined)").get_by_text("Unexplained", exact=True).click()  # the labels lead to what it means
    assert "cause=unexplained" in page.url
    page.locator("details.note-edit summary").first.click()
    page.fill("details[open] input[name=owner]", "bo")
    page.fill("details[open] textarea", "asked the provider")
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector(".said .success")
    assert "cause=unexplained" in page.url, "the reader is where they were"
    assert "asked the provider" in page.inner_text("main")
    assert ReconciliationLine.objects.get().owner == "bo"
    assert heard == []
