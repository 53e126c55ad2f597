"""A file whose mapping is mended in a preview, and keys that are rotated: a provider's, and one's own token."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from finops.models import AuditEvent
from ingest.models import IngestRun, UsageEvent
from ingest.sync import sync
from tests.browser.site import SIZES, logged_in, no_sideways_scroll, people
from tests.fake_provider import FakeProvider, generate
from tests.fake_provider.pulled import connect, impatient, midnight, only

pytestmark = [pytest.mark.browser]
NEW = "sk-admin-of-the-fake-provider-after-rotation"
# The default mapping knows none of these names; line 4 is bad in any mapping.
FILE = """when;which;into;out;who
08.09.2026 13:00:00;gpt-5;1.200;300;search
08.09.2026 14:00:00;gpt-5;800;20;search
yesterday;gpt-5;10;1;search
08.09.2026 15:00:00;gpt-5;500;50;chat
"""


def fill() -> None:
    people("admin", role="admin")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeProvider]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    only(monkeypatch, "openai", "completions")
    impatient(monkeypatch)
    with FakeProvider(generate(midnight(), seed=7, days=3, series=2, apis=("openai",))) as running:
        yield running


@pytest.mark.parametrize("size", SIZES)
def test_a_file_that_nothing_can_be_read_of_is_mended_in_a_preview(
    browser: Browser, site: str, size: str, tmp_path: Path, settings: Any
) -> None:
    settings.DATA_DIR = tmp_path
    heard: list[str] = []
    page = logged_in(browser, site, "admin", size, heard, "connect/")
    page.get_by_role("link", name="Upload a file").click()
    file = tmp_path / "calls of september.csv"
    file.write_text(FILE)
    page.set_input_files("#id_file", str(file))
    page.get_by_role("button", name="Look at it").click()
    page.wait_for_selector("#columns-title")
    expect(page.locator(".field.bad"), "time, model and input are none of the names that are known").to_have_count(3)
    assert IngestRun.objects.count() == 0
    for field, column in (("time", "when"), ("model", "which"), ("input", "into"), ("output", "out"), ("team", "who")):
        page.select_option(f"#id_{field}", column)
    page.get_by_role("button", name="Preview").click()
    page.wait_for_selector("#preview-title")
    assert "0 of the first 4 records can be read" in page.inner_text("#preview-title"), "times are written otherwise"
    page.select_option("#id_times", "dmy")
    page.select_option("#id_numbers", "1.234,56")
    page.get_by_role("button", name="Preview").click()
    page.wait_for_selector("table.read")
    assert "3 of the first 4 records can be read, 1 cannot" in page.inner_text("#preview-title")
    assert "line 4" in page.inner_text("table.rejects")
    assert "1200" in page.inner_text("table.read")
    assert no_sideways_scroll(page)
    assert UsageEvent.objects.count() == 0
    page.get_by_role("button", name="Import it").click()
    page.wait_for_url("**/runs/*/")
    assert "3 records are stored" in page.inner_text(".said")
    assert "line 4" in page.inner_text("main")
    assert UsageEvent.objects.count() == 3
    assert IngestRun.objects.get().input_name == "calls_of_september.csv"
    assert AuditEvent.objects.get(action="usage.upload").actor == "admin"
    assert not list((tmp_path / "uploads").iterdir()), "nothing of it is kept aside"
    assert [text for text in heard if "422" not in text] == []


def test_the_key_of_a_provider_is_rotated(browser: Browser, site: str, provider: FakeProvider) -> None:
    item = connect(provider, days=4, name="my-openai")
    sync(item)  # what a worker does
    provider.scenario = replace(provider.scenario, key=NEW)
    item.refresh_from_db()
    sync(item)
    heard: list[str] = []
    page = logged_in(browser, site, "admin", "desk", heard, "sources/my-openai/")
    assert "401" in page.inner_text("main")
    page.get_by_text("Replace key").first.click()
    page.fill("#id_secret", NEW)
    page.get_by_role("button", name="Replace key").click()
    page.wait_for_selector(".said .success")
    assert NEW not in page.content()
    item.refresh_from_db()
    sync(item)
    page.reload()
    page.wait_for_selector(".dot.ok")
    assert heard == []


def test_one_s_own_token_is_rotated(browser: Browser, site: str) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "admin", "desk", heard, "account/")
    made = []
    for _ in range(2):
        page.get_by_role("button", name="Make a token").click()
        page.wait_for_selector("#secret-title")
        made.append(page.inner_text("section:has(#secret-title) code >> nth=0"))

    def asked(secret: str) -> int:
        return page.request.get(
            f"{site}/api/v1/costs?month=2026-09", headers={"Authorization": f"Bearer {secret}", "Cookie": ""}
        ).status

    assert [asked(secret) for secret in made] == [200, 200]
    page.goto(f"{site}/account/")
    page.get_by_role("button", name=f"Revoke {made[0][:10]}").click()
    page.wait_for_selector(".said .success")
    assert [asked(secret) for secret in made] == [401, 200]
    assert all(secret not in page.content() for secret in made)
    assert heard == []
