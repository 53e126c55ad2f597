"""Pages about money in a real browser: no sideways scroll, no script error, a decision by a second person, a note kept."""

import os
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from allocation.models import Grant, Reconciliation, ReconciliationLine, TermsVersion
from finops.models import User
from tests.browser import chromium
from tests.conftest import empty_ledger
from tests.web.connected import PAYLOAD
from web import approving

pytestmark = [pytest.mark.browser]
SIZES = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
PASSWORD = "correct horse battery"
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


@pytest.fixture
def site(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    chromium.require()
    with django_db_blocker.unblock():
        for name in ("ann", "bo"):
            Grant.objects.create(user=User.objects.create_user(name, password=PASSWORD), role=Grant.Role.FINANCE)
        approving.propose_agreements("contracts", [CONTRACT], by="ann")
        _reconciled()
        server = LiveServer("127.0.0.1")
        try:
            yield server.url
        finally:
            server.stop()
            with connection.cursor() as cursor:
                cursor.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
                    "and pid <> pg_backend_pid()"
                )
            empty_ledger()


def _reconciled() -> None:
    totals = [{"currency": "USD", "computed": "100", "stated": "97", "causes": {"credit": "-5"}, "unexplained": "2",
               "explained": "0.714286", "states": {"variance": 1}}]  # fmt: skip
    run = Reconciliation.objects.create(month=date(2026, 9, 1), number=1, made_by="ann", hash="0" * 64, totals=totals)
    ReconciliationLine.objects.create(
        reconciliation=run, provider=PAYLOAD * 2, billing_account=PAYLOAD * 4, model=PAYLOAD * 3, charge_date=date(2026, 9, 1),
        price_class="input_uncached", charge_category="Usage", currency="USD", state="variance", computed=Decimal(100),
        invoice=Decimal(97), causes={"credit": "-5.000000000000"}, unexplained=Decimal(2),
    )  # fmt: skip


@pytest.fixture
def browser(site: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with chromium.browser() as started:
        connection.close()
        yield started
        connection.close()


def logged_in(browser: Browser, site: str, who: str, size: str, heard: list[str]) -> Page:
    page = browser.new_context(viewport=SIZES[size]).new_page()
    page.on("console", lambda said: heard.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: heard.append(f"dialog {dialog.message}"))
    page.goto(f"{site}/approvals/")
    page.fill("#id_username", who)
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_selector("h1")
    return page


@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_its_screen_and_runs_no_name(browser: Browser, site: str, size: str, tmp_path: Path) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "bo", size, heard)
    for number, path in enumerate(PATHS):
        answer = page.goto(f"{site}/{path}")
        assert answer is not None
        assert answer.status == 200, path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.locator("img").count() == 0, path
        folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
        page.screenshot(path=folder / f"money-{number}-{size}.png", full_page=True)
    assert heard == []


def test_one_prepares_another_accepts(browser: Browser, site: str) -> None:
    heard: list[str] = []
    own = logged_in(browser, site, "ann", "desk", heard)
    assert own.get_by_role("button", name="Accept").is_disabled()
    assert "another person of finance accepts it" in own.inner_text(".asked-form")
    other = logged_in(browser, site, "bo", "phone", heard)
    other.fill("input[name=reason]", "signed")
    other.get_by_role("button", name="Accept").click()
    other.wait_for_selector(".said .success")
    assert "Nothing waits" in other.inner_text("main")
    assert TermsVersion.objects.get(live=True).document[0]["discount"] == "10"
    assert heard == []


@pytest.mark.parametrize("size", SIZES)
def test_a_difference_is_followed_to_its_line_and_noted(browser: Browser, site: str, size: str) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "bo", size, heard)
    page.goto(f"{site}/reconciliation/?month=2026-09")
    page.get_by_role("link", name="Unexplained", exact=True).click()
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
