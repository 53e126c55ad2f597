"""Watch and Alerts in a real browser: no sideways scroll, no script error, a cap that is set and an alert that is answered."""

import os
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from allocation.scope import EVERYTHING
from forecasting import watch, watch_alerts
from forecasting.models import Alert, QueryCap, Silence
from tests.browser.site import SIZES, logged_in, no_sideways_scroll, people
from tests.forecasting.watched import budgeted, call, owned, taken
from tests.web.connected import PAYLOAD
from tests.web.ledger import Usage, centre, load

pytestmark = [pytest.mark.browser]


def fill() -> None:
    people("ann", "bo")
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    with TemporaryDirectory() as folder:
        owned()
        month = f"{now:%Y-%m}"
        codes = ("CC-100", "CC-200", "CC-300")
        centre("CC-300", name=PAYLOAD * 3)
        budgeted(*zip(codes, ("2400", "900", "60"), strict=True), month=month)
        calls = [call(now - timedelta(hours=n), "0.4", number=n) for n in range(30, 24 * 14, 3)]
        calls += [call(now - timedelta(hours=n), "60", "chat", number=n) for n in range(1, 5)]
        taken(Path(folder), calls)
        load(Usage("75", "CC-300", day=now.date()), Usage(None, "CC-300", day=now.date(), feature="x", estimate="4"))
        watch.create_cap(EVERYTHING, by="ann", most="0.1", note=PAYLOAD)
        watch.run(now)
    known = Alert.objects.filter(cost_centre__code="CC-300").first()
    assert known is not None
    watch_alerts.acknowledge(EVERYTHING, known.pk, by="bo", now=now, note=PAYLOAD)
    watch_alerts.silence(
        EVERYTHING, known.subject, ends=timezone.now() + timedelta(hours=5), by="bo", now=timezone.now(), reason=PAYLOAD
    )


@pytest.mark.parametrize("size", SIZES)
def test_the_pages_fit_a_cap_is_set_and_an_alert_is_answered(
    browser: Browser, site: str, size: str, tmp_path: Path
) -> None:
    heard: list[str] = []
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    page = logged_in(browser, site, "ann", size, heard, "budgets/watch/")
    for name in ("watch", "alerts"):
        page.goto(f"{site}/budgets/{name}/")
        assert no_sideways_scroll(page), name
        assert page.locator("img").count() == 0, name
        page.screenshot(path=folder / f"{name}-{size}.png", full_page=True)
    page.goto(f"{site}/budgets/watch/?verdict=stop")
    expect(page.locator(".watch-table tbody tr")).to_have_count(1)
    page.get_by_text("Set a cap").click()
    page.fill("input[name=most]", "0.3")
    page.get_by_role("button", name="Set", exact=True).click()
    page.wait_for_selector(".said .success")
    assert QueryCap.objects.filter(ended_at=None).count() == 2
    page.goto(f"{site}/budgets/alerts/?severity=page")
    one = page.locator("article.alert").first
    one.locator("input[name=note]").fill("stopped it")
    one.get_by_role("button", name="I have it").click()
    page.wait_for_selector(".said .success")
    assert "severity=page" in page.url, "the view stays"
    assert Alert.objects.filter(acknowledged_by="ann", acknowledged_note="stopped it").count() == 1
    page.locator("article.alert").first.get_by_text("Silence", exact=True).click()
    assert no_sideways_scroll(page)
    page.locator("article.alert").first.locator("input[name=reason]").fill("a test")
    page.get_by_role("button", name="Silence it").first.click()
    page.wait_for_selector(".said .success")
    assert Silence.objects.filter(created_by="ann").count() == 1
    assert heard == []
