"""Connecting a source as a person does: a wrong key is told, the right one pulls, and nothing shows it again."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from ingest.models import Connection, IngestRun, UsageEvent
from ingest.sync import sync
from tests.browser.site import SIZES, logged_in, no_sideways_scroll, people
from tests.fake_provider import FakeProvider, generate
from tests.fake_provider.pulled import impatient, midnight, only
from tests.web.connected import PAYLOAD

pytestmark = [pytest.mark.browser]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeProvider]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    only(monkeypatch, "openai", "completions")
    impatient(monkeypatch)
    with FakeProvider(generate(midnight(), seed=7, days=3, series=2, apis=("openai",))) as running:
        yield running


def fill() -> None:
    people("admin", role="admin")


@pytest.mark.parametrize("size", SIZES)
def test_connect_openai_with_a_wrong_and_with_the_right_key(
    browser: Browser, site: str, provider: FakeProvider, size: str, tmp_path: Path
) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "admin", size, heard, "sources/")
    page.get_by_role("link", name="Connect a source").first.click()
    page.get_by_role("link", name="OpenAI", exact=True).click()
    assert page.locator("#id_secret").get_attribute("type") == "password"

    def fill(key: str) -> None:
        page.fill("#id_secret", key)
        page.locator("details.more").evaluate("more => more.open = true")
        page.fill("#id_base_url", f"{provider.url}/v1")
        page.fill("#id_begins_on", (midnight() - timedelta(days=4)).date().isoformat())
        page.get_by_role("button", name="Try and save").click()

    page.fill("#id_name", "my-openai")
    fill("sk-admin-this-is-not-the-key-0000")
    page.wait_for_selector("[role=alert]")
    told = page.inner_text("[role=alert]")
    assert "It was not saved" in told
    assert "401" in told
    assert page.input_value("#id_secret") == ""
    assert page.input_value("#id_name") == "my-openai"
    assert "not-the-key" not in page.content()
    assert Connection.objects.count() == 0
    assert provider.requests, "it was asked"
    heard.clear()  # the browser calls an answer of 422 an error

    fill(provider.scenario.key)
    page.wait_for_url(f"{site}/sources/my-openai/")
    assert "is connected" in page.inner_text(".said")
    assert provider.scenario.key not in page.content()
    assert page.locator("h1").inner_text() == "my-openai"

    item = Connection.objects.get()
    assert item.next_due_at is None, "due: what a worker would do now"
    sync(item)
    page.reload()
    page.wait_for_selector(".dot.ok")
    assert page.locator(".strip .complete").count() > 0
    assert UsageEvent.objects.count() > 0
    run = IngestRun.objects.order_by("-id").first()
    assert run is not None
    page.locator(f'a[href="/runs/{run.pk}/"]').first.click()
    assert page.locator("h1").inner_text() == f"Run {run.pk}"

    page.goto(f"{site}/sources/my-openai/")
    page.get_by_role("button", name="Sync now").click()
    assert "due now" in page.inner_text(".said")
    page.get_by_role("button", name="Disable").click()
    page.wait_for_selector(".dot.disabled")
    assert no_sideways_scroll(page)
    page.screenshot(path=folder(tmp_path) / f"source-{size}.png", full_page=True)
    assert heard == []


@pytest.mark.parametrize("size", SIZES)
def test_no_name_runs_and_no_page_scrolls_sideways(browser: Browser, site: str, size: str, tmp_path: Path) -> None:
    from tests.web.connected import connected, ran

    item = connected("conn", account=PAYLOAD * 5, last_error=PAYLOAD * 9, failures=2, options={PAYLOAD: PAYLOAD})
    run = ran(item, state="failed", reason=PAYLOAD * 9, input_name=PAYLOAD, notes={"unknown_fields": {PAYLOAD * 5: 3}})
    run.quarantine.create(reason="bad_number", place=PAYLOAD * 5, detail=PAYLOAD * 7, sha256=b"x" * 32)
    ran(None, kind="generic", account=PAYLOAD * 5)
    heard: list[str] = []
    page = logged_in(browser, site, "admin", size, heard, "sources/")
    for path in ("sources/", "sources/conn/", "connect/", "connect/prometheus/", "data-health/",
                 "data-health/quarantine/", "runs/", f"runs/{run.pk}/"):  # fmt: skip
        page.goto(f"{site}/{path}")
        assert no_sideways_scroll(page), path
        assert page.locator("img").count() == 0, path
        page.screenshot(path=folder(tmp_path) / f"{path.strip('/').replace('/', '-')}-{size}.png", full_page=True)
    assert heard == []


def test_a_phone_shows_whose_and_how_fresh_each_source_is_and_cuts_no_table(
    browser: Browser, site: str, tmp_path: Path
) -> None:
    from tests.web.connected import connected, cover, midnight, ran

    item = connected("production", account="org-acme-international", days=20, last_ok_at=midnight(0))
    cover(item, ["usage.completions"], (midnight(20), midnight(9)), (midnight(8), midnight(0)))
    reason = "api.openai.com answered 500 to /v1/organization/usage/completions, five times in a row"
    ran(
        item,
        state="failed",
        reason=reason,
        stream="usage.completions",
        window_start=midnight(9),
        window_end=midnight(8),
    )
    ran(None, kind="cloudflare_ai_gateway", account="gateway-of-the-search-team", stored=1_234_567)
    ran(None, kind="generic", account="spreadsheet", state="failed", reason="broke off")
    heard: list[str] = []
    page = logged_in(browser, site, "admin", "phone", heard, "sources/")
    for path in ("sources/", "sources/production/", "imported/?kind=generic&account=spreadsheet", "data-health/"):
        page.goto(f"{site}/{path}")
        assert no_sideways_scroll(page), path
        name = path.partition("?")[0].strip("/").replace("/", "-")
        page.screenshot(path=folder(tmp_path) / f"{name}-390.png", full_page=True)
        for table in page.locator(".panel:not(.calendar) > .scroll > table").all():  # 60 days scroll in their card
            assert table.evaluate("it => it.scrollWidth <= it.parentElement.clientWidth"), (path, table.inner_text())
    page.goto(f"{site}/sources/")
    row = page.locator("tbody", has=page.get_by_role("link", name="production")).first
    assert "account org-acme-international" in row.inner_text()
    assert "last delivered" in row.inner_text()
    assert heard == []


def folder(tmp_path: Path) -> Path:
    """Where screenshots go: SCREENSHOTS, else the test's own folder."""
    return Path(os.environ.get("SCREENSHOTS", tmp_path))
