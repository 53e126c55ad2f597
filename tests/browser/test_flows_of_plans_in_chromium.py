"""Two scenarios that are built and compared, and a budget that two people set and that breaches."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from forecasting import watch
from forecasting.models import Alert, BudgetVersion
from tests.browser.site import logged_in, people
from tests.forecasting.test_scenarios import own_hardware, world
from tests.forecasting.watched import call, owned, taken

pytestmark = [pytest.mark.browser]


def planned() -> None:
    people("ann", role="analyst")
    own_hardware()
    world()


def spent() -> None:
    """Four dear calls of CC-100 in the hour that runs, which no burn rate counts before it is over."""
    people("ann", "bo")
    hour = timezone.now().replace(minute=0, second=0)
    with TemporaryDirectory() as folder:
        owned()
        taken(Path(folder), [call(hour.replace(microsecond=n), "60", number=n) for n in range(1, 5)])


fill = planned  # every test names its own


def built(page: Page, site: str, name: str, growth: tuple[str, str, str]) -> None:
    """A scenario over the base with a growth of its own, run."""
    page.goto(f"{site}/forecast/scenarios/")
    page.fill("#new-name", name)
    page.locator("#new").get_by_role("button", name="Save").click()
    page.wait_for_url(f"**/forecast/scenarios/{name}/**")
    for part, value in zip(("low", "base", "high"), growth, strict=True):
        page.get_by_label(f"query_growth {part}", exact=True).fill(value)
    page.get_by_label("query_growth source", exact=True).fill(f"the plan of {name}")
    page.get_by_role("button", name="Save and run").click()
    page.wait_for_selector(".said .success")


@pytest.mark.parametrize("site", [planned], indirect=True)
def test_two_scenarios_are_built_and_compared(browser: Browser, site: str) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "ann", "desk", heard, "forecast/scenarios/")
    built(page, site, "careful", ("0.9", "1.0", "1.1"))
    built(page, site, "bold", ("3", "4", "5"))
    page.goto(f"{site}/forecast/scenarios/")
    for name in ("careful", "bold"):
        page.locator(f'input[name="scenario"][value="{name}"]').check()
    page.get_by_role("button", name="Compare those ticked").click()
    page.wait_for_url("**scenario=**")
    told = page.inner_text(".sentence")
    assert "less than bold" in told, told
    assert heard == []


@pytest.mark.parametrize("site", [spent], indirect=True)
def test_a_budget_is_set_by_two_and_its_breach_is_told(browser: Browser, site: str) -> None:
    heard: list[str] = []
    ann = logged_in(browser, site, "ann", "desk", heard, "budgets/")
    ann.fill("#id_fiscal_year", f"{(timezone.now() - timedelta(minutes=5)).year}")
    ann.fill("#id_cost_centre", "CC-100")
    ann.fill("#id_annual", "120")
    ann.get_by_role("button", name="Ask for it to be in force").click()
    ann.wait_for_selector(".said .success")
    bo = logged_in(browser, site, "bo", "desk", heard, "approvals/")
    bo.get_by_role("button", name="Accept").click()
    bo.wait_for_selector(".said .success")
    assert BudgetVersion.objects.count() == 1
    watch.run(timezone.now())  # what beat does
    ann.goto(f"{site}/budgets/watch/")
    row = ann.locator("tbody tr", has_text="CC-100").first
    assert "$240.00" in row.inner_text(), row.inner_text()  # 4 calls of 60 against 10 a month
    ann.goto(f"{site}/budgets/alerts/")
    expect(ann.locator("article.alert", has_text="CC-100"), ann.inner_text("main")).to_have_count(1)
    assert Alert.objects.filter(kind="budget", cost_centre__code="CC-100").exists()
    assert heard == []
