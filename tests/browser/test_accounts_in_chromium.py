"""Log-in, Account and People in a real browser, wide and narrow, light and dark; a person is made, given a role and closed."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from allocation.models import Grant
from finops.models import User
from tests.browser.site import PASSWORD, SIZES, logged_in, no_sideways_scroll, people
from tests.web.ledger import centre
from web import tokens

pytestmark = [pytest.mark.browser]


def fill() -> None:
    people("admin", role="admin")
    people("ann.archer", "bo.berg-with-a-long-name@example.com")
    people("cleo", role="analyst")
    owner = User.objects.create_user("olga", password=PASSWORD)
    for code in ("CC-100", "CC-SUPPORT-CHAT-EMEA"):
        Grant.objects.create(user=owner, role=Grant.Role.OWNER, cost_centre=centre(code, name="Customer support, EMEA"))
    User.objects.create_user("gone", password=PASSWORD, is_active=False)
    for name, scope in (("admin", "read"), ("ann.archer", "write"), ("admin", "ingest")):
        tokens.create(username=name, scope=scope, days=30, actor=name)


def seen(page: Page, name: str, folder: Path) -> None:
    """It fits its screen in both lights; keeps screenshots."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.screenshot(path=Path(os.environ.get("SCREENSHOTS", folder)) / f"{name}-{scheme}.png", full_page=True)
    assert no_sideways_scroll(page), name
    for table in page.locator(".scroll > table").all():
        assert table.evaluate("it => it.scrollWidth <= it.parentElement.clientWidth"), (name, table.inner_text())


@pytest.mark.parametrize("size", SIZES)
def test_the_pages_fit_and_a_wrong_password_is_told(browser: Browser, site: str, size: str, tmp_path: Path) -> None:
    heard: list[str] = []
    page = browser.new_context(viewport=SIZES[size]).new_page()
    page.goto(f"{site}/login/")
    seen(page, f"login-{size}", tmp_path)
    page.fill("#id_username", "admin")
    page.fill("#id_password", "wrong")
    page.press("#id_password", "Enter")
    page.wait_for_selector("[role=alert]")
    seen(page, f"login-wrong-{size}", tmp_path)
    page = logged_in(browser, site, "admin", size, heard, "account/")
    assert page.evaluate("scrollY") == 0, "nothing takes the focus from the top of the page"
    assert re.search(r"Chrome \d+ on Linux", page.inner_text("section:has(#sessions-title)"))
    seen(page, f"account-{size}", tmp_path)
    page.get_by_role("button", name="Make a token").click()
    page.wait_for_selector("#secret-title")
    seen(page, f"account-secret-{size}", tmp_path)
    page.goto(f"{site}/people/")
    seen(page, f"people-{size}", tmp_path)
    page.goto(f"{site}/upload/")
    seen(page, f"upload-{size}", tmp_path)
    assert heard == []


def test_a_person_is_made_given_a_role_and_closed(browser: Browser, site: str) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "admin", "desk", heard, "people/")
    page.fill("#id_name", "nora")
    page.get_by_role("button", name="Make a user").click()
    page.wait_for_selector("#made-title")
    password = page.inner_text("section:has(#made-title) code >> nth=0")
    page.fill("#id_user", "nora")
    page.select_option("#id_role", "finance")
    page.get_by_role("button", name="Give it").click()
    page.wait_for_selector(".said .success")
    nora = logged_in(browser, site, "nora", "desk", heard, "account/", password=password)
    assert "Finance" in nora.inner_text("section:has(#held-title)")
    page.goto(f"{site}/people/")
    page.locator("tr", has_text="nora").get_by_role("button", name="Close").click()
    page.wait_for_selector(".said .success")
    nora.goto(f"{site}/account/")
    expect(nora.locator("#id_password"), "asked for a password again").to_have_count(1)
    assert heard == []
